"""flow-engine whose turns take 300 ms longer where the customer asks for it: `python -m bench.slow_engine`.

As behind a slow service that each turn asks for itself: it is latency, not a queue, so a slow turn holds up nobody else's.
Such a turn is acknowledged before it is answered; it is lost when the process dies, which the bench does not have it do.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from flow_engine import main
from flow_engine.handlers import TurnHandler
from flow_engine.ports import Asked, Read

SECONDS: Final = 0.3
MARK: Final = "Take your time."
"""A message with these words has a slow turn."""


class SlowHandler(TurnHandler):
    _under_way: set[asyncio.Task[None]]

    async def take(self, read: Sequence[Read]) -> None:
        slow = [each for each in read if _is_slow(each)]
        if slow:
            self._later(slow)
        if len(slow) < len(read):
            await super().take([each for each in read if not _is_slow(each)])

    def _later(self, read: Sequence[Read]) -> None:
        if not hasattr(self, "_under_way"):
            self._under_way = set()
        task = asyncio.create_task(self._slowly(read))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _slowly(self, read: Sequence[Read]) -> None:
        await asyncio.sleep(SECONDS)
        await super().take(read)


def _is_slow(read: Read) -> bool:
    said = read.turn.input.message if isinstance(read, Asked) else None
    return said is not None and MARK in said.text


if __name__ == "__main__":
    vars(main)["TurnHandler"] = SlowHandler  # the wiring takes it from its own namespace
    main.start()

"""The published flow versions, by reference. Few are in use at a time: those are kept ready, the others packed."""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from schemas.base import BaseEvent
from schemas.bots import FlowPublished
from schemas.flows import Flow

FORGET_MISSING: Final = 30.0  # seconds for which a version that did not come is not waited for again
MAX_MISSING: Final = 1000

Clock = Callable[[], float]


class Flows:
    """Fed by the topic `flows`; asked by turns."""

    def __init__(self, *, in_memory: int, clock: Clock) -> None:
        self._in_memory = in_memory
        self._clock = clock
        self._packed: dict[str, bytes] = {}
        self._ready: OrderedDict[str, Flow] = OrderedDict()
        self._missing: dict[str, float] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._packed)

    def apply(self, ref: str, event: BaseEvent | None) -> None:
        """A record of the topic: a version, or None when it was withdrawn."""
        self._ready.pop(ref, None)
        self._missing.pop(ref, None)
        if isinstance(event, FlowPublished):
            self._packed[ref] = zlib.compress(event.document.model_dump_json().encode())
        else:
            self._packed.pop(ref, None)
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, ref: str) -> Flow | None:
        """The version `ref`, None when it is not known."""
        flow = self._ready.get(ref)
        if flow is not None:
            self._ready.move_to_end(ref)
            return flow
        packed = self._packed.get(ref)
        if packed is None:
            return None
        flow = self._ready[ref] = Flow.model_validate_json(zlib.decompress(packed))
        if len(self._ready) > self._in_memory:
            self._ready.popitem(last=False)
        return flow

    async def wait(self, ref: str, seconds: float) -> Flow | None:
        """As `get`, but waits for a version that is on its way. One that did not come is not waited for again at once."""
        flow = self.get(ref)
        if flow is not None or self._missing.get(ref, 0.0) > self._clock():
            return flow
        try:
            async with asyncio.timeout(seconds):
                while (flow := self.get(ref)) is None:
                    await self._changed.wait()
        except TimeoutError:
            if len(self._missing) >= MAX_MISSING:
                self._missing.clear()
            self._missing[ref] = self._clock() + FORGET_MISSING
        return flow

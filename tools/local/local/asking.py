"""How a person or the system asks the stack to stop."""

import asyncio
import os
import signal
from collections.abc import Callable

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO = 1.0  # seconds: a closing terminal, or make beside its group, sends the same wish twice
LOOK = 0.5  # seconds between two looks at the parent


class Asked:
    """The first signal asks for a stop, a later one for a quick end. Needs a running loop."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None
        self.stop = asyncio.Event()
        self.hurry: Callable[[], None] = lambda: None  # what the second signal does
        self._since = 0.0
        loop = asyncio.get_running_loop()
        for number in NUMBERS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the terminal may go
            loop.add_signal_handler(number, self._heard, number)

    @property
    def exit_code(self) -> int:
        """As a shell tells of a process that a signal ended."""
        return 128 + (self.number or 0)

    async def when_ends(self, parent: int) -> None:
        """Asks for a stop when the parent, which this process was started for, is not there any more."""
        while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(LOOK)
        self._heard(signal.SIGTERM)

    def _heard(self, number: signal.Signals) -> None:
        now = asyncio.get_running_loop().time()
        if self.number is None:
            self.number, self._since = number, now
            self.stop.set()
        elif now - self._since > ECHO:
            self.hurry()

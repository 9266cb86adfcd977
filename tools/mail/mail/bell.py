"""Wakes everybody who waits for news; nobody is owed a wake-up that came before he listened."""

import asyncio


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def hear(self, seconds: float | None = None) -> None:
        """Returns at the next ring, or after `seconds`."""
        event = self._event
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

"""Times in which this process could take no webhooks. Facebook tries again a few times only: what it gave up is caught up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from runtime import errors
from runtime.logs import get_logger

RETRY: Final = 5.0  # seconds

log = get_logger(__name__)

Demand = Callable[[str, datetime, str], Awaitable[None]]
REASON: Final = "Webhooks were refused, because they could not be stored."


class Outages:
    """`bound`: seconds of refusals in a row, with nothing taken in between, from which on something counts as missed."""

    def __init__(self, bound: float, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._bound = bound
        self._now = now
        self._clock = clock
        self._began: float | None = None
        self._missed_since: datetime | None = None
        self._over = asyncio.Event()

    def refused(self) -> None:
        """A webhook was answered 503."""
        if self._began is None:
            self._began = self._clock()

    def taken(self) -> None:
        """A webhook was stored."""
        if self._began is None:
            return
        lasted, self._began = self._clock() - self._began, None
        if lasted >= self._bound:
            began = self._now() - timedelta(seconds=lasted)
            self._missed_since = min(began, self._missed_since or began)
            self._over.set()

    async def run(self, demand: Demand, pages: Callable[[], Iterable[str]]) -> None:
        """Demands, after each outage, that all pages are caught up. Until cancelled."""
        while True:
            await self._over.wait()
            since = self._missed_since
            if since is not None:
                try:
                    for page in sorted(pages()):
                        await demand(page, since, REASON)
                except errors.Later as error:
                    log.warning("catching up is demanded later", error=str(error))
                    await asyncio.sleep(RETRY)
                    continue
            self._missed_since = None
            self._over.clear()

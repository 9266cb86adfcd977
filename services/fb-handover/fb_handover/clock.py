"""The database's time. Facts about a thread are ordered by when they happened, and this machine's clock may be set wrong."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from runtime.errors import passes
from runtime.postgres import ACQUIRE_TIMEOUT, Pool, statements

READ_EVERY: Final = 5.0  # seconds; in between the monotonic clock carries it on
EXACT: Final = 0.5  # seconds: a reading that took longer says too little where there is another

_SQL: Final = statements("fb_handover")


class DatabaseClock:
    """`monotonic`: seconds, never set."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._read: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """To within half of what the last reading took. Raises RuntimeError before the first one."""
        if self._read is None:
            raise RuntimeError("the database's clock was not read yet")
        at, read_at = self._read
        return at + timedelta(seconds=self._monotonic() - read_at)

    async def read(self) -> None:
        """Raises what the pool raises."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
            asked = self._monotonic()
            at: datetime = await connection.fetchval(_SQL["clock"])
            told = self._monotonic()
        if self._read is None or told - asked <= EXACT:
            self._read = at, (asked + told) / 2

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(READ_EVERY)
            try:
                await self.read()
            except Exception as error:
                if not passes(error):
                    raise

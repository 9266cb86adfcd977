"""Timers fire through the log: a due one is appended to `conversations` and takes effect when it comes up there.

Only a partition's owner looks at its timers. Firing twice is harmless: the event's id is deterministic.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from runtime import backoff
from runtime.errors import passes
from runtime.health import Component
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.postgres import Pool
from runtime.records import Outgoing
from schemas.topics import CONVERSATIONS
from takeover import metrics, repository

SOONEST: Final = 0.002  # seconds between two looks at a partition, however much is due
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 5.0  # seconds

log = get_logger(__name__)


class Clockwork:
    """Looks at each owned partition when its next timer is due, and at least every `poll` seconds."""

    def __init__(
        self,
        pool: Pool,
        publisher: Publisher,
        owned: Callable[[], frozenset[int]],
        health: Component,
        *,
        batch: int,
        poll: float,
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._owned = owned
        self._health = health
        self._batch = batch
        self._poll = poll
        self._look_at: dict[int, float] = {}  # partition → loop time
        self._woken = asyncio.Event()

    def wake(self, partition: int) -> None:
        """The partition may have a sooner timer than was known."""
        self._look_at[partition] = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. What passes (broker or database away) is tried again."""
        delays = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        while True:
            try:
                await self._round()
            except Exception as error:
                if not passes(error):
                    raise
                self._health.failing(f"timers wait: {error}")
                log.warning("timers wait", error=str(error))
                await asyncio.sleep(next(delays))
            else:
                self._health.ok()
                delays = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
                await self._rest()

    async def _round(self) -> None:
        self._woken.clear()
        owned = self._owned()
        now = asyncio.get_running_loop().time()
        for partition in owned:
            if self._look_at.get(partition, 0.0) <= now:
                self._look_at[partition] = now + min(await self.fire(partition), self._poll)
        self._look_at = {partition: when for partition, when in self._look_at.items() if partition in owned}

    async def _rest(self) -> None:
        now = asyncio.get_running_loop().time()
        soonest = min(self._look_at.values(), default=now + self._poll)
        metrics.NEXT_TIMER.set(soonest - now)
        try:
            async with asyncio.timeout(min(max(soonest - now, SOONEST), self._poll)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def fire(self, partition: int) -> float:
        """Append what is due; returns the seconds until the partition's next timer."""
        due = await repository.due_timers(self._pool, partition, self._batch)
        if due:
            await self._publisher.publish([Outgoing(CONVERSATIONS, timer.event) for timer in due])
            await repository.fired(self._pool, due)
            metrics.TIMERS_FIRED.inc(len(due))
            if len(due) == self._batch:
                return 0.0
        seconds = await repository.next_timer(self._pool, partition)
        return self._poll if seconds is None else max(seconds, 0.0)

"""Beside the log: takeovers by their age, and the bound of what is kept."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from monitor import metrics, repository
from runtime.consumer import Fenced, Job, NotOwned, OrderedConsumer
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing
from schemas.topics import OUTCOMES

LOOK_EVERY: Final = 5.0  # seconds
TIDY_EVERY: Final = 12  # looks
# Counted in the time of the topic that was read least far, so a topic that lags, however long, lets nothing be forgotten.
LATE: Final = timedelta(minutes=10)  # a decision's commands come at most so much later than its outcomes
LOST: Final = timedelta(days=2)  # no report of a message is waited for beyond this
MOST: Final = 20_000  # conversations of a partition
KEEP_DAYS: Final = 30  # two voices on record

log = get_logger(__name__)


class Keeper:
    """Looks at the partitions that `consumer` owns."""

    def __init__(
        self, *, pool: Pool, consumer: OrderedConsumer, now: Callable[[], datetime], every: float = LOOK_EVERY
    ) -> None:
        self._pool = pool
        self._consumer = consumer
        self._now = now
        self._every = every

    async def run(self) -> None:
        """Until cancelled."""
        looks = 0
        while True:
            try:
                await self.look()
                if looks % TIDY_EVERY == 0:
                    await self.tidy()
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("what is kept could not be looked at, trying again", error=str(error))
            looks += 1
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        partitions = self._owned()
        seen = await repository.look(self._pool, partitions, self._now())
        metrics.KEPT.set(seen.kept)
        for age, count in seen.ages.items():
            metrics.UNANSWERED.labels(age).set(count)

    async def tidy(self) -> None:
        for partition in self._owned():
            try:
                await self._consumer.within(OUTCOMES, partition, _tidy(partition))
            except (NotOwned, Fenced):
                continue  # another process does it

    def _owned(self) -> list[int]:
        return sorted(partition for topic, partition in self._consumer.owned() if topic == OUTCOMES)


def _tidy(partition: int) -> Job:
    async def job(tx: Connection) -> Sequence[Outgoing]:
        await tidy(tx, partition, most=MOST)
        return ()

    return job


async def tidy(tx: Connection, partition: int, *, most: int) -> None:
    """Forgets what no record to come can change, and lets go of what is kept in vain or is more than `most`."""
    at = await repository.horizon(tx, partition)
    if at is None:
        return
    await repository.forget(tx, partition, before=at - LATE)
    if gone := await repository.let_go(tx, partition, before=at - LOST, most=most):
        metrics.LET_GO.inc(gone)
        log.warning("conversations were let go", partition=partition, count=gone)
    await repository.purge(tx, partition, days=KEEP_DAYS)

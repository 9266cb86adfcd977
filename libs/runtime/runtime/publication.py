"""What a partition has committed goes out in order: one batch at a time, until the broker has it."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runtime import backoff, metrics, repository
from runtime.errors import PublishFailed
from runtime.logs import get_logger
from runtime.packing import Packed
from runtime.repository import Ownership
from runtime.wiring import Wiring

RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 5.0  # seconds

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch that is stored: its outbox row's number, None where nothing is to be published, and what is in that."""

    row: int | None
    packed: Sequence[Packed]


class Publication:
    """The outbox of one partition in one process. `settled` is told whenever a batch is out, or could not be."""

    def __init__(self, wiring: Wiring, topic: str, partition: int, settled: Callable[[], None]) -> None:
        self._wiring = wiring
        self._topic = topic
        self._partition = partition
        self._settled = settled
        self._task: asyncio.Task[None] | None = None
        self._cleared = 0
        self.failing = False
        """The broker does not take what is to be published."""
        self.published = 0
        """Number of the last outbox row that the broker has."""

    @property
    def under_way(self) -> bool:
        return self._task is not None

    @property
    def ended(self) -> bool:
        """A batch is out, or failed for good, and nobody has looked yet."""
        return self._task is not None and self._task.done()

    @property
    def to_clear(self) -> bool:
        """Rows are published and not yet deleted."""
        return self._cleared < self.published

    async def begin(self, committed: Committed) -> None:
        """Waits for the batch before, then publishes this one beside what its partition does next."""
        if committed.row is not None:
            await self.finish()
            self._task = asyncio.create_task(self._publish(committed.row, committed.packed))

    async def finish(self) -> None:
        """Waits until what is under way is out. Raises what makes that impossible, such as a topic made otherwise."""
        if self._task is not None:
            try:
                await self._task
            finally:
                self._task = None

    def cancel(self) -> None:
        """Leaves the rest to the next owner."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.failing = False

    async def leftovers(self, owned: Ownership) -> None:
        """Publishes what an earlier owner, or an attempt of unknown outcome, stored, before anything new is decided."""
        await self.finish()
        while rows := await repository.leftovers(self._wiring.pool, owned, self.published):
            for row in rows:
                await self._publish(row.id, row.packed)
                metrics.OUTBOX_REPLAYED.labels(self._wiring.group, self._topic).inc()
        if self.to_clear:
            await self.clear(owned)

    async def clear(self, owned: Ownership) -> None:
        """Deletes the rows that are published."""
        published = self.published
        await repository.clear(self._wiring.pool, owned, published)
        self.cleared(published)

    def cleared(self, row: int) -> None:
        """The rows up to this one were deleted by a batch's own transaction."""
        self._cleared = row

    async def _publish(self, row: int, packed: Sequence[Packed]) -> None:
        """Until the broker has it: the row stays, and nothing later is published before."""
        try:
            for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
                if await self._attempt(packed):
                    break
                await asyncio.sleep(delay)
            self.failing = False
            await self._wiring.faults.reached("published", self._topic, self._partition)
            self.published = row
        finally:
            self._settled()

    async def _attempt(self, packed: Sequence[Packed]) -> bool:
        try:
            await self._wiring.publisher.publish_packed(packed)
        except PublishFailed as error:
            if not self.failing:
                labels = self._wiring.labels(self._topic, self._partition)
                log.warning("publishing failed, trying again", **labels, error=str(error))
            self.failing = True
            return False
        return True

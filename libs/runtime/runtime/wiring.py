"""What all partitions of a consumer share, and what they ask of their surroundings."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from runtime.handler import Handler
from runtime.intake import UnknownTypes
from runtime.kafka import Publisher
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing, Record
from runtime.tally import Limit

Job = Callable[[Connection], Awaitable[Sequence[Outgoing]]]
Handle = Callable[[Connection, int, Sequence[Record]], Awaitable[Sequence[Outgoing]]]
Point = Literal["committed", "published"]


class Feed(Protocol):
    """What a partition needs of the Kafka consumer."""

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset that is there, and the one after the last."""
        ...

    def seek(self, topic: str, partition: int, offset: int) -> None:
        """Goes on reading there."""
        ...

    def pause(self, topic: str, partition: int) -> None: ...
    def resume(self, topic: str, partition: int) -> None: ...


class Faults(Protocol):
    """Where a test stops or kills a process."""

    async def reached(self, point: Point, topic: str, partition: int) -> None: ...


class NoFaults:
    async def reached(self, point: Point, topic: str, partition: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Wiring:
    """What all partitions of a consumer share."""

    group: str
    pool: Pool
    publisher: Publisher
    handler: Handler
    feed: Feed
    unknown_types: UnknownTypes
    types: frozenset[str] | None
    """Types that the handler wants; None: all."""
    batch_records: int
    lost_for: float
    """Seconds until a partition that was fenced off, and is still assigned, is taken anew: by then a real loss is known."""
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    faults: Faults = field(default_factory=NoFaults)
    limit: Limit = field(default_factory=lambda: Limit(100, 20))
    """So many dead letters stop a partition."""

    def labels(self, topic: str, partition: int) -> dict[str, str | int]:
        """What a line of the log says of a partition."""
        return {"group": self.group, "topic": topic, "partition": partition}

"""What all partitions of a consumer share, and what they ask of their surroundings."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, get_args

from runtime.handler import Handler
from runtime.intake import UnknownTypes
from runtime.kafka import Publisher
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing, Record
from runtime.tally import Limit

Job = Callable[[Connection], Awaitable[Sequence[Outgoing]]]
Handle = Callable[[Connection, int, Sequence[Record]], Awaitable[Sequence[Outgoing]]]
Point = Literal["committed", "published"]
StopReason = Literal["out_of_range", "unknown_type", "undecodable", "poisoned"]
STOP_REASONS: Final[tuple[StopReason, ...]] = get_args(StopReason)
_LET_THROUGH: Final = " To let what is left of them pass, set CONVOBOSS_DEAD_LETTERS_IN_A_ROW and CONVOBOSS_DEAD_LETTERS_PERCENT to 0 for a while."
ADVICE: Final[Mapping[StopReason, str]] = {
    "out_of_range": (
        "The log lost records before they were handled. Compare the topic's retention with how long this group was away; then"
        " set next_offset of this partition in the group's consumer_offset to an offset that is there, and restart."
    ),
    "unknown_type": "Install the version that knows this type; it goes on here. Readers are upgraded before writers.",
    "undecodable": (
        "Look at the last records of dead-letters (./convoboss tail dead-letters): who writes what this version cannot read?"
        " Mend that, and restart: it goes on before the batch that was too much." + _LET_THROUGH
    ),
    "poisoned": (
        "Look at the errors logged before this one: the handler raises for almost everything. Mend that, and restart: it goes"
        " on at the event that was one too many." + _LET_THROUGH
    ),
}


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


class Stopped(Exception):
    """The partition cannot go on without a person; others can."""

    def __init__(self, reason: StopReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.advice = ADVICE[reason]


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

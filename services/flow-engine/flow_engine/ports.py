"""What the engine needs of the outside: turns in their order, and a place for what it has to say.

Neither knows of Faust. `flow_engine.faust_turns` is the source in production; `runtime.kafka.Publisher` is the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from runtime.records import Headers, Outgoing
from schemas.turns import TurnAsked


@dataclass(frozen=True, slots=True)
class RawTurn:
    """A record of the topic `turns` as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A turn, and the trace it belongs to."""

    turn: TurnAsked
    traceparent: str | None


Read: TypeAlias = Asked | Outgoing
"""What is in a record: a turn, or none; then it is the dead letter that tells so."""


class Turns(Protocol):
    """Who answers. It has no exception for what a record holds or for a broker that is away; one that it raises ends the process."""

    def read(self, record: RawTurn) -> Read: ...

    async def take(self, read: Sequence[Read]) -> None:
        """Answers what was read of one partition, in order, and returns when the broker has all the answers."""
        ...


class TurnSource(Protocol):
    async def run(self, turns: Turns) -> None:
        """Give each partition's records to `turns`, batch after batch, until cancelled.

        A record counts as taken when `take` has returned, and comes again when the process ends before that.
        Partitions go side by side; batches of one never do. Cancelled, it lets the batches under way end, bounded.
        A partition of which too much would be dead letters stands still (`runtime.tally`), with nothing of the batch done.
        """
        ...


class Log(Protocol):
    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when the broker has all of them. Raises `runtime.errors.PublishFailed`, `RecordTooLarge`."""
        ...

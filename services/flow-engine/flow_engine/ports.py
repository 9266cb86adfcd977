"""What the engine needs of the outside: turns in their order, and a place for what it has to say.

Neither knows of Faust. `flow_engine.faust_turns` is the source in production; `runtime.kafka.Publisher` is the log.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime.records import Headers, Outgoing


@dataclass(frozen=True, slots=True)
class RawTurn:
    """A record of the topic `turns` as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None = field(repr=False)
    headers: Headers = field(default=(), repr=False)


Take = Callable[[Sequence[RawTurn]], Awaitable[None]]
"""Answers records of one partition, in order, and returns when the broker has all the answers.

It has no exception for what a record holds or for a broker that is away; one that it raises ends the process.
"""


class TurnSource(Protocol):
    async def run(self, take: Take) -> None:
        """Give each partition's records to `take`, batch after batch, until cancelled.

        A record counts as taken when `take` has returned, and comes again when the process ends before that.
        Partitions go side by side; batches of one never do. Cancelled, it lets the batches under way end, bounded.
        """
        ...


class Log(Protocol):
    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return when the broker has all of them. Raises `runtime.errors.PublishFailed`, `RecordTooLarge`."""
        ...

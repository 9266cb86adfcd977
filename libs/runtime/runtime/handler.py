"""What a service writes to take part in the log: a handler. `runtime.consumer` does the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.letters import letter
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing, Record


@dataclass(frozen=True, slots=True)
class Decided:
    """What a handler made of a batch without a transaction: what to publish, and the arguments of its `writes`.

    `done` is called with the rows of `told` once it is committed, and not where that is unknown. Must not raise.
    """

    outgoing: Sequence[Outgoing]
    arguments: Sequence[object]
    done: Callable[[Sequence[Mapping[str, Any]]], None]


class Handler(Protocol):
    """Decides over the events of the partitions that this process owns.

    Partitions run side by side; within one, calls come one after the other. A handler that remembers something of a
    partition begins anew in `assigned`: it is called again after each transaction that failed, for what was remembered
    in it has not happened.
    """

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        """Decides over `records`, all of one topic and partition, in order and each for the first time.

        `tx` is the transaction that stores the offset; what is returned goes into the outbox in it, and is published in
        order after the commit. Must not commit, wait for anything but the database, or send by itself.

        Raise `runtime.consumer.Later` to have the batch again; any other exception has it redone event by event.
        """
        ...

    writes: str
    """Common table expressions of SQL that store a batch, with parameters from $1 on; each writes nothing where the table

    `moved`, which has one row or none, is empty. One of them may be called `told`. Empty: the handler has no such.
    """

    async def decide(self, pool: Pool, partition: int, records: Sequence[Record]) -> Decided | None:
        """As `handle`, but only reads: offset, event ids, `writes` and the outbox are then one statement, and one round trip.

        Asked before `handle`, where there are `writes`. None: `handle` is to do it. So it is too when the statement finds
        that an event was seen before; then nothing of it was written. What is read is the partition's own, so that nobody
        changes it before the statement but one who took the partition away, and then the statement writes nothing.
        """
        ...

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:
        """The partition is this process's, from this transaction on."""
        ...

    async def revoked(self, topic: str, partition: int) -> None:
        """The partition is another's, or is about to be taken anew: forget what is remembered of it."""
        ...

    def committed(self, topic: str, partition: int) -> None:
        """The transaction of the last `handle` is committed. Must not raise. Not called for one of unknown outcome."""
        ...

    async def poisoned(self, tx: Connection, partition: int, record: Record, error: Exception) -> Sequence[Outgoing]:
        """`handle` raised `error` for `record` alone. What is done here counts as its handling: it is not seen again."""
        ...


class BaseHandler:
    """A handler that remembers nothing and sends what it cannot handle to `dead-letters`. Subclasses write `handle`."""

    writes = ""

    async def decide(self, pool: Pool, partition: int, records: Sequence[Record]) -> Decided | None:  # noqa: ARG002
        return None

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:
        pass

    async def revoked(self, topic: str, partition: int) -> None:
        pass

    def committed(self, topic: str, partition: int) -> None:
        pass

    async def poisoned(
        self,
        tx: Connection,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        record: Record,
        error: Exception,
    ) -> Sequence[Outgoing]:
        return [poison_letter(record, error)]


def poison_letter(record: Record, error: Exception) -> Outgoing:
    """The dead letter of an event that the handler could not take."""
    return letter(record, record.key, "handler", f"{type(error).__name__}: {error}", record.traceparent)

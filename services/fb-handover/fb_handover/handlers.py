"""From the topics to the tables. Nothing is decided and nothing is sent here."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol

from fb_handover import intake, metrics, order, reports, repository
from runtime.handler import BaseHandler, Decided
from runtime.logs import get_logger
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing, Record
from schemas.conversations import Echo
from schemas.envelope import type_names
from schemas.topics import CONVERSATIONS

WANTED: Final = type_names(Echo)
"""What of `conversations` is taken in."""

log = get_logger(__name__)


class Sending(Protocol):
    """What the handlers tell the sender."""

    def own(self, partition: int) -> None: ...
    def disown(self, partition: int) -> None: ...
    def wake(self) -> None:
        """Something was committed that can be sent."""
        ...

    def claimant(self) -> repository.Claimant:
        """Who takes up conversations as they are stored."""
        ...

    def done(self, command: str) -> bool:
        """Whether this command is known to have come to its end: an echo of it tells nothing more."""
        ...

    def take(self, taken: Iterable[repository.Taken]) -> None:
        """These were claimed for us, and the transaction is committed."""
        ...


class Commands(BaseHandler):
    """`messenger.commands`: stores what has to happen at Facebook, together with the offset."""

    writes = repository.APPENDS

    def __init__(self, sending: Sending, now: Callable[[], datetime]) -> None:
        self._sending = sending
        self._now = now
        self._stored: dict[int, repository.Stored] = {}
        """Partition → what is in the transaction under way."""

    async def decide(self, pool: Pool, partition: int, records: Sequence[Record]) -> Decided | None:  # noqa: ARG002
        """A Silence needs to know what it met: it is left to `handle`, and so is what is rare."""
        batch = intake.plan(records)
        if batch.silences or batch.erased:
            return None
        appends = repository.Appends.of(partition, batch, self._sending.claimant())
        return Decided((), appends.arguments, lambda told: self._take(appends.stored(told)))

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        self._stored.pop(partition, None)
        batch = intake.plan(records)
        stored = await repository.store(tx, partition, batch, self._sending.claimant())
        await repository.erase(tx, batch.erased)
        self._stored[partition] = stored
        at = self._now()
        told: list[Outgoing] = []
        for each in stored.closed:
            log.info("suppressed", conversation=each.command.conversation, command=each.command.id)
            metrics.SUPPRESSED.inc()
            report = reports.suppressed(each.command, at=at, said=each.said)
            told.append(Outgoing(CONVERSATIONS, report, each.traceparent))
        return told

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:  # noqa: ARG002 - the contract's
        self._stored.pop(partition, None)
        self._sending.own(partition)

    async def revoked(self, topic: str, partition: int) -> None:  # noqa: ARG002 - the contract's
        self._stored.pop(partition, None)
        self._sending.disown(partition)

    def committed(self, topic: str, partition: int) -> None:  # noqa: ARG002 - the contract's
        self._take(self._stored.pop(partition, repository.Stored()))

    def _take(self, stored: repository.Stored) -> None:
        self._sending.take(stored.taken)
        if stored.resting:
            self._sending.wake()


class Echoes(BaseHandler):
    """`conversations`: an echo of our own message tells that it has arrived, whatever became of the answer."""

    writes = "nothing AS (SELECT FROM moved)"  # for all that `decide` decides over

    def __init__(self, sending: Sending, context: Callable[[], order.Context]) -> None:
        self._sending = sending
        self._context = context
        self._noted: set[int] = set()
        """Partitions in whose transaction under way an echo was noted."""

    async def decide(self, pool: Pool, partition: int, records: Sequence[Record]) -> Decided | None:  # noqa: ARG002
        """Mostly Facebook's answer came first, and there is nothing to be done: neither a transaction nor a lock."""
        commands = list(self._heard(records))
        if commands and await repository.hearable(pool, commands):
            return None
        return Decided((), (), lambda _told: None)

    async def handle(
        self,
        tx: Connection,
        partition: int,
        records: Sequence[Record],
    ) -> Sequence[Outgoing]:
        self._noted.discard(partition)
        heard = self._heard(records)
        if not heard:
            return []
        context = self._context()
        told: list[Outgoing] = []
        noted: list[order.Transition] = []
        for row in await repository.echoed(tx, sorted({each.conversation for each in heard.values()}), list(heard)):
            echo = heard[row.command.id]
            transition = order.hear(row, echo.mid, echo.origin.part, context)
            if transition is not None and echo.conversation == row.command.conversation:
                noted.append(transition)
                told += [Outgoing(CONVERSATIONS, report, row.traceparent) for report in transition.reports]
        if noted:
            await repository.note_echoes(tx, [transition.row for transition in noted])
            self._noted.add(partition)
        return told

    def _heard(self, records: Sequence[Record]) -> dict[str, intake.Heard]:
        """Command → the echo of it, but for those that are known to tell nothing more."""
        heard = {each.origin.command: each for each in intake.heard(records)}
        return {command: each for command, each in heard.items() if not self._sending.done(command)}

    def committed(self, topic: str, partition: int) -> None:  # noqa: ARG002 - the contract's
        if partition in self._noted:
            self._noted.discard(partition)
            self._sending.wake()

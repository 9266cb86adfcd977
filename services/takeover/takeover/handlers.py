"""From the log to the tables: load, fold `decide`, store. Nothing is decided here."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, cast, get_args

from runtime.consumer import BaseHandler
from runtime.handler import Decided
from runtime.logs import get_logger
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing, Record
from schemas.base import ConversationEvent, ConversationId
from schemas.bots import BotSettings
from schemas.handover import Cause
from schemas.outcomes import AnswerSuppressed, CommandRefused, TakeoverEnded, TakeoverStarted
from takeover import metrics, repository
from takeover.bots import Bots, UnknownBot
from takeover.decide import decide, decide_fault, first_contact
from takeover.effects import Decision, Effect
from takeover.firing import Told
from takeover.memory import Memory
from takeover.state import Conversation
from takeover.timers import Firing, lateness

STRETCH: Final = 100  # events decided before other partitions, their timers and what is being published get a turn
REMEMBERED: Final = 5_000  # conversations, with some 10 kB each
_FIRINGS: Final = frozenset(get_args(Firing))

log = get_logger(__name__)


class Switch(BaseHandler):
    """`timers` is told which partitions are ours, and of the timers that are stored and that come up."""

    writes = repository.WRITES

    def __init__(self, bots: Bots, timers: Told) -> None:
        self._bots = bots
        self._timers = timers
        self._memory = Memory(REMEMBERED)
        self._under_way: dict[int, tuple[Batch, repository.Writes]] = {}
        """Partition → what is in the transaction under way."""

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:  # noqa: ARG002
        self._forget(partition)
        self._timers.assigned(partition)

    async def revoked(self, topic: str, partition: int) -> None:  # noqa: ARG002
        self._forget(partition)
        self._timers.revoked(partition)

    async def decide(self, pool: Pool, partition: int, records: Sequence[Record]) -> Decided:
        batch = await self._batch(pool, partition, records)
        stored = self._writes(partition, records[0].offset, batch)
        return Decided(batch.outgoing, stored.arguments, lambda _told: self._happened(partition, batch, stored))

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        batch = await self._batch(tx, partition, records)
        await self._store(tx, partition, records[0].offset, batch)
        return batch.outgoing

    async def poisoned(self, tx: Connection, partition: int, record: Record, error: Exception) -> Sequence[Outgoing]:
        """The rules raised on this event: it goes to `dead-letters`, and a person gets the conversation."""
        letters = await super().poisoned(tx, partition, record, error)
        if isinstance(error, UnknownBot) or not isinstance(record.event, ConversationEvent):
            return letters
        metrics.FAULTS.inc()
        batch = Batch(self._bots, await self._load(tx, partition, {record.key}))
        try:
            batch.fault(record, f"{type(error).__name__}: {error}")
        except Exception:
            log.exception("the fault itself could not be decided", conversation=record.key)
            return letters
        await self._store(tx, partition, record.offset, batch)
        return [*letters, *batch.outgoing]

    def committed(self, topic: str, partition: int) -> None:  # noqa: ARG002
        if partition in self._under_way:  # else it was a timers' transaction
            self._happened(partition, *self._under_way.pop(partition))

    def _happened(self, partition: int, batch: "Batch", stored: repository.Writes) -> None:
        """It is remembered, and the timers are told of."""
        self._memory.keep(partition, batch.after, batch.settings.values())
        if stored.soonest is not None:
            self._timers.stored(partition, stored.soonest)
        if batch.fired:
            self._timers.decided(partition, batch.fired)
        batch.count()

    async def _batch(self, database: Connection | Pool, partition: int, records: Sequence[Record]) -> "Batch":
        mine = [record for record in records if not ConversationId.parse(record.key).is_page]
        batch = Batch(self._bots, await self._load(database, partition, {record.key for record in mine}))
        for number, record in enumerate(mine, start=1):
            batch.take(record)
            if number % STRETCH == 0:
                await asyncio.sleep(0)
        return batch

    async def _load(self, database: Connection | Pool, partition: int, ids: set[str]) -> dict[str, Conversation]:
        known = self._memory.known(partition, ids)
        missing = ids - known.keys()
        return known | await repository.load(database, list(missing)) if missing else known

    async def _store(self, tx: Connection, partition: int, offset: int, batch: "Batch") -> None:
        stored = self._writes(partition, offset, batch)
        await repository.write(tx, stored)
        self._under_way[partition] = batch, stored

    def _writes(self, partition: int, offset: int, batch: "Batch") -> repository.Writes:
        settings = self._memory.new_settings(partition, batch.settings.values())
        return repository.writes(partition, batch.before, batch.after, batch.effects, settings, offset)

    def _forget(self, partition: int) -> None:
        self._under_way.pop(partition, None)
        self._memory.forget(partition)


class Batch:
    """The states of one batch, before and after, and what is to be published."""

    def __init__(self, bots: Bots, before: dict[str, Conversation]) -> None:
        self._bots = bots
        self.before = before
        self.after: dict[str, Conversation] = {}
        self.settings: dict[str, BotSettings] = {}
        self.effects: list[Effect] = []
        self.outgoing: list[Outgoing] = []
        self.fired = 0
        """Timers among the events."""
        self._decided: Counter[str] = Counter()

    def take(self, record: Record) -> None:
        event = cast("ConversationEvent", record.event)  # `decide` has no rule for anything else, and raises
        state = self._state(record.key)
        if type(event) in _FIRINGS:
            self._count_timer(state, cast("Firing", event), record)
        self._keep(record, decide(state, event, record.at, self._in_force(state.bot)))

    def fault(self, record: Record, reason: str) -> None:
        event = record.event
        if not isinstance(event, ConversationEvent):
            raise TypeError(record.event.type)
        state = self._state(record.key)
        self._keep(record, decide_fault(state, event, record.at, self._in_force(state.bot), reason))

    def _count_timer(self, state: Conversation, event: Firing, record: Record) -> None:
        self.fired += 1
        late = lateness(state, event, record.at)
        if late is not None:
            metrics.TIMER_DRIFT.labels(late.kind).observe(max(0.0, late.seconds))

    def _state(self, key: str) -> Conversation:
        return self.after.get(key) or self.before.get(key) or first_contact(key, self._bots.owner_of(key))

    def _in_force(self, bot: str) -> BotSettings:
        """One version for the whole batch: it is recorded with the batch's first offset."""
        if bot not in self.settings:
            self.settings[bot] = self._bots.settings(bot)
        return self.settings[bot]

    def _keep(self, record: Record, decision: Decision) -> None:
        self.after[record.key] = decision.state
        self.effects += decision.effects
        self.outgoing += [Outgoing(topic, event, record.traceparent) for topic, event in decision.effects]
        self._decided[record.event.type] += 1

    def count(self) -> None:
        """For the metrics, once a batch."""
        for kind, decided in self._decided.items():
            metrics.DECIDED.labels(kind).inc(decided)
        for effect in self.effects:
            if type(effect.event) in COUNTED:
                count(effect)


COUNTED: Final = frozenset({TakeoverStarted, TakeoverEnded, AnswerSuppressed, CommandRefused})


def count(effect: Effect) -> None:
    match effect.event:
        case TakeoverStarted() as started:
            metrics.TAKEOVERS.labels(started.cause).inc()
            if started.cause is Cause.FAULT:
                log.error("a fault brought a person", conversation=started.conversation, error=started.fault)
        case TakeoverEnded(cause=cause):
            metrics.RETURNS.labels(cause).inc()
        case AnswerSuppressed():
            metrics.SUPPRESSED.inc()
        case CommandRefused(code=code):
            metrics.REFUSED.labels(code).inc()
        case _:
            pass

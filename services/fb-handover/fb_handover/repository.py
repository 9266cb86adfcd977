"""The tables `outgoing` and `lane`. A lane is always locked before rows of its conversation."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncpg
from pydantic import TypeAdapter

from fb_handover.intake import Batch, NewRow
from fb_handover.order import Met, Transition
from fb_handover.outgoing import QueuedCommand, Row, State, Step
from runtime.outbox import body as outbox_body
from runtime.outbox import enqueue
from runtime.postgres import ACQUIRE_TIMEOUT, Connection, Pool, statements, transaction
from runtime.records import Outgoing
from schemas.base import ConversationId
from schemas.commands import Command, SendMessage
from schemas.topics import CONVERSATIONS

_SQL: Final = statements("fb_handover")
APPENDS: Final = _SQL["store"]
"""Stores `Appends.arguments`, and tells in `told` what `appended` is asked with; see `runtime.handler.Handler.writes`."""
_APPEND_ALONE: Final = (
    f"WITH moved AS (SELECT), {APPENDS} SELECT conversation, fence, made, claimed, command, position, begun FROM told"  # noqa: S608 - ours
)
_COMMAND: Final[TypeAdapter[QueuedCommand]] = TypeAdapter(QueuedCommand)
SWEEP_AT_ONCE: Final = 1000  # rows
MOST_ATTEMPTS: Final = 20  # of one message that are looked at


@dataclass(frozen=True, slots=True)
class Lane:
    """A conversation that this process has claimed, under a fence that nobody else ever gets."""

    conversation: str
    partition: int
    fence: int


@dataclass(frozen=True, slots=True)
class Settled:
    """`stored`: what became of the row; None: it had changed meanwhile. `following`: the command to go on with, if any."""

    following: Row | None
    stored: Transition | None = None


class PageShut(Exception):
    """Nothing may be asked of Facebook for the page now: nothing was begun."""

    def __init__(self, page: str) -> None:
        super().__init__(f"nothing may be asked for page {page}")
        self.page = page


class LaneLost(Exception):
    """Another process has claimed the conversation since: nothing was written."""

    def __init__(self, lane: Lane) -> None:
        super().__init__(f"{lane.conversation} is no longer claimed under fence {lane.fence}")
        self.conversation = lane.conversation
        self.fence = lane.fence


@dataclass(frozen=True, slots=True)
class Silenced:
    """A command that a Silence closed. `said`: its message had left, its thread control had not."""

    command: Command
    said: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who takes up conversations as their first command is stored: at most `most`, for `lease` seconds each.

    `begins`: whether the request for a command is made as soon as it is stored; then its ledger entry is stored with it.
    `since`: when this was said, in monotonic seconds.
    """

    owner: str
    lease: float
    most: int
    begins: Callable[[QueuedCommand], bool]
    since: float


NOBODY: Final = Claimant("", 0.0, 0, lambda _command: False, 0.0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A conversation that was claimed as it was stored. `row`: its first command, `sending` where it is begun.

    `since`: a time before the claim, in monotonic seconds.
    """

    lane: Lane
    row: Row | None
    since: float


@dataclass(frozen=True, slots=True)
class Stored:
    """`closed`: what the batch's silences closed. `resting`: some conversations are left for `claim`."""

    closed: tuple[Silenced, ...] = ()
    taken: tuple[Taken, ...] = ()
    resting: bool = False


async def store(tx: Connection, partition: int, batch: Batch, claimant: Claimant = NOBODY) -> Stored:
    """Appends a batch and applies its silences; claims conversations that had nothing open before."""
    closed = await _silence(tx, batch)
    appends = Appends.of(partition, batch, claimant)
    rows = await tx.fetch(_APPEND_ALONE, *appends.arguments) if batch.rows else []
    stored = appends.stored([dict(row) for row in rows])
    appended = {row["command"] for row in rows}
    closed += [
        Silenced(row.command, said=False, traceparent=row.traceparent)
        for row in batch.rows
        if row.state is State.SUPPRESSED and row.command.id in appended
    ]
    return replace(stored, closed=tuple(closed), resting=stored.resting or bool(batch.silences))


def _first(new: NewRow, position: int, *, sending: bool) -> Row:
    state = State.SENDING if sending else State.WAITING
    return Row(position, new.command, state, new.step, attempts=int(sending), traceparent=new.traceparent)


async def erase(tx: Connection, conversations: Collection[str]) -> None:
    """Forgets what their closed messages said. What is still to be sent keeps its text until it is swept."""
    if conversations:
        await tx.execute(_SQL["erase"], sorted(conversations))


async def _silence(tx: Connection, batch: Batch) -> list[Silenced]:
    if not batch.silences:
        return []
    await tx.execute(_SQL["lock_lanes"], batch.conversations)  # those of the commands too: all are locked in one order
    rows = await tx.fetch(_SQL["silence"], list(batch.silences), list(batch.silences.values()))
    await tx.execute(_SQL["wake_lanes"], list(batch.silences))
    return [
        Silenced(_COMMAND.validate_json(row["body"]), said=row["state"] == State.DONE, traceparent=row["traceparent"])
        for row in sorted(rows, key=lambda row: row["position"])
        if not State(row["state"]).is_open
    ]


@dataclass(frozen=True, slots=True)
class Appends:
    """A batch's commands as they are appended."""

    partition: int
    batch: Batch
    claimant: Claimant
    arguments: tuple[object, ...]

    @classmethod
    def of(cls, partition: int, batch: Batch, claimant: Claimant) -> "Appends":
        commands = [row.command for row in batch.rows]
        conversations = sorted({command.conversation for command in commands})
        wanted = conversations[: claimant.most]
        begins = frozenset(
            each.command.id for each in batch.first_waiting(frozenset(wanted)) if claimant.begins(each.command)
        )
        arguments = (
            conversations,
            partition,
            claimant.owner,
            claimant.lease,
            [number < len(wanted) for number in range(len(conversations))],
            [command.conversation for command in commands],
            [ConversationId.parse(command.conversation).account for command in commands],
            [command.id for command in commands],
            [command.epoch for command in commands],
            [command.type for command in commands],
            [command.model_dump_json() for command in commands],
            [row.traceparent for row in batch.rows],
            [row.state for row in batch.rows],
            [row.step for row in batch.rows],
            [command.id in begins for command in commands],
        )
        return cls(partition, batch, claimant, arguments)

    def stored(self, told: Sequence[Mapping[str, Any]]) -> Stored:
        """What became of them, by the rows of `told`."""
        lanes = {
            row["conversation"]: Lane(row["conversation"], self.partition, row["fence"])
            for row in told
            if row["claimed"]
        }
        appended = {row["command"]: row for row in told if row["command"] is not None}
        heads = {
            each.command.conversation: _first(each, row["position"], sending=row["begun"])
            for each in self.batch.first_waiting(lanes)
            if (row := appended.get(each.command.id)) is not None
        }
        return Stored(
            taken=tuple(
                Taken(lane, heads.get(conversation), self.claimant.since) for conversation, lane in lanes.items()
            ),
            resting=any(row["made"] and not row["claimed"] for row in told),
        )


async def hearable(pool: Pool, commands: Sequence[str]) -> bool:
    """Whether an echo can still tell something about any of these. Where it cannot, it never can again."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
        return bool(await connection.fetchval(_SQL["hearable"], commands))


async def echoed(tx: Connection, conversations: Sequence[str], commands: Sequence[str]) -> list[Row]:
    """The rows of these commands that an echo can still tell something about, locked with their conversations."""
    await tx.execute(_SQL["lock_lanes"], conversations)
    return [_row(row) for row in await tx.fetch(_SQL["echoed"], commands)]


async def note_echoes(tx: Connection, rows: Sequence[Row]) -> None:
    """Stores message id and state, and lets conversations that wait for an echo go on."""
    await tx.execute(
        _SQL["note_mid"],
        [row.position for row in rows],
        [row.mid for row in rows],
        [row.state for row in rows],
    )
    await tx.execute(_SQL["wake_lanes"], [row.command.conversation for row in rows])


async def taken_in(pool: Pool, group: str, topic: str, partition: int) -> int:
    """The offset up to which a group of this service has taken a partition in; -1: nothing yet."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
        following: int | None = await connection.fetchval(_SQL["heard"], group, topic, partition)
    return -1 if following is None else following


class Outbound:
    """What the sender does with the tables. `owner` is this process's name in claims that last `lease` seconds."""

    def __init__(self, pool: Pool, *, owner: str, lease: float) -> None:
        self._pool = pool
        self._owner = owner
        self._lease = lease

    def claimant(self, most: int, begins: Callable[[QueuedCommand], bool]) -> Claimant:
        """Ourselves, taking up at most so many conversations as they are stored."""
        return Claimant(self._owner, self._lease, most, begins, time.monotonic())

    async def claim(self, partitions: Sequence[int], most: int) -> list[Lane]:
        """Conversations that are due, now ours."""
        rows = await self._fetch("claim", partitions, most, self._owner, self._lease)
        return [Lane(row["conversation"], row["partition"], row["fence"]) for row in rows]

    async def next_due(self, partitions: Sequence[int]) -> float | None:
        """Seconds until a conversation is due; None: none is open."""
        rows = await self._fetch("next_due", partitions)
        due: float | None = rows[0][0]
        return due

    async def oldest(self, partitions: Sequence[int]) -> dict[int, float]:
        """Partition → age in seconds of its oldest open command; partitions without one are missing."""
        return {row["partition"]: row["age"] for row in await self._fetch("oldest", partitions)}

    async def head(self, lane: Lane) -> Row | None:
        """The conversation's first open command. None: there is none, and the claim was given back."""
        rows = await self._fetch("head", lane.conversation)
        if rows:
            return _row(rows[0])
        async with transaction(self._pool) as tx:
            await _hold(tx, lane)
            return await _go_on(tx, lane)

    async def earlier(self, row: Row) -> list[Row]:
        """What the row's message repeats, newest first: the attempt before it, the one before that, and so on.

        All are closed: a conversation's commands are worked off in their order. What was swept is missing.
        """
        found: list[Row] = []
        following = row
        while isinstance(following.command, SendMessage) and following.command.again and len(found) < MOST_ATTEMPTS:
            rows = await self._fetch("earlier", row.command.conversation, following.command.again)
            if not rows:
                break
            following = _row(rows[0])
            found.append(following)
        return found

    async def begin(self, lane: Lane, row: Row) -> Row | None:
        """The ledger entry before a request. None: the claim was lost, or a Silence came first; then nothing may be sent.

        Raises `PageShut`.
        """
        page = ConversationId.parse(lane.conversation).account
        [begun] = await self._fetch("begin", lane.conversation, lane.fence, row.position, self._lease, page)
        if begun["attempts"] is None:
            if begun["shut"]:
                raise PageShut(page)
            return None
        return replace(row, state=State.SENDING, attempts=begun["attempts"], sending_for=0.0)

    async def settle(
        self, lane: Lane, before: Row, decide: Callable[[Met], Transition], *, traceparent: str | None
    ) -> Settled:
        """Stores what becomes of a row and what is told of it, in one transaction.

        `decide` is given what the row met; it is asked again where that has changed since the row was read. Where nothing follows, the claim was given back: the conversation
        rests, or has nothing left. Raises `LaneLost`.
        """
        transition = decide(Met(silenced=before.silenced, mid=before.mid, part=before.part))
        if not transition.row.state.is_open:
            closed = await self._close(lane, before, transition, traceparent)
            if closed is not None:
                return closed
        async with transaction(self._pool) as tx:
            await _hold(tx, lane)
            met = await tx.fetchrow(_SQL["met"], before.position)
            if met is None or met["state"] != before.state:
                return Settled(await _go_on(tx, lane))  # a Silence closed it
            transition = decide(Met(silenced=met["silenced"], mid=met["mid"], part=met["part"]))
            await _write(tx, transition)
            await enqueue(tx, _told(transition, traceparent))
            return Settled(await _next(tx, lane, transition), transition)

    async def _close(self, lane: Lane, before: Row, transition: Transition, traceparent: str | None) -> Settled | None:
        """In one statement, if the row is as it was read. None: something came in between, and nothing was written."""
        told = _told(transition, traceparent)
        row = transition.row
        rows = await self._fetch(
            "close",
            lane.conversation,
            lane.fence,
            before.position,
            before.state,
            before.part,
            before.mid,
            before.silenced,
            row.state,
            row.step,
            row.riding,
            row.retaken,
            row.unknowns,
            row.attempts,
            row.mid,
            transition.reason,
            outbox_body(told) if told else None,
        )
        if not rows:
            return None
        return Settled(None if rows[0]["position"] is None else _row(rows[0]), transition)

    async def release(self, lane: Lane, seconds: float = 0.0) -> None:
        """Gives the claim back; the conversation is due in so many seconds. Nothing happens where the claim was lost."""
        await self._fetch("release", lane.conversation, lane.fence, seconds)

    async def known_mids(self, conversation: str, seconds: float) -> frozenset[str]:
        """The message ids with which commands of the conversation were closed so long ago at most."""
        return frozenset(row["mid"] for row in await self._fetch("known_mids", conversation, seconds))

    async def sweep(self, keep: float) -> int:
        """Deletes some of the commands that were closed more than `keep` seconds ago; returns how many."""
        async with transaction(self._pool) as tx:
            return int((await tx.execute(_SQL["sweep"], keep, SWEEP_AT_ONCE)).rpartition(" ")[2])

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(_SQL[statement], *arguments)
            return rows


async def _hold(tx: Connection, lane: Lane) -> None:
    if await tx.fetchval(_SQL["hold_lane"], lane.conversation, lane.fence) is None:
        raise LaneLost(lane)


async def _next(tx: Connection, lane: Lane, transition: Transition) -> Row | None:
    if not transition.row.state.is_open:
        return await _go_on(tx, lane)
    if transition.delay > 0:
        await tx.execute(_SQL["release"], lane.conversation, lane.fence, transition.delay)
        return None
    return transition.row


async def _go_on(tx: Connection, lane: Lane) -> Row | None:
    """The next open command; without one the lane goes. The lane is locked, so that no command is stored in between."""
    row = await tx.fetchrow(_SQL["head"], lane.conversation)
    if row is not None:
        return _row(row)
    await tx.execute(_SQL["remove_lane"], lane.conversation, lane.fence)
    return None


def _told(transition: Transition, traceparent: str | None) -> list[Outgoing]:
    return [Outgoing(CONVERSATIONS, report, traceparent) for report in transition.reports]


async def _write(tx: Connection, transition: Transition) -> None:
    row = transition.row
    await tx.execute(
        _SQL["settle"],
        row.position,
        row.state,
        row.step,
        row.part,
        row.riding,
        row.retaken,
        row.unknowns,
        row.attempts,
        row.mid,
        transition.reason,
        transition.delay,
    )


def _row(record: asyncpg.Record) -> Row:
    return Row(
        position=record["position"],
        command=_COMMAND.validate_json(record["body"]),
        state=State(record["state"]),
        step=Step(record["step"]),
        part=record["part"],
        riding=record["riding"],
        retaken=record["retaken"],
        unknowns=record["unknowns"],
        attempts=record["attempts"],
        mid=record["mid"],
        age=record["age"],
        sending_for=record["sending_for"],
        silenced=record["silenced"],
        traceparent=record["traceparent"],
    )

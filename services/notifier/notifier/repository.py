"""The ledger of e-mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from notifier.notice import UNKNOWNS, Notice, State
from runtime.postgres import Connection, Pool, statements

_SQL: Final = statements("notifier")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An e-mail that this process has until its claim ends. `started`: the takeover, as it is stored."""

    episode: str
    address_key: str
    address: str
    conversation: str
    message_id: str
    started: str
    started_at: datetime
    claim: UUID
    attempts: int
    unknowns: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to. `due_at`: when it is tried again, if it is."""

    state: State
    note: str
    unknowns: int = 0
    due_at: datetime | None = None


async def write(tx: Connection, notices: Sequence[tuple[Notice, str]], *, partition: int, now: datetime) -> None:
    """New e-mails with their Message-IDs; those that are there already stay as they are."""
    if not notices:
        return
    await tx.execute(
        _SQL["write"],
        [notice.episode for notice, _ in notices],
        [notice.address_key for notice, _ in notices],
        [notice.address for notice, _ in notices],
        [notice.started.conversation for notice, _ in notices],
        partition,
        [message_id for _, message_id in notices],
        [notice.started.model_dump_json() for notice, _ in notices],
        [notice.started.at for notice, _ in notices],
        now,
    )


async def dismiss(tx: Connection, episodes: Sequence[str], *, now: datetime) -> int:
    """Marks what need not be sent any more; returns how many e-mails were still waiting."""
    if not episodes:
        return 0
    count: int = await tx.fetchval(_SQL["dismiss"], episodes, now)
    return count


async def look(pool: Pool, *, now: datetime) -> tuple[set[int], int]:
    """The partitions with e-mails that are due, and how many e-mails wait or are being sent."""
    row = await pool.fetchrow(_SQL["look"], now)
    assert row is not None  # noqa: S101 - an aggregate has one row
    return set(row["due"]), row["waiting"]


async def next_offset(tx: Connection, *, group: str, topic: str, partition: int) -> int:
    """How far this service has read; 0 where nothing was taken in yet."""
    stored: int | None = await tx.fetchval(_SQL["next_offset"], group, topic, partition)
    return max(stored or 0, 0)


async def settle_unknown(tx: Connection, partition: int, *, now: datetime) -> list[State]:
    """E-mails of processes that died while sending; returns their new states."""
    return [State(row["state"]) for row in await tx.fetch(_SQL["settle_unknown"], partition, now, UNKNOWNS)]


async def claim(
    tx: Connection, partition: int, *, now: datetime, limit: int, until: datetime, token: UUID
) -> list[Claimed]:
    return [Claimed(*row) for row in await tx.fetch(_SQL["claim"], partition, now, limit, until, token)]


async def give_back(pool: Pool, claims: Sequence[UUID], *, now: datetime) -> None:
    """E-mails of these claims that were not begun are due again."""
    if claims:
        await pool.execute(_SQL["give_back"], claims, now)


async def begin_sending(pool: Pool, mail: Claimed, *, now: datetime) -> bool:
    """Enters that the message is about to leave. False: it must not, for it is not needed or not ours any more."""
    begun = await pool.fetchval(_SQL["begin_sending"], mail.episode, mail.address_key, mail.claim, now)
    return begun is not None


async def settle(pool: Pool, mail: Claimed, settlement: Settlement, *, now: datetime) -> State | None:
    """Returns the state it is in now; None where it was not this process's any more."""
    state = await pool.fetchval(
        _SQL["settle"],
        mail.episode,
        mail.address_key,
        mail.claim,
        settlement.state.value,
        settlement.due_at,
        settlement.unknowns,
        settlement.note,
        now,
    )
    return None if state is None else State(state)


async def purge(pool: Pool, *, before: datetime) -> None:
    await pool.execute(_SQL["purge"], before)

"""Operators, their sessions, and how often signing in failed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.operators import Operator, Role
from console.problems import Refusal, refuse, unknown
from console.projection import Row
from runtime import tracing
from runtime.outbox import enqueue
from runtime.postgres import Connection, Pool, statements, transaction
from runtime.records import Outgoing
from schemas.conversations import OperatorDeactivated
from schemas.messages import Person
from schemas.topics import CONVERSATIONS

_SQL: Final = statements("console")


@dataclass(frozen=True, slots=True)
class OpenSession:
    """`bot`: of the conversation that was asked about with it; None where there is none, or it has none yet."""

    operator: Operator
    created_at: datetime
    last_seen: datetime
    bot: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """A session counts when it was seen after the one time and begun after the other."""

    seen_after: datetime
    begun_after: datetime


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed sign-ins of one bucket within its window, the present attempt included."""

    count: int
    window_start: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    id: str
    password_hash: str
    active: bool


def _operator(row: Row) -> Operator:
    return Operator(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        bots=tuple(row["bots"]),
        active=row["active"],
        created_at=row["created_at"],
    )


# --- sessions


async def find_session(
    pool: Pool, token_hash: bytes, window: Window, conversation: str | None = None
) -> OpenSession | None:
    row = await pool.fetchrow(_SQL["session_find"], token_hash, window.seen_after, window.begun_after, conversation)
    if row is None:
        return None
    return OpenSession(_operator(row), row["session_created_at"], row["last_seen"], row["bot"])


async def find_sessions(pool: Pool, hashes: Iterable[bytes], window: Window) -> dict[bytes, Operator]:
    """Those of the sessions that stand, with their operators as they are now."""
    rows = await pool.fetch(_SQL["session_find_all"], list(hashes), window.seen_after, window.begun_after)
    return {row["token_hash"]: _operator(row) for row in rows}


async def add_session(pool: Pool, token_hash: bytes, operator: str, now: datetime) -> None:
    await pool.execute(_SQL["session_add"], token_hash, operator, now)


async def touch_session(pool: Pool, token_hash: bytes, now: datetime) -> None:
    await pool.execute(_SQL["session_touch"], token_hash, now)


async def end_session(pool: Pool, token_hash: bytes) -> None:
    await pool.execute(_SQL["session_end"], token_hash)


# --- signing in


async def count_attempt(
    pool: Pool, buckets: Sequence[int], now: datetime, window_began: datetime
) -> dict[int, Attempts]:
    rows = await pool.fetch(_SQL["login_count"], list(buckets), now, window_began)
    return {row["bucket"]: Attempts(row["failures"], row["window_start"]) for row in rows}


async def clear_attempts(pool: Pool, account: int, address: int) -> None:
    await pool.execute(_SQL["login_clear"], account, address)


async def credentials(pool: Pool, email: str) -> Credentials | None:
    row = await pool.fetchrow(_SQL["operator_by_email"], email)
    return Credentials(row["id"], row["password_hash"], row["active"]) if row else None


async def set_password(pool: Pool, operator: str, password_hash: str) -> None:
    await pool.execute(_SQL["operator_set_password"], operator, password_hash)


# --- operators


async def get_operator(source: Pool | Connection, operator: str) -> Operator:
    """Raises `Refusal` (404)."""
    row = await source.fetchrow(_SQL["operator_get"], operator)
    if row is None:
        raise unknown("operator")
    return _operator(row)


async def list_operators(pool: Pool, after: str, limit: int) -> list[Operator]:
    return [_operator(row) for row in await pool.fetch(_SQL["operator_list"], after, limit)]


@dataclass(frozen=True, slots=True)
class NewOperator:
    id: str
    email: str
    name: str
    role: Role
    bots: tuple[str, ...]
    password_hash: str
    created_at: datetime


async def add_operator(pool: Pool, new: NewOperator) -> Operator:
    """Raises `Refusal`: 409 when the address has an account, 422 when a bot is unknown."""
    async with transaction(pool) as tx:
        added = await tx.fetchval(
            _SQL["operator_add"], new.id, new.email, new.name, new.role, new.password_hash, new.created_at
        )
        if added is None:
            raise refuse(409, "email_taken", "This address has an account already.", field="email")
        await _set_bots(tx, new.id, new.bots)
        return await get_operator(tx, new.id)


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """None: as it is."""

    name: str | None
    role: Role | None
    bots: tuple[str, ...] | None
    active: bool | None
    password_hash: str | None


async def change_operator(pool: Pool, operator: str, change: OperatorChange, now: datetime) -> Operator:
    """Ends the operator's sessions when they are deactivated or get a new password.

    Deactivated, what they hold or have been assigned is told to the log: one event a conversation, published after the commit.

    Raises `Refusal`: 404, 409 when no active admin would be left, 422 when a bot is unknown.
    """
    async with transaction(pool) as tx:
        admins = [row["id"] for row in await tx.fetch(_SQL["operator_admins"])]
        before = await get_operator(tx, operator)
        after = before.changed(role=change.role, active=change.active)
        if before.governs and not after.governs and admins == [operator]:
            raise _last_admin()
        await tx.execute(
            _SQL["operator_update"], operator, change.name, change.role, change.active, change.password_hash
        )
        if change.bots is not None:
            await _set_bots(tx, operator, change.bots)
        if not after.active or change.password_hash is not None:
            await tx.execute(_SQL["session_end_all"], operator)
        if before.active and not after.active:
            held = [row["id"] for row in await tx.fetch(_SQL["conversation_held"], operator)]
            await enqueue(tx, [_deactivated(before.person, conversation, now) for conversation in held])
        return await get_operator(tx, operator)


def _deactivated(operator: Person, conversation: str, now: datetime) -> Outgoing:
    event = OperatorDeactivated(
        id=f"operator:{operator.id}:deactivated:{int(now.timestamp())}:{conversation}",
        occurred_at=now,
        conversation=conversation,
        operator=operator,
    )
    return Outgoing(CONVERSATIONS, event, tracing.current())


def _last_admin() -> Refusal:
    return refuse(409, "last_admin", "This is the last active admin.", "Make another admin first.")


async def _set_bots(tx: Connection, operator: str, bots: tuple[str, ...]) -> None:
    await tx.execute(_SQL["operator_bots_clear"], operator)
    added = {row["bot"] for row in await tx.fetch(_SQL["operator_bots_add"], operator, list(bots))}
    for position, bot in enumerate(bots):
        if bot not in added:
            raise refuse(422, "unknown_bot", "There is no such bot.", f"There is no bot {bot}.", f"bots.{position}")

"""Reading the transcript. Each answer comes with the numbers of the live streams that it is valid at."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from console import transcript
from console.commands import Attempts
from console.projection import conversation_of, entry_of, episode_of, summary_of, view_of
from console.repository.transcript import tell
from console.streams import conversation_news, conversation_stream
from console.views import Conversation, ConversationSummary, Entry, Episode, Owner
from runtime.postgres import ACQUIRE_TIMEOUT, Connection, Pool, statements, transaction

_SQL: Final = statements("console")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the list begins: after this row."""

    last_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Filters:
    """None: any."""

    bots: tuple[str, ...] | None
    bot: str | None = None
    owner: Owner | None = None
    waiting: bool | None = None
    holder: str | None = None
    name: str | None = None
    """A part of the customer's name."""


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[ConversationSummary]
    streams: dict[str, int]


@asynccontextmanager
async def _snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Several reads that see the same moment."""
    async with (
        pool.acquire(timeout=ACQUIRE_TIMEOUT) as proxy,
        proxy.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield cast("Connection", proxy)


async def list_conversations(
    pool: Pool, filters: Filters, after: Place | None, limit: int, streams: Sequence[str]
) -> Page:
    async with _snapshot(pool) as tx:
        await tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await tx.fetch(
            _SQL["conversation_list"],
            None if filters.bots is None else list(filters.bots),
            filters.bot,
            filters.owner,
            filters.waiting,
            filters.holder,
            None if filters.name is None else _contains(filters.name),
            after.last_at if after else None,
            after.id if after else None,
            limit,
        )
        return Page([summary_of(view_of(row)) for row in rows], await _last(tx, streams))


async def get_conversation(pool: Pool, conversation: str) -> tuple[Conversation, int] | None:
    """The conversation, and the number of its live stream that it is valid at."""
    async with _snapshot(pool) as tx:
        row = await tx.fetchrow(_SQL["conversation_get"], conversation)
        if row is None:
            return None
        return conversation_of(view_of(row)), await _valid_at(tx, conversation)


async def bot_of(pool: Pool, conversation: str) -> str | None:
    """None where there is no such conversation, or its bot is not known yet."""
    bot: str | None = await pool.fetchval(_SQL["conversation_bot"], conversation)
    return bot


async def list_entries(
    pool: Pool, conversation: str, *, after: int | None, before: int | None, limit: int
) -> tuple[list[Entry], int]:
    """At most `limit` entries in order: the first ones after `after`, or else the last ones before `before`."""
    async with _snapshot(pool) as tx:
        if after is not None:
            rows = await tx.fetch(_SQL["entry_after"], conversation, after, before, limit)
        else:
            rows = list(reversed(await tx.fetch(_SQL["entry_before"], conversation, before, limit)))
        return [entry_of(row) for row in rows], await _valid_at(tx, conversation)


async def attempts(pool: Pool, conversation: str, seq: int) -> Attempts | None:
    """None where there is no such entry."""
    row = await pool.fetchrow(_SQL["entry_attempts"], conversation, seq)
    return Attempts(entry_of(row), row["arrived"], row["repeated"]) if row else None


async def list_episodes(pool: Pool, conversation: str, limit: int) -> list[Episode]:
    return [episode_of(row) for row in await pool.fetch(_SQL["episode_list"], conversation, limit)]


async def mark_read(pool: Pool, conversation: str, seq: int) -> None:
    """Entries up to `seq` were seen: what the customer wrote after it stays unread. An older mark changes nothing."""
    async with transaction(pool) as tx:
        row = await tx.fetchrow(_SQL["conversation_lock_one"], conversation)
        if row is None:
            return
        before = view_of(row)
        unread = await tx.fetchval(_SQL["entry_customer_count"], conversation, seq)
        after = transcript.read_up_to(before, min(seq, before.seq), unread)
        if after != before:
            await tx.execute(_SQL["conversation_read"], conversation, after.read_seq, after.unread)
            await tell(tx, list(conversation_news(before, after)))


async def last_of_streams(pool: Pool, streams: Sequence[str]) -> dict[str, int]:
    """The newest number of each stream; 0 where nothing was told yet."""
    async with _snapshot(pool) as tx:
        return await _last(tx, streams)


async def _last(tx: Connection, streams: Sequence[str]) -> dict[str, int]:
    known = {row["name"]: row["last"] for row in await tx.fetch(_SQL["stream_last"], list(streams))}
    return {stream: known.get(stream, 0) for stream in streams}


async def _valid_at(tx: Connection, conversation: str) -> int:
    stream = conversation_stream(conversation)
    return (await _last(tx, [stream]))[stream]


def _contains(part: str) -> str:
    """A LIKE pattern for a text anywhere; signs of the pattern language stand for themselves."""
    escaped = part.lower().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"

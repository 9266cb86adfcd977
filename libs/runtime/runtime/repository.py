"""The consumer's tables: whose a partition is, how far it is, what it has seen, and what it has yet to publish."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from runtime.errors import Fenced
from runtime.packing import Packed, dump, load
from runtime.postgres import ACQUIRE_TIMEOUT, Connection, Pool, statements, transaction

SEGMENTS: Final = 3
WEEK: Final = 7 * 24 * 3600  # seconds
LEFTOVERS: Final = 20  # rows read together

_SQL: Final = statements("runtime")
_PARAMETER: Final = re.compile(r"\$(\d+)")
_TOLD: Final = re.compile(r"\btold AS \(")


@dataclass(frozen=True, slots=True)
class Ownership:
    """A partition's row in the moment it was taken. `next_offset` -1: nothing was taken in yet."""

    topic: str
    partition: int
    slot: int
    fence: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: int
    packed: Sequence[Packed]


@dataclass(frozen=True, slots=True)
class Written:
    """`outbox`: the number of the row that was stored, if any. `told`: the rows that the handler's part tells."""

    outbox: int | None
    told: Sequence[Mapping[str, Any]]


def week_of(now: datetime) -> int:
    """Weeks since 1970."""
    return int(now.timestamp()) // WEEK


async def take(tx: Connection, group: str, topic: str, partition: int) -> Ownership:
    """Raises the fence: from here on no other process, and no earlier self, can move this partition."""
    row = await tx.fetchrow(_SQL["take"], group, topic, partition)
    assert row is not None  # noqa: S101 - an upsert returns its row
    return Ownership(topic, partition, row["slot"], row["fence"], row["next_offset"])


async def advance(
    tx: Connection,
    owned: Ownership,
    *,
    first: int,
    following: int,
    published: int,
    week: int,
    hashes: Sequence[bytes],
) -> set[bytes]:
    """Moves the offset from `first` to `following` and returns those `hashes` that were not seen in the last 7 days.

    Drops the outbox rows up to `published`. Raises `Fenced`.
    """
    row = await tx.fetchrow(
        _SQL["advance"], owned.slot, owned.fence, first, following, published, week % SEGMENTS, hashes
    )
    if row is None or not row["ours"]:
        raise Fenced(owned.topic, owned.partition, owned.fence)
    return set(row["fresh"])


async def write_in_one(
    pool: Pool,
    owned: Ownership,
    *,
    first: int,
    following: int,
    published: int,
    week: int,
    hashes: Sequence[bytes],
    packed: Sequence[Packed],
    writes: str,
    arguments: Sequence[object],
) -> Written | None:
    """None: nothing was written, for the fence is lost, or one of `hashes` was seen."""
    body = dump(packed) if packed else None
    ours = (owned.slot, owned.fence, first, following, published, week % SEGMENTS, hashes, body)
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
        row = await connection.fetchrow(in_one(writes), *arguments, *ours)
    assert row is not None  # noqa: S101 - a SELECT of one row
    return Written(row["outbox"], json.loads(row["told"] or "[]")) if row["done"] else None


@cache
def in_one(writes: str) -> str:
    """The statement of a batch with a handler's own expressions, whose parameters come first."""
    count = max((int(number) for number in _PARAMETER.findall(writes)), default=0)
    ours = _PARAMETER.sub(lambda found: f"${int(found[1]) + count}", _SQL["in_one"])
    told = "(SELECT json_agg(told) FROM told)" if _TOLD.search(writes) else "NULL"
    head, _, tail = ours.rpartition("\nSELECT ")
    return f"{head}, {writes}\nSELECT {tail.rstrip()}, {told} AS told"


async def hold(tx: Connection, owned: Ownership) -> None:
    """Locks the partition against a new owner until the transaction ends. Raises `Fenced`."""
    if await tx.fetchval(_SQL["hold"], owned.slot, owned.fence) is None:
        raise Fenced(owned.topic, owned.partition, owned.fence)


async def store(tx: Connection, owned: Ownership, packed: Sequence[Packed]) -> int:
    """One outbox row for all that a batch publishes; returns its number."""
    number: int = await tx.fetchval(_SQL["store"], owned.slot, dump(packed))
    return number


async def leftovers(pool: Pool, owned: Ownership, after: int) -> list[OutboxRow]:
    """Rows after number `after` that were stored and perhaps not published, in order."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(_SQL["leftovers"], owned.slot, after, LEFTOVERS)
    return [OutboxRow(row["id"], load(row["body"])) for row in rows]


async def clear(pool: Pool, owned: Ownership, published: int) -> None:
    """Drops the rows up to `published`."""
    await pool.execute(_SQL["clear"], owned.slot, published)


async def label_segments(pool: Pool, now: datetime) -> None:
    """Empties the segment that the next week will use, and the present one if it still holds an old week's events."""
    week = week_of(now)
    for labelled in (week, week + 1):
        async with transaction(pool) as tx:
            segment = labelled % SEGMENTS
            if await tx.fetchval(_SQL["label_segment"], segment, labelled) is not None:
                await tx.execute(f"TRUNCATE seen_event_{segment}")

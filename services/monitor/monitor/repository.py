"""The monitor's tables: what is kept of conversations, how far the topics were read, and the two voices that were found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.watch import TwoVoices, Watch
from runtime.postgres import Connection, Pool, statements

MOST_SHOWN: Final = 1000  # two voices of a partition that a start looks at

_SQL: Final = statements("monitor")


@dataclass(frozen=True, slots=True)
class Found:
    """Two voices, and where."""

    conversation: str
    voices: TwoVoices


@dataclass(frozen=True, slots=True)
class Seen:
    """`ages`: takeovers that nobody has taken up, by the names of `AGES`."""

    kept: int
    ages: Mapping[str, int]


AGES: Final = {"below_1m": "<1m", "below_5m": "<5m", "below_15m": "<15m", "below_1h": "<1h", "older": ">=1h"}
"""Column → label."""


async def make_place(tx: Connection, partition: int) -> None:
    await tx.execute(_SQL["make_place"], partition)


async def move(tx: Connection, partition: int, topic: str, at: datetime) -> None:
    """The partition is this transaction's, for all three topics."""
    await tx.execute(_SQL["move"], partition, topic, at)


async def load(tx: Connection, conversations: Sequence[str]) -> dict[str, Watch]:
    rows = await tx.fetch(_SQL["load"], conversations)
    return {row["conversation"]: Watch.model_validate_json(row["state"]) for row in rows}


async def store(
    tx: Connection, partition: int, before: Mapping[str, Watch], after: Mapping[str, tuple[Watch, datetime]]
) -> None:
    """`after`: what is known now, and the time of the last record of each. Conversations without anything have no row."""
    gone = [name for name, (watch, _) in after.items() if watch.is_nothing and name in before]
    kept = [(name, watch, at) for name, (watch, at) in after.items() if not watch.is_nothing]
    if not gone and not kept:
        return
    await tx.execute(
        _SQL["store"],
        gone,
        partition,
        [name for name, _, _ in kept],
        [watch.model_dump_json() for _, watch, _ in kept],
        [watch.is_quiet for _, watch, _ in kept],
        [watch.is_open for _, watch, _ in kept],
        [watch.waiting_since for _, watch, _ in kept],
        [at for _, _, at in kept],
    )


async def enter(tx: Connection, partition: int, found: Sequence[Found]) -> None:
    if found:
        await tx.execute(
            _SQL["enter"],
            partition,
            [each.voices.command for each in found],
            [each.conversation for each in found],
            [each.voices.epoch for each in found],
            [each.voices.seq for each in found],
            [each.voices.episode for each in found],
            [each.voices.reason for each in found],
        )


async def entered(tx: Connection, partition: int) -> list[Found]:
    """The two voices that are on record, the latest first."""
    rows = await tx.fetch(_SQL["entered"], partition, MOST_SHOWN)
    return [
        Found(
            row["conversation"],
            TwoVoices(row["command"], row["epoch"], row["seq"], row["episode"], row["reason"]),
        )
        for row in rows
    ]


async def horizon(tx: Connection, partition: int) -> datetime | None:
    """Up to when all three topics were read; None while one has told nothing. The partition is this transaction's."""
    row = await tx.fetchrow(_SQL["horizon"], partition)
    return row["at"] if row is not None and row["known"] else None


async def forget(tx: Connection, partition: int, *, before: datetime) -> None:
    await tx.execute(_SQL["forget"], partition, before)


async def let_go(tx: Connection, partition: int, *, before: datetime, most: int) -> int:
    count: int = await tx.fetchval(_SQL["let_go"], partition, before, most)
    return count


async def purge(tx: Connection, partition: int, *, days: int) -> None:
    await tx.execute(_SQL["purge"], partition, days)


async def look(pool: Pool, partitions: Sequence[int], now: datetime) -> Seen:
    row = await pool.fetchrow(_SQL["look"], partitions, now)
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Seen(row["kept"], {label: row[column] for column, label in AGES.items()})

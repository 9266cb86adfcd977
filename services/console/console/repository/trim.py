"""Dropping old rows, a bounded number at a time. Each returns how many it dropped."""

from datetime import datetime
from typing import Final

from runtime.postgres import Pool, statements

_SQL: Final = statements("console")


async def live_events(pool: Pool, before: datetime, most: int) -> int:
    return _count(await pool.execute(_SQL["live_trim"], before, most))


async def commands(pool: Pool, before: datetime, most: int) -> int:
    return _count(await pool.execute(_SQL["command_trim"], before, most))


async def sessions(pool: Pool, seen_before: datetime, begun_before: datetime) -> int:
    return _count(await pool.execute(_SQL["session_trim"], seen_before, begun_before))


def _count(status: str) -> int:
    """`DELETE 5` → 5."""
    return int(status.rpartition(" ")[2])

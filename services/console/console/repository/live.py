"""Live events as they are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from runtime.postgres import Pool, statements

_SQL: Final = statements("console")

Want = tuple[str, int]
"""A stream, and the number after which its events are wanted."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    seq: int
    at: datetime
    type: str
    body: str


@dataclass(slots=True)
class News:
    """What a stream has beyond a number: `last` is its newest; `events` are the next ones, none if they were trimmed."""

    last: int
    events: list[LiveEvent] = field(default_factory=list)


async def read(pool: Pool, wants: Sequence[Want], limit: int) -> dict[Want, News]:
    """Those of the wanted that have news, each with at most `limit` events.

    Numbers of a stream become visible in their order, so what is read here is never followed by a smaller one.
    """
    found: dict[Want, News] = {}
    for row in await pool.fetch(_SQL["live_read"], [want[0] for want in wants], [want[1] for want in wants], limit):
        news = found.setdefault((row["stream"], row["after"]), News(row["last"]))
        if row["seq"] is not None:
            news.events.append(LiveEvent(row["seq"], row["at"], row["type"], row["body"]))
    return found

"""takeover's tables, read by one transaction that can write nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
import orjson

from convoboss.database import owner
from convoboss.errors import DatabaseAway
from convoboss.evidence import Kind, Piece
from runtime.packing import load
from runtime.postgres import Connection
from runtime.settings import ServiceSettings
from schemas.bots import BotSettings
from schemas.topics import CONVERSATIONS
from takeover.folding import InForce, Settings

GROUP: Final = "takeover"
TOGETHER: Final = 500  # rows in memory
WAIT: Final = 10.0  # seconds for a database that answers
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = """
SELECT slot, next_offset FROM takeover.consumer_offset WHERE group_name = $1 AND topic = $2 AND partition = $3
"""
_IN_FORCE: Final = """
SELECT f.from_offset, s.document
FROM takeover.settings_in_force AS f JOIN takeover.bot_settings AS s USING (bot, version) WHERE f.partition = $1
"""
_OUTBOX: Final = "SELECT body FROM takeover.outbox WHERE slot = $1"
_COLUMNS: Final = "id, bot, owner, epoch, seq, state, updated_at"
_ROW: Final = f"SELECT {_COLUMNS} FROM takeover.conversation WHERE id = $1"  # noqa: S608 - a constant
_ROWS: Final = f"SELECT {_COLUMNS} FROM takeover.conversation WHERE partition = $1"  # noqa: S608 - a constant
_TIMER: Final = "SELECT conversation, kind, due_at, event FROM takeover.timer WHERE conversation = $1"
_TIMERS: Final = "SELECT conversation, kind, due_at, event FROM takeover.timer WHERE partition = $1"


class Stand(NamedTuple):
    """Where takeover is in a partition. `next_offset` 0: nothing was decided. `pending`: ids that wait in the outbox."""

    next_offset: int
    settings: Settings
    pending: frozenset[str]


@asynccontextmanager
async def reading(settings: ServiceSettings) -> AsyncIterator[Connection]:
    """All that is read in it is of one moment. Raises DatabaseAway, Forbidden."""
    async with owner(settings, within=WAIT) as connection:
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
            raise DatabaseAway(f"The database has not the tables of the services ({error}).") from error


async def stand(connection: Connection, partition: int) -> Stand:
    row = await connection.fetchrow(_PLACE, GROUP, CONVERSATIONS, partition)
    in_force = await connection.fetch(_IN_FORCE, partition)
    outbox = [] if row is None else await connection.fetch(_OUTBOX, row["slot"])
    versions = [InForce(each["from_offset"], BotSettings.model_validate_json(each["document"])) for each in in_force]
    pending = {orjson.loads(packed.value)["id"] for each in outbox for packed in load(each["body"])}
    return Stand(0 if row is None else max(0, row["next_offset"]), Settings(versions), frozenset(pending))


async def of_conversation(connection: Connection, conversation: str) -> list[Piece]:
    rows = await connection.fetch(_ROW, conversation)
    timers = await connection.fetch(_TIMER, conversation)
    return [*map(_row, rows), *map(_timer, timers)]


async def of_partition(connection: Connection, partition: int) -> AsyncIterator[Piece]:
    """Rows and timers of all conversations, some at a time."""
    async for row in connection.cursor(_ROWS, partition, prefetch=TOGETHER):
        yield _row(row)
    async for row in connection.cursor(_TIMERS, partition, prefetch=TOGETHER):
        yield _timer(row)


def _row(row: asyncpg.Record) -> Piece:
    told = {name: row[name] for name in ("bot", "owner", "epoch", "seq", "state")}
    return Piece(row["id"], Kind.ROW, 0, 0, "", orjson.dumps(told | {"updated_at": row["updated_at"]}))


def _timer(row: asyncpg.Record) -> Piece:
    due_at = (row["due_at"] - _EPOCH) // timedelta(microseconds=1)
    return Piece(row["conversation"], Kind.TIMER, 0, due_at, row["kind"], row["event"].encode())

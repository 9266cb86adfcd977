"""Operators' commands: what was asked under which id, and what became of it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.projection import Row, command_of
from console.views import CommandKind, CommandState
from runtime.postgres import Pool, statements
from schemas.conversations import OperatorCommand
from schemas.envelope import event_types
from schemas.topics import CONVERSATIONS

_SQL: Final = statements("console")


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """`event`: the very record that is published, however often the request is repeated."""

    state: CommandState
    operator: str
    body_hash: bytes
    event: OperatorCommand
    acknowledged: bool


async def add(pool: Pool, kind: CommandKind, body_hash: bytes, event: OperatorCommand, now: datetime) -> None:
    """Changes nothing where the id is there already."""
    await pool.execute(
        _SQL["command_add"],
        event.id,
        event.operator.id,
        event.conversation,
        kind,
        body_hash,
        event.model_dump_json(),
        now,
    )


async def get(pool: Pool, command: str) -> StoredCommand | None:
    row = await pool.fetchrow(_SQL["command_get"], command)
    return _stored(row) if row else None


async def acknowledge(pool: Pool, command: str) -> None:
    await pool.execute(_SQL["command_acknowledge"], command)


def _stored(row: Row) -> StoredCommand:
    model = event_types(CONVERSATIONS)[json.loads(row["event_text"])["type"]]
    event = model.model_validate_json(row["event_text"])
    if not isinstance(event, OperatorCommand):
        raise TypeError(f"command {row['id']} holds a {event.type}")
    return StoredCommand(command_of(row), row["operator"], row["body_hash"], event, row["acknowledged"])

"""Operators' commands: what was asked under which id, and what became of it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from console.projection import Row, command_of, view_of
from console.state import View
from console.views import CommandKind, CommandState
from runtime.postgres import Pool, statements
from schemas.conversations import OperatorCommand
from schemas.envelope import event_types
from schemas.messages import Said
from schemas.topics import CONVERSATIONS

_SQL: Final = statements("console")
_LINES: Final = TypeAdapter(tuple[Said, ...])


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """`event`: the very record that is published, however often the request is repeated."""

    state: CommandState
    operator: str
    body_hash: bytes
    event: OperatorCommand
    acknowledged: bool
    """The log has told what became of it: it need not be published again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a command meets. `given`: its id is known already. `newer`: what bot and people said since, in order."""

    view: View
    given: bool
    newer: tuple[Said, ...]
    human_agent: bool
    """Operators' answers go out under the tag on this page."""


async def ready(pool: Pool, command: str, conversation: str, *, seq: int | None, limit: int) -> Ready | None:
    """None where there is no such conversation. At most `limit` lines after entry `seq`; none where it is None."""
    row = await pool.fetchrow(_SQL["command_ready"], conversation, command, seq, limit)
    if row is None:
        return None
    return Ready(view_of(row), row["given"], _LINES.validate_json(row["newer"] or "[]"), row["human_agent"])


async def add(pool: Pool, kind: CommandKind, body_hash: bytes, event: OperatorCommand, now: datetime) -> StoredCommand:
    """As it is kept: where the id was there already, what the first request made of it. Raises `LookupError` if it went meanwhile."""
    row = await pool.fetchrow(
        _SQL["command_add"],
        event.id,
        event.operator.id,
        event.conversation,
        kind,
        body_hash,
        event.model_dump_json(),
        now,
    )
    stored = _stored(row) if row else await get(pool, event.id)
    if stored is None:
        raise LookupError(event.id)
    return stored


async def get(pool: Pool, command: str) -> StoredCommand | None:
    row = await pool.fetchrow(_SQL["command_get"], command)
    return _stored(row) if row else None


def _stored(row: Row) -> StoredCommand:
    model = event_types(CONVERSATIONS)[json.loads(row["event_text"])["type"]]
    event = model.model_validate_json(row["event_text"])
    if not isinstance(event, OperatorCommand):
        raise TypeError(f"command {row['id']} holds a {event.type}")
    return StoredCommand(command_of(row), row["operator"], row["body_hash"], event, row["acknowledged"])

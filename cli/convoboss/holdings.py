"""Where something of a customer is kept in tables, and how much of it: only counted, never read."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from convoboss.errors import UnknownConversation
from runtime.postgres import Connection
from takeover.state import Conversation


class Holding(NamedTuple):
    """`rows` of a table. `waits`: they still have a task, so that they go only when that is done."""

    service: str
    what: str
    rows: int
    waits: bool = False


class _Question(NamedTuple):
    service: str
    what: str
    table: str
    where: str
    waits: bool = False


_TEXT_OF_MESSAGE: Final = "kind = 'message.send.v1' AND (body -> 'message' -> 'text')::text <> '\"\"'"
# Live events are no question: new ones, which tell of nothing personal, come at any time.
_QUESTIONS: Final = (
    _Question(
        "console",
        "the customer's name, picture, attributes, last text",
        "console.conversation",
        "id = $1 AND (customer_name <> '' OR picture_url <> '' OR last_text <> '' OR attributes <> '{}')",
    ),
    _Question(
        "console",
        "entries of the transcript with texts or attachments",
        "console.entry",
        "conversation = $1 AND (text <> '' OR jsonb_path_exists(content, '$.**.text ? (@ <> \"\")')"
        " OR jsonb_path_exists(content, '$.**.attachments[*]') OR content ->> 'note' <> '')",
    ),
    _Question("console", "operators' notes", "console.episode", "conversation = $1 AND note <> ''"),
    _Question(
        "console",
        "operators' commands with texts",
        "console.command",
        "conversation = $1 AND (event ->> 'text' NOT IN ('', '(erased)') OR event ->> 'note' <> '')",
    ),
    _Question(
        "fb-handover",
        "messages that were sent",
        "fb_handover.outgoing",
        f"conversation = $1 AND {_TEXT_OF_MESSAGE} AND state NOT IN ('waiting', 'sending')",
    ),
    _Question(
        "fb-handover",
        "messages that are being sent",
        "fb_handover.outgoing",
        f"conversation = $1 AND {_TEXT_OF_MESSAGE} AND state IN ('waiting', 'sending')",
        waits=True,
    ),
    _Question("notifier", "e-mails to be written", "notifier.email", "conversation = $1 AND started <> ''"),
)
_STATE: Final = "SELECT state FROM takeover.conversation WHERE id = $1"


async def standing(connection: Connection, conversation: str) -> Conversation:
    """Takeover's state. Raises UnknownConversation."""
    found = await connection.fetchval(_STATE, conversation)
    if found is None:
        raise UnknownConversation(conversation)
    return Conversation.from_json(found)


async def held(connection: Connection, conversation: str) -> list[Holding]:
    """What there is; services whose tables are not in this database have nothing."""
    found = [
        Holding(
            "takeover", "profile, last texts, place in the flow, what waits", await _state(connection, conversation)
        )
    ]
    for ask in _QUESTIONS:
        if await connection.fetchval("SELECT to_regclass($1) IS NULL", ask.table):
            continue
        count = await connection.fetchval(
            f"SELECT count(*) FROM {ask.table} WHERE {ask.where}",  # noqa: S608 - both are constants above
            conversation,
        )
        found.append(Holding(ask.service, ask.what, count, ask.waits))
    return found


async def _state(connection: Connection, conversation: str) -> int:
    """1 if forgetting would change the row."""
    state = await standing(connection, conversation)
    forgotten = state.copy()
    forgotten.forget()
    return int(values_differ(state, forgotten))


def values_differ(state: Conversation, forgotten: Conversation) -> bool:
    """A row of somebody who was never named counts as nothing: an empty profile is none. Nor is it when they were forgotten."""
    mine: Mapping[str, object] = {
        **vars(state),
        "profile": state.profile or forgotten.profile,
        "forgotten": forgotten.forgotten,
    }
    return mine != vars(forgotten)

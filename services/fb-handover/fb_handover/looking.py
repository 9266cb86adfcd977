"""Whether a message of unknown outcome is in Facebook's list of the conversation. Pure.

The Conversations API tells no metadata: a message is known by its text, its sender and its time. Source: Meta's Conversations
API, `GET /<page>/conversations?user_id=<PSID>`.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fb_handover.graph_body import ButtonTemplate, MessageBody
from fb_handover.order import Looked
from graphapi.answers import Accepted, Later, LenientText, Unknown, Verdict
from graphapi.request import GraphRequest
from schemas.base import ConversationId

MESSAGES: Final = 20  # Facebook keeps no more of a conversation for this
FIELDS: Final = f"messages.limit({MESSAGES}){{id,created_time,message,from,attachments}}"
APART: Final = timedelta(
    seconds=5
)  # by which Facebook's clock and the database's may differ; its times are whole seconds


def _time(value: object) -> datetime | None:
    """`2026-11-24T09:30:00+0000`, or seconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        at = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Sender(_Lenient):
    id: LenientText = ""


class _Message(_Lenient):
    id: LenientText = ""
    created_time: Annotated[datetime | None, BeforeValidator(_time)] = None
    message: LenientText = ""
    sender: Annotated[_Sender, Field(alias="from")] = _Sender()
    attachments: object = None


class _Messages(_Lenient):
    data: tuple[_Message, ...] = ()


class _Conversation(_Lenient):
    messages: _Messages = _Messages()


class _Answer(_Lenient):
    data: tuple[_Conversation, ...]


def request(conversation: ConversationId) -> GraphRequest:
    return GraphRequest(
        path=f"{conversation.account}/conversations",
        query=(("platform", "messenger"), ("user_id", conversation.customer), ("fields", FIELDS)),
    )


def looked(verdict: Verdict, body: MessageBody, *, page: str, since: datetime, known: frozenset[str]) -> Looked:
    """`body`: what was sent, at `since` or later. `known`: ids of other messages of ours."""
    if isinstance(verdict, Later | Unknown):
        return Looked(again=True)
    if not isinstance(verdict, Accepted):
        return Looked(again=getattr(verdict, "dead_token", False))
    try:
        answer = _Answer.model_validate(verdict.body)
    except ValidationError:
        return Looked()
    found = [
        message
        for conversation in answer.data
        for message in conversation.messages.data
        if message.id and message.id not in known and _is(message, body, page, since)
    ]
    return Looked(min(found, key=lambda message: message.created_time or since).id if found else None)


def _is(message: _Message, body: MessageBody, page: str, since: datetime) -> bool:
    at = message.created_time
    if at is None or at < since - APART or message.sender.id != page:
        return False
    text = _text(body)
    return message.message.strip() == text.strip() if text else bool(message.attachments)


def _text(body: MessageBody) -> str:
    """What the list shows of it as its text; empty for pictures, files and cards."""
    template = body.attachment.payload if body.attachment is not None else None
    return template.text if isinstance(template, ButtonTemplate) else body.text or ""

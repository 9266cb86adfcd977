"""What the Conversations API tells of a page, as the events that the webhooks would have brought. Pure.

Source: Meta's Conversations API: conversations newest first, each with its last 20 messages, newest first. Ids of messages
are the webhooks' mids, so the events have the same ids and readers drop what the log has already.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ingress.messenger import event_id
from schemas.base import BadConversationId, ConversationId
from schemas.conversations import CustomerMessage, Echo
from schemas.messages import Attachment, CustomerInput

LAST: Final = 20  # messages of a conversation that can be read
FIELDS: Final = (
    f"id,participants,updated_time,messages.limit({LAST}){{id,created_time,from,to,message,attachments,sticker}}"
)
FILE: Final = "file"
AUDIO: Final = "audio"


@dataclass(frozen=True, slots=True)
class Told:
    """A message of a conversation. `by_page`: written by somebody on the page's side."""

    mid: str
    at: datetime
    by_page: bool
    customer: str
    text: str
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """`messages` oldest first. `cut`: there are older ones that cannot be read."""

    updated_at: datetime | None
    messages: tuple[Told, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the list. `after` None: it is the last."""

    conversations: tuple[Conversation, ...]
    after: str | None


def part(body: object, page: str) -> Part:
    """What an answer holds; what cannot be read in it is left out."""
    answer = _mapping(body)
    return Part(
        conversations=tuple(_conversation(_mapping(entry), page) for entry in _list(answer.get("data"))),
        after=_after(answer),
    )


def events(
    found: Conversation, page: str, app: str, *, since: datetime, until: datetime, ours: Collection[str]
) -> Iterator[CustomerMessage | Echo]:
    """What was said between `since` and `until`, oldest first. `ours`: mids of what our app sent.

    Facebook does not tell which app wrote for the page: what we sent is known by its mid, the rest is another's or staff's.
    """
    for told in found.messages:
        if not since <= told.at <= until:
            continue
        conversation = f"messenger:{page}:{told.customer}"
        own = event_id(page, told.mid)
        if told.by_page:
            yield Echo(
                id=f"{own}:echo",
                conversation=conversation,
                occurred_at=told.at,
                mid=told.mid,
                app_id=app if told.mid in ours else None,
                text=told.text,
                attachments=told.attachments,
                caught_up=True,
            )
        elif told.text or told.attachments:
            yield CustomerMessage(
                id=own,
                conversation=conversation,
                occurred_at=told.at,
                mid=told.mid,
                input=CustomerInput(text=told.text, attachments=told.attachments),
                caught_up=True,
            )


def _conversation(entry: Mapping[str, object], page: str) -> Conversation:
    told = [_mapping(one) for one in _list(_mapping(entry.get("messages")).get("data"))]
    customer = _customer(entry, page)
    read = [message for one in reversed(told) if (message := _told(one, page, customer)) is not None]
    return Conversation(
        updated_at=_time(entry.get("updated_time")),
        messages=tuple(sorted(read, key=lambda message: message.at)),  # stable: those of a second stay in their order
        cut=len(told) >= LAST,
    )


def _customer(entry: Mapping[str, object], page: str) -> str | None:
    people = [_id(_mapping(one)) for one in _list(_mapping(entry.get("participants")).get("data"))]
    return next((person for person in people if person and person != page), None)


def _told(one: Mapping[str, object], page: str, customer: str | None) -> Told | None:
    mid, at, writer = _text(one.get("id")), _time(one.get("created_time")), _id(_mapping(one.get("from")))
    readers = [_id(_mapping(each)) for each in _list(_mapping(one.get("to")).get("data"))]
    if not mid or at is None or not writer:
        return None
    by_page = writer == page
    other = writer if not by_page else next((each for each in readers if each and each != page), customer)
    if not other or not _is_customer(page, other):
        return None
    return Told(mid, at, by_page, other, _text(one.get("message")), tuple(_attachments(one)))


def _is_customer(page: str, other: str) -> bool:
    try:
        return not ConversationId.parse(f"messenger:{page}:{other}").is_page
    except BadConversationId:
        return False


def _attachments(one: Mapping[str, object]) -> Iterator[Attachment]:
    sticker = _text(one.get("sticker"))
    if sticker:  # the same picture is among the attachments
        yield Attachment(kind="sticker", url=sticker)
        return
    for each in map(_mapping, _list(_mapping(one.get("attachments")).get("data"))):
        for kind, name in (("image", "image_data"), ("video", "video_data")):
            if url := _text(_mapping(each.get(name)).get("url")):
                yield Attachment(kind=kind, url=url, title=_text(each.get("name")) or None)
                break
        else:
            kind = AUDIO if _text(each.get("mime_type")).startswith("audio/") else FILE
            yield Attachment(kind=kind, url=_text(each.get("file_url")) or None, title=_text(each.get("name")) or None)


def _after(answer: Mapping[str, object]) -> str | None:
    paging = _mapping(answer.get("paging"))
    after = _text(_mapping(paging.get("cursors")).get("after"))
    return after if after and paging.get("next") else None


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _id(value: Mapping[str, object]) -> str:
    return _text(value.get("id"))


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []

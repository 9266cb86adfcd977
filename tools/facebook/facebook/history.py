"""What the Conversations API shows: conversations of a page, and the last messages of each.

Source: "Conversations API" of the Messenger Platform (the 20 most recent messages) and "Conversation Routing"
(`is_owner`, which only a page that routes has). Times are written in seconds, as the Graph API does.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from zlib import crc32

from pydantic import JsonValue

from facebook.conversation import Conversation, Line
from facebook.errors import InvalidParameter, NoSuchObject
from facebook.fields import Field
from facebook.pages import Page
from facebook.registry import Caller
from facebook.world import World

MESSAGES = 20  # of a conversation; older ones cannot be read
LISTED = 25  # conversations of an answer, unless asked for otherwise
MOST_LISTED = 100
CONVERSATION = "id,updated_time"
MESSAGE = "id,created_time"

Body = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Listing:
    """Which conversations are wanted. `after`: a cursor of an earlier answer."""

    fields: tuple[Field, ...]
    psid: str | None = None
    limit: int = LISTED
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An answer of a list. `after` None: it is the end."""

    data: list[JsonValue]
    before: str | None
    after: str | None


def listed(world: World, caller: Caller, listing: Listing) -> Part:
    """Latest first. Raises InvalidParameter."""
    found = sorted(_conversations(world, caller.page, listing.psid), key=_place, reverse=True)
    if listing.after is not None:
        place = _read_cursor(listing.after)
        found = [conversation for conversation in found if _place(conversation) < place]
    shown = found[: listing.limit]
    data: list[JsonValue] = [conversation_body(world, caller, one, listing.fields) for one in shown]
    more = len(found) > len(shown)
    return Part(data, _cursor(shown[0]) if shown else None, _cursor(shown[-1]) if more else None)


def conversation(world: World, caller: Caller, conversation_id: str) -> Conversation:
    """Raises NoSuchObject."""
    for found in _conversations(world, caller.page, None):
        if found.id == conversation_id:
            return found
    raise NoSuchObject


def message(world: World, caller: Caller, mid: str) -> tuple[Conversation, Line]:
    """One of the last messages of a conversation. Raises NoSuchObject, also for one that is further back."""
    for found in _conversations(world, caller.page, None):
        for line in recent(found):
            if line.mid == mid:
                return found, line
    raise NoSuchObject


def recent(found: Conversation) -> list[Line]:
    """Newest first."""
    said = [line for line in reversed(found.lines) if line.mid is not None]
    return [line for line in said[:MESSAGES] if not line.deleted]


def conversation_body(world: World, caller: Caller, found: Conversation, fields: tuple[Field, ...]) -> Body:
    """Raises InvalidParameter for a field that there is not."""

    def one(field: Field) -> JsonValue:
        return _conversation_field(world, caller, found, field)

    return _picked(fields, one)


def message_body(world: World, page: Page, found: Conversation, line: Line, fields: tuple[Field, ...]) -> Body:
    """Raises InvalidParameter for a field that there is not."""
    return _picked(fields, lambda field: _message_field(world, page, found, line, field))


def messages_body(world: World, page: Page, found: Conversation, field: Field) -> Body:
    wanted = field.inner or (Field("id"), Field("created_time"))
    shown = recent(found)[: field.limit or MESSAGES]
    data: list[JsonValue] = [message_body(world, page, found, line, wanted) for line in shown]
    if not shown:
        return {"data": data}
    return {"data": data, "paging": {"cursors": {"before": shown[0].mid, "after": shown[-1].mid}}}


def _conversations(world: World, page: Page, psid: str | None) -> Iterable[Conversation]:
    return (
        found
        for (page_id, of), found in world.conversations.items()
        if page_id == page.id and psid in {None, of} and found.last_said() is not None
    )


def _conversation_field(world: World, caller: Caller, found: Conversation, field: Field) -> JsonValue:
    page = caller.page
    match field.name:
        case "id":
            return found.id
        case "updated_time":
            return _time(_updated(found))
        case "link":
            return f"/{page.id}/inbox/{found.id.removeprefix('t_')}/"
        case "snippet":
            return (found.last_said() or Line(at=world.now(), side="notice")).text or ""
        case "message_count":
            return sum(line.mid is not None for line in found.lines)
        case "can_reply":
            return found.window_open(world.now())
        case "participants" | "senders":
            return {"data": [_person(world, page, found), _page(page)]}
        case "messages":
            return messages_body(world, page, found, field)
        case "is_owner" if page.default_app is not None:
            return world.owner(page, found) == caller.app.id
        case _:
            raise _no_field(field)


def _message_field(world: World, page: Page, found: Conversation, line: Line, field: Field) -> JsonValue:
    by_customer = line.side == "customer"
    match field.name:
        case "id":
            return line.mid
        case "created_time":
            return _time(line.at)
        case "from":
            return _person(world, page, found) if by_customer else _page(page)
        case "to":
            return {"data": [_page(page) if by_customer else _person(world, page, found)]}
        case "message":
            return line.text or ""
        case "attachments":
            return _attachments(line)
        case "sticker":
            return line.attachment_url if line.attachment_type == "sticker" else None
        case "reply_to":
            return {"mid": line.reply_to} if line.reply_to is not None else None
        case "reactions":
            given = {"reaction": line.reaction, "users": [_person(world, page, found)]}
            return {"data": [cast("JsonValue", given)]} if line.reaction is not None else None
        case "tags":
            return {"data": [{"name": name} for name in ("inbox", "messenger", "source:chat")]}
        case _:
            raise _no_field(field)


def _attachments(line: Line) -> JsonValue:
    if line.attachment_type is None or line.attachment_type in {"button", "generic", "media"}:
        return None
    shown: Body = {"id": str(crc32((line.mid or "").encode())), "name": line.attachment_type}
    address: JsonValue = line.attachment_url
    if line.attachment_type in {"image", "sticker"}:
        shown |= {"mime_type": "image/png", "image_data": {"url": address, "preview_url": address}}
    elif line.attachment_type == "video":
        shown |= {"mime_type": "video/mp4", "video_data": {"url": address}}
    else:
        shown |= {"mime_type": "application/octet-stream", "file_url": address}
    return {"data": [cast("JsonValue", shown)]}


def _picked(fields: Sequence[Field], value: Callable[[Field], JsonValue]) -> Body:
    """Facebook leaves out what is empty and always adds the id."""
    body = {field.name: value(field) for field in fields}
    body.setdefault("id", value(Field("id")))
    return {name: found for name, found in body.items() if found is not None}


def _person(world: World, page: Page, found: Conversation) -> Body:
    name = world.registry.customer(page.id, found.psid).name
    return {"name": name, "email": f"{found.psid}@facebook.com", "id": found.psid}


def _page(page: Page) -> Body:
    return {"name": page.name, "email": f"{page.id}@facebook.com", "id": page.id}


def _updated(found: Conversation) -> datetime:
    last = found.last_said()
    if last is None:
        raise NoSuchObject
    return last.at


def _place(found: Conversation) -> tuple[float, str]:
    return _updated(found).timestamp(), found.id


def _cursor(found: Conversation) -> str:
    at, name = _place(found)
    return base64.urlsafe_b64encode(f"{at!r} {name}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        at, _, name = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        return float(at), name
    except ValueError:
        raise InvalidParameter("Invalid cursors values") from None


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S%z")


def _no_field(field: Field) -> InvalidParameter:
    return InvalidParameter(f"Tried accessing nonexisting field ({field.name})")

"""The bodies of webhooks, event by event.

Source: the webhook reference of the Messenger Platform; public captures for what the reference leaves out (the echo of
a button template carries its text twice; app ids of echoes are numbers, those of thread control are strings).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from pydantic import JsonValue

from facebook.clock import milliseconds
from facebook.limits import Attachment, ButtonTemplate, GenericTemplate, MediaTemplate, TemplateAttachment
from facebook.shapes import Event, Shapes, Stickers, entry
from facebook.thread import Notice, Passed, Requested, Taken

Where = Literal["messaging", "standby", "changes"]
Kind = Literal[
    "message",
    "quick_reply",
    "postback",
    "echo",
    "deleted",
    "edit",
    "reaction",
    "referral",
    "optin",
    "account_linking",
    "message_request",
    "policy_enforcement",
    "app_roles",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "delivery",
    "read",
    "change",
    "raw",
]

FIELD_OF: dict[Kind, str] = {
    "message": "messages",
    "quick_reply": "messages",
    "deleted": "messages",
    "message_request": "messages",
    "postback": "messaging_postbacks",
    "echo": "message_echoes",
    "edit": "message_edits",
    "reaction": "message_reactions",
    "referral": "messaging_referrals",
    "optin": "messaging_optins",
    "account_linking": "messaging_account_linking",
    "policy_enforcement": "messaging_policy_enforcement",
    "app_roles": "messaging_handovers",
    "pass_thread_control": "messaging_handovers",
    "take_thread_control": "messaging_handovers",
    "request_thread_control": "messaging_handovers",
    "delivery": "message_deliveries",
    "read": "message_reads",
}


@dataclass(frozen=True, slots=True)
class Sides:
    page_id: str
    psid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Media:
    """A customer's attachment. `raw` stands in for all of it."""

    type: str
    url: str | None = None
    title: str | None = None
    sticker_id: str | None = None
    coordinates: tuple[float, float] | None = None
    raw: JsonValue = None


@dataclass(frozen=True, slots=True)
class QuickReplyPicked:
    title: str
    payload: str


def message(
    sides: Sides,
    mid: str,
    text: str | None,
    media: Sequence[Media] = (),
    more: Event | None = None,
    *,
    stickers: Stickers,
) -> Event:
    """`more` goes into the message: what it answers, where it came from, what else is to be there."""
    body: Event = {"mid": mid}
    if text is not None:
        body["text"] = text
    if media:
        body["attachments"] = [shown for one in media for shown in _attached(one, stickers)]
        if stickers == "image" and (sticker := next((one.sticker_id for one in media if one.sticker_id), None)):
            body["sticker_id"] = int(sticker)
    return _from_customer(sides) | {"message": body | (more or {})}


def deleted(sides: Sides, mid: str) -> Event:
    return _from_customer(sides) | {"message": {"mid": mid, "is_deleted": True}}


def edited(sides: Sides, mid: str, text: str, times: int) -> Event:
    return _from_customer(sides) | {"message_edit": {"mid": mid, "text": text, "num_edit": times}}


def reaction(sides: Sides, mid: str, name: str, emoji: str | None) -> Event:
    """`emoji` None: the reaction is taken back."""
    body: Event = {"mid": mid, "action": "unreact" if emoji is None else "react"}
    if emoji is not None:
        body |= {"reaction": name, "emoji": emoji}
    return _from_customer(sides) | {"reaction": body}


def plain(sides: Sides, name: str, body: JsonValue) -> Event:
    """An event that is one thing said by the customer: referral, optin, message_request."""
    return _from_customer(sides) | {name: body}


def account_linking(sides: Sides, code: str | None) -> Event:
    """`code` None: unlinked. Without a timestamp, as in public captures."""
    body: Event = {"status": "unlinked"} if code is None else {"status": "linked", "authorization_code": code}
    return _without_time(sides) | {"account_linking": body}


def anonymous(sides: Sides, name: str, body: JsonValue) -> Event:
    """An event of the page, or of somebody who is not known: there is no sender."""
    return {"recipient": {"id": sides.page_id}, "timestamp": milliseconds(sides.at), name: body}


def quick_reply(sides: Sides, mid: str, picked: QuickReplyPicked, *, with_payload: bool = True) -> Event:
    body: Event = {"mid": mid, "text": picked.title}
    if with_payload:
        body["quick_reply"] = {"payload": picked.payload}
    return _from_customer(sides) | {"message": body}


def postback(
    sides: Sides, mid: str, title: str, payload: str, *, with_payload: bool, referral: Event | None = None
) -> Event:
    """In standby the payload is stripped, but for the app that sent the button."""
    body: Event = {"mid": mid, "title": title}
    if with_payload:
        body["payload"] = payload
    if referral is not None:
        body["referral"] = referral
    return _from_customer(sides) | {"postback": body}


def echo(
    sides: Sides,
    mid: str,
    app_id: str,
    *,
    text: str | None,
    attachment: Attachment | None,
    metadata: str | None,
    sticker_id: str | None = None,
    reply_to: str | None = None,
) -> Event:
    body: Event = {"mid": mid, "is_echo": True, "app_id": int(app_id)}
    if text is not None:
        body["text"] = text
    if attachment is not None:
        body |= _echoed(attachment)
    if metadata is not None:
        body["metadata"] = metadata
    if sticker_id is not None:
        body["attachments"] = [{"type": "sticker", "payload": {"sticker_id": int(sticker_id)}}]
    if reply_to is not None:
        body["reply_to"] = {"mid": reply_to}
    return _from_page(sides) | {"message": body}


def thread_control(sides: Sides, notice: Notice, metadata: str | None) -> tuple[Kind, Event]:
    kind, body = _notice(notice)
    if metadata is not None:
        body["metadata"] = metadata
    return kind, _from_customer(sides) | {kind: body}


def delivery(sides: Sides, mids: Sequence[str] | None) -> Event:
    """Deliveries have no timestamp, as in public captures, and not always mids."""
    body: Event = {"watermark": milliseconds(sides.at)}
    if mids is not None:
        body["mids"] = list(mids)
    return _without_time(sides) | {"delivery": body}


def read(sides: Sides) -> Event:
    return _from_customer(sides) | {"read": {"watermark": milliseconds(sides.at)}}


def envelope(at: datetime, events: Sequence[tuple[str, Where, Event]], shapes: Mapping[str, Shapes]) -> Event:
    """One POST of events, each with its page and its place: an entry for each run of the same page and place."""
    entries: list[JsonValue] = []
    for (page_id, where), run in groupby(events, key=lambda one: one[:2]):
        head = entry(page_id, milliseconds(at), shapes[page_id])
        entries.append(head | {where: [event for _, _, event in run]})
    return {"object": "page", "entry": entries}


def _from_customer(sides: Sides) -> Event:
    return _without_time(sides) | {"timestamp": milliseconds(sides.at)}


def _from_page(sides: Sides) -> Event:
    return {
        "sender": {"id": sides.page_id},
        "recipient": {"id": sides.psid},
        "timestamp": milliseconds(sides.at),
    }


def _without_time(sides: Sides) -> Event:
    return {"sender": {"id": sides.psid}, "recipient": {"id": sides.page_id}}


def _notice(notice: Notice) -> tuple[Kind, Event]:
    match notice:
        case Passed(previous=previous, new=new):
            return "pass_thread_control", {"previous_owner_app_id": previous, "new_owner_app_id": new}
        case Taken(previous=previous, new=new):
            return "take_thread_control", {"previous_owner_app_id": previous, "new_owner_app_id": new}
        case Requested(by=by):
            return "request_thread_control", {"requested_owner_app_id": by}


def _attached(media: Media, stickers: Stickers) -> list[JsonValue]:
    if media.raw is not None:
        return [media.raw]
    if media.type == "location":
        lat, long = media.coordinates or (0.0, 0.0)
        where: JsonValue = {"coordinates": {"lat": lat, "long": long}}
        return [{"type": "location", "title": media.title or "Pinned Location", "url": media.url, "payload": where}]
    if media.type == "fallback":
        return [{"type": "fallback", "title": media.title, "url": media.url, "payload": None}]
    payload: Event = {"url": media.url} if media.url is not None else {}
    if media.title is not None:
        payload["title"] = media.title
    if media.sticker_id is None:
        return [{"type": media.type, "payload": payload or None}]
    payload["sticker_id"] = int(media.sticker_id)
    types = {"sticker": ("sticker",), "both": ("image", "sticker"), "image": ("image",)}[stickers]
    return [{"type": name, "payload": payload} for name in types]


def _echoed(attachment: Attachment) -> Event:
    if not isinstance(attachment, TemplateAttachment):
        payload: Event = {"url": attachment.payload.url} if attachment.payload.url else {}
        if attachment.payload.attachment_id is not None:
            payload["attachment_id"] = int(attachment.payload.attachment_id)
        return {"attachments": [{"type": attachment.type, "payload": payload}]}
    template = attachment.payload
    if isinstance(template, ButtonTemplate):
        buttons = {"template_type": "button", "buttons": _dumped(template)["buttons"]}
        shown: JsonValue = {"type": "template", "url": None, "title": template.text, "payload": buttons}
        return {"text": template.text, "attachments": [shown]}
    title = template.elements[0].title if isinstance(template, GenericTemplate) else None
    elements = {"template_type": template.template_type, "elements": _dumped(template)["elements"]}
    return {"attachments": [{"type": "template", "url": None, "title": title, "payload": elements}]}


def _dumped(template: ButtonTemplate | GenericTemplate | MediaTemplate) -> Event:
    return template.model_dump(mode="json", exclude_none=True)

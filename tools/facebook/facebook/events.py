"""The bodies of webhooks, event by event.

Source: the webhook reference of the Messenger Platform; public captures for what the reference leaves out (the echo of
a button template carries its text twice; app ids of echoes are numbers, those of thread control are strings).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from pydantic import JsonValue

from facebook.clock import milliseconds
from facebook.limits import Attachment, ButtonTemplate, GenericTemplate, TemplateAttachment
from facebook.thread import Channel, Notice, Passed, Requested, Taken

Event = dict[str, JsonValue]
Kind = Literal[
    "message",
    "quick_reply",
    "postback",
    "echo",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "delivery",
    "read",
]

FIELD_OF: dict[Kind, str] = {
    "message": "messages",
    "quick_reply": "messages",
    "postback": "messaging_postbacks",
    "echo": "message_echoes",
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
    """A customer's attachment."""

    type: Literal["image", "audio", "video", "file"]
    url: str


@dataclass(frozen=True, slots=True)
class QuickReplyPicked:
    title: str
    payload: str


def message(sides: Sides, mid: str, text: str | None, media: Media | None = None) -> Event:
    body: Event = {"mid": mid}
    if text is not None:
        body["text"] = text
    if media is not None:
        body["attachments"] = [{"type": media.type, "payload": {"url": media.url}}]
    return _from_customer(sides) | {"message": body}


def quick_reply(sides: Sides, mid: str, picked: QuickReplyPicked, *, with_payload: bool = True) -> Event:
    body: Event = {"mid": mid, "text": picked.title}
    if with_payload:
        body["quick_reply"] = {"payload": picked.payload}
    return _from_customer(sides) | {"message": body}


def postback(sides: Sides, mid: str, title: str, payload: str, *, with_payload: bool) -> Event:
    """In standby the payload is stripped, but for the app that sent the button."""
    body: Event = {"mid": mid, "title": title}
    if with_payload:
        body["payload"] = payload
    return _from_customer(sides) | {"postback": body}


def echo(
    sides: Sides, mid: str, app_id: str, *, text: str | None, attachment: Attachment | None, metadata: str | None
) -> Event:
    body: Event = {"mid": mid, "is_echo": True, "app_id": int(app_id)}
    if text is not None:
        body["text"] = text
    if attachment is not None:
        body |= _echoed(attachment)
    if metadata is not None:
        body["metadata"] = metadata
    return _from_page(sides) | {"message": body}


def thread_control(sides: Sides, notice: Notice, metadata: str | None) -> tuple[Kind, Event]:
    kind, body = _notice(notice)
    if metadata is not None:
        body["metadata"] = metadata
    return kind, _from_customer(sides) | {kind: body}


def delivery(sides: Sides, mid: str) -> Event:
    """Deliveries have no timestamp, as in public captures."""
    return _without_time(sides) | {"delivery": {"mids": [mid], "watermark": milliseconds(sides.at)}}


def read(sides: Sides) -> Event:
    return _from_customer(sides) | {"read": {"watermark": milliseconds(sides.at)}}


def envelope(page_id: str, at: datetime, events: Sequence[tuple[Channel, Event]]) -> Event:
    """One POST: an entry for each run of events on the same channel, in order."""
    entries: list[JsonValue] = [
        {"id": page_id, "time": milliseconds(at), channel: _only_events(run)}
        for channel, run in groupby(events, key=lambda pair: pair[0])
    ]
    return {"object": "page", "entry": entries}


def _only_events(run: Iterable[tuple[Channel, Event]]) -> list[JsonValue]:
    return [event for _, event in run]


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


def _echoed(attachment: Attachment) -> Event:
    if not isinstance(attachment, TemplateAttachment):
        payload: JsonValue = {"url": attachment.payload.url} if attachment.payload.url else {}
        return {"attachments": [{"type": attachment.type, "payload": payload}]}
    template = attachment.payload
    if isinstance(template, ButtonTemplate):
        buttons = {"template_type": "button", "buttons": _dumped(template)["buttons"]}
        shown: JsonValue = {"type": "template", "url": None, "title": template.text, "payload": buttons}
        return {"text": template.text, "attachments": [shown]}
    generic = {"template_type": "generic", "elements": _dumped(template)["elements"]}
    return {"attachments": [{"type": "template", "url": None, "title": template.elements[0].title, "payload": generic}]}


def _dumped(template: ButtonTemplate | GenericTemplate) -> Event:
    return template.model_dump(mode="json", exclude_none=True)

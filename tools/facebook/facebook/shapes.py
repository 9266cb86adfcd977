"""Odd shapes that webhooks were seen in: ids as numbers, times in seconds or missing, older bodies.

Source: public captures of webhooks, which differ from the documentation in these ways.
"""

from datetime import UTC, datetime
from typing import Literal, cast

from pydantic import Field, JsonValue

from facebook.model import Strict

Event = dict[str, JsonValue]
CONTROLS = ("pass_thread_control", "take_thread_control", "request_thread_control")
Stickers = Literal["sticker", "both", "image"]
APP_IDS = ("previous_owner_app_id", "new_owner_app_id", "requested_owner_app_id")


class Shapes(Strict):
    """Of a page's webhooks; the defaults are the documented ones."""

    ids_as_numbers: bool = Field(default=False, description="sender, recipient, entry and app ids are numbers")
    times: Literal["ms", "seconds", "text", "iso", "missing"] = Field(default="ms", description="of the event")
    entry_times: Literal["ms", "seconds", "float", "missing"] = Field(default="ms", description="of the entry")
    hyphens: bool = Field(default=False, description="policy-enforcement instead of policy_enforcement")
    old_handovers: bool = Field(default=False, description="no previous owner in a pass, no new owner in a take")
    swapped_handovers: bool = Field(default=False, description="the page is the sender of thread control events")
    no_handover_recipient: bool = Field(default=False, description="thread control events have no recipient")
    seq: bool = Field(default=False, description="messages carry the old seq")
    no_postback_mid: bool = Field(default=False, description="postbacks have no mid")
    no_echo_app_id: bool = Field(default=False, description="echoes have no app_id, as before v12")
    stickers: Stickers = Field(
        default="sticker", description="both: an image with the same id beside it; image: as before June 2026"
    )
    edit_count_as_text: bool = Field(default=False, description="num_edit is a text")


PLAIN = Shapes()


def shaped(event: Event, shapes: Shapes) -> Event:
    """The event as it goes out; `event` stays as it is."""
    if shapes == PLAIN:
        return event
    event = dict(event)
    _parts(event, shapes)
    _handover(event, shapes)
    _time(event, shapes.times)
    if shapes.hyphens and "policy_enforcement" in event:
        event["policy-enforcement"] = event.pop("policy_enforcement")
    if shapes.ids_as_numbers:
        _numbers(event)
    return event


def entry(page_id: str, at_ms: int, shapes: Shapes) -> Event:
    """The head of an entry."""
    head: Event = {"id": int(page_id) if shapes.ids_as_numbers else page_id}
    match shapes.entry_times:
        case "ms":
            head["time"] = at_ms
        case "seconds":
            head["time"] = at_ms // 1000
        case "float":
            head["time"] = at_ms / 1000
        case "missing":
            pass
    return head


def _parts(event: Event, shapes: Shapes) -> None:
    message, postback, edit = (event.get(name) for name in ("message", "postback", "message_edit"))
    if isinstance(message, dict):
        message = dict(message)
        if shapes.seq:
            message["seq"] = 73
        if shapes.no_echo_app_id and message.get("is_echo"):
            message.pop("app_id", None)
        event["message"] = message
    if isinstance(postback, dict) and shapes.no_postback_mid:
        event["postback"] = {name: value for name, value in postback.items() if name != "mid"}
    if isinstance(edit, dict) and shapes.edit_count_as_text:
        event["message_edit"] = {**edit, "num_edit": str(edit.get("num_edit", 1))}


def _handover(event: Event, shapes: Shapes) -> None:
    name = next((control for control in CONTROLS if control in event), None)
    if name is None:
        return
    control = dict(cast("Event", event[name]))
    if shapes.old_handovers:
        control.pop({"pass_thread_control": "previous_owner_app_id"}.get(name, "new_owner_app_id"), None)
    event[name] = control
    if shapes.swapped_handovers:
        event["sender"], event["recipient"] = event["recipient"], event["sender"]
    if shapes.no_handover_recipient:
        event.pop("recipient", None)


def _time(event: Event, times: Literal["ms", "seconds", "text", "iso", "missing"]) -> None:
    at = event.get("timestamp")
    if not isinstance(at, int):
        return
    match times:
        case "ms":
            return
        case "seconds":
            event["timestamp"] = at // 1000
        case "text":
            event["timestamp"] = str(at)
        case "iso":
            event["timestamp"] = _iso(at)
        case "missing":
            del event["timestamp"]


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _numbers(event: Event) -> None:
    for side in ("sender", "recipient"):
        known = event.get(side)
        if isinstance(known, dict) and isinstance(known.get("id"), str):
            event[side] = {**known, "id": int(str(known["id"]))}
    for name in CONTROLS:
        control = event.get(name)
        if isinstance(control, dict):
            event[name] = {key: _number(key, value) for key, value in control.items()}


def _number(key: str, value: JsonValue) -> JsonValue:
    return int(value) if key in APP_IDS and isinstance(value, str) else value

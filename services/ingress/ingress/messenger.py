"""What Facebook's events mean to a conversation. Pure: one element of a webhook in, one event out."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple

import orjson
from pydantic import ValidationError

from ingress.facebook import Event, FacebookId, Message, Postback, ThreadChange
from ingress.times import told_time
from ingress.webhook import MAX_ELEMENTS, TEST_PAGE, Broken, Element, elements
from schemas.base import PAGE_EVENTS
from schemas.conversations import Channel, ChannelFact, CustomerMessage, Echo, ThreadControl
from schemas.messages import Attachment, CustomerInput

ChannelEvent = CustomerMessage | Echo | ThreadControl | ChannelFact

FACTS: Final[Mapping[str, str]] = {
    "delivery": "delivery",
    "read": "read",
    "reaction": "reaction",
    "message_edit": "message_edit",
    "referral": "referral",
    "optin": "optin",
    "account_linking": "account_linking",
    "app_roles": "app_roles",
    "policy_enforcement": "policy_enforcement",
    "policy-enforcement": "policy_enforcement",
    "response_feedback": "response_feedback",
    "message_request": "message_request",
}
"""Key of an event → kind of the fact. What is not here is `unknown`."""
PAGE_WIDE: Final = frozenset({"app_roles", "policy_enforcement"})
"""Facts about a page, even where a sender is named."""
SECRETS: Final = frozenset({"token", "authorization_code", "notification_messages_token", "one_time_notif_token"})
"""Keys in raw events whose values let others act for the customer: they are not kept."""
REDACTED: Final = "[redacted]"
UNSUPPORTED: Final = "unsupported"
MAX_KIND: Final = 64  # characters
_read_event: Final = (
    Event.__pydantic_validator__.validate_python
)  # `model_validate` without its handling of what is not given
MAX_MID: Final = 300  # characters; a longer one enters the event's id by its digest


class Parsed(NamedTuple):
    """One event, and where in the body it stood."""

    element: Element
    event: ChannelEvent

    @property
    def kind(self) -> str:
        """For counting: a small, fixed set of names."""
        match self.event:
            case CustomerMessage():
                return self.event.input.kind
            case Echo():
                return "echo"
            case ThreadControl():
                return f"{self.event.action}_thread_control"
            case _:
                return self.event.kind.partition(":")[0]


class Unreadable(Exception):
    """The element is not an event that can be told to a conversation."""

    def __init__(self, error: str, *, customer: str = PAGE_EVENTS, unaddressed: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.customer = customer
        self.reason: Literal["undecodable", "unaddressed"] = "unaddressed" if unaddressed else "undecodable"


def parse(body: object, *, received: datetime) -> list[Parsed | Broken]:
    """All that a webhook tells, in its order, each event once: the copy on `messaging` wins over the one on `standby`.

    `body` is the JSON value of a webhook about a page. Never raises, whatever the value.
    """
    found: list[Parsed | Broken] = []
    places: dict[str, int] = {}
    for number, one in enumerate(_read(body, received)):
        if number == MAX_ELEMENTS:
            return [Broken((), f"more than {MAX_ELEMENTS} events in one body")]
        if isinstance(one, Broken):
            found.append(one)
            continue
        place = places.setdefault(one.event.id, len(found))
        if place == len(found):
            found.append(one)
        elif _channel(found[place]) == "standby":
            found[place] = one
    return found


def _channel(one: Parsed | Broken) -> Channel | None:
    return one.event.channel if isinstance(one, Parsed) else None


def _read(body: object, received: datetime) -> Iterator[Parsed | Broken]:
    for element in elements(body):
        if isinstance(element, Broken):
            yield element
        elif element.page != TEST_PAGE:
            yield read(element, received=received)


def read(element: Element, *, received: datetime) -> Parsed | Broken:
    """The event that one element is."""
    try:
        return Parsed(element, _event(element, received))
    except Unreadable as error:
        return _broken(element, error.error, error.reason, error.customer)
    except ValidationError as error:
        where = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_input=False)
        )
        return _broken(element, where)


def _broken(
    element: Element,
    error: str,
    reason: Literal["undecodable", "unaddressed"] = "undecodable",
    customer: str = PAGE_EVENTS,
) -> Broken:
    return Broken(
        element.path,
        error,
        reason,
        page=element.page,
        array=element.array,
        customer=customer,
        entry_time=element.entry_time,
    )


def _event(element: Element, received: datetime) -> ChannelEvent:
    raw = element.value
    if not isinstance(raw, dict):
        raise Unreadable("the event is no object")
    if element.array == "changes":
        return _change(element, raw, received)
    return _Reading(element, raw, _read_event(raw), element.array, received).event()


def _change(element: Element, raw: Mapping[str, object], received: datetime) -> ChannelFact:
    field = raw.get("field")
    return ChannelFact(
        id=f"messenger:{element.page}:changes:{_digest(raw, element.entry_time)}",
        conversation=f"messenger:{element.page}:{PAGE_EVENTS}",
        occurred_at=told_time(element.entry_time, received=received),
        kind=f"changes:{field[:MAX_KIND]}" if isinstance(field, str) else "changes",
        raw=_without_secrets(raw),
    )


class _Reading:
    """One element of `messaging` or `standby`, and how each kind of event is made from it."""

    __slots__ = ("_recipient", "_sender", "channel", "element", "raw", "received", "told")

    def __init__(
        self, element: Element, raw: Mapping[str, object], told: Event, channel: Channel, received: datetime
    ) -> None:
        self.element = element
        self.raw = raw
        self.told = told
        self.channel = channel
        self.received = received
        self._sender = told.sender.id if told.sender else None
        self._recipient = told.recipient.id if told.recipient else None

    def event(self) -> ChannelEvent:
        told = self.told
        if told.message is not None:
            return self._of_message(told.message)
        if told.postback is not None:
            return self._postback(told.postback)
        if told.pass_thread_control is not None:
            return self._thread("pass", told.pass_thread_control)
        if told.take_thread_control is not None:
            return self._thread("take", told.take_thread_control)
        if told.request_thread_control is not None:
            return self._thread("request", told.request_thread_control)
        return self._fact(next((kind for key, kind in FACTS.items() if key in self.raw), "unknown"))

    def _of_message(self, message: Message) -> ChannelEvent:
        if message.is_echo:
            return self._echo(message)
        if message.is_deleted:
            return self._fact("message_deleted")
        said = _input(message)
        return self._fact("message_empty") if said is None else self._customer("message", message.mid, said)

    def _postback(self, postback: Postback) -> CustomerMessage:
        said = CustomerInput(kind="postback", text=postback.title or "", payload=postback.payload)
        return self._customer("postback", postback.mid, said)

    def _customer(self, kind: str, mid: FacebookId, said: CustomerInput) -> CustomerMessage:
        if self._sender == self.element.page:
            raise Unreadable("from the page itself, yet no echo", customer=self._other() or PAGE_EVENTS)
        return CustomerMessage(
            id=self._id(kind, mid),
            conversation=self._conversation(),
            occurred_at=self._time(),
            mid=mid or "",
            channel=self.channel,
            input=said,
        )

    def _echo(self, message: Message) -> Echo:
        mid = message.mid
        return Echo(
            id=f"{self._id('echo', mid)}:echo" if mid else self._id("echo", mid),
            conversation=self._conversation(),
            occurred_at=self._time(),
            mid=mid or "",
            channel=self.channel,
            app_id=message.app_id,
            metadata=message.metadata,
            text=message.text or "",
            attachments=attachments(message),
        )

    def _thread(self, action: Literal["pass", "take", "request"], change: ThreadChange) -> ThreadControl:
        owners = (change.previous_owner_app_id, change.new_owner_app_id, change.requested_owner_app_id)
        conversation = self._conversation()
        return ThreadControl(
            id=f"messenger:{self.element.page}:thread:{_digest([conversation, action, self._stamp(), *owners])}",
            conversation=conversation,
            occurred_at=self._time(),
            action=action,
            channel=self.channel,
            new_owner=change.new_owner_app_id,
            previous_owner=change.previous_owner_app_id,
            requested_owner=change.requested_owner_app_id,
            metadata=change.metadata,
        )

    def _fact(self, kind: str) -> ChannelFact:
        customer = None if kind in PAGE_WIDE else self._other()
        return ChannelFact(
            id=f"messenger:{self.element.page}:{kind}:{_digest(self.raw, self._stamp())}",
            conversation=f"messenger:{self.element.page}:{customer or PAGE_EVENTS}",
            occurred_at=self._time(),
            kind=kind,
            channel=self.channel,
            raw=_without_secrets(self.raw),
        )

    def _id(self, kind: str, mid: FacebookId) -> str:
        """Unique by page and mid. Without mid: by who, when and what, so that a repetition is recognised."""
        page = self.element.page
        if mid is None:
            return f"messenger:{page}:{kind}:{_digest(self._sender, self._stamp(), self.raw.get(kind, self.raw))}"
        return event_id(page, mid)

    def _conversation(self) -> str:
        customer = self._other()
        if customer is None:
            raise Unreadable("names no customer", unaddressed=True)
        return f"messenger:{self.element.page}:{customer}"

    def _other(self) -> FacebookId:
        """The side that is not the page; where neither is, who wrote it: the sender, of an echo the recipient."""
        sides = [side for side in (self._sender, self._recipient) if side is not None and side != self.element.page]
        if not sides:
            return None
        echo = self.told.message is not None and self.told.message.is_echo
        customer = sides[-1] if echo else sides[0]
        if customer == PAGE_EVENTS:
            raise Unreadable("the customer's id is one that no customer has")
        return customer

    def _time(self) -> datetime | None:
        """When it happened: the event's time, else the entry's, else not told."""
        return told_time(self.told.timestamp, received=self.received) or told_time(
            self.element.entry_time, received=self.received
        )

    def _stamp(self) -> object:
        """The time as it was told, for ids: the same in every repetition."""
        return self.told.timestamp or self.element.entry_time


def _input(message: Message) -> CustomerInput | None:
    """What the customer said; None where the message holds nothing that could be shown."""
    payload = message.quick_reply.get("payload") if isinstance(message.quick_reply, dict) else None
    files = attachments(message)
    if message.is_unsupported and not files:
        files = (Attachment(kind=UNSUPPORTED),)
    if isinstance(payload, str):
        return CustomerInput(kind="quick_reply", text=message.text or "", payload=payload, attachments=files)
    if not message.text and not files:
        return None
    return CustomerInput(text=message.text or "", attachments=files)


def attachments(message: Message) -> tuple[Attachment, ...]:
    """What came with a message. A sticker that is told twice, as such and as its picture, is one."""
    raw = message.attachments
    if raw is None and message.sticker_id is None:
        return ()
    listed = raw if isinstance(raw, list) else [] if raw is None else [raw]
    found = [_attachment(one) for one in listed]
    if message.sticker_id and not any(one.sticker_id for one in found):
        found = [one for one in found if one.kind != "image"]
        found.append(Attachment(kind="sticker", sticker_id=message.sticker_id, url=_picture(listed)))
    stickers: set[str] = set()
    kept = []
    for one in found:
        if one.sticker_id is not None:
            if one.sticker_id in stickers:
                continue
            stickers.add(one.sticker_id)
        kept.append(one)
    return tuple(kept)


def _picture(listed: list[object]) -> str | None:
    return next((one.url for one in map(_attachment, listed) if one.kind == "image" and one.url), None)


def _attachment(raw: object) -> Attachment:
    if not isinstance(raw, dict):
        return Attachment(kind=UNSUPPORTED)
    payload = raw.get("payload")
    inner: Mapping[str, object] = payload if isinstance(payload, dict) else {}
    place = inner.get("coordinates")
    where: Mapping[str, object] = place if isinstance(place, dict) else {}
    kind = raw.get("type")
    sticker = _loose(inner.get("sticker_id"))
    return Attachment(
        kind="sticker" if sticker else kind[:MAX_KIND] if isinstance(kind, str) and kind else UNSUPPORTED,
        url=_loose(inner.get("url")) or _loose(raw.get("url")),
        title=_loose(inner.get("title")) or _loose(raw.get("title")),
        sticker_id=sticker,
        latitude=_degrees(where.get("lat")),
        longitude=_degrees(where.get("long")),
    )


def _loose(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value or None if isinstance(value, str) else None


def _degrees(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def event_id(page: str, mid: str) -> str:
    """The id of what a customer said with the message id `mid`; of an echo, `:echo` follows."""
    return f"messenger:{page}:{mid}" if len(mid) <= MAX_MID else f"messenger:{page}:{_digest(mid)}"


def _digest(*parts: object) -> str:
    """128 bits in hex over JSON values. Raise Unreadable where they are nested too deeply to be kept."""
    try:
        canonical = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise Unreadable(f"cannot be kept: {error}") from None
    return hashlib.sha256(canonical).hexdigest()[:32]


def _without_secrets(raw: Mapping[str, object]) -> dict[str, object]:
    return {key: REDACTED if key in SECRETS else _redacted(value) for key, value in raw.items()}


def _redacted(value: object) -> object:
    if isinstance(value, dict):
        return _without_secrets(value)
    return [_redacted(one) for one in value] if isinstance(value, list) else value

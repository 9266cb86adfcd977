"""What Facebook's events mean to a conversation. Pure: one element of a webhook in, one event out."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypedDict

import orjson
from pydantic import ValidationError

from ingress.content import MAX_KIND, count_of, extras_of, files_of, loose, referral, said_by_customer, without_secrets
from ingress.facebook import Event, FacebookId, Message, Postback, ThreadChange
from ingress.times import told_time
from ingress.webhook import MAX_ELEMENTS, TEST_PAGE, Broken, Element, elements
from schemas.base import PAGE_EVENTS
from schemas.conversations import (
    Channel,
    ChannelFact,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    CustomerReacted,
    CustomerReferred,
    Echo,
    PolicyEnforced,
    Receipt,
    ThreadControl,
)
from schemas.messages import CustomerInput

ChannelEvent = (
    CustomerMessage
    | CustomerEdited
    | CustomerDeleted
    | CustomerReacted
    | CustomerReferred
    | Receipt
    | Echo
    | ThreadControl
    | PolicyEnforced
    | ChannelFact
)

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
KINDS: Final[Mapping[type[ChannelEvent], str]] = {
    CustomerEdited: "message_edit",
    CustomerDeleted: "message_deleted",
    CustomerReacted: "reaction",
    CustomerReferred: "referral",
    Echo: "echo",
    PolicyEnforced: "policy_enforcement",
}
"""What an event is counted as, where its type says it."""
PAGE_WIDE: Final = frozenset({"app_roles", "policy_enforcement"})
"""Facts about a page, even where a sender is named."""
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
            case Receipt():
                return "read" if self.event.state == "seen" else "delivery"
            case ThreadControl():
                return f"{self.event.action}_thread_control"
            case ChannelFact():
                return self.event.kind.partition(":")[0]
            case _:
                return KINDS[type(self.event)]


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
        elif _array(found[place]) == "standby":
            found[place] = one
    return found


def _array(one: Parsed | Broken) -> str:
    return one.element.array if isinstance(one, Parsed) else one.array


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
        raw=without_secrets(raw),
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
        key = next((key for key in FACTS if key in self.raw), None)
        if key is None:
            return self._fact("unknown")
        return self._typed(key) or self._fact(FACTS[key])

    def _typed(self, key: str) -> ChannelEvent | None:
        """The event that a key's value tells of; None where the value has not all that this needs: then it is kept raw."""
        value = self.raw[key]
        if not isinstance(value, dict):
            return None
        if FACTS[key] == "policy_enforcement":
            return self._policy(value)
        if not self._is_customers():
            return None
        match key:
            case "delivery" | "read":
                return self._receipt(key, value)
            case "reaction":
                return self._reaction(value)
            case "message_edit":
                return self._edit(value)
            case "referral":
                return self._referred(value)
            case _:
                return None

    def _of_message(self, message: Message) -> ChannelEvent:
        if message.is_deleted:
            # what the page takes back says nothing anew: it must not pass for a message of staff
            if message.mid is None or message.is_echo or not self._is_customers():
                return self._fact("message_deleted")
            return CustomerDeleted(**self._head("message_deleted"), channel=self.channel, mid=message.mid)
        if message.is_echo:
            return self._echo(message)
        said = said_by_customer(message, self.raw)
        if said is None:
            return self._fact("message_empty")
        return self._customer("message", message.mid, said)

    def _postback(self, postback: Postback) -> ChannelEvent:
        """On standby it comes without payload. If the button is ours it comes on `messaging` too, whole, and that one counts."""
        if self.channel == "standby" and postback.payload is None:
            return self._fact("postback_stripped")
        said = CustomerInput(
            kind="postback",
            text=postback.title or "",
            payload=postback.payload,
            referral=referral(postback.referral) or referral(self.raw.get("referral")),
        )
        return self._customer("postback", postback.mid, said)

    def _customer(self, kind: Literal["message", "postback"], mid: FacebookId, said: CustomerInput) -> CustomerMessage:
        if self._sender == self.element.page:
            raise Unreadable("from the page itself, yet no echo", customer=self._other() or PAGE_EVENTS)
        return CustomerMessage(
            id=self._id(kind, mid),
            conversation=self._conversation(),
            occurred_at=self._time(),
            mid=mid or "",
            channel=self.channel,
            input=said,
            extras=extras_of(self.raw, kind),
        )

    def _receipt(self, key: str, value: Mapping[str, object]) -> Receipt | None:
        """A watermark is that of all messages up to it. Instagram tells the one message that was read."""
        until = told_time(value.get("watermark"), received=self.received)
        listed = value.get("mids")
        mids = [mid for mid in map(loose, [value.get("mid"), *(listed if isinstance(listed, list) else ())]) if mid]
        if until is None and not mids:
            return None
        return Receipt(
            **self._head(key),
            channel=self.channel,
            state="seen" if key == "read" else "delivered",
            until=until,
            mids=tuple(mids),
        )

    def _reaction(self, value: Mapping[str, object]) -> CustomerReacted | None:
        mid, action = loose(value.get("mid")), value.get("action")
        if mid is None or action not in {"react", "unreact"}:
            return None
        return CustomerReacted(
            **self._head("reaction"),
            channel=self.channel,
            mid=mid,
            action="react" if action == "react" else "unreact",
            reaction=loose(value.get("reaction")) or "",
            emoji=loose(value.get("emoji")) or "",
        )

    def _edit(self, value: Mapping[str, object]) -> CustomerEdited | None:
        mid, text = loose(value.get("mid")), value.get("text")
        if mid is None or not isinstance(text, str) or not text:
            return None
        return CustomerEdited(
            **self._head("message_edit"),
            channel=self.channel,
            mid=mid,
            text=text,
            number=count_of(value.get("num_edit")),
        )

    def _referred(self, value: Mapping[str, object]) -> CustomerReferred | None:
        told = referral(value)
        if told is None:
            return None
        raw = without_secrets(self.raw)
        return CustomerReferred(**self._head("referral"), channel=self.channel, referral=told, raw=raw)

    def _policy(self, value: Mapping[str, object]) -> PolicyEnforced | None:
        action = loose(value.get("action"))
        if action is None:
            return None
        return PolicyEnforced(
            **self._head("policy_enforcement", page_wide=True),
            action=action[:MAX_KIND],
            reason=loose(value.get("reason")) or "",
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
            attachments=files_of(message),
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
        return ChannelFact(
            **self._head(kind, page_wide=kind in PAGE_WIDE),
            kind=kind,
            channel=self.channel,
            raw=without_secrets(self.raw),
        )

    def _head(self, kind: str, *, page_wide: bool = False) -> "_Head":
        """What events have in common whose id is made of all that was told."""
        customer = None if page_wide else self._other()
        return {
            "id": f"messenger:{self.element.page}:{kind}:{_digest(self.raw, self._stamp())}",
            "conversation": f"messenger:{self.element.page}:{customer or PAGE_EVENTS}",
            "occurred_at": self._time(),
        }

    def _is_customers(self) -> bool:
        """Whether a customer did it, who is known: not the page, and nobody who is known by a `user_ref` alone."""
        return self._sender != self.element.page and self._other() is not None

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


class _Head(TypedDict):
    id: str
    conversation: str
    occurred_at: datetime | None


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

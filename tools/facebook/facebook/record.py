"""Everything that happened, in order, for checkers and for whoever waits for a fact.

Each entry is kept as its JSON bytes beside the three keys it is filtered by: a hundred thousand of them stay small.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from facebook.bell import Bell
from facebook.limits import RidingControl

Outcome = Literal["delivered", "retry", "dropped"]


Call = Literal[
    "messages",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "release_thread_control",
    "extend_thread_control",
    "thread_owner",
    "profile",
    "conversations",
    "subscriptions",
    "subscribed_apps",
    "secondary_receivers",
    "personas",
    "other",
]
"""Names of calls, as faults and rules choose them. `profile`: of a person or of the page."""


class Fact(BaseModel):
    """What happened. `kind` names the class in the record."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    kind: ClassVar[str]
    page_id: str | None = None
    psid: str | None = None


CustomerAct = Literal[
    "message",
    "quick_reply",
    "postback",
    "read",
    "delivery",
    "edit",
    "unsend",
    "reaction",
    "referral",
    "optin",
    "account_linking",
    "message_request",
    "lead_begin",
    "lead_end",
]


class CustomerActed(Fact):
    kind: ClassVar[str] = "customer"
    action: CustomerAct
    mid: str | None = None
    text: str | None = None
    payload: str | None = None
    attachment_url: str | None = None


class Choice(BaseModel):
    """A quick reply or a button as it was offered."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    title: str
    payload: str | None = None
    url: str | None = None


class Sent(Fact):
    """A send that Facebook accepted; `answer` tells whether the sender could learn of it."""

    kind: ClassVar[str] = "send"
    app_id: str
    mid: str | None = None
    sender_action: str | None = None
    text: str | None = None
    template: str | None = None
    attachment_url: str | None = None
    quick_replies: tuple[Choice, ...] = ()
    buttons: tuple[Choice, ...] = ()
    metadata: str | None = None
    messaging_type: str
    tag: str | None = None
    persona_id: str | None = None
    persona: str | None = None
    reply_to: str | None = None
    thread_control: RidingControl | None = None
    answer: Literal["sent", "delayed", "lost", "failed"] = "sent"


class Refused(Fact):
    kind: ClassVar[str] = "refused"
    app_id: str | None = None
    call: str
    code: int
    subcode: int | None
    status: int
    message: str
    text: str | None = None
    metadata: str | None = None


class ThreadControlled(Fact):
    """A change of ownership, or a request for one. None as owner: idle."""

    kind: ClassVar[str] = "thread_control"
    action: Literal["pass", "take", "request", "release", "extend", "assign"]
    source: Literal["api", "send", "inbox", "customer"]
    by: str | None
    previous_owner: str | None
    new_owner: str | None
    metadata: str | None = None


class InboxActed(Fact):
    kind: ClassVar[str] = "inbox"
    gesture: Literal["reply", "move_to_main", "move_to_done"]
    mid: str | None = None
    text: str | None = None


class WebhookTried(Fact):
    """One attempt to deliver one event. `status` None: no answer (`error` says why)."""

    kind: ClassVar[str] = "webhook"
    app_id: str
    channel: Literal["messaging", "standby", "changes"]
    event: str
    mid: str | None
    attempt: int
    outcome: Outcome
    status: int | None
    error: str | None
    took_ms: int
    body: dict[str, JsonValue]


class AppTold(Fact):
    """What became of an app's webhook as a whole."""

    kind: ClassVar[str] = "app"
    app_id: str
    what: Literal["verified", "not_verified", "webhooks_failing", "webhooks_disabled", "queue_full", "subscribed"]
    detail: str


class PageChanged(Fact):
    """How the page routes now: the regime, the default app or primary receiver, who may take, the Page Inbox."""

    kind: ClassVar[str] = "page"
    regime: str
    default_app: str | None
    primary: str | None
    takers: tuple[str, ...]
    inbox_is_receiver: bool


class PageSaid(Fact):
    """An event of the page itself: policy enforcement, roles, a change of its feed, or a raw one."""

    kind: ClassVar[str] = "page_event"
    event: str
    body: dict[str, JsonValue]


class FaultsSet(Fact):
    kind: ClassVar[str] = "faults"
    faults: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    kind: str
    page_id: str | None
    psid: str | None
    json: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """None or empty: anything."""

    kinds: frozenset[str] = frozenset()
    page_id: str | None = None
    psid: str | None = None

    def fits(self, entry: Entry) -> bool:
        return (
            (not self.kinds or entry.kind in self.kinds)
            and self.page_id in {None, entry.page_id}
            and self.psid in {None, entry.psid}
        )


class Record:
    def __init__(self, now: Callable[[], datetime], limit: int) -> None:
        self._now = now
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._last = 0
        self._news = Bell()
        self._closed = False

    @property
    def last(self) -> int:
        """The number of the newest entry; numbers rise by one, also over a `clear`."""
        return self._last

    def add(self, fact: Fact) -> int:
        """Returns the entry's number."""
        self._last += 1
        self._entries.append(Entry(self._last, fact.kind, fact.page_id, fact.psid, self._json(fact)))
        self._news.ring()
        return self._last

    def clear(self) -> None:
        self._entries.clear()
        self._news.ring()

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Nobody waits any longer, now or later: the process ends."""
        self._closed = True
        self._news.ring()

    def after(self, seq: int, wanted: Filter, limit: int) -> Sequence[Entry]:
        """Entries with a higher number than `seq`, oldest first."""
        skip = max(0, seq - (self._last - len(self._entries)))
        fitting = (entry for entry in islice(self._entries, skip, None) if wanted.fits(entry))
        return list(islice(fitting, limit))

    async def wait(self, seq: int, wanted: Filter, limit: int, seconds: float) -> Sequence[Entry]:
        """As `after`, but waits up to `seconds` for the first entry that fits. Empty: it did not come."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            found = self.after(seq, wanted, limit)
            seq = max(seq, self._last)
            left = deadline - loop.time()
            if found or left <= 0 or self._closed:
                return found
            await self._news.hear(left)

    def _json(self, fact: Fact) -> bytes:
        head = f'{{"seq":{self._last},"at":"{self._now().isoformat()}","kind":"{fact.kind}",'
        return head.encode() + fact.model_dump_json().encode()[1:]

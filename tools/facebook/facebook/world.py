"""The state of the box, in memory only, and the two things every act does to it: change a thread, tell the apps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from facebook import events
from facebook.clock import Clock
from facebook.conversation import Conversation, ConversationView, Line
from facebook.events import FIELD_OF, Kind, Sides, Where
from facebook.faults import FaultBook
from facebook.ids import Ids
from facebook.limits import MediaAttachment, PersonaRequest
from facebook.pages import Page
from facebook.record import Record, ThreadControlled
from facebook.registry import Registry
from facebook.shapes import Event
from facebook.thread import (
    LEAD_GEN,
    PAGE_INBOX,
    Change,
    Channel,
    Passed,
    Requested,
    Taken,
    Thread,
    channel_of,
    owner_at,
)
from facebook.usage import Meter

Action = Literal["pass", "take", "request", "release", "extend", "assign"]
Source = Literal["api", "send", "inbox", "customer"]
Answer = Literal["sent", "delayed", "lost", "failed"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event for one app. `psid` None: an event of the page. `as_it_is`: the page's shapes do not touch it."""

    app_id: str
    page_id: str
    psid: str | None
    channel: Where
    kind: Kind
    event: Event
    mid: str | None = None
    as_it_is: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """What came of an act. `seq`: its entry in the record. `answer`: what its caller gets to see of it."""

    seq: int
    webhooks: tuple[Webhook, ...] = ()
    mid: str | None = None
    answer: Answer = "sent"
    attachment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How the webhooks of one event are made. `build` gets the app and its channel."""

    kind: Kind
    build: Callable[[str, Channel], Event]
    mid: str | None = None
    # The app that gets the event on `messaging` whoever holds the thread.
    always: str | None = None
    # The thread that decides the channels; None: as it is now.
    thread: Thread | None = None


@dataclass
class World:
    registry: Registry
    clock: Clock
    ids: Ids
    record: Record
    faults: FaultBook = field(default_factory=FaultBook)
    conversations: dict[tuple[str, str], Conversation] = field(default_factory=dict)
    personas: dict[tuple[str, str], PersonaRequest] = field(default_factory=dict)
    # By page and attachment_id.
    attachments: dict[tuple[str, str], MediaAttachment] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)

    def now(self) -> datetime:
        return self.clock.now()

    def conversation(self, page_id: str, psid: str) -> Conversation:
        key = (page_id, psid)
        if key not in self.conversations:
            self.conversations[key] = Conversation(page_id, psid)
        return self.conversations[key]

    def sides(self, conversation: Conversation) -> Sides:
        """Who and when of the conversation's next event."""
        return Sides(conversation.page_id, conversation.psid, conversation.next_time(self.now()))

    def owner(self, page: Page, conversation: Conversation) -> str | None:
        return owner_at(conversation.thread, page.routing, self.now())

    def view(self, page: Page, psid: str) -> ConversationView:
        customer = self.registry.customer(page.id, psid)
        return self.conversation(page.id, psid).view(page.routing, self.now(), customer.name)

    def views(self, page: Page) -> list[ConversationView]:
        """Every customer of the page: the latest conversation first, those who never wrote last."""
        views = [self.view(page, psid) for psid in self.registry.customers[page.id]]
        views.sort(key=lambda view: -view.last.at.timestamp() if view.last else 0)
        return views

    def app_name(self, app_id: str | None) -> str:
        if app_id is None:
            return "nobody (idle)"
        if app_id == PAGE_INBOX:
            return "Page Inbox"
        if app_id == LEAD_GEN:
            return "Lead ad questions"
        app = self.registry.apps.get(app_id)
        return app.name if app else app_id

    def persona_name(self, page_id: str, persona_id: str | None) -> str | None:
        persona = self.personas.get((page_id, persona_id or ""))
        return persona.name if persona else None

    def keep(self, page_id: str, attachment: MediaAttachment) -> str:
        """Returns the attachment_id under which the page may send it again."""
        attachment_id = self.ids.persona()
        self.attachments[page_id, attachment_id] = attachment
        return attachment_id

    def forget(self) -> None:
        """Conversations, personas, faults and rules; apps, pages, customers and the numbers of the record stay."""
        self.conversations.clear()
        self.personas.clear()
        self.attachments.clear()
        self.faults.clear()
        self.faults.rules.clear()
        self.meter.clear()
        self.record.clear()

    def change(
        self,
        page: Page,
        conversation: Conversation,
        change: Change,
        *,
        action: Action,
        source: Source,
        by: str | None,
        metadata: str | None = None,
    ) -> tuple[int, list[Webhook]]:
        """Puts the next thread in place, records it, and says what the apps are to be told."""
        before = self.owner(page, conversation)
        conversation.thread = change.thread
        after = self.owner(page, conversation)
        fact = ThreadControlled(
            page_id=page.id,
            psid=conversation.psid,
            action=action,
            source=source,
            by=by,
            previous_owner=before,
            new_owner=after,
            metadata=metadata,
        )
        if before != after or action == "request":
            self._note(conversation, fact)
        return self.record.add(fact), self._notify(page, conversation, change, metadata)

    def tell(self, page: Page, conversation: Conversation, told: Told) -> list[Webhook]:
        """A webhook for each app that subscribed to the field; those who do not hold the thread get it on standby.

        While a lead advertisement asks its questions nobody is told.
        """
        thread = told.thread or conversation.thread
        if owner_at(thread, page.routing, self.now()) == LEAD_GEN:
            return []
        hooks = []
        for app, fields in self.registry.listeners(page):
            for channel in self._channels(page, thread, told, app.id):
                if FIELD_OF[told.kind] in fields and (channel == "messaging" or "standby" in fields):
                    event = told.build(app.id, channel)
                    hooks.append(Webhook(app.id, page.id, conversation.psid, channel, told.kind, event, told.mid))
        return hooks

    def tell_page(self, page: Page, kind: Kind, event: Event) -> list[Webhook]:
        """An event of the page itself, for each app that subscribed to the field."""
        return [
            Webhook(app.id, page.id, None, "messaging", kind, event)
            for app, fields in self.registry.listeners(page)
            if FIELD_OF[kind] in fields
        ]

    def _channels(self, page: Page, thread: Thread, told: Told, app_id: str) -> tuple[Channel, ...]:
        channel = channel_of(thread, page.routing, app_id, self.now())
        if app_id == told.always:
            channel = "messaging"
        twice = channel == "messaging" and self.faults.of(page.id).both_channels
        return ("messaging", "standby") if twice else (channel,)

    def _note(self, conversation: Conversation, fact: ThreadControlled) -> None:
        if fact.action == "request":
            text = f"{self.app_name(fact.by)} asks for thread control"
        else:
            text = f"Thread control: {self.app_name(fact.previous_owner)} → {self.app_name(fact.new_owner)}"
        conversation.lines.append(Line(at=self.now(), side="notice", text=text))

    def _notify(self, page: Page, conversation: Conversation, change: Change, metadata: str | None) -> list[Webhook]:
        if change.notice is None:
            return []
        sides = self.sides(conversation)
        kind, event = events.thread_control(sides, change.notice, metadata)
        told = _told_about(change.notice, page)
        return [
            Webhook(app.id, page.id, conversation.psid, page.behaviour.handover_channel, kind, event)
            for app, fields in self.registry.listeners(page)
            if FIELD_OF[kind] in fields and (told is None or app.id == told)
        ]


def webhooks(*groups: Iterable[Webhook]) -> tuple[Webhook, ...]:
    """The groups one after the other: the order in which an app sees them."""
    return tuple(hook for group in groups for hook in group)


def _told_about(notice: Passed | Taken | Requested, page: Page) -> str | None:
    """The one app that is told, or None: all of them."""
    match notice:
        case Passed(new=new):
            return new if page.behaviour.passing_told == "new_owner" else None
        case Taken(previous=previous):
            return previous if page.behaviour.taking_told == "loser" else None
        case Requested(owner=owner):
            return owner

"""A conversation between a customer and a page: what was said, who holds it, in which folder staff see it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facebook.limits import (
    Button,
    ButtonTemplate,
    GenericTemplate,
    LinkButton,
    MediaTemplate,
    Message,
    TemplateAttachment,
    UnlinkButton,
    UrlButton,
)
from facebook.record import Choice
from facebook.thread import PAGE_INBOX, Routing, Thread, channel_of, owner_at

STANDARD_WINDOW = timedelta(hours=24)
HUMAN_AGENT_WINDOW = timedelta(days=7)
LINES = 1000  # of one conversation that are kept
TICK = timedelta(milliseconds=1)
TYPING_SHOWN = timedelta(seconds=20)

Folder = Literal["main", "done"]
Side = Literal["customer", "app", "inbox", "notice"]


class Line(BaseModel):
    """A line of the transcript. `app_id`: who said it, for the sides app and inbox. `persona`: under which name."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    at: datetime
    side: Side
    mid: str | None = None
    app_id: str | None = None
    text: str | None = None
    payload: str | None = None
    attachment_type: str | None = None
    attachment_url: str | None = None
    quick_replies: tuple[Choice, ...] = ()
    buttons: tuple[Choice, ...] = ()
    metadata: str | None = None
    persona: str | None = None
    reply_to: str | None = None
    reaction: str | None = None
    edits: int = 0
    deleted: bool = False


class UnknownMessage(LookupError):
    """The conversation has no such message, or it is not the customer's."""


@dataclass
class Conversation:
    page_id: str
    psid: str
    thread: Thread = field(default_factory=Thread)
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES))
    last_customer_at: datetime | None = None
    typing_at: datetime | None = None
    told_at: datetime | None = None

    @property
    def id(self) -> str:
        """As the Conversations API names it."""
        digest = sha256(f"{self.page_id}/{self.psid}".encode()).digest()
        return f"t_{int.from_bytes(digest[:7])}"

    def next_time(self, now: datetime) -> datetime:
        """The timestamp of the conversation's next event: at least a millisecond after the one before.

        Who orders events by their timestamp, which is the truth when deliveries failed, then finds the order of acts.
        """
        if self.told_at is not None and now < self.told_at + TICK:
            now = self.told_at + TICK
        self.told_at = now
        return now

    def say(self, line: Line) -> None:
        self.lines.append(line)
        self.typing_at = None

    def last_said(self) -> Line | None:
        return next((line for line in reversed(self.lines) if line.side != "notice"), None)

    def line(self, mid: str) -> Line | None:
        return next((line for line in reversed(self.lines) if line.mid == mid), None)

    def change(self, mid: str, *, own: bool, update: Mapping[str, object]) -> Line:
        """Changes what was said. `own`: the customer's own messages only. Raises UnknownMessage."""
        for index in range(len(self.lines) - 1, -1, -1):
            line = self.lines[index]
            if line.mid == mid and not line.deleted and (line.side == "customer" or not own):
                self.lines[index] = line.model_copy(update=dict(update))
                return self.lines[index]
        raise UnknownMessage(mid)

    def offered(self) -> tuple[Choice, ...]:
        """The quick replies the customer sees: those of the last message, if it has some."""
        last = self.last_said()
        return last.quick_replies if last else ()

    def sender_of(self, payload: str) -> str | None:
        """The app whose button carries `payload`, the latest one first."""
        for line in reversed(self.lines):
            if any(button.payload == payload for button in line.buttons):
                return line.app_id
        return None

    def window_open(self, now: datetime, lasting: timedelta = STANDARD_WINDOW) -> bool:
        return self.last_customer_at is not None and now < self.last_customer_at + lasting

    def folder(self, routing: Routing, now: datetime) -> Folder:
        """Main while the inbox is spoken to; where it is not connected everything is in Main."""
        if PAGE_INBOX not in routing.connected:
            return "main"
        return "main" if channel_of(self.thread, routing, PAGE_INBOX, now) == "messaging" else "done"

    def view(self, routing: Routing, now: datetime, name: str) -> "ConversationView":
        owner = owner_at(self.thread, routing, now)
        return ConversationView(
            id=self.id,
            page_id=self.page_id,
            psid=self.psid,
            name=name,
            owner=owner,
            expires_at=self.thread.expires_at if owner else None,
            folder=self.folder(routing, now),
            window_open=self.window_open(now),
            last_customer_at=self.last_customer_at,
            typing=self.typing_at is not None and now < self.typing_at + TYPING_SHOWN,
            quick_replies=self.offered(),
            last=self.last_said(),
        )


class ConversationView(BaseModel):
    """A conversation in a list. `owner` None: idle."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    page_id: str
    psid: str
    name: str
    owner: str | None
    expires_at: datetime | None
    folder: Folder
    window_open: bool
    last_customer_at: datetime | None
    typing: bool
    quick_replies: tuple[Choice, ...]
    last: Line | None


def offered_quick_replies(message: Message) -> tuple[Choice, ...]:
    """The quick replies as the customer sees them; those that ask for an e-mail or a number have no title."""
    return tuple(
        Choice(title=reply.title or reply.content_type, payload=reply.payload or "") for reply in message.quick_replies
    )


def offered_buttons(message: Message) -> tuple[Choice, ...]:
    if not isinstance(message.attachment, TemplateAttachment):
        return ()
    template = message.attachment.payload
    if isinstance(template, ButtonTemplate):
        return tuple(_button(button) for button in template.buttons)
    return tuple(_button(button) for element in template.elements for button in element.buttons)


def shown_text(message: Message) -> str | None:
    if not isinstance(message.attachment, TemplateAttachment):
        return message.text
    template = message.attachment.payload
    if isinstance(template, MediaTemplate):
        return None
    if isinstance(template, GenericTemplate):
        return "\n".join(_element_text(element.title, element.subtitle) for element in template.elements)
    return template.text


def media(message: Message) -> tuple[str | None, str | None]:
    """Type and address of what the message carries besides text."""
    attachment = message.attachment
    if message.sticker_id is not None:
        return "sticker", None
    if attachment is None:
        return None, None
    if isinstance(attachment, TemplateAttachment):
        return attachment.payload.template_type, None
    return attachment.type, attachment.payload.url


def _button(button: Button) -> Choice:
    if isinstance(button, UrlButton):
        return Choice(title=button.title, url=button.url)
    if isinstance(button, LinkButton):
        return Choice(title="Log in", url=button.url)
    if isinstance(button, UnlinkButton):
        return Choice(title="Log out")
    return Choice(title=button.title, payload=button.payload)


def _element_text(title: str, subtitle: str | None) -> str:
    return title if subtitle is None else f"{title}\n{subtitle}"

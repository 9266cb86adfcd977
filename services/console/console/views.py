"""What operators see: conversations, their entries, their episodes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from console.problems import Present
from console.registry import Output
from schemas.handover import Cause
from schemas.messages import Attachment, CustomerInput, OutMessage, Person, Said, Speaker
from schemas.outcomes import Venue
from schemas.window import AnswerWith

Owner = Literal["bot", "human"]
ThreadOwner = Literal["us", "page_inbox", "other", "idle", "unknown"]
DeliveryState = Literal["queued", "sent", "not_delivered", "uncertain", "suppressed", "delivered", "seen"]


class Customer(Output):
    """Empty texts: the channel told nothing."""

    name: str
    picture_url: str


class LastSaid(Output):
    """The newest thing that somebody said, cut to a line."""

    seq: int
    speaker: Speaker
    name: str
    text: str
    at: AwareDatetime


class ConversationSummary(Output):
    """A row of the list. `waiting`: for a person; nobody has taken it up, or whoever had it in our Inbox is gone."""

    id: str
    bot: str
    channel: str
    customer: Customer
    owner: Owner
    epoch: int
    episode: str | None
    attended: bool
    waiting: bool
    venue: Venue | None
    holder: Person | None
    assigned: Person | None
    """Whose the next takeover is to be, while the bot has it."""
    cause: Cause | None
    """Why the owner is who it is; None: the bot has had it from the start."""
    since: AwareDatetime | None
    deadline: AwareDatetime | None
    """When the session expires; None: never."""
    seq: int
    """Of the newest entry."""
    unread: int
    last: LastSaid | None
    last_at: AwareDatetime

    @property
    def present(self) -> Present:
        return Present(owner=self.owner, epoch=self.epoch, holder=self.holder, since=self.since, deadline=self.deadline)


class Thread(Output):
    """Facebook's thread owner as far as it is known. `moved_to_done`: staff did so while an operator works here."""

    owner: ThreadOwner
    app_id: str | None
    reason: str
    moved_to_done: bool


class WindowView(Output):
    """Until when the customer may be answered, by the channel's rules; null: no limit, or it is not known.

    `human_agent_until`: for what a person wrote. `answer_with`: how an answer of now goes out; `none`: it is refused.
    """

    open_until: AwareDatetime | None
    human_agent_until: AwareDatetime | None
    answer_with: AnswerWith
    reason: str


class Position(Output):
    """Where the customer stands in the flow."""

    flow: str
    block: str | None
    waits_for: str


class Conversation(ConversationSummary):
    """All of it but its entries. `block`: the one that asked for a person."""

    block: str
    block_name: str
    inferred: bool
    fault: str
    thread: Thread
    customer_acted_at: AwareDatetime | None = None
    """When they last wrote, pressed, reacted or came by a link, by the channel's time: the window counts from it."""
    position: Position | None
    attributes: dict[str, str]


# --- entries


class CustomerContent(Output):
    kind: Literal["customer_message"] = "customer_message"
    input: CustomerInput
    addressed: Literal["bot", "person", "record"]
    channel: Literal["messaging", "standby"]
    mid: str


class MessageContent(Output):
    """Of the bot or an operator. `reply`: the operator's command that it comes from. `again`: whose message it repeats, a `command`."""

    kind: Literal["message"] = "message"
    message: OutMessage
    command: str
    reply: str | None
    client_id: str
    turn: str | None
    again: str = ""


class StaffContent(Output):
    """Written in Facebook's Page Inbox, or by another app of the page (`automatic`)."""

    kind: Literal["staff_message"] = "staff_message"
    automatic: bool
    app_id: str | None
    attachments: tuple[Attachment, ...]
    mid: str


class StartedContent(Output):
    kind: Literal["takeover_started"] = "takeover_started"
    cause: Cause
    inferred: bool
    block: str
    block_name: str
    attended: bool
    venue: Venue
    holder: Person | None
    deadline: AwareDatetime | None
    emails: tuple[str, ...]
    fault: str


class AnsweredContent(Output):
    """A person took it up: by the switch, by a reply, or in the Page Inbox."""

    kind: Literal["takeover_answered"] = "takeover_answered"
    by: Literal["switch", "reply", "staff"]
    venue: Venue
    holder: Person | None
    deadline: AwareDatetime | None


class ChangedContent(Output):
    """Holder, venue or deadline changed; here is what they are now."""

    kind: Literal["takeover_changed"] = "takeover_changed"
    venue: Venue
    holder: Person | None
    deadline: AwareDatetime | None


class EndedContent(Output):
    kind: Literal["takeover_ended"] = "takeover_ended"
    cause: Cause
    mode: Literal["continue", "restart", "close"]
    by: Person | None
    note: str
    answered: bool


class SuppressedContent(Output):
    """What the bot was about to say and was stopped from saying."""

    kind: Literal["answer_suppressed"] = "answer_suppressed"
    turn: str
    turn_epoch: int
    messages: tuple[OutMessage, ...]


Content = Annotated[
    CustomerContent
    | MessageContent
    | StaffContent
    | StartedContent
    | AnsweredContent
    | ChangedContent
    | EndedContent
    | SuppressedContent,
    Field(discriminator="kind"),
]


class Delivery(Output):
    """What became of a message to the customer; `mid` is the channel's id of it.

    `next_step`: what somebody can do where it was not delivered, a word for programs; `advice`: the same as a sentence.
    """

    state: DeliveryState
    reason: str
    mid: str
    next_step: str = ""
    advice: str = ""


class Edit(Output):
    """What a message said until then."""

    text: str
    until: AwareDatetime


class Entry(Output):
    """One visible thing of a conversation. `seq` orders them; it has gaps nowhere."""

    seq: int
    at: AwareDatetime
    epoch: int
    episode: str | None
    speaker: Speaker | None
    person: Person | None
    text: str
    delivery: Delivery | None
    content: Content
    edits: tuple[Edit, ...] = ()
    """Of the customer's message, oldest first; `text` is what it says now."""
    deleted: bool = False
    """The customer took it back: what it said is forgotten."""
    reaction: str = ""
    """The customer's: an emoji, or the channel's word for it; empty: none."""


# --- episodes


class Episode(Output):
    """One takeover. `by`: the operator who began it; `ended_by`: who handed it back."""

    id: str
    cause: Cause | None
    inferred: bool
    by: Person | None
    block: str
    block_name: str
    started_at: AwareDatetime | None
    attended_at: AwareDatetime | None
    first_answer_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    end_cause: Cause | None
    ended_by: Person | None
    mode: Literal["continue", "restart", "close"] | None
    note: str
    answered: bool | None


# --- commands

CommandKind = Literal["takeover", "reply", "expiry", "hand_back", "assign"]


class CommandState(Output):
    """What became of an operator's command. `code` and the rest tell why it was refused."""

    id: str
    conversation: str
    type: CommandKind
    status: Literal["pending", "accepted", "refused"]
    code: str | None = None
    reason: str = ""
    present: Present | None = None
    newer: tuple[Said, ...] = ()
    sent_at: datetime
    decided_at: datetime | None = None

"""Topic `outcomes`: every visible outcome of a decision, for the transcript, e-mails and whoever integrates."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.base import ConversationEvent
from schemas.conversations import Notice
from schemas.handover import Cause
from schemas.messages import Attachment, CustomerInput, OutMessage, Person, Profile, Referral, Said

Venue = Literal["inbox", "page_inbox"]


class Outcome(ConversationEvent):
    """`seq` is the entry's place in the conversation, or that of the last entry where this adds none."""

    bot: str
    epoch: int
    episode: str | None = None
    seq: int
    at: AwareDatetime
    cause_id: str
    """The id of the event in the log that led to this; for an operator's command, the command's id."""


class CustomerSaid(Outcome):
    """A customer's message and whose it is: `bot`, `person`, or `record` (a click on an old button)."""

    type: Literal["customer.said.v1"] = "customer.said.v1"
    mid: str = ""
    channel: Literal["messaging", "standby"] = "messaging"
    input: CustomerInput
    addressed: Literal["bot", "person", "record"]
    acted_at: AwareDatetime | None = None
    """Of the customer's last act now, by the channel: until when they may be answered counts from it."""


class StaffSaid(Outcome):
    """Somebody answered in the Page Inbox, or another app of the page spoke (`automatic`)."""

    type: Literal["staff.said.v1"] = "staff.said.v1"
    mid: str = ""
    app_id: str | None = None
    automatic: bool = False
    text: str = ""
    attachments: tuple[Attachment, ...] = ()


class MessageOutcome(Outcome):
    """Something about a message that is in the transcript. Adds no entry.

    `mid` is the channel's id of it. `message_seq`: its entry, where it is one of the last; None: it is found by its `mid`.
    """

    mid: str
    message_seq: int | None = None


class MessageEdited(MessageOutcome):
    """A customer changed it. `number`: which edit it is, from 1; a lower one than is known comes too late."""

    type: Literal["message.edited.v1"] = "message.edited.v1"
    text: str
    number: int | None = None


class MessageDeleted(MessageOutcome):
    """A customer took it back: what it said is to be forgotten, that there was one stays."""

    type: Literal["message.deleted.v1"] = "message.deleted.v1"


class MessageReacted(MessageOutcome):
    """A customer's reaction to it now; empty: none any more."""

    type: Literal["message.reacted.v1"] = "message.reacted.v1"
    reaction: str = ""
    emoji: str = ""
    acted_at: AwareDatetime | None = None
    """Of the customer's last act now, by the channel: until when they may be answered counts from it."""


class MessagesReceived(Outcome):
    """Our messages that reached the customer, or were seen: all sent up to `until`, and those in `mids`. Adds no entry."""

    type: Literal["messages.received.v1"] = "messages.received.v1"
    state: Literal["delivered", "seen"]
    until: AwareDatetime | None = None
    mids: tuple[str, ...] = ()


class CustomerReturned(Outcome):
    """A customer came again by a link or an ad, and has said nothing yet. Adds no entry."""

    type: Literal["customer.returned.v1"] = "customer.returned.v1"
    referral: Referral
    acted_at: AwareDatetime | None = None
    """Of the customer's last act now, by the channel: until when they may be answered counts from it."""


class EpisodeOutcome(Outcome):
    """The episode as it is after this: who holds it, where, until when."""

    attended: bool
    venue: Venue
    holder: Person | None = None
    deadline: AwareDatetime | None = None


class TakeoverStarted(EpisodeOutcome):
    """An episode began."""

    type: Literal["takeover.started.v1"] = "takeover.started.v1"
    cause: Cause
    inferred: bool = False
    block: str = ""
    block_name: str = ""
    emails: tuple[str, ...] = ()
    """Who gets an e-mail; empty when nobody is to be notified."""
    customer: Profile = Profile()
    last: tuple[Said, ...] = ()
    """The last five texts."""
    taken: tuple[int, ...] = ()
    """The customer's entries that the bot had not answered: they are the person's now."""
    fault: str = ""
    """What went wrong, when the cause is `fault`."""


class TakeoverAnswered(EpisodeOutcome):
    """A person took it up: by the switch, by a reply, or in the Page Inbox."""

    type: Literal["takeover.answered.v1"] = "takeover.answered.v1"
    by: Literal["switch", "reply", "staff"]


class TakeoverChanged(EpisodeOutcome):
    """Holder, venue or deadline changed."""

    type: Literal["takeover.changed.v1"] = "takeover.changed.v1"


class AssignmentChanged(Outcome):
    """Whose the next episode is to be, while the bot has the conversation. In an episode it is the holder that changes."""

    type: Literal["assignment.changed.v1"] = "assignment.changed.v1"
    assigned: Person | None = None


class TakeoverEnded(Outcome):
    """The bot has the conversation again."""

    type: Literal["takeover.ended.v1"] = "takeover.ended.v1"
    cause: Cause
    mode: Literal["continue", "restart", "close"] = "continue"
    by: Person | None = None
    note: str = ""
    answered: bool
    """Whether a person took it up before it ended."""


class AnswerSuppressed(Outcome):
    """What the bot was about to say and was stopped from saying."""

    type: Literal["answer.suppressed.v1"] = "answer.suppressed.v1"
    turn: str
    turn_epoch: int
    messages: tuple[OutMessage, ...]


class CommandAccepted(Outcome):
    """An operator's command took effect."""

    type: Literal["command.accepted.v1"] = "command.accepted.v1"
    command: str


class CommandRefused(Outcome):
    """An operator's command changed nothing; `code` is for machines, `reason` for people.

    `field`: what in the command was at fault, e.g. `epoch`; empty where it is the conversation that does not allow it.
    """

    type: Literal["command.refused.v1"] = "command.refused.v1"
    command: str
    code: Literal[
        "changed",
        "held",
        "bot_answered_since",
        "newer",
        "already_bot",
        "not_taken_over",
        "past",
        "invalid",
        "unknown_bot",
        "window_closed",
    ]
    reason: str
    field: str = ""
    owner: Literal["bot", "human"]
    holder: Person | None = None
    since: AwareDatetime | None = None
    newer: tuple[Said, ...] = ()


class DeliveryChanged(Outcome):
    """What became of a message that was already in the transcript."""

    type: Literal["delivery.changed.v1"] = "delivery.changed.v1"
    command: str
    state: Literal["sent", "not_delivered", "uncertain", "suppressed"]
    message_seq: int
    mid: str = ""
    reason: str = ""
    next_step: str = ""
    """What somebody can do about it, a word of `schemas.delivery.NEXT_STEPS`; empty: nothing is known."""


class ThreadChanged(Outcome):
    """Facebook's thread owner, as far as we know it: `us`, `page_inbox`, `other`, `idle`, `unknown`."""

    type: Literal["thread.changed.v1"] = "thread.changed.v1"
    owner: Literal["us", "page_inbox", "other", "idle", "unknown"]
    app_id: str | None = None
    reason: str = ""
    moved_to_done: bool = False
    """Staff moved it to Done while an operator works here: the operator decides."""


class FlowNoticed(Outcome):
    """Something bot builders should see, e.g. a loop cut at the step limit."""

    type: Literal["flow.noticed.v1"] = "flow.noticed.v1"
    turn: str
    notice: Notice


class CustomerKnown(Outcome):
    """The customer's profile became known."""

    type: Literal["customer.known.v1"] = "customer.known.v1"
    profile: Profile


class BotPosition(Outcome):
    """Where the customer stands in the flow after a turn, and the attributes collected."""

    type: Literal["bot.position.v1"] = "bot.position.v1"
    flow: str
    block: str | None
    waits_for: str
    attributes: dict[str, str]


class ConversationErased(Outcome):
    """What was said and known of the customer up to entry `seq` is to be forgotten. Adds no entry."""

    type: Literal["conversation.erased.v1"] = "conversation.erased.v1"
    by: str = ""


AnyOutcome = Annotated[
    CustomerSaid
    | StaffSaid
    | MessageEdited
    | MessageDeleted
    | MessageReacted
    | MessagesReceived
    | CustomerReturned
    | TakeoverStarted
    | TakeoverAnswered
    | TakeoverChanged
    | AssignmentChanged
    | TakeoverEnded
    | AnswerSuppressed
    | CommandAccepted
    | CommandRefused
    | DeliveryChanged
    | ThreadChanged
    | FlowNoticed
    | CustomerKnown
    | ConversationErased
    | BotPosition,
    Field(discriminator="type"),
]

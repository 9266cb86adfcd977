"""Topic `conversations`, the log: everything that happened in a conversation, in the order that decides."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from schemas.base import ConversationEvent, Document
from schemas.handover import MAX_RETURN, MIN_RETURN, RequestedBy
from schemas.messages import TEXT, Attachment, CustomerInput, Media, OutMessage, Person, Profile, Referral
from schemas.sessions import Session

Channel = Literal["messaging", "standby"]
"""Which array of the webhook an event came in: `standby` means that another app has the thread."""

# --- from ingress: what the channel tells


class CustomerMessage(ConversationEvent):
    """A customer wrote, chose a quick reply, or pressed a button."""

    type: Literal["customer.message.v1"] = "customer.message.v1"
    mid: str = ""
    channel: Channel = "messaging"
    input: CustomerInput
    caught_up: bool = False
    """Read afterwards, because no webhook told of it: older than the last episode's end it is for the record only."""
    extras: dict[str, Any] | None = None
    """What else came with it, raw: tags, commands, nlp, and `hop_context` where Meta wrote it for the customer."""


class CustomerEdited(ConversationEvent):
    """A customer changed a message's text. `number`: which edit of that message it is, from 1; None: not told."""

    type: Literal["customer.edited.v1"] = "customer.edited.v1"
    mid: str
    channel: Channel = "messaging"
    text: str
    number: int | None = None


class CustomerDeleted(ConversationEvent):
    """A customer took a message back."""

    type: Literal["customer.deleted.v1"] = "customer.deleted.v1"
    mid: str
    channel: Channel = "messaging"


class CustomerReacted(ConversationEvent):
    """A customer's reaction to a message, or that it is taken back. `reaction` is the channel's word, `emoji` the sign."""

    type: Literal["customer.reacted.v1"] = "customer.reacted.v1"
    mid: str
    channel: Channel = "messaging"
    action: Literal["react", "unreact"]
    reaction: str = ""
    emoji: str = ""


class CustomerReferred(ConversationEvent):
    """A customer came again, by a link or an ad, and has said nothing yet."""

    type: Literal["customer.referred.v1"] = "customer.referred.v1"
    channel: Channel = "messaging"
    referral: Referral
    raw: dict[str, Any] | None = None
    """The channel's own JSON: an ad's title, what was filled in in its form."""


class Receipt(ConversationEvent):
    """Messages of the page's side reached the customer, or were seen: those up to the time `until`, and those in `mids`."""

    type: Literal["receipt.v1"] = "receipt.v1"
    channel: Channel = "messaging"
    state: Literal["delivered", "seen"]
    until: AwareDatetime | None = None
    mids: tuple[str, ...] = ()


class Echo(ConversationEvent):
    """A message of the page's side, as the channel repeats it: ours (metadata, app) or somebody else's."""

    type: Literal["message.echo.v1"] = "message.echo.v1"
    mid: str = ""
    channel: Channel = "messaging"
    app_id: str | None = None
    metadata: str | None = None
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    caught_up: bool = False
    """As of a customer's message."""


class ThreadControl(ConversationEvent):
    """Facebook tells that a thread was passed, taken or asked for. App ids are strings; None: idle or not told."""

    type: Literal["thread.control.v1"] = "thread.control.v1"
    action: Literal["pass", "take", "request"]
    channel: Channel = "messaging"
    new_owner: str | None = None
    previous_owner: str | None = None
    requested_owner: str | None = None
    metadata: str | None = None


class PolicyEnforced(ConversationEvent):
    """Facebook warns a page, stops it from sending, or lets it send again. Keyed by the page's own events.

    `action`: warning, block, unblock; another word is possible.
    """

    type: Literal["policy.enforced.v1"] = "policy.enforced.v1"
    action: str
    reason: str = ""


class ChannelFact(ConversationEvent):
    """Whatever else the channel sent (opt-ins, account linking, app roles, …): kept raw, changes nobody's turn."""

    type: Literal["channel.fact.v1"] = "channel.fact.v1"
    kind: str
    channel: Channel = "messaging"
    raw: dict[str, Any]  # the channel's own JSON; its shape is theirs


# --- from flow-engine: how turns end


class Notice(Document):
    """Something that bot builders and ops should see, e.g. a loop that was cut at the step limit."""

    code: Literal["step_limit", "missing_block", "bad_template", "person_barred"]
    block: str = ""
    text: str


class TurnStarted(ConversationEvent):
    """Published before a turn that was asked more than once: three unfinished ones show that it crashes."""

    type: Literal["turn.started.v1"] = "turn.started.v1"
    turn: str
    epoch: int
    attempt: int


class TurnCompleted(ConversationEvent):
    """The turn's messages and the session after it. `delay`: seconds until the flow wants to go on by itself."""

    type: Literal["turn.completed.v1"] = "turn.completed.v1"
    turn: str
    epoch: int
    messages: tuple[OutMessage, ...] = ()
    session: Session
    delay: Annotated[float, Field(gt=0, le=MAX_RETURN)] | None = None
    notices: tuple[Notice, ...] = ()


class TakeoverRequested(ConversationEvent):
    """The turn reached *Let Human Takeover*: `messages` stood before the block; the goodbye is the block's."""

    type: Literal["takeover.requested.v1"] = "takeover.requested.v1"
    turn: str
    epoch: int
    messages: tuple[OutMessage, ...] = ()
    session: Session
    block: RequestedBy
    notices: tuple[Notice, ...] = ()


class TurnFailed(ConversationEvent):
    """The turn cannot be taken: a fault of the flow or of the engine."""

    type: Literal["turn.failed.v1"] = "turn.failed.v1"
    turn: str
    epoch: int
    reason: str


# --- from the console: operators' commands; their id is the command's id


class OperatorCommand(ConversationEvent):
    operator: Person
    epoch: Annotated[int, Field(ge=0)]
    """The epoch that the operator saw."""


Expiry = Annotated[int, Field(ge=MIN_RETURN, le=MAX_RETURN)]
"""Seconds."""


class OperatorTakesOver(OperatorCommand):
    """*Enable Human Takeover* on. `expiry`: a length in seconds for this episode, None with `no_expiry` for none."""

    type: Literal["operator.takes_over.v1"] = "operator.takes_over.v1"
    expiry: Expiry | None = None
    no_expiry: bool = False
    force: bool = False


class OperatorReplies(OperatorCommand):
    """A message of an operator. `seq` is the last entry that the composer showed; `client_id` is the browser's own id."""

    type: Literal["operator.replies.v1"] = "operator.replies.v1"
    seq: Annotated[int, Field(ge=0)]
    text: Annotated[str, Field(max_length=TEXT - 1)] = ""
    client_id: str = ""
    force: bool = False
    media: Media | None = None
    """A file, before the text where there is one. One of the two is needed."""
    again: str = ""
    """The id of the `SendMessage` that this repeats, which was not delivered or is uncertain."""


class OperatorSetsExpiry(OperatorCommand):
    """*Session expired*: in `expiry` seconds from now, or at `deadline`, or never (both None)."""

    type: Literal["operator.sets_expiry.v1"] = "operator.sets_expiry.v1"
    expiry: Expiry | None = None
    deadline: AwareDatetime | None = None


class OperatorHandsBack(OperatorCommand):
    """*Enable Human Takeover* off: go on in the flow, begin it anew, or close without a word."""

    type: Literal["operator.hands_back.v1"] = "operator.hands_back.v1"
    mode: Literal["continue", "restart", "close"] = "continue"
    note: Annotated[str, Field(max_length=1000)] = ""


class OperatorAssigns(OperatorCommand):
    """Whose the conversation is to be: assigned, or transferred by who holds it. `to` None: nobody's in particular.

    Neither owner, epoch nor expiry change. While the bot has it, it is a note for the next episode. `force`: though another
    operator holds it.
    """

    type: Literal["operator.assigns.v1"] = "operator.assigns.v1"
    to: Person | None
    force: bool = False


class OperatorDeactivated(ConversationEvent):
    """An operator's account was closed: what they hold or have been assigned is nobody's. One event a conversation."""

    type: Literal["operator.deactivated.v1"] = "operator.deactivated.v1"
    operator: Person


# --- from ops


class ErasureAsked(ConversationEvent):
    """Everything that is of the customer is to go from the tables; who had the conversation, when and why stays."""

    type: Literal["erasure.asked.v1"] = "erasure.asked.v1"
    by: Annotated[str, Field(max_length=100)] = ""
    """Who asked for it, as they call themselves; never the customer."""


# --- from fb-handover: what became of commands


class CommandReport(ConversationEvent):
    command: str
    """The id of the command that this tells about."""
    epoch: int


class MessageSent(CommandReport):
    """The channel accepted the message. `passed`: thread control went to the Page Inbox with it."""

    type: Literal["message.sent.v1"] = "message.sent.v1"
    seq: int
    mid: str = ""
    passed: bool = False


class MessageRefused(CommandReport):
    """The channel will not deliver the message, or its fate is unknown (`uncertain`)."""

    type: Literal["message.refused.v1"] = "message.refused.v1"
    seq: int
    kind: Literal["not_owner", "permanent", "uncertain"]
    code: int | None = None
    subcode: int | None = None
    reason: str
    next_step: str = ""
    """What somebody can do about it, a word of `schemas.delivery.NEXT_STEPS`; empty: nothing is known."""


class CommandSuppressed(CommandReport):
    """The command never leaves: `Silence` met it before its sending began, or for `reason`, such as that it is too late."""

    type: Literal["command.suppressed.v1"] = "command.suppressed.v1"
    seq: int | None = None
    reason: str = ""


class ThreadMoved(CommandReport):
    """Our own pass or take was confirmed: it moves the mirror and is no act of staff."""

    type: Literal["thread.moved.v1"] = "thread.moved.v1"
    owner: str | None
    """The app that has the thread now; None: nobody (idle)."""


class ThreadExtended(CommandReport):
    """Facebook keeps the thread for us so many seconds from then on."""

    type: Literal["thread.extended.v1"] = "thread.extended.v1"
    seconds: int


class ThreadRefused(CommandReport):
    """Facebook refused our pass, take or extension."""

    type: Literal["thread.refused.v1"] = "thread.refused.v1"
    action: Literal["pass", "take", "extend"]
    code: int | None = None
    subcode: int | None = None
    reason: str


class ThreadOwnerRead(CommandReport):
    """The answer to ReadThread. `known` False: no answer in time. `owner` None: idle."""

    type: Literal["thread.owner_read.v1"] = "thread.owner_read.v1"
    known: bool
    owner: str | None = None


class ProfileRead(CommandReport):
    """What Facebook tells of the customer; an empty profile when it tells nothing."""

    type: Literal["profile.read.v1"] = "profile.read.v1"
    profile: Profile


# --- from takeover's timers


class SessionExpired(ConversationEvent):
    """A deadline came. It counts only if epoch and deadline are still those of the conversation."""

    type: Literal["session.expired.v1"] = "session.expired.v1"
    epoch: int
    deadline: AwareDatetime


class TurnOverdue(ConversationEvent):
    """A turn was not answered in time."""

    type: Literal["turn.overdue.v1"] = "turn.overdue.v1"
    turn: str
    attempt: int


class DelayElapsed(ConversationEvent):
    """A Delay block has run out."""

    type: Literal["delay.elapsed.v1"] = "delay.elapsed.v1"
    epoch: int
    turn: str


class ReadOverdue(ConversationEvent):
    """A question to the channel (thread owner, profile) was not answered in time."""

    type: Literal["read.overdue.v1"] = "read.overdue.v1"
    command: str


class ThreadCheckDue(ConversationEvent):
    """A takeover lasts, and Facebook frees threads after a day: it is seen to that this one stays where it is.

    It counts only if epoch and time are still those of the conversation.
    """

    type: Literal["thread.check_due.v1"] = "thread.check_due.v1"
    epoch: int
    due_at: AwareDatetime


LogEvent = Annotated[
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
    | TurnStarted
    | TurnCompleted
    | TakeoverRequested
    | TurnFailed
    | OperatorTakesOver
    | OperatorReplies
    | OperatorSetsExpiry
    | OperatorHandsBack
    | OperatorAssigns
    | OperatorDeactivated
    | ErasureAsked
    | MessageSent
    | MessageRefused
    | CommandSuppressed
    | ThreadMoved
    | ThreadExtended
    | ThreadRefused
    | ThreadOwnerRead
    | ProfileRead
    | SessionExpired
    | TurnOverdue
    | DelayElapsed
    | ReadOverdue
    | ThreadCheckDue,
    Field(discriminator="type"),
]

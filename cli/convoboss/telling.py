"""The few fields of each event that tell what happened, in words. Everything else is in the JSON."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import singledispatch
from typing import Any, Final

from pydantic import BaseModel

from schemas import bots, commands, conversations, deadletters, outcomes, pages, turns
from schemas.base import BaseEvent
from schemas.bots import MessengerChannel, TakeoverSettings
from schemas.flows import Flow
from schemas.handover import RequestedBy
from schemas.messages import Attachment, CustomerInput, OutMessage, Person, Profile, Said
from schemas.sessions import Session
from schemas.turns import TurnInput

MAX_TEXT: Final = 200  # characters of one text
_PLAIN: Final = frozenset({"input", "text", "message", "messages", "reason", "notice", "profile", "document"})
"""Fields that need no name in front."""

_OPERATOR: Final = ("operator", "epoch")
_REPORT: Final = ("command", "epoch")
_OUTCOME: Final = ("seq", "epoch")
_EPISODE: Final = (*_OUTCOME, "attended", "venue", "holder", "deadline")

TELLING: Final[Mapping[type[BaseEvent], tuple[str, ...]]] = {
    conversations.CustomerMessage: ("input", "channel"),
    conversations.CustomerEdited: ("text", "number", "mid", "channel"),
    conversations.CustomerDeleted: ("mid", "channel"),
    conversations.CustomerReacted: ("action", "emoji", "reaction", "mid", "channel"),
    conversations.CustomerReferred: ("referral", "channel"),
    conversations.Receipt: ("state", "until", "mids"),
    conversations.Echo: ("text", "attachments", "app_id", "channel"),
    conversations.ThreadControl: ("action", "new_owner", "previous_owner", "requested_owner", "channel"),
    conversations.PolicyEnforced: ("action", "reason"),
    conversations.ChannelFact: ("kind", "channel"),
    conversations.TurnStarted: ("turn", "epoch", "attempt"),
    conversations.TurnCompleted: ("turn", "epoch", "messages", "session", "delay", "notices"),
    conversations.TakeoverRequested: ("turn", "epoch", "messages", "block", "notices"),
    conversations.TurnFailed: ("turn", "epoch", "reason"),
    conversations.OperatorTakesOver: (*_OPERATOR, "expiry", "no_expiry", "force"),
    conversations.OperatorReplies: (*_OPERATOR, "text", "seq", "force"),
    conversations.OperatorSetsExpiry: (*_OPERATOR, "expiry", "deadline"),
    conversations.OperatorHandsBack: (*_OPERATOR, "mode", "note"),
    conversations.OperatorAssigns: (*_OPERATOR, "to", "force"),
    conversations.OperatorDeactivated: ("operator",),
    conversations.ErasureAsked: ("by",),
    conversations.MessageSent: (*_REPORT, "seq", "passed", "mid"),
    conversations.MessageRefused: (*_REPORT, "seq", "kind", "code", "subcode", "reason"),
    conversations.CommandSuppressed: (*_REPORT, "seq"),
    conversations.ThreadMoved: (*_REPORT, "owner"),
    conversations.ThreadExtended: (*_REPORT, "seconds"),
    conversations.ThreadRefused: (*_REPORT, "action", "code", "subcode", "reason"),
    conversations.ThreadOwnerRead: (*_REPORT, "known", "owner"),
    conversations.ProfileRead: (*_REPORT, "profile"),
    conversations.SessionExpired: ("epoch", "deadline"),
    conversations.TurnOverdue: ("turn", "attempt"),
    conversations.DelayElapsed: ("turn", "epoch"),
    conversations.ReadOverdue: ("command",),
    conversations.ThreadCheckDue: ("epoch", "due_at"),
    turns.TurnAsked: ("turn", "epoch", "attempt", "input", "flow", "session", "may_ask_person"),
    commands.SendMessage: ("seq", "epoch", "speaker", "operator", "message", "then_pass", "retake"),
    commands.PassThread: ("epoch", "target"),
    commands.TakeThread: ("epoch",),
    commands.ExtendThread: ("epoch", "seconds"),
    commands.ReadThread: ("epoch",),
    commands.ReadProfile: ("epoch",),
    commands.Silence: ("epoch",),
    commands.Erase: ("epoch", "seq"),
    outcomes.CustomerSaid: (*_OUTCOME, "input", "addressed", "channel"),
    outcomes.StaffSaid: (*_OUTCOME, "text", "attachments", "app_id", "automatic"),
    outcomes.MessageEdited: (*_OUTCOME, "text", "number", "message_seq", "mid"),
    outcomes.MessageDeleted: (*_OUTCOME, "message_seq", "mid"),
    outcomes.MessageReacted: (*_OUTCOME, "emoji", "reaction", "message_seq", "mid"),
    outcomes.MessagesReceived: (*_OUTCOME, "state", "until", "mids"),
    outcomes.CustomerReturned: (*_OUTCOME, "referral"),
    outcomes.TakeoverStarted: (*_EPISODE, "cause", "inferred", "block", "emails", "taken", "fault"),
    outcomes.TakeoverAnswered: (*_EPISODE, "by"),
    outcomes.TakeoverChanged: _EPISODE,
    outcomes.AssignmentChanged: (*_OUTCOME, "assigned"),
    outcomes.TakeoverEnded: (*_OUTCOME, "cause", "mode", "by", "answered", "note"),
    outcomes.AnswerSuppressed: (*_OUTCOME, "turn", "turn_epoch", "messages"),
    outcomes.CommandAccepted: (*_OUTCOME, "command"),
    outcomes.CommandRefused: (*_OUTCOME, "command", "code", "field", "reason", "owner", "holder", "newer"),
    outcomes.DeliveryChanged: (*_OUTCOME, "state", "message_seq", "reason", "mid"),
    outcomes.ThreadChanged: (*_OUTCOME, "owner", "app_id", "reason", "moved_to_done"),
    outcomes.FlowNoticed: (*_OUTCOME, "turn", "notice"),
    outcomes.CustomerKnown: (*_OUTCOME, "profile"),
    outcomes.BotPosition: (*_OUTCOME, "flow", "block", "waits_for", "attributes"),
    outcomes.ConversationErased: (*_OUTCOME, "by"),
    bots.BotSettings: ("version", "name", "flow", "takeover", "messenger"),
    bots.FlowPublished: ("document",),
    pages.PageStatus: ("state", "code", "reason", "since"),
    pages.PageCatchUp: ("state", "missed_since", "reason", "conversations", "messages"),
    pages.PageUnknown: ("apps",),
    pages.PageOpened: ("opens_at",),
    deadletters.DeadLetter: ("reason", "origin_topic", "origin_partition", "origin_offset", "error"),
}


def tell(event: BaseEvent) -> str:
    """One line about the event. What is empty, or as it is by default, is left out, but for numbers."""
    return "  ".join(_parts(event))


def _parts(event: BaseEvent) -> Iterator[str]:
    own = getattr(event, "conversation", None)
    fields = type(event).model_fields
    for name in TELLING.get(type(event), tuple(fields)):
        value = getattr(event, name)
        if value is None or value in ("", ()) or (value == fields[name].default and not _is_number(value)):
            continue
        text = show(value)
        if own is not None and isinstance(value, str):
            text = text.replace(own, "", 1) or text  # ids begin with their conversation's, which is on the line already
        yield text if name in _PLAIN else f"{name}={text}"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@singledispatch
def show(value: Any) -> str:  # whatever an event's field holds
    """A field's value for people."""
    return str(value)


@show.register
def _(value: str) -> str:
    short = value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
    return f'"{short}"' if not value or any(letter.isspace() for letter in value) else short


@show.register
def _(value: Enum) -> str:
    return str(value.value)


@show.register
def _(value: bool) -> str:
    return "yes" if value else "no"


@show.register
def _(value: float) -> str:
    return f"{value:g}"


@show.register
def _(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@show.register(tuple)
@show.register(list)
def _(value: tuple[Any, ...] | list[Any]) -> str:
    return f"[{', '.join(map(show, value))}]"


@show.register
def _(value: dict) -> str:  # type: ignore[type-arg] # singledispatch takes the bare class
    return f"{{{', '.join(f'{name}: {show(inner)}' for name, inner in value.items())}}}"


@show.register
def _(value: BaseModel) -> str:
    return show({name: getattr(value, name) for name in value.model_fields_set})


@show.register
def _(value: Person) -> str:
    return show(value.name)


@show.register
def _(value: Profile) -> str:
    return show(value.name) if value.name else "no name"


@show.register
def _(value: Attachment) -> str:
    return f"<{value.kind}>"


@show.register
def _(value: CustomerInput) -> str:
    parts = [_quoted(value.text)] if value.text else []
    parts += map(show, value.attachments)
    if value.kind != "text":
        parts.append(f"({value.kind} {value.payload})")
    return " ".join(parts) or "(empty)"


@show.register
def _(value: OutMessage) -> str:
    parts = [_quoted(value.text)] if value.text else []
    parts += [f"<image {value.image_url}>"] if value.image_url else []
    parts += [f"<{value.media.kind} {value.media.url}>"] if value.media else []
    parts += [f"<card {_quoted(card.title)}>" for card in value.cards]
    parts += [f"[{reply.title}]" for reply in value.quick_replies]
    parts += [f"[{button.title}]" for button in value.buttons]
    return " ".join(parts) or "(empty)"


@show.register
def _(value: Said) -> str:
    return f"{value.name or value.speaker.value}: {_quoted(value.text)}"


@show.register
def _(value: conversations.Notice) -> str:
    return f"{value.code}{f' at {value.block}' if value.block else ''}: {_quoted(value.text)}"


@show.register
def _(value: Session) -> str:
    return f"{value.flow} at {value.at or 'nowhere'}, waits for {value.waits_for}"


@show.register
def _(value: RequestedBy) -> str:
    returns = f", returns after {value.auto_return} s" if value.auto_return else ""
    tells = f", notifies {', '.join(value.emails)}" if value.notify_admin else ""
    return f"{value.block}{returns}{tells}"


@show.register
def _(value: TurnInput) -> str:
    return show(value.message) if value.message is not None else f"({value.reason})"


@show.register
def _(value: TakeoverSettings) -> str:
    expiry = value.default_session_expiry
    return f"expiry {'none' if expiry is None else f'{expiry} s'} from {value.counts_from}"


@show.register
def _(value: MessengerChannel) -> str:
    return f"page {value.page_id} {_quoted(value.page_name)} app {value.app_id} secrets {value.page_token}"


@show.register
def _(value: Flow) -> str:
    return f"{_quoted(value.name)} {len(value.blocks)} blocks"


def _quoted(text: str) -> str:
    return f'"{text[:MAX_TEXT]}{"…" if len(text) > MAX_TEXT else ""}"'

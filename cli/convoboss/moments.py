"""A folded log as lines of what happened: who did it, who had the conversation, and what came of it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import Final

from convoboss.telling import show, tell
from schemas import commands, conversations, outcomes, turns
from schemas.base import BaseEvent, ConversationEvent
from takeover.folding import Folded
from takeover.state import Conversation
from takeover.timers import timers

ERASED: Final = "(erased)"


@dataclass(frozen=True, slots=True)
class Line:
    """`owner` and `epoch`: as they are after it. `sort`: `event`, `decision`, or `timer` for what became of a timer."""

    at: datetime
    offset: int
    owner: str
    epoch: int
    sort: str
    actor: str
    what: str
    type: str
    id: str


def lines(folded: Sequence[Folded]) -> Iterator[Line]:
    """In the order of the log; of an event that was erased since, only its skeleton."""
    erased = max(
        (each.logged.offset for each in folded if isinstance(each.logged.event, conversations.ErasureAsked)), default=-1
    )
    for each in folded:
        yield from _of(each, bare=each.logged.offset < erased)


def _of(each: Folded, *, bare: bool) -> Iterator[Line]:
    logged, state = each.logged, each.after
    event = logged.event
    owner, epoch = (state.owner, state.epoch) if state is not None else ("nobody", 0)

    def line(sort: str, actor: str, what: str, of: BaseEvent | None = None) -> Line:
        kind, identity = (of.type, of.id) if of is not None else ("", "")
        return Line(logged.at, logged.offset, owner, epoch, sort, actor, what, kind, identity)

    yield line("event", actor_of(event), _event_words(event, bare=bare) + _how(each, bare=bare), event)
    for effect in each.effects:
        what = words(effect.event)
        if bare and isinstance(effect.event, PERSONAL):
            what = _bare(what)
        yield line("decision", "", what, effect.event)
    for what in _timer_changes(each.before, state):
        yield line("timer", "", what)


def _how(each: Folded, *, bare: bool) -> str:
    match each.how:
        case "copy":
            return "  (a second copy: dropped)"
        case "fault":
            return "  (the rules could not take it)" if bare else f"  (the rules could not take it: {each.reason})"
        case "aside":
            return f"  (put aside: {each.reason})"
        case _:
            return ""


# --- who


def actor_of(event: ConversationEvent) -> str:
    match event:
        case (
            conversations.CustomerMessage()
            | conversations.CustomerEdited()
            | conversations.CustomerDeleted()
            | conversations.CustomerReacted()
            | conversations.CustomerReferred()
        ):
            return "customer"
        case conversations.Echo():
            return "page"
        case conversations.OperatorCommand(operator=operator):
            return operator.name
        case conversations.OperatorDeactivated():
            return "console"
        case conversations.ErasureAsked(by=by):
            return by or "ops"
        case (
            conversations.CommandReport()
            | conversations.ThreadControl()
            | conversations.Receipt()
            | conversations.PolicyEnforced()
            | conversations.ChannelFact()
        ):
            return "facebook"
        case (
            conversations.TurnCompleted()
            | conversations.TakeoverRequested()
            | conversations.TurnFailed()
            | conversations.TurnStarted()
        ):
            return "flow"
        case _:
            return "timer"


# --- what, in words

PERSONAL: Final = (
    conversations.CustomerMessage,
    conversations.CustomerEdited,
    conversations.CustomerReacted,
    conversations.CustomerReferred,
    conversations.Echo,
    conversations.ChannelFact,
    conversations.TurnCompleted,
    conversations.TakeoverRequested,
    conversations.TurnFailed,
    conversations.OperatorReplies,
    conversations.OperatorHandsBack,
    conversations.ProfileRead,
    commands.SendMessage,
    turns.TurnAsked,
    outcomes.CustomerSaid,
    outcomes.MessageEdited,
    outcomes.MessageReacted,
    outcomes.CustomerReturned,
    outcomes.StaffSaid,
    outcomes.TakeoverStarted,
    outcomes.TakeoverEnded,
    outcomes.AnswerSuppressed,
    outcomes.CommandRefused,
    outcomes.CustomerKnown,
    outcomes.BotPosition,
    outcomes.FlowNoticed,
)
"""What may hold a customer's words, or words filled in for them."""


def _bare(what: str) -> str:
    """What stands before the first colon; texts stand behind it."""
    head, colon, _ = what.partition(": ")
    return f"{head}: {ERASED}" if colon else head


def _event_words(event: ConversationEvent, *, bare: bool) -> str:
    name = event.type.rpartition(".")[0]
    if bare and isinstance(event, PERSONAL):
        return f"{name}: {ERASED}"
    told = tell(event)
    return f"{name}: {told}" if told else name


@singledispatch
def words(effect: BaseEvent) -> str:
    """What a decision led to."""
    told = tell(effect)
    name = effect.type.rpartition(".")[0]
    return f"{name}: {told}" if told else name


@words.register
def _(effect: outcomes.CustomerSaid) -> str:
    whose = {"bot": "for the bot", "person": "for the person", "record": "for the record only"}
    return f"entry {effect.seq}, {whose[effect.addressed]}"


@words.register
def _(effect: outcomes.StaffSaid) -> str:
    who = "another app" if effect.automatic else "staff in the Page Inbox"
    return f"entry {effect.seq}, {who} said: {show(effect.text)}"


@words.register
def _(effect: outcomes.TakeoverStarted) -> str:
    block = f" at block {effect.block}" if effect.block else ""
    fault = f": {effect.fault}" if effect.fault else ""
    taken = f", entries {show(list(effect.taken))} are theirs" if effect.taken else ""
    return f"A PERSON HAS IT, because {effect.cause.value}{block}; {_until(effect.deadline)}{taken}{fault}"


@words.register
def _(effect: outcomes.TakeoverAnswered) -> str:
    return f"taken up by {_holder(effect)} ({effect.by}); {_until(effect.deadline)}"


@words.register
def _(effect: outcomes.TakeoverChanged) -> str:
    return f"now with {_holder(effect)}; {_until(effect.deadline)}"


@words.register
def _(effect: outcomes.TakeoverEnded) -> str:
    by = f" by {effect.by.name}" if effect.by else ""
    note = f": {show(effect.note)}" if effect.note else ""
    never = "" if effect.answered else ", nobody had taken it up"
    return f"THE BOT HAS IT again, because {effect.cause.value}{by} ({effect.mode}){never}{note}"


@words.register
def _(effect: outcomes.AnswerSuppressed) -> str:
    return f"SUPPRESSED, the bot's answer of epoch {effect.turn_epoch}: {show(list(effect.messages))}"


@words.register
def _(effect: outcomes.CommandRefused) -> str:
    return f"refused ({effect.code}{f', field {effect.field}' if effect.field else ''}): {effect.reason}"


@words.register
def _(effect: outcomes.CommandAccepted) -> str:
    return f"accepted {effect.command}"


@words.register
def _(effect: outcomes.ThreadChanged) -> str:
    done = ", moved to Done" if effect.moved_to_done else ""
    return f"Facebook's thread: {effect.owner}{done}{f' ({effect.reason})' if effect.reason else ''}"


@words.register
def _(effect: commands.SendMessage) -> str:
    who = effect.operator.name if effect.operator else "the bot"
    rides = " and pass the thread" if effect.then_pass else ""
    return f"entry {effect.seq}, {who} says{rides}: {show(effect.message)}"


@words.register
def _(effect: commands.PassThread) -> str:
    return f"pass the thread to {effect.target} (the Page Inbox)"


@words.register
def _(effect: commands.TakeThread) -> str:
    return f"take the thread ({effect.type.rpartition('.')[0]})"


@words.register
def _(effect: commands.ExtendThread) -> str:
    return f"keep the thread for {timedelta(seconds=effect.seconds)} more ({effect.type.rpartition('.')[0]})"


@words.register
def _(effect: commands.ReadThread) -> str:
    return f"ask who has the thread ({effect.type.rpartition('.')[0]})"


@words.register
def _(effect: commands.ReadProfile) -> str:
    return f"ask for the customer's name ({effect.type.rpartition('.')[0]})"


@words.register
def _(effect: commands.Silence) -> str:
    return f"silence the bot below epoch {effect.epoch}"


@words.register
def _(effect: commands.Erase) -> str:
    return f"erase what was said up to entry {effect.seq}"


@words.register
def _(effect: turns.TurnAsked) -> str:
    again = f" again, attempt {effect.attempt}" if effect.attempt > 1 else ""
    return f"ask the flow{again}, turn {effect.turn.rpartition('!')[2]}: {show(effect.input)}"


def _holder(effect: outcomes.EpisodeOutcome) -> str:
    where = "our Inbox" if effect.venue == "inbox" else "the Page Inbox"
    return f"{effect.holder.name if effect.holder else 'nobody in particular'} in {where}"


def _until(deadline: datetime | None) -> str:
    return "no expiry" if deadline is None else f"until {moment(deadline)}"


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- timers


def _timer_changes(before: Conversation | None, after: Conversation | None) -> Iterator[str]:
    old = timers(before) if before is not None else {}
    new = timers(after) if after is not None else {}
    for kind, timer in new.items():
        if kind not in old:
            yield f"timer {kind} set for {moment(timer.due_at)}"
        elif old[kind] != timer:
            yield f"timer {kind} moved to {moment(timer.due_at)}"
    for kind in old:
        if kind not in new:
            yield f"timer {kind} gone"


# --- how it stands


def standing(state: Conversation, began: datetime, at: datetime) -> Iterator[str]:
    """Who has it, why, since when, until when, and what comes next, at a moment."""
    episode = state.episode
    if episode is None:
        yield f"The bot has it, epoch {state.epoch}, since {moment(state.ended_at or began)}."
        if state.assigned is not None:
            yield f"The next episode is to be {state.assigned.name}'s."
    else:
        where = "our Inbox" if episode.venue == "inbox" else "the Page Inbox"
        who = episode.holder.name if episode.holder else ("staff" if episode.venue == "page_inbox" else "nobody yet")
        how = f"attended in {where} by {who}" if episode.attended else f"requested, not taken up; holder: {who}"
        block = f" at block {episode.block.block}" if episode.block else ""
        yield f"A person has it, epoch {state.epoch}: {how}."
        yield f"Since {moment(episode.started_at)}, because {episode.cause.value}{block}."
        if episode.deadline is None:
            yield "Until somebody hands it back: it has no expiry."
        else:
            yield f"Until {moment(episode.deadline)} ({_distance(episode.deadline - at)}); then the bot has it."
    yield from _coming(state, at)


def _coming(state: Conversation, at: datetime) -> Iterator[str]:
    if state.turn is not None:
        yield (
            f"Turn {state.turn.id.rpartition('!')[2]} is out, attempt {state.turn.attempt}; asked again at"
            f" {moment(state.turn.overdue_at)} ({_distance(state.turn.overdue_at - at)})."
        )
    if state.queue:
        yield f"{len(state.queue)} of the customer's inputs wait for their turn."
    if state.delay is not None:
        yield f"The flow waits and goes on at {moment(state.delay.due_at)} ({_distance(state.delay.due_at - at)})."
    if state.held:
        yield f"{len(state.held)} messages wait until Facebook says who has the thread."
    if state.naming is not None:
        yield f"The customer's name was asked for; not waited for after {moment(state.naming.due_at)}."
    if state.reading is not None:
        yield f"The thread's owner was asked for; not waited for after {moment(state.reading.due_at)}."
    thread = state.thread
    known = "unknown" if not thread.known else (f"app {thread.owner}" if thread.owner else "idle")
    under_way = f", {len(thread.under_way)} steps of ours under way" if thread.under_way else ""
    yield f"Facebook's thread: {known}{under_way}."
    if state.turn is None and not state.queue and state.delay is None and state.episode is None:
        yield "Nothing is to come by itself: the customer's next message is the bot's."


def _distance(left: timedelta) -> str:
    seconds = round(left.total_seconds())
    words = "in " if seconds >= 0 else ""
    size = abs(seconds)
    if size < 60:
        amount = f"{size} s"
    elif size < 3600:
        amount = f"{size // 60} min"
    else:
        amount = f"{size // 3600} h {size % 3600 // 60} min"
    return f"{words}{amount}{'' if seconds >= 0 else ' ago'}"

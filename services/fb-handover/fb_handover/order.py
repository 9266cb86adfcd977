"""What comes next for the first open command of a conversation, and what an answer of Facebook makes of it. Pure.

A conversation's commands are worked off one at a time. `decide` looks at a row that nobody works on; `after` takes the
verdict of the request that was made for it; `meet` adds what happened to the row in the meantime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from fb_handover import graph_body, reports
from fb_handover.lateness import Tags, TooLate, too_late
from fb_handover.outgoing import QueuedCommand, Row, State, Step
from fb_handover.reports import Report
from graphapi.answers import (
    Accepted,
    Later,
    NotOwner,
    Owner,
    Permanent,
    ProfileAnswer,
    Unknown,
    Verdict,
    message_id,
    owner,
    profile,
)
from runtime.backoff import Rng
from schemas.bots import MessengerChannel
from schemas.commands import ExtendThread, PassThread, ReadProfile, ReadThread, SendMessage, TakeThread
from schemas.messages import Speaker

HOUR: Final = 3600.0  # seconds
TOO_LATE: Final = "Facebook did not take it for too long; it was given up."
CHECK_AND_RETRY: Final = "check_and_retry"
EMPTY: Final = "The message is empty."
ARRIVED: Final = "It has arrived after all; it is not sent twice."
UNCERTAIN: Final = "Facebook gave no answer: the message may or may not have arrived."
NO_RETURN: Final = "Another app has the conversation, and Facebook does not let us take it back: "


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds. `echo_wait`: how long a request of unknown outcome waits for its echo.

    `fault_wait`: the least time before a message is sent again that was answered with a server's fault: it may have been
    accepted all the same, and its echo tells. `page_wait`, `listen_again`: until a page that is not connected, or echoes
    that are not all heard, are looked at again. `look_for`: how long after the echo's time Facebook is asked whether the
    message is in the conversation, every `look_again` where it does not tell. `pass_wait`: the longest that a pass behind a message waits for its echo.
    """

    echo_wait: float = 30.0
    give_up_after: float = 24 * HOUR  # Facebook's window for ordinary messages
    first_delay: float = 1.0
    longest_delay: float = 60.0
    page_wait: float = 5.0
    fault_wait: float = 3.0
    listen_again: float = 1.0
    look_for: float = 60.0
    look_again: float = 3.0
    pass_wait: float = 5.0


@dataclass(frozen=True, slots=True)
class Act:
    """Make the request of the row's step."""


@dataclass(frozen=True, slots=True)
class Listen:
    """The echo's time is over: see whether all echoes that are in the log were heard, and tell `after_listening`."""


@dataclass(frozen=True, slots=True)
class Look:
    """No echo tells: see whether the message is in Facebook's list of the conversation, and tell `after_looking`."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the list told. `mid`: it has the message. Else `again`: it could not be read now, and may be later."""

    mid: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Shut:
    """Nothing may be asked of Facebook for the page, for so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Transition:
    """The row as it is from now on, what is told to the log, and for how many seconds the conversation rests."""

    row: Row
    reports: tuple[Report, ...] = ()
    delay: float = 0.0
    reason: str = ""
    until_echo: bool = False
    """It rests no longer than until the echo of its message."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision stands on besides the row. `at` is when Facebook answered, by our clock."""

    rules: Rules
    rng: Rng
    at: datetime


def decide(
    row: Row, context: Context, *, connected: bool, shut: Shut | None = None, tags: Tags = "on"
) -> Act | Listen | Transition:
    """`connected`: the page's channel is known and its secrets can be read. `shut`: nothing may be asked for it. `tags`:

    whether a person's message may go out after the window for ordinary ones.
    """
    if row.state is State.SENDING:
        return _settle_unknown(row, context)
    if row.step is Step.SEND and row.mid is not None:
        return _sent(row, row.mid, context, echoed=True)
    if isinstance(row.command, SendMessage) and row.step in {Step.TYPING, Step.SEND}:
        late = too_late(row.command, context.at, tags)
        if late is not None:
            return _give_up(row, row.command, late, context)
    if row.age >= context.rules.give_up_after:
        return _refuse(row, Permanent(TOO_LATE, next_step="try_later"), context)
    if isinstance(row.command, SendMessage) and not graph_body.parts(row.command.message):
        return _refuse(row, Permanent(EMPTY, next_step="shorten"), context)
    if not connected:
        return Transition(row, delay=context.rules.page_wait, reason="the page is not connected")
    if shut is not None and row.step in {Step.READ_OWNER, Step.READ_PROFILE}:
        return _read(row, Later(shut.reason), context)
    if shut is not None:
        return Transition(row, delay=shut.seconds, reason=shut.reason)
    return Act()


def repeats(row: Row, earlier: Sequence[Row], context: Context) -> Transition | None:
    """A person sends a message again; `earlier`: what became of its attempts before. None: it may go now.

    It does not go where an echo has shown since that it arrived. Parts that did arrive are not said twice.
    """
    if any(each.state is State.DONE for each in earlier):
        return _refuse(row, Permanent(ARRIVED), context)
    arrived = max((each.part for each in earlier), default=0)
    return Transition(replace(row, part=arrived)) if arrived > row.part else None


def _give_up(row: Row, command: SendMessage, late: TooLate, context: Context) -> Transition:
    """A bot's words are out of date by now; a person is told that theirs did not arrive, and why."""
    if command.speaker is not Speaker.BOT:
        return _refuse(row, Permanent(late.reason, next_step=late.next_step), context)
    report = reports.suppressed(command, at=context.at, reason=late.reason)
    return Transition(replace(row, state=State.SUPPRESSED), (report,), reason=late.reason)


def without_persona(row: Row) -> Transition:
    """Facebook may have refused the message for the name that it came under: the same once more, under another or none."""
    return Transition(replace(row, state=State.WAITING), reason="refused, perhaps for its persona")


def not_begun(row: Row) -> Transition:
    """The ledger says that a request was begun, but this process stood still and did not make it."""
    return Transition(replace(row, state=State.WAITING), reason="stood still before the request")


def after_typing(row: Row, *, shown_for: float) -> Transition:
    """Typing was shown, or could not be; the message follows when its time is over."""
    rest = row.command.message.typing - shown_for if isinstance(row.command, SendMessage) else 0.0
    return Transition(replace(row, step=Step.SEND, state=State.WAITING), delay=max(rest, 0.0))


def after(row: Row, verdict: Verdict, context: Context, channel: MessengerChannel) -> Transition:
    """`verdict` is the answer to the request of `row.step`."""
    match row.step:
        case Step.SEND | Step.TYPING:
            return _after_send(row, verdict, context)
        case Step.TAKE | Step.PASS | Step.EXTEND:
            return _after_control(row, verdict, context, channel)
        case Step.READ_OWNER | Step.READ_PROFILE:
            return _read(row, verdict, context)


@dataclass(frozen=True, slots=True)
class Met:
    """What the stored row says at the moment of storing: a Silence or an echo may have met it meanwhile."""

    silenced: bool = False
    mid: str | None = None
    part: int = 0


def meet(transition: Transition, met: Met, context: Context) -> Transition:
    """The transition as it has to be stored, given what the row met since it was read."""
    row = replace(transition.row, silenced=met.silenced)
    echoed = row.step is Step.SEND and met.mid is not None and met.part == row.part
    if echoed and row.state is State.UNCERTAIN:
        return Transition(replace(row, state=State.SENDING, mid=met.mid))
    if not row.state.is_open:
        return transition
    if transition.until_echo and met.mid is not None and met.part == row.part:
        transition = replace(transition, delay=0.0)
    if echoed:
        return replace(transition, row=replace(row, mid=met.mid), delay=0.0)
    if met.silenced and row.state is State.WAITING:
        return Transition(
            replace(row, state=_closed_by_silence(row)),
            (*transition.reports, reports.suppressed(row.command, at=context.at, said=_said(row))),
            reason="silenced",
        )
    return replace(transition, row=row)


def hear(row: Row, mid: str, part: int, context: Context) -> Transition | None:
    """An echo of the command's message came. None: it tells nothing that is not known.

    A message that was given up as uncertain, or that was refused or silenced after an earlier attempt, has arrived after all.
    """
    if part != row.part or not isinstance(row.command, SendMessage):
        return None
    if row.step is Step.PASS and row.state is State.WAITING:
        return Transition(replace(row, mid=mid))  # the pass waits for it
    if row.step is not Step.SEND:
        return None
    if row.state.is_open:
        return None if row.mid is not None else Transition(replace(row, mid=mid))
    if part + 1 < len(graph_body.parts(row.command.message)):
        return None
    report = reports.sent(row.command, mid=mid, passed=rides(row), at=context.at)
    return Transition(replace(row, state=State.DONE, mid=mid), (report,))


def _closed_by_silence(row: Row) -> State:
    return State.DONE if _said(row) else State.SUPPRESSED


def _said(row: Row) -> bool:
    """Whether the message itself has left and only thread control remains."""
    return isinstance(row.command, SendMessage) and row.step is Step.PASS


def _delay(row: Row, context: Context) -> float:
    """Full jitter, below a bound that doubles with each attempt."""
    rules = context.rules
    doublings = min(max(row.attempts - 1, 0), 32)
    return context.rng.uniform(0.0, min(rules.first_delay * 2.0**doublings, rules.longest_delay))


def _wait(row: Row, later: Later, context: Context) -> Transition:
    """Not before Facebook says. What a fault may have accepted is left time for its echo."""
    fault = context.rules.fault_wait if later.perhaps_done and row.step is Step.SEND else 0.0
    delay = max(_delay(row, context), later.wait) + fault
    return Transition(replace(row, state=State.WAITING), delay=delay, reason=later.reason)


def _settle_unknown(row: Row, context: Context) -> Listen | Transition:
    """A request was begun and nobody works on it: its answer was lost, or the process that made it."""
    if row.step is not Step.SEND:
        return Transition(_again(row), reason="unknown outcome of a call that may be repeated")
    if row.mid is not None:
        return _sent(row, row.mid, context, echoed=True)
    rest = context.rules.echo_wait - row.sending_for
    return Transition(row, delay=rest, reason="waits for the echo") if rest > 0 else Listen()


def _again(row: Row) -> Row:
    return replace(row, state=State.WAITING, unknowns=row.unknowns + 1)


def after_listening(row: Row, context: Context, *, heard_all: bool) -> Look | Transition:
    """No echo of the row was heard in its time. `heard_all`: none can be in the log any more."""
    if heard_all:
        return Look()
    return Transition(row, delay=context.rules.listen_again, reason="waits until all echoes are heard")


def after_looking(row: Row, looked: Looked, context: Context) -> Transition:
    """What is still unknown then: a bot's message goes once more, a person decides about theirs."""
    if looked.mid is not None:
        return _sent(row, looked.mid, context, echoed=True)
    if looked.again and row.sending_for < context.rules.echo_wait + context.rules.look_for:
        return Transition(row, delay=context.rules.look_again, reason="waits for Facebook's list of the conversation")
    by_bot = isinstance(row.command, SendMessage) and row.command.speaker is Speaker.BOT
    if by_bot and row.unknowns == 0 and not row.silenced:
        return Transition(_again(row), reason="not known to have arrived; sent once more")
    return _refuse(row, Unknown(UNCERTAIN), context)


def _after_send(row: Row, verdict: Verdict, context: Context) -> Transition:
    match verdict:
        case Accepted():
            return _sent(row, message_id(verdict), context, echoed=False)
        case Later():
            return _wait(row, verdict, context)
        case Permanent(dead_token=True):
            return _wait(row, Later(verdict.reason), context)  # it goes when the page has another token
        case Unknown(reason=reason):
            waits = replace(row, state=State.SENDING)
            return Transition(waits, delay=context.rules.echo_wait, reason=reason)
        case NotOwner() if isinstance(row.command, SendMessage) and row.command.retake and not row.retaken:
            return Transition(replace(row, state=State.WAITING, step=Step.TAKE), reason=verdict.reason)
        case NotOwner() if row.unknowns > 0 and rides(row):
            # An earlier request, whose answer was lost, may have said it and passed the thread on.
            return _refuse(row, Unknown(UNCERTAIN), context)
        case Permanent() if rides(row) and verdict.may_be_the_routing:
            return Transition(replace(row, state=State.WAITING, riding=False), reason=verdict.reason)
        case NotOwner() | Permanent():
            return _refuse(row, verdict, context)


def rides(row: Row) -> bool:
    """Whether thread control goes with the present part in one request: with the last one, where it is wanted."""
    if not isinstance(row.command, SendMessage):
        return False
    last = row.part + 1 >= len(graph_body.parts(row.command.message))
    return row.command.then_pass and row.riding and last


def _sent(row: Row, mid: str, context: Context, *, echoed: bool) -> Transition:
    """The echo of a message comes to whoever has the thread: a pass that could not ride waits for it, for a while."""
    command = row.command
    if not isinstance(command, SendMessage):
        return Transition(replace(row, state=State.DONE))
    if row.part + 1 < len(graph_body.parts(command.message)):
        return Transition(replace(row, state=State.WAITING, part=row.part + 1, mid=None, unknowns=0))
    passed = rides(row)
    report = reports.sent(command, mid=mid, passed=passed, at=context.at)
    if command.then_pass and not passed:
        passing = replace(row, state=State.WAITING, step=Step.PASS, mid=mid, attempts=0)
        return Transition(passing, (report,), delay=0.0 if echoed else context.rules.pass_wait, until_echo=not echoed)
    return Transition(replace(row, state=State.DONE, mid=mid), (report,))


def _after_control(row: Row, verdict: Verdict, context: Context, channel: MessengerChannel) -> Transition:
    match verdict:
        case Accepted():
            return _moved(row, context, channel)
        case Later():
            return _wait(row, verdict, context)
        case Permanent(dead_token=True):
            return _wait(row, Later(verdict.reason), context)
        case Unknown(reason=reason):
            return _wait(replace(row, unknowns=row.unknowns + 1), Later(reason), context)
        case NotOwner() | Permanent():
            if row.step is Step.PASS and row.unknowns > 0 and _says_not_ours(verdict):
                return _moved(row, context, channel)  # the pass whose answer was lost has happened
            return _refuse(row, verdict, context)


def _says_not_ours(verdict: NotOwner | Permanent) -> bool:
    """A pass by an app that does not have the thread is refused with code 100, or as a send is."""
    return isinstance(verdict, NotOwner) or (verdict.code == 100 and verdict.subcode is None)


def _moved(row: Row, context: Context, channel: MessengerChannel) -> Transition:
    command = row.command
    if isinstance(command, ExtendThread):
        return Transition(replace(row, state=State.DONE), (reports.extended(command, at=context.at),))
    if row.step is Step.PASS:
        target = command.target if isinstance(command, PassThread) else channel.page_inbox_app
        return Transition(replace(row, state=State.DONE), (reports.moved(command, owner=target, at=context.at),))
    if isinstance(command, SendMessage):
        taken = reports.moved(command, owner=channel.app_id, at=context.at, step="taken")
        return Transition(replace(row, state=State.WAITING, step=Step.SEND, retaken=True, unknowns=0), (taken,))
    return Transition(replace(row, state=State.DONE), (reports.moved(command, owner=channel.app_id, at=context.at),))


def _read(row: Row, verdict: Verdict, context: Context) -> Transition:
    """A question is asked once: its answer is of use only now."""
    done = replace(row, state=State.DONE)
    match row.command:
        case ReadThread() as command:
            return Transition(done, (reports.owner_read(command, owner(verdict), at=context.at),))
        case ReadProfile() as command:
            return Transition(done, (reports.profile_read(command, profile(verdict), at=context.at),))
        case _:
            return Transition(done)


_ACTIONS: Final[Mapping[type[QueuedCommand], Literal["pass", "take", "extend"]]] = {
    PassThread: "pass",
    TakeThread: "take",
    ExtendThread: "extend",
}


def _refuse(row: Row, verdict: Permanent | NotOwner | Unknown, context: Context) -> Transition:
    """Closes the row with the report that its kind of command ends in."""
    code, subcode = (None, None) if isinstance(verdict, Unknown) else (verdict.code, verdict.subcode)
    at, reason = context.at, verdict.reason
    match row.command:
        case SendMessage() as command if row.step is Step.PASS:
            report = reports.thread_refused(command, action="pass", reason=reason, at=at, code=code, subcode=subcode)
            return Transition(replace(row, state=State.DONE), (report,), reason=reason)
        case SendMessage() as command:
            kind, reason = _kind(row, verdict)
            step = CHECK_AND_RETRY if isinstance(verdict, Unknown) else verdict.next_step
            refusal = reports.refused(
                command, kind=kind, reason=reason, at=at, code=code, subcode=subcode, next_step=step
            )
            state = State.UNCERTAIN if kind == "uncertain" else State.REFUSED
            return Transition(replace(row, state=state), (refusal,), reason=reason)
        case PassThread() | TakeThread() | ExtendThread() as command:
            action = _ACTIONS[type(command)]
            report = reports.thread_refused(command, action=action, reason=reason, at=at, code=code, subcode=subcode)
            return Transition(replace(row, state=State.REFUSED), (report,), reason=reason)
        case ReadThread() as command:
            unread = reports.owner_read(command, Owner(known=False), at=at)
            return Transition(replace(row, state=State.DONE), (unread,), reason=reason)
        case ReadProfile() as command:
            empty = reports.profile_read(command, ProfileAnswer(), at=at)
            return Transition(replace(row, state=State.DONE), (empty,), reason=reason)


def _kind(
    row: Row, verdict: Permanent | NotOwner | Unknown
) -> tuple[Literal["not_owner", "permanent", "uncertain"], str]:
    if isinstance(verdict, Unknown):
        return "uncertain", verdict.reason
    if row.step is Step.TAKE:
        return "not_owner", NO_RETURN + verdict.reason
    return ("not_owner", verdict.reason) if isinstance(verdict, NotOwner) else ("permanent", verdict.reason)

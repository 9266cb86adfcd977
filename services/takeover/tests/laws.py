"""The laws of ownership, each a check of one step of the fold: what was before, the event, what came after.

A law that holds for every step from every state holds for every log, so none of them needs a memory of its own: that is what
lets the enumeration meet each state once. They look at states, events and effects alone, never at how the rules work.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple, Protocol

from schemas.base import ConversationEvent
from schemas.bots import BotSettings
from schemas.commands import ExtendThread, PassThread, SendMessage, Silence, TakeThread
from schemas.conversations import (
    CommandReport,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    Echo,
    ErasureAsked,
    MessageSent,
    OperatorAssigns,
    OperatorCommand,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    SessionExpired,
    TakeoverRequested,
    ThreadControl,
    ThreadRefused,
    TurnCompleted,
)
from schemas.handover import BACK_PAYLOAD, Cause
from schemas.messages import CustomerInput, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    CommandAccepted,
    CommandRefused,
    CustomerSaid,
    MessageDeleted,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
)
from schemas.turns import TurnAsked
from takeover.effects import Decision, Effect
from takeover.state import Conversation, Episode, QueuedInput
from takeover.timers import timers

WEEK: Final = timedelta(days=7)
PEOPLE: Final = (Cause.OPERATOR, Cause.PAGE_INBOX)
ENTRIES: Final = (
    CustomerSaid,
    StaffSaid,
    TakeoverStarted,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    AnswerSuppressed,
    SendMessage,
)


class Rules(Protocol):
    """The module `takeover.decide`, or one like it that is wrong on purpose."""

    def decide(
        self, state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings
    ) -> Decision: ...
    def by_rules(
        self, state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings
    ) -> Decision: ...
    def decide_fault(
        self, state: Conversation, event: ConversationEvent, at: datetime, settings: BotSettings, reason: str
    ) -> Decision: ...


class LawBroken(AssertionError):
    """Says which laws, and by what."""

    def __init__(self, complaints: Sequence[tuple[int, str]], step: "Taken") -> None:
        told = "\n".join(f"  law {law}: {text}" for law, text in complaints)
        effects = "\n".join(f"    {effect.event!r}" for effect in step.effects)
        super().__init__(f"\n{told}\n  event: {step.event!r}\n  before: {step.before.to_json()}\n  effects:\n{effects}")
        self.laws = {law for law, _ in complaints}


class Place(NamedTuple):
    """An effect, and who had the conversation at its place."""

    event: Any
    owner: str
    epoch: int
    episode: str | None
    ended: bool
    """An episode ended in this step, before it."""


@dataclass(frozen=True)
class Taken:
    """One step: `event` was appended to the log at `at`. `fault`: a rule raised, what follows is `decide_fault`'s."""

    rules: Rules
    settings: BotSettings
    before: Conversation
    event: ConversationEvent
    at: datetime
    after: Conversation
    effects: tuple[Effect, ...]
    fault: bool = False

    @cached_property
    def time(self) -> datetime:
        return self.before.later(self.at)

    @cached_property
    def due(self) -> bool:
        """A deadline that is due by this event's place in the log."""
        episode = self.before.episode
        return episode is not None and episode.deadline is not None and self.time >= episode.deadline

    @cached_property
    def places(self) -> tuple[Place, ...]:
        owner, epoch, ended = self.before.owner, self.before.epoch, False
        episode = self.before.episode.id if self.before.episode else None
        found = []
        for effect in self.effects:
            event = effect.event
            if isinstance(event, TakeoverStarted):
                owner, epoch, episode = "human", event.epoch, event.episode
            elif isinstance(event, TakeoverEnded):
                owner, epoch, episode, ended = "bot", event.epoch, None, True
            found.append(Place(event, owner, epoch, episode, ended))
        return tuple(found)

    def of(self, *kinds: type[Any]) -> list[Any]:
        return [effect.event for effect in self.effects if isinstance(effect.event, kinds)]

    @cached_property
    def ends_the_turn(self) -> bool:
        """Whether the event is the end of the turn that was outstanding where it came."""
        event, turn = self.event, self.before.turn
        return (
            isinstance(event, TurnCompleted | TakeoverRequested)
            and self.before.owner == "bot"
            and turn is not None
            and (turn.id, self.before.epoch) == (event.turn, event.epoch)
        )


def law_1(step: Taken) -> Iterator[str]:
    """The bot speaks, and is asked, only where it has the conversation; only the outstanding turn's words are said.

    What a person begins is silenced: `Silence` of the new epoch comes first, and all words of the bot's have a lower one.
    """
    for place, after in _with_next(step.places):
        event = place.event
        if isinstance(event, TurnAsked) and (place.owner, place.epoch) != ("bot", event.epoch):
            yield f"a turn of epoch {event.epoch} is asked though {place.owner} has it in epoch {place.epoch}"
        if isinstance(event, SendMessage) and event.speaker is Speaker.OPERATOR and place.owner != "human":
            yield "an operator's words leave though the bot has it"
        if isinstance(event, SendMessage) and event.speaker is Speaker.BOT:
            if (place.owner, place.epoch) != ("bot", event.epoch):
                yield f"the bot speaks in epoch {event.epoch} though {place.owner} has it in epoch {place.epoch}"
            if event.turn is not None and not (step.ends_the_turn and step.event.turn == event.turn):
                yield f"words of {event.turn} are said, which is not the outstanding turn"
            if event.turn is None and not place.ended and not isinstance(after, TakeoverStarted):
                yield "the bot speaks though nobody asked it"
        if isinstance(event, Silence) and not (isinstance(after, TakeoverStarted) and after.cause in PEOPLE):
            yield "the bot is silenced though no person took the conversation"
    yield from _people_silence_the_bot(step)
    if step.after.owner == "human" and (step.after.turn is not None or step.after.delay is not None):
        yield "a person has it and a turn or a Delay of the bot's still runs"


def _people_silence_the_bot(step: Taken) -> Iterator[str]:
    for earlier, later in pairwise([None, *(effect.event for effect in step.effects)]):
        if not isinstance(later, TakeoverStarted) or later.cause not in PEOPLE:
            continue
        if not isinstance(earlier, Silence) or earlier.epoch != later.epoch:
            yield f"a person took the conversation and the bot was not silenced: {later.cause}"


def law_2(step: Taken) -> Iterator[str]:
    """Each message of a customer is one turn's or one episode's; what waits for a turn is asked for or will be.

    What the customer takes back before a turn was asked for it is nobody's.
    """
    before, after = step.before, step.after
    told = step.of(CustomerSaid)
    if not step.fault and not isinstance(step.event, ErasureAsked):
        yield from _all_are_told(step, told)
    for place in step.places:
        if isinstance(place.event, CustomerSaid):
            whose = {"bot": "bot", "person": "human"}.get(place.event.addressed, place.owner)
            if (whose, place.event.episode) != (place.owner, place.episode):
                yield f"told as the {place.event.addressed}'s though {place.owner} has it: {place.event.input.text}"
    came = [said.seq for said in told if said.addressed == "bot"]
    answered = list(before.turn.asked.seqs) if step.ends_the_turn and before.turn else []
    if isinstance(step.event, ErasureAsked):
        if _open(after) or after.held:
            yield "the customer is forgotten, and something of theirs waits"
        return
    taken = [seq for started in step.of(TakeoverStarted) for seq in started.taken]
    back = _taken_back(step, came)
    if Counter([*_open(before), *came]) != Counter([*_open(after), *answered, *taken, *back]):
        yield f"waiting {_open(before)} and {came}; then {_open(after)}, answered {answered}, a person's {taken}"
    yield from _turns_end_once(step)
    if after.owner == "human" and after.queue:
        yield "a person has it and something waits for the bot"
    if after.owner == "bot" and after.queue and after.turn is None and after.naming is None:
        yield "something waits and nobody will ask for a turn"
    if after.held and (after.owner == "bot" or after.reading is None):
        yield "messages wait for an answer that nobody asked for"


def _taken_back(step: Taken, came: Sequence[int]) -> list[int]:
    """The entry that the customer took back while it waited, and no turn was out for it."""
    if not isinstance(step.event, CustomerDeleted):
        return []
    waited = [*came, *(asked.seqs[0] for asked in step.before.queue if len(asked.seqs) == 1)]
    asked_for = step.after.turn.asked.seqs if step.after.turn else ()
    told = [told.message_seq for told in step.of(MessageDeleted)]
    return [seq for seq in waited if seq in told and seq not in asked_for]


def _as_it_reads(event: ConversationEvent, message: CustomerMessage) -> CustomerInput:
    """What a message says that waits for the thread's owner, after an edit or a deletion."""
    if isinstance(event, CustomerEdited) and event.mid == message.mid and message.input != CustomerInput():
        return message.input.changed(text=event.text)
    return CustomerInput() if isinstance(event, CustomerDeleted) and event.mid == message.mid else message.input


def _all_are_told(step: Taken, told: Sequence[CustomerSaid]) -> Iterator[str]:
    """What waited and what came is told or waits, in its order. A message for the record waits for nothing."""
    event = step.event
    came = [*step.before.held, *([event] if isinstance(event, CustomerMessage) else [])]
    alone = len(told) == 1 and told[0].addressed == "record" and isinstance(event, CustomerMessage)
    if alone and told[0].input == event.input:
        expected, got = step.before.held, step.after.held
        if expected != got:
            yield "a message for the record moved those that wait"
    elif [each.input if told else _as_it_reads(event, each) for each in came] != [
        *(said.input for said in told),
        *(each.input for each in step.after.held),
    ]:
        yield f"told {[said.input.text for said in told]} of {[each.input.text for each in came]}"
    for said in told:
        if said.input == CustomerInput() and said.addressed != "record":
            yield "what was taken back is answered"
        elif said.addressed == "record" and said.input != CustomerInput() and not _is_click(said):
            late = event.occurred_at is not None and step.time - event.occurred_at > WEEK
            if not late and not (isinstance(event, CustomerMessage) and event.caught_up):
                yield f"for the record only, and yet it is news: {said.input.text}"


def _is_click(said: CustomerSaid) -> bool:
    return (said.input.payload or "").startswith(BACK_PAYLOAD)


def _turns_end_once(step: Taken) -> Iterator[str]:
    event = step.event
    if not isinstance(event, TurnCompleted | TakeoverRequested) or step.fault:
        return
    suppressed = step.of(AnswerSuppressed)
    said = [message.message.text for message in step.of(SendMessage) if message.turn == event.turn]
    words = [message.text for message in event.messages]
    if step.ends_the_turn:
        ending = [event.block.goodbye_message] if isinstance(event, TakeoverRequested) else []
        expected = [word for word in (step.before.greeting, *words, *ending) if word]
        silent = not any([*words, *ending])
        if suppressed or said != ([] if silent else expected):
            yield f"the turn's words are {expected}, said are {said}"
    elif not suppressed or said:
        yield "a turn that is not outstanding ended, and its words were not recorded as suppressed"


def law_3(step: Taken) -> Iterator[str]:
    """Epochs only rise, one for each beginning and each end; episodes do not overlap."""
    before, after = step.before, step.after
    changes = step.of(TakeoverStarted, TakeoverEnded)
    if [change.epoch for change in changes] != list(range(before.epoch + 1, after.epoch + 1)):
        yield f"from epoch {before.epoch} to {after.epoch} by {[change.epoch for change in changes]}"
    running = before.episode.id if before.episode else None
    for change in changes:
        if isinstance(change, TakeoverStarted):
            if running is not None:
                yield f"{change.episode} began while {running} ran"
            running = change.episode
        else:
            if change.episode != running:
                yield f"{change.episode} ended while {running} ran"
            running = None
    if running != (after.episode.id if after.episode else None):
        yield f"told is {running}, the row says {after.episode}"
    if (after.owner == "human") != (after.episode is not None):
        yield f"{after.owner} has it, and its episode is {after.episode}"
    if before.last_at is not None and after.last_at is not None and after.last_at < before.last_at:
        yield "the log's time went back"


def law_4(step: Taken) -> Iterator[str]:
    """A deadline takes effect when it is due or its timer says so, and no other: none that was replaced or answered."""
    before, event = step.before, step.event
    episode = before.episode
    expired = [ended for ended in step.of(TakeoverEnded) if ended.cause is Cause.EXPIRED]
    first = step.effects[0].event if step.effects else None
    if step.due and not (isinstance(first, TakeoverEnded) and first.cause is Cause.EXPIRED):
        yield "a deadline was due and did not take effect first"
    said_so = (
        isinstance(event, SessionExpired)
        and episode is not None
        and (event.epoch, event.deadline) == (before.epoch, episode.deadline)
    )
    if expired and not step.due and not said_so:
        yield "a deadline took effect that was replaced, removed or answered, or is not due"
    if said_so and not expired and not step.fault:
        yield "the timer of the deadline that counts did nothing"
    ought = _deadline_ought(step)
    if step.after.episode is not None and ought is not ... and step.after.episode.deadline != ought:
        yield f"the deadline is {step.after.episode.deadline}, it ought to be {ought}"
    timer = timers(step.after).get("expiry")
    counts = step.after.episode.deadline if step.after.episode else None
    if (timer.due_at if timer else None) != counts or (timer and timer.event.epoch != step.after.epoch):
        yield f"the deadline is {counts}, its timer {timer}"


def _deadline_ought(step: Taken) -> Any:
    """What the session expiries' table makes of the event; an ellipsis where it says nothing (a venue that moved).

    A datetime, or None: no deadline. Any: mypy has no type of the ellipsis that ruff likes.
    """
    event, after, at = step.event, step.after.episode, step.time
    episode = _running(step)
    if after is None or step.fault:
        return ...
    accepted = bool(step.of(CommandAccepted))
    if isinstance(event, OperatorSetsExpiry) and accepted:
        return at + timedelta(seconds=event.expiry) if event.expiry is not None else event.deadline
    if isinstance(event, OperatorTakesOver) and accepted and (event.expiry is not None or event.no_expiry):
        return None if event.expiry is None else at + timedelta(seconds=event.expiry)
    spoke = (isinstance(event, OperatorReplies) and accepted) or _staff_spoke(step)
    fixed, every = bool(episode and episode.fixed), after.every_response
    if spoke and every:
        return None if after.length is None else at + timedelta(seconds=after.length)
    if step.of(TakeoverAnswered) and not fixed:
        default = step.settings.takeover.default_session_expiry
        return None if default is None else at + timedelta(seconds=default)
    if spoke and not fixed and episode is not None and episode.answered_at is None:
        return None if after.length is None else at + timedelta(seconds=after.length)
    if episode is None:
        return ...
    moved = episode.venue != after.venue or episode.holder is None
    if fixed or isinstance(event, OperatorAssigns) or (not moved and not (spoke or isinstance(event, Echo))):
        return episode.deadline
    return ...


def _staff_spoke(step: Taken) -> bool:
    """A message of staff that counts: none of a machine, none that is for the record."""
    event, ended_at = step.event, step.time if step.due else step.before.ended_at
    if not isinstance(event, Echo) or not any(not said.automatic for said in step.of(StaffSaid)):
        return False
    if event.occurred_at is None:
        return True
    before_the_end = event.caught_up and ended_at is not None and event.occurred_at < ended_at
    return step.time - event.occurred_at <= WEEK and not before_the_end


def _running(step: Taken) -> Episode | None:
    """The episode that the event met."""
    return None if step.due else step.before.episode


def law_5(step: Taken) -> Iterator[str]:
    """After an episode's end the thread is ours or being taken, before the bot speaks; else it is told why not.

    During one it is looked at again before Facebook frees it, as long as a person may write to the customer. It is passed
    away only where there is a way back, or where the Page Inbox asks for it.
    """
    before, after = step.before, step.after
    channel = step.settings.messenger[0]
    known, owner = after.thread.expected
    if step.of(TakeoverEnded) and after.owner == "bot":
        reasons = [
            place.event.reason for place in step.places if place.ended and isinstance(place.event, ThreadChanged)
        ]
        if channel.has_default_app and (known, owner) != (True, channel.app_id):
            yield f"the episode ended, the thread is {owner if known else 'nobody knows whose'}, and nobody takes it"
        if not channel.has_default_app and known and owner != channel.app_id and not any(reasons):
            yield f"the episode ended, the thread is {owner}'s, and nobody was told why it stays there"
    yield from _take_comes_first(step)
    yield from _is_looked_after(step)
    asked = isinstance(step.event, ThreadControl) and step.event.action == "request"
    passes = [each for each in step.of(PassThread, SendMessage) if isinstance(each, PassThread) or each.then_pass]
    if passes and not channel.has_default_app and not asked:
        yield "the thread is passed away though there is no way back"
    mirror = (after.thread.known, after.thread.owner)
    if mirror != (before.thread.known, before.thread.owner):
        last = [told for told in step.of(ThreadChanged) if not told.moved_to_done]
        if not last or last[-1].app_id != after.thread.owner:
            yield f"the mirror says {mirror}, and nobody was told"
    if isinstance(step.event, ThreadRefused) and not step.of(ThreadChanged):
        yield "the channel refused, and nobody was told why"
    under_way = {command for command, _ in after.thread.under_way}
    follows = isinstance(step.event, MessageSent) and not step.event.passed
    was = {command for command, _ in before.thread.under_way}
    if isinstance(step.event, MessageSent) and follows and not step.fault and step.event.command in was - under_way:
        yield f"{step.event.command} went alone, and the pass behind it counts as done"
    if isinstance(step.event, CommandReport) and not (step.fault or follows) and step.event.command in under_way:
        yield f"{step.event.command} was reported and is still under way"


def _is_looked_after(step: Taken) -> Iterator[str]:
    after, timer = step.after, timers(step.after).get("check")
    if after.episode is None:
        if timer is not None:
            yield "the bot has it and a takeover's thread is looked after"
        return
    heard = after.heard_at or after.episode.started_at
    if (
        step.settings.messenger[0].has_default_app
        and step.time - heard < WEEK - timedelta(hours=1, seconds=1)
        and timer is None
    ):
        yield "a person has it, and nobody will look at the thread before Facebook frees it"
    if timer is not None and timer.due_at > max(step.time, heard, after.thread.kept_until or heard) + timedelta(
        hours=25
    ):
        yield f"the thread is looked at again at {timer.due_at}, which is too late"
    for extension in step.of(ExtendThread):
        if not (after.thread.known and after.thread.owner == step.settings.messenger[0].app_id):
            yield "a thread is extended that is not ours"
        if step.time + timedelta(seconds=extension.seconds) > heard + WEEK:
            yield "the thread is kept for longer than anybody may write"


def _take_comes_first(step: Taken) -> Iterator[str]:
    ended, spoke = False, False
    for effect in step.effects:
        event = effect.event
        if isinstance(event, TakeoverEnded):
            ended, spoke = True, False
        elif isinstance(event, SendMessage | TurnAsked):
            spoke = True
        elif isinstance(event, TakeThread) and ended and spoke and step.after.owner == "bot":
            yield "the bot speaks before the thread is taken"


def law_6(step: Taken) -> Iterator[str]:
    """Folded again, from what was stored: the same row, ids and effects. Ids and entries rise without a gap or a second."""
    before, after = step.before, step.after
    stored = Conversation.from_json(before.to_json())
    event = type(step.event).model_validate_json(step.event.model_dump_json())
    if step.fault:
        again = step.rules.decide_fault(stored, event, step.at, step.settings, "a rule raised")
    else:
        again = step.rules.by_rules(stored, event, step.at, step.settings)
    if again.state != after:
        yield f"folded again the row is {again.state}"
    if again.effects != step.effects:
        yield f"folded again the effects are {again.effects}"
    if Conversation.from_json(after.to_json()) != after:
        yield "the row that is stored is not the row"
    for effect in step.effects:
        if type(effect.event).model_validate_json(effect.event.model_dump_json()) != effect.event:
            yield f"not what its schema reads: {effect.event}"
    ids = [effect.event.id for effect in step.effects]
    if len(set(ids)) != len(ids) or any(not _is_new(step, each) for each in step.effects):
        yield f"an id was given before: {ids}"
    entries = [each.seq for each in step.of(*ENTRIES)]
    if entries != list(range(before.seq + 1, after.seq + 1)):
        yield f"entries {entries}, after {before.seq} and up to {after.seq}"
    if isinstance(step.event, OperatorCommand) and not step.fault:
        answers = [answer.command for answer in step.of(CommandAccepted, CommandRefused)]
        if answers != [step.event.id]:
            yield f"the command was answered by {answers}"
    if step.of(CommandRefused) and step.before.episode == step.after.episode and len(step.effects) != 1:
        yield "a refusal changed something"


def law_7(
    rules: Rules,
    settings: BotSettings,
    state: Conversation,
    at: datetime,
    first: ConversationEvent,
    second: ConversationEvent,
) -> None:
    """Two events of different writers, in both orders: each obeys the others. Raises LawBroken."""
    for pair in ((first, second), (second, first)):
        now = state
        for event in pair:
            now = folded(rules, settings, now, event, at).after


LAWS: Final[Mapping[int, Callable[[Taken], Iterator[str]]]] = {
    1: law_1,
    2: law_2,
    3: law_3,
    4: law_4,
    5: law_5,
    6: law_6,
}
"""Those of one step. Law 7 is that they hold in any order."""


def folded(
    rules: Rules,
    settings: BotSettings,
    state: Conversation,
    event: ConversationEvent,
    at: datetime,
    *,
    fault: bool = False,
) -> Taken:
    """The step that the rules make of an event, held to the laws. Raises LawBroken."""
    untouched = state.copy()
    if fault:
        decision = rules.decide_fault(state, event, at, settings, "a rule raised")
    else:
        decision = rules.decide(state, event, at, settings)
    step = Taken(rules, settings, state, event, at, decision.state, decision.effects, fault)
    complaints = [(law, text) for law, check in LAWS.items() for text in check(step)]
    if state != untouched:
        complaints.append((6, "the row that a decision began with was changed in place"))
    if complaints:
        raise LawBroken(complaints, step)
    return step


def _with_next(places: Sequence[Place]) -> Iterator[tuple[Place, Any]]:
    """Each place with the effect behind it."""
    for number, place in enumerate(places):
        yield place, places[number + 1].event if number + 1 < len(places) else None


def _open(state: Conversation) -> list[int]:
    """The customer's entries that wait for an answer of the bot."""
    waiting: list[QueuedInput] = [*([state.turn.asked] if state.turn else []), *state.queue]
    return [seq for asked in waiting for seq in asked.seqs]


def _is_new(step: Taken, effect: Effect) -> bool:
    """Ids are the conversation's counter; that of an asking is its turn's with the attempt."""
    event = effect.event
    if isinstance(event, TurnAsked):
        turn = step.before.turn
        return turn is None or (event.turn, event.attempt) != (turn.id, turn.attempt)
    return step.before.count < int(event.id.rpartition("!")[2]) <= step.after.count

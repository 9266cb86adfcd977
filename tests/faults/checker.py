"""Counts what went wrong in a run, from what it left behind. It shares no rule with the product: only the records' shapes.

Each conversation is walked along its log. What takeover told of each event (its outcomes) is looked up at the event's place
and held against rules written here anew: may this end an episode, was a deadline due, which deadline follows. Where the two
differ, that is a finding, and the walk goes on from what takeover told, so that one mistake is counted once.

Words: an epoch that is even is the bot's, an odd one a person's; each beginning and each end of an episode adds one.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from faults.evidence import Evidence, Placed
from schemas.base import BaseEvent
from schemas.commands import SendMessage
from schemas.conversations import (
    CustomerMessage,
    Echo,
    MessageRefused,
    MessageSent,
    OperatorCommand,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
    TakeoverRequested,
    ThreadControl,
    ThreadMoved,
    ThreadOwnerRead,
    TurnCompleted,
    TurnFailed,
)
from schemas.deadletters import DeadLetter
from schemas.handover import BACK_PAYLOAD, Cause, back_payload
from schemas.messages import CustomerInput, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    CommandAccepted,
    CommandRefused,
    CustomerSaid,
    DeliveryChanged,
    Outcome,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
)
from schemas.turns import TurnAsked

LATE: Final = timedelta(seconds=30)  # after its deadline, at the end of a run, a session has not expired any more
SAME: Final = timedelta(milliseconds=1)
KINDS: Final = ("two_voices", "lost", "twice", "out_of_order", "wrong_expiry", "second_emails")
TOLD: Final = frozenset({"not_delivered", "uncertain"})
STOPPED: Final = TOLD | {"suppressed"}  # which is right for the bot alone
FINISHING: Final = (TurnCompleted, TakeoverRequested, TurnFailed)
NEVER_SENT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is one of KINDS."""

    kind: str
    conversation: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.conversation}: {self.what}"


@dataclass
class Verdict:
    """`accepted`: webhooks answered 200. `seen`: what the run had of everything, for the table."""

    accepted: int
    findings: list[Finding]
    seen: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        found = Counter(finding.kind for finding in self.findings)
        return {"accepted": self.accepted, **{kind: found[kind] for kind in KINDS}}


@dataclass(slots=True)
class Episode:
    """From the event at `begin` to that at `end`, both offsets in the log. `epoch` is its own."""

    id: str
    epoch: int
    begin: int
    button: str = ""
    end: int = NEVER_SENT
    cause: Cause = Cause.FLOW


@dataclass(slots=True)
class Session:
    """The expiry of an episode as the settings of the run have it: a default that counts from the first message of a person."""

    deadline: datetime | None
    default: int
    attended: bool = False
    venue: str = "inbox"
    holder: str | None = None
    length: int | None = None
    fixed: bool = False
    spoke: bool = False
    missed: bool = False
    """It was due and did not end: that is one finding, however late it ends."""

    def attend(self, at: datetime, venue: str, holder: str | None, *, message: bool) -> None:
        first = not self.attended
        elsewhere = not first and (
            (venue == "page_inbox" and self.venue == "inbox") or (self.holder is None and holder is not None)
        )
        self.attended, self.venue, self.holder = True, venue, holder
        if not self.fixed:
            if first:
                self.length = self.default
            if first or elsewhere or (message and not self.spoke):
                self.deadline = None if self.length is None else at + timedelta(seconds=self.length)
        self.spoke = self.spoke or message

    def fix(self, at: datetime, length: int | None, deadline: datetime | None = None) -> None:
        self.fixed, self.length = True, length
        self.deadline = deadline if length is None else at + timedelta(seconds=length)


@dataclass
class Conversation:
    """What a run left of one conversation, each record once and in its order."""

    id: str
    log: list[Placed] = field(default_factory=list)
    turns: list[TurnAsked] = field(default_factory=list)
    commands: list[SendMessage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    box: list[Mapping[str, Any]] = field(default_factory=list)
    """Messages that arrived."""
    thread: list[Mapping[str, Any]] = field(default_factory=list)
    """Changes of who has the thread at Facebook, and what was refused."""


def check(evidence: Evidence) -> Verdict:
    """Every finding of a run."""
    found: list[Finding] = []
    conversations = _conversations(evidence)
    for conversation in conversations.values():
        walk = _Walk(conversation, evidence)
        found += walk.findings()
        found += _customers(conversation, walk)
        found += _operators(conversation)
        found += _channel(conversation, walk, evidence)
    found += _webhooks(evidence)
    found += _taken(evidence)
    found += _letters(evidence)
    found += _dead(evidence)
    accepted = sum(1 for _ in _answered(evidence))
    return Verdict(accepted, found, _seen(evidence, conversations))


def _conversations(evidence: Evidence) -> dict[str, Conversation]:
    found: dict[str, Conversation] = {}

    def of(key: str) -> Conversation:
        return found.setdefault(key, Conversation(key))

    for placed in _once(evidence.log):
        of(placed.event.key).log.append(placed)
    for placed in _once(evidence.turns):
        if isinstance(placed.event, TurnAsked):
            of(placed.event.key).turns.append(placed.event)
    for placed in _once(evidence.commands):
        if isinstance(placed.event, SendMessage):
            of(placed.event.key).commands.append(placed.event)
    for placed in _once(evidence.outcomes):
        if isinstance(placed.event, Outcome):
            of(placed.event.key).outcomes.append(placed.event)
    for entry in evidence.box:
        if entry["kind"] == "send" and entry.get("mid"):
            of(f"messenger:{entry['page_id']}:{entry['psid']}").box.append(entry)
        elif entry["kind"] in {"thread_control", "refused"} and entry.get("psid"):
            of(f"messenger:{entry['page_id']}:{entry['psid']}").thread.append(entry)
    return found


def _once(records: Sequence[Placed]) -> Iterator[Placed]:
    """The first copy of each, by partition and offset: a second one is dropped by every reader."""
    known: set[str] = set()
    for placed in sorted(records, key=lambda each: (each.partition, each.offset)):
        if placed.event.id not in known:
            known.add(placed.event.id)
            yield placed


class _Walk:
    """One conversation from its first event to its last: whose it was at each place, and until when."""

    def __init__(self, conversation: Conversation, evidence: Evidence) -> None:
        self._conversation = conversation
        self._evidence = evidence
        self._found: list[Finding] = []
        self.episodes: list[Episode] = []
        self.suppressed: set[str] = set()
        """Turns whose answer was stopped."""
        self.finished: dict[str, int] = {}
        """Turn → offset of the event that ended it."""
        self.failed: set[str] = set()
        """Turns that ended in no answer: their input is the person's."""
        self.unheard: list[tuple[int, int]] = []
        """Stretches in which a person had written or taken the thread and takeover did not mind, by offset."""
        self._session: Session | None = None
        self._facts: list[datetime] = []
        self._told: defaultdict[str, list[Outcome]] = defaultdict(list)
        for outcome in conversation.outcomes:
            self._told[outcome.cause_id].append(outcome)
        self._at = conversation.log[0].at if conversation.log else evidence.over_at
        for placed in conversation.log:
            self._take(placed)
        self._over()

    def findings(self) -> list[Finding]:
        return self._found + list(self._voices())

    def _note(self, kind: str, what: str) -> None:
        self._found.append(Finding(kind, self._conversation.id, what))

    @property
    def _open(self) -> Episode | None:
        return self.episodes[-1] if self.episodes and self.episodes[-1].end == NEVER_SENT else None

    def _take(self, placed: Placed) -> None:
        event = placed.event
        self._at = max(self._at, placed.at)
        due = self._session is not None and self._session.deadline is not None and self._at >= self._session.deadline
        if isinstance(event, FINISHING):
            if isinstance(event, TurnFailed) and event.turn not in self.finished:
                self.failed.add(event.turn)
            self.finished.setdefault(event.turn, placed.offset)
        told = self._told[event.id]
        for outcome in told:
            if isinstance(outcome, TakeoverEnded):
                self._ends(outcome, event, placed.offset, due=due)
                due = False
            elif isinstance(outcome, TakeoverStarted):
                self._begins(outcome, event, placed.offset)
            elif isinstance(outcome, AnswerSuppressed):
                self.suppressed.add(outcome.turn)
        if due and self._session is not None:
            self._note("wrong_expiry", f"due at {self._session.deadline}, and nothing at {event.id}")
            self._session.deadline, self._session.missed = None, True
        self._person(event, told)
        self._compare(told, event)
        self._hear(placed, told)
        self._remember(placed)

    # --- episodes

    def _begins(self, outcome: TakeoverStarted, event: BaseEvent, offset: int) -> None:
        if (open_one := self._open) is not None:
            self._note("two_voices", f"{outcome.episode} begins in {open_one.id}")
            open_one.end = offset
        button, deadline = "", None
        if isinstance(event, TakeoverRequested):
            button = event.block.back_to_bot_button
            if event.block.auto_return is not None:
                deadline = self._at + timedelta(seconds=event.block.auto_return)
        if outcome.cause is Cause.FAULT:
            deadline = self._at + timedelta(seconds=self._evidence.default_expiry)
        self.episodes.append(Episode(outcome.episode or "", outcome.epoch, offset, button, cause=outcome.cause))
        self._session = Session(deadline, self._evidence.default_expiry)

    def _ends(self, outcome: TakeoverEnded, event: BaseEvent, offset: int, *, due: bool) -> None:
        episode = self._open
        if episode is None or episode.id != outcome.episode:
            self._note("two_voices", f"{outcome.episode} ends at {event.id} and was not open")
            return
        missed = self._session is not None and self._session.missed
        if outcome.cause is Cause.EXPIRED and not due and not missed:
            deadline = self._session.deadline if self._session else None
            self._note("wrong_expiry", f"{episode.id} expired at {self._at} by {event.id}; its deadline was {deadline}")
        elif outcome.cause is not Cause.EXPIRED and not self._may_end(outcome.cause, event, episode):
            self._note("two_voices", f"{episode.id} ended by {outcome.cause} at {event.id}, which ends nothing")
        episode.end, self._session = offset, None

    def _may_end(self, cause: Cause, event: BaseEvent, episode: Episode) -> bool:
        match cause:
            case Cause.CUSTOMER:
                return isinstance(event, CustomerMessage) and _wants_back(event.input, episode)
            case Cause.OPERATOR:
                return isinstance(event, OperatorHandsBack)
            case Cause.PAGE_INBOX:
                moved = isinstance(event, ThreadControl) and event.new_owner == self._evidence.app
                return moved or isinstance(event, ThreadOwnerRead)
            case _:
                return False

    # --- expiries

    def _person(self, event: BaseEvent, told: Sequence[Outcome]) -> None:
        """What an act of a person does to the session that runs."""
        session = self._session
        if session is None:
            return
        accepted = any(isinstance(each, CommandAccepted) for each in told)
        match event:
            case OperatorTakesOver() if accepted:
                session.attend(self._at, "inbox", event.operator.id, message=False)
                if event.expiry is not None or event.no_expiry:
                    session.fix(self._at, event.expiry)
            case OperatorReplies() if accepted:
                session.attend(self._at, "inbox", event.operator.id, message=True)
            case OperatorSetsExpiry() if accepted:
                session.fix(self._at, event.expiry, event.deadline)
            case Echo() if self._is_staff(event):
                session.attend(self._at, "page_inbox", None, message=True)
            case ThreadControl() | ThreadOwnerRead() if any(
                isinstance(each, TakeoverAnswered | TakeoverChanged) for each in told
            ):
                session.attend(self._at, "page_inbox", None, message=False)
            case _:
                pass

    def _compare(self, told: Iterable[Outcome], event: BaseEvent) -> None:
        """The deadline that takeover tells is the one that follows."""
        if self._session is None:
            return
        ours = self._session.deadline
        for outcome in reversed(list(told)):
            if isinstance(outcome, TakeoverStarted | TakeoverAnswered | TakeoverChanged):
                theirs = outcome.deadline
                same = ours == theirs or (ours is not None and theirs is not None and abs(ours - theirs) <= SAME)
                if not same:
                    self._note("wrong_expiry", f"{outcome.type} at {event.id} says {theirs}, it should be {ours}")
                    self._session.deadline = theirs
                return

    def _over(self) -> None:
        session, episode = self._session, self._open
        if session is None or episode is None or session.deadline is None:
            return
        if self._evidence.over_at - session.deadline > LATE:
            self._note("wrong_expiry", f"{episode.id} should have expired at {session.deadline} and never did")

    # --- staff

    def _is_staff(self, event: Echo) -> bool:
        return event.app_id != self._evidence.app and '"c"' not in (event.metadata or "")

    def _hear(self, placed: Placed, told: Sequence[Outcome]) -> None:
        """Staff who act while the bot has the conversation take it over, by what they write and by what they move."""
        event = placed.event
        if self.unheard and self.unheard[-1][1] == NEVER_SENT:
            back = isinstance(event, ThreadControl) and event.new_owner == self._evidence.app
            if self._open is not None or back:
                self.unheard[-1] = (self.unheard[-1][0], placed.offset)
            return
        automatic = any(isinstance(each, StaffSaid) and each.automatic for each in told)
        if self._open is None and not automatic and self._is_act_of_staff(event):
            self.unheard.append((placed.offset, NEVER_SENT))

    def _is_act_of_staff(self, event: BaseEvent) -> bool:
        if isinstance(event, Echo):
            return self._is_staff(event)
        if not isinstance(event, ThreadControl) or self._is_stale(event):
            return False
        if event.action == "request":
            return event.requested_owner == self._evidence.page_inbox
        ours = event.action == "pass" and event.previous_owner in {None, self._evidence.app}
        return event.new_owner == self._evidence.page_inbox and not ours

    def _is_stale(self, event: ThreadControl) -> bool:
        """Whether something that is known of the thread happened later at Facebook, though it came earlier."""
        return event.occurred_at is not None and any(fact >= event.occurred_at for fact in self._facts)

    def _remember(self, placed: Placed) -> None:
        """When a fact about the thread happened. It cannot have happened after the broker wrote it down."""
        event = placed.event
        tells = isinstance(event, ThreadControl | ThreadMoved | ThreadOwnerRead | MessageRefused | CustomerMessage) or (
            (isinstance(event, MessageSent) and event.passed) or (isinstance(event, Echo) and self._is_staff(event))
        )
        if tells and event.occurred_at is not None:
            self._facts.append(min(event.occurred_at, placed.at))

    # --- two voices, in the log

    def _voices(self) -> Iterator[Finding]:
        for command in self._conversation.commands:
            if command.speaker is not Speaker.BOT:
                continue
            place = self.finished.get(command.turn or "")
            if command.epoch % 2:
                yield self._voice(command, "commanded in a person's epoch")
            elif place is None:
                continue  # a word at the end of an episode, or the fallback text before one: they end and begin at their place
            elif episode := next((each for each in self.episodes if each.begin < place < each.end), None):
                yield self._voice(command, f"commanded at {place}, in {episode.id} ({episode.begin} to {episode.end})")
            elif any(begin < place < end for begin, end in self.unheard):
                yield self._voice(command, f"commanded at {place}, after an act of staff that was not heard")

    def _voice(self, command: SendMessage, what: str) -> Finding:
        return Finding("two_voices", self._conversation.id, f"{command.id}: {what}")


def _wants_back(said: CustomerInput, episode: Episode) -> bool:
    same_text = said.text.strip().casefold() == episode.button.strip().casefold()
    return said.payload == back_payload(episode.id) or (bool(episode.button) and same_text)


# --- customers


def _customers(conversation: Conversation, walk: _Walk) -> Iterator[Finding]:
    """Each message is answered by one turn, or belongs to one episode."""
    taken = Counter(seq for each in conversation.outcomes if isinstance(each, TakeoverStarted) for seq in each.taken)
    wanted: Counter[tuple[str, str | None]] = Counter()
    got: Counter[tuple[str, str | None]] = Counter()
    for event, told in _told_once(conversation):
        if isinstance(told, Finding):
            yield told
        elif told.addressed == "bot":
            wanted[_input(event.input)] += 1
            got[_input(event.input)] += taken[told.seq]
        elif why := _nobodys(event, told, walk):
            yield Finding("lost", conversation.id, f"{event.mid} ({event.input.text}) {why}")
    for turn in {each.turn: each for each in conversation.turns}.values():
        if turn.input.message is not None and _answered_by(turn, walk):
            got[_input(turn.input.message)] += 1
    for key in wanted | got:
        off = got[key] - wanted[key]
        for _ in range(abs(off)):
            what = f"{key[0]!r}: {wanted[key]} messages, {got[key]} answers or episodes"
            yield Finding("twice" if off > 0 else "lost", conversation.id, what)


def _told_once(conversation: Conversation) -> Iterator[tuple[CustomerMessage, CustomerSaid | Finding]]:
    """Each message of the log with its entry in the transcript."""
    said: defaultdict[str, list[CustomerSaid]] = defaultdict(list)
    for outcome in conversation.outcomes:
        if isinstance(outcome, CustomerSaid):
            said[outcome.mid].append(outcome)
    for placed in conversation.log:
        event = placed.event
        if isinstance(event, CustomerMessage):
            told = said[event.mid]
            kind, times = "twice" if told else "lost", f"was told {len(told)} times"
            wrong = Finding(kind, conversation.id, f"{event.mid} ({event.input.text}) {times}")
            yield event, told[0] if len(told) == 1 else wrong


def _nobodys(event: CustomerMessage, told: CustomerSaid, walk: _Walk) -> str:
    """Why a message that is not the bot's is nobody's; empty where it is a person's, or a click on an old button."""
    if told.addressed == "person":
        return "" if told.episode in {episode.id for episode in walk.episodes} else "is a person's, in no episode"
    return "" if (event.input.payload or "").startswith(BACK_PAYLOAD) else "was only recorded"


def _input(said: CustomerInput) -> tuple[str, str | None]:
    return said.text, said.payload


def _answered_by(turn: TurnAsked, walk: _Walk) -> bool:
    """The turn ended in an answer or in a request for a person, and that was not stopped. One that failed passes its input on."""
    ended = walk.finished.get(turn.turn)
    return ended is not None and turn.turn not in walk.suppressed and turn.turn not in walk.failed


# --- operators


def _operators(conversation: Conversation) -> Iterator[Finding]:
    """Each command is decided once; each accepted reply is commanded once."""
    decided: Counter[str] = Counter()
    accepted: set[str] = set()
    for outcome in conversation.outcomes:
        if isinstance(outcome, CommandAccepted | CommandRefused):
            decided[outcome.command] += 1
        if isinstance(outcome, CommandAccepted):
            accepted.add(outcome.command)
    sent = Counter(each.reply for each in conversation.commands if each.reply)
    for placed in conversation.log:
        event = placed.event
        if not isinstance(event, OperatorCommand):
            continue
        if decided[event.id] != 1:
            kind = "twice" if decided[event.id] else "lost"
            yield Finding(kind, conversation.id, f"{event.id} was decided {decided[event.id]} times")
        elif isinstance(event, OperatorReplies) and event.id in accepted and sent[event.id] != 1:
            kind = "twice" if sent[event.id] else "lost"
            yield Finding(kind, conversation.id, f"the reply {event.id} was commanded {sent[event.id]} times")


# --- Facebook


def _channel(conversation: Conversation, walk: _Walk, evidence: Evidence) -> Iterator[Finding]:
    """What arrived, against what was commanded: all of it, once, in its order, and no bot after a person."""
    order = {command.id: place for place, command in enumerate(conversation.commands)}
    arrived: defaultdict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for entry in conversation.box:
        origin, part = _origin(entry)
        if origin in order:
            arrived[origin, part].append(entry)
    told = {each.command: each.state for each in conversation.outcomes if isinstance(each, DeliveryChanged)}
    for command in conversation.commands:
        enough = STOPPED if command.speaker is Speaker.BOT else TOLD
        if not any(key[0] == command.id for key in arrived) and told.get(command.id) not in enough:
            yield Finding(
                "lost", conversation.id, f"{command.id} ({command.message.text}) neither arrived nor was told"
            )
    for (origin, part), entries in arrived.items():
        ledger = evidence.ledger.get(origin)
        known = all(entry["answer"] == "sent" for entry in entries[:-1]) and (ledger is None or not ledger.unknowns)
        for _ in entries[1:] if known else ():
            yield Finding("twice", conversation.id, f"{origin} part {part} arrived {len(entries)} times")
    yield from _order(conversation, order)
    yield from _given_away(conversation)
    yield from _after_a_person(conversation, walk)


def _order(conversation: Conversation, order: Mapping[str, int]) -> Iterator[Finding]:
    """One finding for each message that came after one that was commanded later. Copies do not count."""
    last, known = -1, set()
    for entry in conversation.box:
        command, part = _origin(entry)
        if command not in order or (command, part) in known:
            continue
        known.add((command, part))
        if order[command] < last:
            yield Finding("out_of_order", conversation.id, f"{command} arrived after a later one")
        last = max(last, order[command])


def _given_away(conversation: Conversation) -> Iterator[Finding]:
    """A bot's message that was refused because another app had the thread, to which we had passed it: nobody took it back."""
    spoken = {command.id for command in conversation.commands if command.speaker is Speaker.BOT}
    refused = {
        placed.event.command
        for placed in conversation.log
        if isinstance(placed.event, MessageRefused) and placed.event.kind == "not_owner"
    }
    by_staff = False
    for entry in conversation.thread:
        if entry["kind"] == "thread_control":
            by_staff = entry["source"] == "inbox"
        elif (command := _origin(entry)[0]) in spoken & refused and not by_staff:
            yield Finding("lost", conversation.id, f"{command} was refused, for the thread was where we had passed it")


def _after_a_person(conversation: Conversation, walk: _Walk) -> Iterator[Finding]:
    """A bot's message of an earlier epoch that left after a person's first message through us."""
    commands = {command.id: command for command in conversation.commands}
    first: dict[str, int] = {}
    for entry in conversation.box:
        command = commands.get(_origin(entry)[0])
        if command is not None and command.speaker is Speaker.OPERATOR and command.episode:
            first.setdefault(command.episode, entry["seq"])
    begun = [(episode, first[episode.id]) for episode in walk.episodes if episode.id in first]
    for entry in conversation.box:
        command = commands.get(_origin(entry)[0])
        if command is None or command.speaker is not Speaker.BOT:
            continue
        if any(command.epoch < episode.epoch and entry["seq"] > seq for episode, seq in begun):
            yield Finding("two_voices", conversation.id, f"{command.id} left after a person's first message")


def _origin(entry: Mapping[str, Any]) -> tuple[str, int]:
    """The command that a message names in its metadata, and which part of it; empty where it is not ours."""
    try:
        said = json.loads(entry.get("metadata") or "{}")
        return str(said.get("c", "")), int(said.get("p", 0))
    except (ValueError, AttributeError, TypeError):
        return "", 0


def _answered(evidence: Evidence) -> Iterator[Mapping[str, Any]]:
    """The webhooks that were answered 200."""
    return (each for each in evidence.box if each["kind"] == "webhook" and each["outcome"] == "delivered")


def _webhooks(evidence: Evidence) -> Iterator[Finding]:
    """A customer's message that was accepted is in the log."""
    known = {placed.event.mid for placed in evidence.log if isinstance(placed.event, CustomerMessage)}
    accepted = {
        each["mid"]: each for each in _answered(evidence) if each["event"] in {"message", "quick_reply", "postback"}
    }
    for mid, entry in accepted.items():
        if mid not in known:
            yield Finding(
                "lost", f"messenger:{entry['page_id']}:{entry['psid']}", f"{mid} was accepted, not in the log"
            )


def _taken(evidence: Evidence) -> Iterator[Finding]:
    """An operator's command that was accepted is in the log."""
    known = {placed.event.id for placed in evidence.log}
    for command in evidence.commands_taken:
        if command not in known:
            yield Finding("lost", "", f"{command} was taken by the console, not in the log")


def _dead(evidence: Evidence) -> Iterator[Finding]:
    for placed in evidence.dead_letters:
        event = placed.event
        if isinstance(event, DeadLetter):
            yield Finding(
                "lost", event.origin_key, f"dead letter of {event.origin_topic}: {event.reason}: {event.error}"
            )


# --- e-mails


def _letters(evidence: Evidence) -> Iterator[Finding]:
    """One Message-ID for an episode and an address. The same one again is the same e-mail, which may come again."""
    episodes = {(each.message_id): each.episode for each in evidence.written}
    known: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for letter in evidence.letters:
        episode = episodes.get(letter.message_id)
        if episode is None:
            yield Finding("second_emails", "", f"{letter.message_id} to {letter.recipient} is of no episode")
            continue
        ids = known[episode, letter.recipient.casefold()]
        if ids and letter.message_id not in ids:
            yield Finding("second_emails", episode, f"{letter.message_id} is a second e-mail to {letter.recipient}")
        ids.add(letter.message_id)


def _seen(evidence: Evidence, conversations: Mapping[str, Conversation]) -> Counter[str]:
    """How much of everything there was."""
    seen: Counter[str] = Counter()
    seen["events in the log"] = len(evidence.log)
    seen["conversations"] = len(conversations)
    for conversation in conversations.values():
        for outcome in conversation.outcomes:
            if isinstance(outcome, TakeoverStarted):
                seen[f"episodes begun: {outcome.cause}"] += 1
            elif isinstance(outcome, TakeoverEnded):
                seen[f"episodes ended: {outcome.cause}"] += 1
            elif isinstance(outcome, AnswerSuppressed):
                seen["answers suppressed"] += 1
            elif isinstance(outcome, CommandRefused):
                seen["operators' commands refused"] += 1
            elif isinstance(outcome, DeliveryChanged):
                seen[f"messages {outcome.state.replace('_', ' ')}"] += 1
        copies = Counter(_origin(entry) for entry in conversation.box)
        seen["copies of messages, outcome unknown"] += sum(count - 1 for origin, count in copies.items() if origin[0])
    seen["e-mails"] = len({letter.message_id for letter in evidence.letters})
    seen["copies of e-mails"] = len(evidence.letters) - len(
        {(each.message_id, each.recipient) for each in evidence.letters}
    )
    return seen

"""A conversation's writers in any order: customers, the bot, two operators with stale views, staff, timers, the channel.

Each writer has an order of its own, and an outbox in which what it tells may lie for a while; the log is their merge.
"""

from collections import deque
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from laws import Rules, folded, law_7
from takeover_world import ANA, APP, BEN, INBOX, START, World, bot_settings

from schemas.base import ConversationEvent
from schemas.bots import TakeoverSettings
from schemas.commands import ExtendThread, PassThread, ReadProfile, ReadThread, SendMessage, TakeThread
from schemas.conversations import (
    ChannelFact,
    CommandReport,
    CommandSuppressed,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    CustomerReacted,
    Echo,
    ErasureAsked,
    MessageSent,
    OperatorCommand,
    OperatorDeactivated,
    ProfileRead,
    Receipt,
    TakeoverRequested,
    ThreadControl,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from schemas.messages import Person, Profile
from schemas.turns import TurnAsked
from takeover import decide as real_rules
from takeover.effects import Effect
from takeover.state import Conversation
from takeover.timers import timers

COMMANDS = (SendMessage, PassThread, TakeThread, ExtendThread, ReadThread, ReadProfile)
PEOPLE = (ANA, BEN)
NUMBER = st.integers(0, 60)
LATE = st.sampled_from(
    (False, False, False, False, True)
)  # a fifth of what is told lies in its writer's outbox for a while


def writer_of(event: ConversationEvent) -> str:
    """Who tells it: all of one writer's events keep their order in the log."""
    match event:
        case (
            CustomerMessage()
            | CustomerEdited()
            | CustomerDeleted()
            | CustomerReacted()
            | Receipt()
            | Echo()
            | ThreadControl()
            | ChannelFact()
        ):
            return "facebook"
        case TurnCompleted() | TakeoverRequested() | TurnFailed() | TurnStarted():
            return "engine"
        case OperatorCommand(operator=operator):
            return operator.id
        case OperatorDeactivated():
            return "console"
        case CommandReport():
            return "channel"
        case _:
            return "timers"


class Play(World):
    """A world whose every step is held to the laws, with its log and the rows that were stored."""

    def __init__(self, settings: Any, *, known: bool, rules: Rules) -> None:
        super().__init__(settings, known=known)
        self.rules = rules
        self.log: list[tuple[ConversationEvent, Any, bool]] = []
        self.stored = [self.state.to_json()]
        self.turns: list[TurnAsked] = []
        self.mids: list[str] = []
        """Of messages, the customer's and ours."""
        self.commands: list[Any] = []
        self.late = False
        self.outbox: dict[str, deque[ConversationEvent]] = {}
        self.seen = {person.id: {"epoch": 0, "seq": 0} for person in PEOPLE}

    def fold(self, event: Any) -> tuple[Effect, ...]:
        """Into its writer's outbox, where something lies already or it is late; else into the log."""
        waiting = self.outbox.setdefault(writer_of(event), deque())
        if self.late or waiting:
            waiting.append(event)
            return ()
        return self.append(event)

    def append(self, event: ConversationEvent, *, fault: bool = False) -> tuple[Effect, ...]:
        step = folded(self.rules, self.settings, self.state, event, self.now, fault=fault)
        self.log.append((event, self.now, fault))
        self.state, self.last = step.after, step.effects
        self.effects += step.effects
        self.turns += self.of(TurnAsked)
        self.commands += [effect.event for effect in self.last if isinstance(effect.event, COMMANDS)]
        self.stored.append(self.state.to_json())
        self.wait(0.001)
        return self.last

    def says(self, text: str = "hi", **changes: Any) -> tuple[Effect, ...]:
        mid = f"m_{len(self.mids)}"
        self.mids.append(mid)
        return super().says(text, mid=mid, **changes)

    def a_mid(self, back: int) -> str:
        return self.mids[-1 - back % len(self.mids)] if self.mids else "m_?"

    def arrives(self, writer: str) -> None:
        if self.outbox.get(writer):
            self.append(self.outbox[writer].popleft())

    def folds_to_the_same(self, start: int) -> None:
        """From any row that was stored, after a crash."""
        state = Conversation.from_json(self.stored[start])
        for event, at, fault in self.log[start:]:
            state = Conversation.from_json(state.to_json())
            step = folded(self.rules, self.settings, state, event, at, fault=fault)
            state = step.after
        assert state.to_json() == self.stored[-1]


class Ownership(RuleBasedStateMachine):
    """Every rule appends to the log, or to a writer's outbox; the laws are checked with each event of the log."""

    rules_module: ClassVar[ModuleType] = real_rules
    play: Play

    @initialize(
        notification=st.booleans(),
        default_app=st.sampled_from((True, True, False)),
        known=st.sampled_from((True, True, False)),
        opening=st.sampled_from(("nothing", "a turn", "a request", "a request", "silent Done", "an operator")),
        expiry=st.sampled_from((30, 600, None)),
        takeover=st.builds(
            TakeoverSettings,
            default_session_expiry=st.sampled_from((90, 3600, None)),
            counts_from=st.sampled_from(("first response", "every response")),
            back_to_bot_message=st.sampled_from(("Bot again.", "")),
            say_after_expiry=st.booleans(),
        ),
    )
    def begins(self, notification, default_app, known, opening, expiry, takeover):
        settings = bot_settings(notification=notification, default_app=default_app, takeover=takeover)
        play = self.play = Play(settings, known=known, rules=self.rules_module)
        if opening != "nothing":
            play.says("hi")
        if not known and opening != "nothing":
            play.named()
        if opening in {"a request", "silent Done", "an operator"}:
            play.says("one more")
            play.asks_person(auto_return=expiry)
        if opening == "silent Done":
            play.facebook_does_all().wait(20)
            play.says("does anybody read this?")
        if opening == "an operator":
            play.takes_over(ANA)

    # Few rules, each with a writer's choices inside: a run chooses among rules evenly and leaves some out altogether.

    @rule(
        what=st.sampled_from((*["writes"] * 5, "standby", "word", "click", "click", "old click", "catch-up")), late=LATE
    )
    def customer(self, what, late):
        play = self.play
        play.late = late
        match what:
            case "writes":
                play.says("hi")
            case "standby":
                play.says("hello", channel="standby")
            case "word":
                play.says("Back to bot")
            case "click" | "old click":
                play.clicks_back(f"{play.state.id}/{play.state.epoch - (what == 'old click')}")
            case _:
                play.says("old", occurred_at=self._long_ago(), caught_up=True)

    @precondition(lambda self: self.play.mids)
    @rule(what=st.sampled_from(("edits", "edits", "deletes", "deletes", "reacts", "sees")), back=NUMBER, late=LATE)
    def message(self, what, back, late):
        """What the customer does with a message that is there."""
        play = self.play
        play.late = late
        mid = play.a_mid(back % 4)
        match what:
            case "edits":
                play.fold(CustomerEdited(**play.common("e"), mid=mid, text=f"edit {back}", number=1 + back % 3))
            case "deletes":
                play.fold(CustomerDeleted(**play.common("e"), mid=mid))
            case "reacts":
                play.fold(CustomerReacted(**play.common("e"), mid=mid, action="react", emoji="x"))
            case _:
                state = ("seen", "delivered")[back % 2]
                play.fold(Receipt(**play.common("e"), state=state, until=play.now - timedelta(seconds=back)))

    def _long_ago(self) -> datetime:
        """Before the last episode's end; now and then before what deduplication remembers."""
        days = 8 if self.play.count % 3 == 0 else 0
        return (self.play.state.ended_at or START) - timedelta(days=days, seconds=5)

    @precondition(lambda self: self.play.state.turn)
    @rule(
        what=st.sampled_from((*["answers"] * 4, *["asks"] * 3, "silence", "begins", "begins", "fails")),
        expiry=st.sampled_from((30, 600, None)),
        goodbye=st.sampled_from((True, True, False)),
        late=LATE,
    )
    def bot(self, what, expiry, goodbye, late):
        self._turn_ends(self.play.turns[-1], what, expiry, goodbye, late)

    @precondition(lambda self: self.play.turns)
    @rule(back=st.integers(0, 3), what=st.sampled_from(("answers", "answers", "asks", "silence", "fails")), late=LATE)
    def bot_again(self, back, what, late):
        """A turn that may have ended long ago ends, or ends anew."""
        self._turn_ends(self.play.turns[-1 - back % len(self.play.turns)], what, 30, True, late)

    def _turn_ends(self, turn: TurnAsked, what: str, expiry: int | None, goodbye: bool, late: bool) -> None:
        """With an answer, or a person asked for; it begins and crashes; or fails."""
        play = self.play
        play.late = late
        fields = {"turn": turn.turn, "epoch": turn.epoch}
        match what:
            case "answers":
                play.answers("one", "two", turn=turn)
            case "asks":
                text = "A colleague will be with you." if goodbye else ""
                play.asks_person("before", turn=turn, auto_return=expiry, goodbye_message=text)
            case "silence":
                play.answers(turn=turn, messages=())
            case "begins":
                play.fold(TurnStarted(**play.common("s"), **fields, attempt=turn.attempt))
            case _:
                play.fold(TurnFailed(**play.common("f"), **fields, reason="x"))

    @rule(
        who=st.sampled_from((ANA, BEN)),
        what=st.sampled_from(
            (
                *["replies"] * 3,
                *["takes over"] * 2,
                *["hands back"] * 3,
                "restart",
                "close",
                "expiry",
                "assigns",
                "leaves",
            )
        ),
        looks=st.sampled_from((True, True, False)),
        force=st.sampled_from((False, False, True)),
        number=st.integers(0, 3),
        late=LATE,
    )
    def operator(self, who: Person, what, looks, force, number, late):
        """Who does not look acts on what their page showed before."""
        play = self.play
        play.late = late
        if looks:
            play.seen[who.id] = {"epoch": play.state.epoch, "seq": play.state.seq}
        seen = play.seen[who.id]
        epoch = seen["epoch"]
        match what:
            case "replies":
                play.replies(who=who, force=force, **seen)
            case "takes over":
                length = {"expiry": 60} if number == 0 else {"no_expiry": number == 1}
                play.takes_over(who, epoch=epoch, force=force, **length)
            case "expiry":
                play.sets_expiry(who, expiry=(None, 45, 45, 5000)[number], epoch=epoch)
            case "assigns":
                play.assigns(who, to=(ANA, BEN, BEN, None)[number], force=force, epoch=epoch)
            case "leaves":
                play.is_deactivated(who)
            case _:
                play.hands_back(who, mode="continue" if what == "hands back" else what, epoch=epoch)

    @rule(
        what=st.sampled_from(
            (
                "writes",
                "writes",
                "automatic",
                "old",
                "app",
                "metadata",
                "mid",
                "main",
                "done",
                "done",
                "request",
                "pass",
                "take",
            )
        ),
        late=LATE,
    )
    def staff(self, what, late):
        """In the Page Inbox; and what Facebook tells of the thread and of our own messages."""
        play = self.play
        play.late = late
        acts = {
            "writes": play.staff_replies,
            "automatic": lambda: play.staff_replies("We are closed."),
            "old": lambda: play.staff_replies("old", occurred_at=self._long_ago(), caught_up=True),
            "app": lambda: play.staff_replies("ours", app_id=APP),
            "mid": lambda: play.staff_replies("ours", app_id=None, mid=play.a_mid(0)),
            "metadata": lambda: play.staff_replies("ours", metadata=f'{{"c": "{play.state.id}!1"}}'),
            "main": play.moved_to_main,
            "done": play.moved_to_done,
            "request": lambda: play.thread("request", requested_owner=INBOX),
            "pass": lambda: play.thread("pass", new_owner=INBOX, previous_owner=APP),
            "take": lambda: play.thread("take", new_owner=APP, previous_owner=INBOX),
        }
        acts[what]()

    @precondition(lambda self: self.play.commands)
    @rule(
        back=st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5)),
        what=st.integers(0, 5),
        owner=st.sampled_from((APP, APP, INBOX, None, "999")),
        late=LATE,
    )
    def channel(self, back, what, owner, late):
        """What became of a command: done, refused, suppressed. `back` counts from the last."""
        play = self.play
        play.late = late
        command = play.commands[-1 - back % len(play.commands)]
        fields = {**play.common("r"), "command": command.id, "epoch": command.epoch}
        match command:
            case SendMessage() if what in {0, 1}:
                play.refused(command, kind=("not_owner", "permanent")[what])
            case SendMessage() if what == 2:
                play.fold(CommandSuppressed(**fields, seq=command.seq))
            case SendMessage() if what == 3 and command.then_pass:
                play.fold(MessageSent(**fields, seq=command.seq, passed=False))
            case SendMessage() if what == 4 and command.then_pass:
                play.fold(ThreadMoved(**fields, owner=INBOX))
            case SendMessage():
                play.mids.append(f"m_{len(play.mids)}")
                play.fold(MessageSent(**fields, seq=command.seq, mid=play.mids[-1], passed=command.then_pass))
            case ReadThread():
                play.fold(ThreadOwnerRead(**fields, known=what != 0, owner=owner))
            case ReadProfile():
                play.fold(ProfileRead(**fields, profile=Profile(first_name="Mia")))
            case ExtendThread() if what:
                play.fold(ThreadExtended(**fields, seconds=command.seconds))
            case _ if what == 0:
                play.fold(ThreadRefused(**fields, action="pass", reason="no"))
            case _ if what == 1:
                play.fold(CommandSuppressed(**fields))
            case _:
                play.fold(ThreadMoved(**fields, owner=INBOX if isinstance(command, PassThread) else APP))

    @rule(
        seconds=st.sampled_from((0, 0, 1, 12, 12, 40, 100, 4000, 90_000)),
        number=st.integers(0, 4),
        behind=st.sampled_from((0, 0, 1, 2, 4, 8)),
    )
    def time(self, seconds, number, behind):
        """It passes; or a timer fires when it is due. Who fires it may be behind the log, which may have answered it."""
        play = self.play
        if seconds:
            play.wait(seconds)
            return
        state = Conversation.from_json(play.stored[-1 - min(behind, len(play.stored) - 1)])
        pending = sorted(timers(state).values(), key=lambda timer: timer.due_at)
        if pending:
            timer = pending[number % len(pending)]
            play.late = False
            play.now = max(play.now, timer.due_at)
            play.fold(timer.event)

    @rule(
        what=st.sampled_from(
            (*["arrives"] * 4, *["both"] * 3, "again", "again", "crash", "receipt", "raises", "forget")
        ),
        number=NUMBER,
    )
    def log(self, what, number):
        """What lay arrives; something is delivered again; the service crashes; a rule of ours raises."""
        play = self.play
        writers = [writer for writer, waiting in play.outbox.items() if waiting]
        match what:
            case "both" if len(writers) > 1:
                first, second = writers[:2]
                law_7(play.rules, play.settings, play.state, play.now, play.outbox[first][0], play.outbox[second][0])
                play.arrives(second)
                play.arrives(first)
            case "arrives" | "both" if writers:
                play.arrives(writers[number % len(writers)])
            case "again" if play.log:  # as if nothing deduplicated: the laws do not need it
                play.append(play.log[-1 - number % len(play.log)][0])
            case "crash":
                play.folds_to_the_same(max(0, len(play.stored) - 1 - number % 10))
                play.state = Conversation.from_json(play.stored[-1])
            case "receipt":
                play.append(ChannelFact(**play.common("x"), kind="read", raw={}))
            case "forget" if number % 3 == 0:
                play.append(ErasureAsked(**play.common("f")))
            case "raises" if number % 3 == 0:
                play.append(ChannelFact(**play.common("x"), kind="read", raw={}), fault=True)
            case _:
                pass

    def teardown(self):
        if hasattr(self, "play"):
            for writer in sorted(self.play.outbox):
                while self.play.outbox[writer]:
                    self.play.arrives(writer)

"""Laws that hold after every event, whatever the order: checked on random conversations."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from takeover_world import ANA, APP, BEN, INBOX, World, bot_settings

from schemas.commands import PassThread, ReadProfile, ReadThread, SendMessage, Silence, TakeThread
from schemas.conversations import (
    ChannelFact,
    CommandSuppressed,
    CustomerMessage,
    MessageSent,
    ProfileRead,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
    TurnFailed,
    TurnStarted,
)
from schemas.messages import Profile, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    CustomerSaid,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
)
from schemas.turns import TurnAsked
from takeover.decide import decide
from takeover.timers import timers

ENTRIES = (
    CustomerSaid,
    StaffSaid,
    TakeoverStarted,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    AnswerSuppressed,
    SendMessage,
)


class Play(World):
    """A world that keeps its log, and plays random moves by number."""

    def __init__(self, *, known: bool = True, **how) -> None:
        super().__init__(bot_settings(**how), known=known)
        self.first = self.state.copy()
        self.log = []
        self.answered: dict[int, list[str]] = {}

    def fold(self, event):
        before = self.state
        self.log.append((event, self.now))
        effects = super().fold(event)
        self.check(before, event)
        return effects

    # --- moves

    def is_read(self) -> None:
        self.fold(ChannelFact(**self.common("f"), kind="read", raw={"read": {"watermark": 1}}))

    def some_turn(self, number: int) -> TurnAsked | None:
        asked = self.all(TurnAsked)
        return asked[number % len(asked)] if asked else None

    def turn_ends(self, number: int) -> None:
        turn = self.some_turn(number)
        if turn is None:
            return
        ends = [
            lambda: self.answers("bot speaks", turn=turn),
            lambda: self.answers(turn=turn, messages=()),
            lambda: self.asks_person("before", turn=turn, auto_return=number % 50 + 1),
            lambda: self.asks_person(turn=turn, auto_return=None, goodbye_message=""),
            lambda: self.fold(TurnFailed(**self.common("f"), turn=turn.turn, epoch=turn.epoch, reason="x")),
            lambda: self.fold(TurnStarted(**self.common("s"), turn=turn.turn, epoch=turn.epoch, attempt=2)),
        ]
        ends[number % len(ends)]()

    def newest_turn_ends(self, number: int) -> None:
        if asked := self.all(TurnAsked):
            self.turn_ends(len(asked) - 1 + len(asked) * (number % 6))

    def timer_fires(self, number: int) -> None:
        due = [timer for timer in timers(self.state).values() if timer.due_at <= self.now]
        if due:
            self.fold(due[number % len(due)].event)

    def time_comes(self, number: int) -> None:
        pending = sorted(timer.due_at for timer in timers(self.state).values())
        if pending:
            self.now = max(self.now, pending[number % len(pending)])
            self.timer_fires(number)

    def reported(self, number: int) -> None:
        kinds = (SendMessage, PassThread, TakeThread, ReadThread, ReadProfile)
        commands = [effect.event for effect in self.effects if isinstance(effect.event, kinds)]
        if not commands:
            return
        command = commands[number % len(commands)]
        fields = {**self.common("r"), "command": command.id, "epoch": command.epoch}
        match command:
            case SendMessage() if number % 5 == 0:
                self.refused(command)
            case SendMessage() if number % 7 == 0:
                self.fold(CommandSuppressed(**fields, seq=command.seq))
            case SendMessage():
                self.fold(MessageSent(**fields, seq=command.seq, passed=command.then_pass))
            case ReadThread():
                owner = (APP, INBOX, None, "999")[number % 4]
                self.fold(ThreadOwnerRead(**fields, known=number % 3 != 0, owner=owner))
            case ReadProfile():
                self.fold(ProfileRead(**fields, profile=Profile(first_name="Mia")))
            case _ if number % 4 == 0:
                self.fold(ThreadRefused(**fields, action="pass", reason="no"))
            case _:
                self.fold(ThreadMoved(**fields, owner=INBOX if isinstance(command, PassThread) else APP))

    MOVES: tuple[Callable[["Play", int], object], ...] = (
        lambda play, number: play.says(("hi", "Back to bot", "person")[number % 3]),
        lambda play, number: play.says("hello", channel="standby"),
        lambda play, number: play.clicks_back(f"{play.state.id}/{number % 4}"),
        newest_turn_ends,
        newest_turn_ends,
        turn_ends,
        time_comes,
        reported,
        reported,
        lambda play, number: play.takes_over((ANA, BEN)[number % 2], force=number % 3 == 0),
        lambda play, number: play.takes_over(ANA, epoch=number % 3),
        lambda play, number: play.replies(who=(ANA, BEN)[number % 2], force=number % 5 == 0),
        lambda play, number: play.replies(seq=number % 9, epoch=number % 4),
        lambda play, number: play.sets_expiry(expiry=number % 90 + 1) if number % 4 else play.sets_expiry(),
        lambda play, number: play.hands_back(mode=("continue", "restart", "close")[number % 3]),
        lambda play, number: play.staff_replies(),
        lambda play, number: play.moved_to_main(),
        lambda play, number: play.moved_to_done(),
        lambda play, number: play.thread("request", requested_owner=INBOX),
        lambda play, number: play.wait(number % 120),
        lambda play, number: play.is_read(),
        lambda play, number: play.staff_replies("ours", **({"app_id": APP}, {"metadata": '{"c": "x!1"}'})[number % 2]),
    )

    # --- laws

    def check(self, before, event) -> None:
        self.one_voice(before, event)
        self.epochs_rise(before)
        self.answered_or_a_persons(event)
        self.owner_and_episode_agree()

    def one_voice(self, before, event) -> None:
        """A bot's message is commanded only where, at its place, the bot had it or has it now."""
        owner = before.owner
        for effect in self.last:
            match effect.event:
                case TakeoverStarted():
                    owner = "human"
                case TakeoverEnded():
                    owner = "bot"
                case SendMessage(speaker=Speaker.BOT) as message:
                    assert owner == "bot", (event, message)
                case SendMessage(speaker=Speaker.OPERATOR):
                    assert owner == "human"
                case TurnAsked():
                    assert owner == "bot"
                case _:
                    pass

    def epochs_rise(self, before) -> None:
        changes = [
            effect.event.epoch for effect in self.last if isinstance(effect.event, TakeoverStarted | TakeoverEnded)
        ]
        assert changes == list(range(before.epoch + 1, self.state.epoch + 1))
        silences = [effect.event for effect in self.last if isinstance(effect.event, Silence)]
        assert all(silence.epoch <= self.state.epoch for silence in silences)

    def answered_or_a_persons(self, event) -> None:
        for effect in self.last:
            if isinstance(effect.event, TakeoverStarted):
                for seq in effect.event.taken:
                    self.answered.setdefault(seq, []).append("person")
        ended = event.type in {"turn.completed.v1", "takeover.requested.v1"}
        if ended and not any(isinstance(effect.event, AnswerSuppressed) for effect in self.last):
            self.answered.setdefault(-1, [])
            for seq in self.turn_seqs.get(event.turn, ()):
                self.answered.setdefault(seq, []).append("bot")
        if self.state.turn is not None:
            self.turn_seqs[self.state.turn.id] = self.state.turn.asked.seqs

    @property
    def turn_seqs(self) -> dict[str, tuple[int, ...]]:
        return self.__dict__.setdefault("_turn_seqs", {})

    def owner_and_episode_agree(self) -> None:
        state = self.state
        assert (state.owner == "human") == (state.episode is not None)
        if state.owner == "human":
            assert (state.turn, state.queue, state.delay) == (None, (), None)
            assert state.episode.attended or state.episode.holder is None
        assert not state.held or (state.owner == "human" and state.reading is not None)
        if state.owner == "bot" and state.queue and state.turn is None:
            assert state.naming is not None
        assert "expiry" not in timers(state) or state.owner == "human"

    def finish(self) -> None:
        """At the end: each message was answered once, is a person's, or still waits; and folding again gives the same."""
        waiting = {seq for asked in self.state.queue for seq in asked.seqs}
        if self.state.turn is not None:
            waiting |= set(self.state.turn.asked.seqs)
        for said in self.all(CustomerSaid):
            fates = self.answered.get(said.seq, [])
            if said.addressed == "bot":
                assert len(fates) + (said.seq in waiting) == 1, (said, fates)
            else:
                assert fates == []
                assert said.seq not in waiting
        written = [event.input for event, _ in self.log if isinstance(event, CustomerMessage)]
        kept = [said.input for said in self.all(CustomerSaid)] + [event.input for event in self.state.held]
        assert sorted(map(str, written)) == sorted(map(str, kept))
        entries = [effect.event.seq for effect in self.effects if isinstance(effect.event, ENTRIES)]
        assert entries == list(range(1, self.state.seq + 1))
        ids = [effect.event.id for effect in self.effects]
        assert len(ids) == len(set(ids))
        self.folds_to_the_same()

    def folds_to_the_same(self) -> None:
        state, effects = self.first, []
        for event, at in self.log:
            state = type(state).from_json(state.to_json())
            decision = decide(state, event, at, self.settings)
            state = decision.state
            effects += decision.effects
        assert state == self.state
        assert effects == self.effects


MOVE = st.tuples(st.integers(0, len(Play.MOVES) - 1), st.integers(0, 419))


@given(
    moves=st.lists(MOVE, min_size=15, max_size=70),
    notification=st.booleans(),
    default_app=st.booleans(),
    known=st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_one_speaks_nothing_is_lost_and_folding_again_gives_the_same(
    moves, notification, default_app, known
):
    play = Play(notification=notification, default_app=default_app, known=known)
    for move, number in moves:
        Play.MOVES[move](play, number)
    play.finish()


@given(gap=st.integers(0, 20), late=st.booleans())
def test_a_deadline_that_was_answered_never_takes_effect(gap, late):
    """Whatever the delays: a reply that stands in the log before the deadline's time wins."""
    world = World().requested(auto_return=10)
    event = timers(world.state)["expiry"].event
    world.wait(gap)
    replied_in_time = world.now < event.deadline
    if not late:
        world.replies()
    world.wait(30).fold(event)
    ended = [outcome.cause for outcome in world.all(TakeoverEnded)]
    assert ended == ([] if not late and replied_in_time else ["expired"])

"""The table of ownership, row by row: bot, requested, attended."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from takeover_world import ANA, APP, BEN, INBOX, MIA, START, World, bot_settings

from schemas.bots import TakeoverSettings
from schemas.commands import (
    Erase,
    ExtendThread,
    PassThread,
    ReadProfile,
    ReadThread,
    SendMessage,
    Silence,
    TakeThread,
)
from schemas.conversations import (
    DelayElapsed,
    ErasureAsked,
    MessageSent,
    ProfileRead,
    ReadOverdue,
    SessionExpired,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
    TurnFailed,
    TurnOverdue,
    TurnStarted,
)
from schemas.handover import Cause
from schemas.messages import Profile, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    AssignmentChanged,
    CommandAccepted,
    CommandRefused,
    ConversationErased,
    CustomerKnown,
    CustomerSaid,
    DeliveryChanged,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
)
from schemas.sessions import Session
from schemas.turns import TurnAsked
from takeover.decide import decide_fault
from takeover.step import NO_WAY_BACK
from takeover.timers import timers

HOUR = timedelta(minutes=60)


class TestCustomerMessage:
    def test_bot_has_it_so_a_turn_is_asked(self):
        world = World()
        world.says("hi")
        assert world.one(TurnAsked).input.message.text == "hi"
        assert world.one(CustomerSaid).addressed == "bot"

    def test_while_a_turn_is_out_it_waits_and_is_asked_next(self):
        world = World()
        world.says("one")
        world.says("two")
        assert world.of(TurnAsked) == []
        world.answers()
        assert world.one(TurnAsked).input.message.text == "two"

    def test_a_hundred_waiting_inputs_are_joined_so_that_nothing_grows_and_nothing_is_lost(self):
        world = World()
        for number in range(150):
            world.says(f"word{number}")
        assert len(world.state.queue) == 100
        texts = " ".join(asked.input.message.text for asked in world.state.queue)
        assert all(f"word{number}" in texts for number in range(1, 150))
        assert sorted(seq for asked in world.state.queue for seq in asked.seqs) == list(range(2, 151))

    def test_a_person_has_it_so_it_is_theirs_and_the_bot_is_not_asked(self):
        world = World().requested()
        world.says("are you there?")
        assert world.one(CustomerSaid).addressed == "person"
        assert world.of(TurnAsked) == []
        world.replies()
        world.says("thanks")
        assert world.one(CustomerSaid).addressed == "person"
        assert world.of(TurnAsked) == []

    def test_the_first_one_waits_for_the_customers_name(self):
        world = World(known=False)
        world.says("hi")
        assert world.one(ReadProfile)
        assert world.of(TurnAsked) == []
        world.named("Mia")
        assert world.one(TurnAsked).profile.first_name == "Mia"

    def test_a_name_that_does_not_come_in_ten_seconds_is_not_waited_for(self):
        world = World(known=False)
        world.says("hi")
        timer = timers(world.state)["profile"]
        assert timer.due_at == world.state.last_at + timedelta(seconds=10)
        world.wait(10).fold(timer.event)
        assert world.one(TurnAsked).profile == Profile()

    def test_older_than_the_dedup_window_goes_to_the_transcript_only(self):
        world = World()
        world.says("late", occurred_at=world.now - timedelta(days=8))
        assert world.one(CustomerSaid).addressed == "record"
        assert world.of(TurnAsked) == []


class TestBackToBot:
    def test_the_button_ends_the_episode_and_the_flow_goes_on_at_its_port(self):
        world = World().requested().facebook_does_all()
        world.clicks_back()
        assert world.one(TakeoverEnded).cause is Cause.CUSTOMER
        assert world.texts() == ["I am back."]
        asked = world.one(TurnAsked)
        assert (asked.input.reason, asked.input.resume.block, asked.input.resume.port) == (
            "resume",
            "ask-person",
            "customer",
        )
        assert asked.may_ask_person is False

    @pytest.mark.parametrize("text", ["Back to bot", "  back TO bot "])
    def test_its_exact_text_does_the_same(self, text):
        world = World().requested()
        world.says(text)
        assert world.one(TakeoverEnded).cause is Cause.CUSTOMER

    def test_a_longer_text_does_not(self):
        world = World().requested()
        world.says("Back to bot please")
        assert world.of(TakeoverEnded) == []

    def test_control_is_taken_before_the_bot_speaks(self):
        world = World().requested().facebook_does_all()
        world.clicks_back()
        kinds = [type(effect.event) for effect in world.last]
        assert kinds.index(TakeThread) < kinds.index(SendMessage) < kinds.index(TurnAsked)

    def test_a_click_of_an_ended_episodes_button_is_recorded_only(self):
        world = World().requested()
        old = world.state.episode.id
        world.clicks_back()
        world.answers()
        world.clicks_back(old)
        assert world.one(CustomerSaid).addressed == "record"
        world.requested()
        world.clicks_back(old)
        assert world.one(CustomerSaid).addressed == "record"
        assert world.state.owner == "human"

    def test_a_takeover_without_a_block_has_no_button(self):
        world = World().bot_has()
        world.takes_over()
        world.says("Back to bot")
        assert world.of(TakeoverEnded) == []


class TestTurns:
    def test_the_outstanding_one_is_said(self):
        world = World()
        world.says()
        world.answers("Hello Mia", "What now?")
        assert world.texts() == ["Hello Mia", "What now?"]

    def test_a_second_answer_to_the_same_turn_is_never_said(self):
        world = World()
        world.says()
        asked = world.turn()
        world.answers()
        world.answers("again", turn=asked)
        assert world.texts() == []
        assert world.one(AnswerSuppressed).turn == asked.turn

    def test_an_answer_that_comes_after_an_operator_took_over_is_suppressed_and_recorded(self):
        world = World()
        world.says()
        asked = world.turn()
        world.takes_over()
        world.answers("Too late", turn=asked)
        assert world.of(SendMessage) == []
        suppressed = world.one(AnswerSuppressed)
        assert [message.text for message in suppressed.messages] == ["Too late"]
        assert suppressed.turn_epoch == 0
        assert suppressed.epoch == 1

    def test_an_answer_of_an_earlier_epoch_is_suppressed_even_when_the_bot_has_it_again(self):
        world = World()
        world.says()
        asked = world.turn()
        world.takes_over()
        world.hands_back()
        world.answers("Stale", turn=asked)
        assert world.of(SendMessage) == []
        assert world.one(AnswerSuppressed)

    def test_overdue_is_asked_again_under_the_same_id_after_30_s_doubling_to_5_min(self):
        world = World()
        world.says("hi")
        first = world.one(TurnAsked)
        waits = []
        for attempt in range(1, 7):
            timer = timers(world.state)["turn"]
            waits.append(round((timer.due_at - world.state.last_at).total_seconds()))
            world.now = timer.due_at
            world.fold(timer.event)
            again = world.one(TurnAsked)
            assert again.attempt == attempt + 1
            assert again.id != first.id
            assert (again.turn, again.input, again.session, again.flow) == (
                first.turn,
                first.input,
                first.session,
                first.flow,
            )
        assert waits == [30, 60, 120, 240, 300, 300]

    def test_asked_again_it_has_the_version_of_the_first_asking(self):
        world = World()
        world.says()
        world.settings = bot_settings(version=2, flow="salon@2")
        world.fold(TurnOverdue(**world.common("o"), turn=world.turn().turn, attempt=1))
        assert world.one(TurnAsked).flow == "salon@1"

    def test_an_overdue_of_an_earlier_attempt_is_void(self):
        world = World()
        world.says()
        world.fold(TurnOverdue(**world.common("o"), turn=world.turn().turn, attempt=1))
        world.fold(TurnOverdue(**world.common("o"), turn=world.turn().turn, attempt=1))
        assert world.of(TurnAsked) == []

    def test_three_begun_and_unfinished_bring_the_fallback_and_a_person(self):
        world = World()
        world.says("crash me")
        for attempt in range(1, 5):
            turn = world.turn()
            if attempt > 1:
                world.fold(TurnStarted(**world.common("s"), turn=turn.turn, epoch=turn.epoch, attempt=attempt))
            world.fold(TurnOverdue(**world.common("o"), turn=turn.turn, attempt=attempt))
        started = world.one(TakeoverStarted)
        assert started.cause is Cause.FAULT
        assert started.taken == (1,)
        assert world.texts() == [world.settings.fallback_text]
        assert started.deadline == world.state.last_at + HOUR
        assert not started.attended
        assert world.of(Silence) == []

    def test_a_failed_turn_does_the_same_at_once(self):
        world = World()
        world.says()
        turn = world.turn()
        world.fold(TurnFailed(**world.common("f"), turn=turn.turn, epoch=turn.epoch, reason="bad block"))
        assert world.one(TakeoverStarted).fault == "bad block"
        assert world.texts() == [world.settings.fallback_text]

    def test_no_published_flow_brings_a_person_instead_of_silence(self):
        world = World(bot_settings(flow=None))
        world.says()
        assert world.one(TakeoverStarted).cause is Cause.FAULT

    def test_a_delay_goes_on_when_it_has_run_out(self):
        world = World()
        world.says()
        turn = world.turn().turn
        waiting = Session(flow="salon@1", at="pause", waits_for="delay", delay_turn=turn)
        world.answers("Wait", session=waiting, delay=60)
        timer = timers(world.state)["delay"]
        assert timer.due_at == world.state.last_at + timedelta(seconds=60)
        world.wait(60).fold(timer.event)
        assert world.one(TurnAsked).input.reason == "delay"

    def test_a_delay_that_a_keyword_ended_is_void(self):
        world = World()
        world.says()
        turn = world.turn().turn
        world.answers(session=Session(flow="salon@1", at="pause", waits_for="delay", delay_turn=turn), delay=60)
        event = timers(world.state)["delay"].event
        world.says("menu")
        world.answers("Menu")
        world.wait(60).fold(event)
        assert world.of(TurnAsked) == []

    def test_a_delay_that_ran_out_does_not_cut_a_later_one_short(self):
        world = World()
        world.says()
        first = world.turn().turn
        world.answers(session=Session(flow="salon@1", at="a", waits_for="delay", delay_turn=first), delay=60)
        event = timers(world.state)["delay"].event
        world.wait(59).says("menu")
        second = world.turn().turn
        world.wait(1).fold(event)
        world.answers(session=Session(flow="salon@1", at="b", waits_for="delay", delay_turn=second), delay=60)
        assert world.of(TurnAsked) == []
        assert timers(world.state)["delay"].event.turn == second

    def test_a_delay_is_void_once_a_person_has_it(self):
        world = World()
        world.says()
        turn = world.turn().turn
        world.answers(session=Session(flow="salon@1", at="pause", waits_for="delay", delay_turn=turn), delay=60)
        world.takes_over()
        world.wait(60).fold(DelayElapsed(**world.common("d"), epoch=0, turn=turn))
        assert world.of(TurnAsked) == []


class TestTakeoverRequested:
    def test_what_stood_before_is_said_then_the_goodbye_with_the_button_then_it_rests_in_main(self):
        world = World()
        world.says("person")
        world.asks_person("One moment.")
        messages = world.of(SendMessage)
        assert [message.message.text for message in messages] == ["One moment.", "A colleague will be with you."]
        assert messages[1].message.quick_replies[0].title == "Back to bot"
        assert messages[1].message.quick_replies[0].payload.endswith(world.state.episode.id)
        assert (messages[0].then_pass, messages[1].then_pass) == (False, True)
        assert world.of(PassThread) == []
        assert world.of(Silence) == []

    def test_the_request_expiry_of_the_block_counts(self):
        world = World().requested(auto_return=300)
        started = world.one(TakeoverStarted)
        assert (started.cause, started.attended) == (Cause.FLOW, False)
        assert started.deadline == world.state.last_at + timedelta(seconds=300)
        assert started.emails == ("ana@example.com",)

    def test_empty_auto_return_means_no_deadline_and_no_notify_means_no_mail(self):
        world = World().requested(auto_return=None, notify_admin=False)
        assert world.one(TakeoverStarted).deadline is None
        assert world.one(TakeoverStarted).emails == ()
        assert "expiry" not in timers(world.state)

    def test_without_a_goodbye_nothing_is_said_and_control_is_passed_by_itself(self):
        world = World().requested(goodbye_message="")
        assert world.texts() == []
        assert world.one(PassThread).target == INBOX

    def test_with_the_notification_off_control_is_never_passed(self):
        world = World(bot_settings(notification=False)).requested()
        assert world.of(PassThread) == []
        assert [message.then_pass for message in world.of(SendMessage)] == [False]

    def test_inputs_that_waited_are_the_persons(self):
        world = World()
        world.says("person")
        world.says("hello?")
        world.asks_person()
        assert world.one(TakeoverStarted).taken == (2,)
        assert world.of(TurnAsked) == []
        assert world.state.queue == ()

    def test_of_a_void_turn_it_is_suppressed(self):
        world = World()
        world.says()
        asked = world.turn()
        world.takes_over()
        world.asks_person("Before", turn=asked)
        assert [message.text for message in world.one(AnswerSuppressed).messages] == [
            "Before",
            "A colleague will be with you.",
        ]
        assert world.of(TakeoverStarted) == []

    def test_it_may_be_reached_again_after_an_expiry_and_mails_again(self):
        world = World().requested(auto_return=10)
        world.wait(11).says("still me")
        world.asks_person()
        assert len(world.all(TakeoverStarted)) == 2
        assert world.one(TakeoverStarted).emails == ("ana@example.com",)


class TestOperatorTakesOver:
    def test_from_the_bot_an_episode_starts_attended_and_the_bot_is_silenced(self):
        world = World()
        world.says("hi")
        world.takes_over()
        started, answered = world.one(TakeoverStarted), world.one(TakeoverAnswered)
        assert (started.cause, started.taken) == (Cause.OPERATOR, (1,))
        assert (answered.holder, answered.venue, answered.by) == (ANA, "inbox", "switch")
        assert answered.deadline == world.state.last_at + HOUR
        assert world.one(Silence).epoch == world.state.epoch == 1
        assert world.one(PassThread)
        assert world.one(CommandAccepted)

    def test_with_a_length_that_length_counts_and_no_reply_replaces_it(self):
        world = World().bot_has()
        world.takes_over(expiry=90)
        deadline = world.state.episode.deadline
        assert deadline == world.state.last_at + timedelta(seconds=90)
        world.wait(30).replies()
        assert world.state.episode.deadline == deadline

    def test_requested_becomes_attended_with_the_default_expiry_and_the_same_epoch(self):
        world = World().requested(auto_return=30)
        epoch = world.state.epoch
        world.wait(10).takes_over()
        assert world.one(TakeoverAnswered).deadline == world.state.last_at + HOUR
        assert world.state.epoch == epoch
        assert world.of(TakeoverStarted) == []

    def test_held_by_another_is_refused_with_who_and_since_when(self):
        world = World().requested()
        world.takes_over()
        since = world.state.last_at
        world.wait(5).takes_over(BEN)
        refused = world.one(CommandRefused)
        assert (refused.code, refused.holder, refused.since) == ("held", ANA, since)
        assert world.state.episode.holder == ANA

    def test_with_force_it_is_the_others(self):
        world = World().requested()
        world.takes_over()
        world.takes_over(BEN, force=True)
        assert world.one(TakeoverChanged).holder == BEN

    def test_of_another_epoch_it_is_refused(self):
        world = World().bot_has()
        world.takes_over(epoch=7)
        assert world.one(CommandRefused).code == "changed"
        assert world.state.owner == "bot"

    def test_without_a_default_expiry_there_is_no_deadline(self):
        world = World(bot_settings(takeover=TakeoverSettings(default_session_expiry=None))).bot_has()
        world.takes_over()
        assert world.state.episode.deadline is None


class TestOperatorReplies:
    def test_taking_over_by_sending(self):
        world = World().bot_has()
        world.replies("I am Ana")
        message = world.one(SendMessage)
        assert (message.speaker, message.operator, message.message.text) == (Speaker.OPERATOR, ANA, "I am Ana")
        assert world.one(TakeoverStarted).cause is Cause.OPERATOR
        assert world.one(TakeoverAnswered).by == "reply"
        assert (message.then_pass, message.retake) == (True, True)
        kinds = [type(effect.event) for effect in world.last]
        assert kinds.index(Silence) < kinds.index(SendMessage)

    def test_a_message_sent_again_says_which_and_is_not_hindered_by_the_operators_own_newer_ones(self):
        world = World().requested()
        world.replies("lost")
        seen = world.state.seq
        lost = world.one(SendMessage)
        world.replies("newer")
        world.replies("lost", seq=seen, again=lost.id)
        assert (world.one(SendMessage).again, world.one(SendMessage).message.text) == (lost.id, "lost")
        world.replies("lost", BEN, seq=seen, again=lost.id)
        assert world.one(CommandRefused).code == "held"

    def test_control_is_taken_first_when_the_page_inbox_has_it_or_will_have_it(self):
        world = World().requested()
        world.replies()
        kinds = [type(effect.event) for effect in world.last]
        assert kinds.index(TakeThread) < kinds.index(SendMessage)
        world = World().requested().facebook_does_all()
        world.replies()
        assert world.one(TakeThread)

    def test_default_expiry_counts_anew_from_the_first_message_and_not_from_the_next(self):
        world = World().requested()
        world.takes_over()
        world.wait(60).replies("first")
        first = world.state.episode.deadline
        assert first == world.state.last_at + HOUR
        world.wait(60).replies("second")
        assert world.state.episode.deadline == first

    def test_every_response_counts_anew_where_the_bot_says_so(self):
        settings = bot_settings(takeover=TakeoverSettings(counts_from="every response"))
        world = World(settings).requested()
        world.replies("first")
        world.wait(60).replies("second")
        assert world.state.episode.deadline == world.state.last_at + HOUR

    def test_a_changed_default_applies_to_sessions_that_begin_later(self):
        world = World().requested()
        world.takes_over()
        world.settings = bot_settings(version=2, takeover=TakeoverSettings(default_session_expiry=5))
        world.replies()
        assert world.state.episode.deadline == world.state.last_at + HOUR
        world.hands_back()
        world.takes_over()
        assert world.state.episode.deadline == world.state.last_at + timedelta(seconds=5)

    def test_the_button_rides_on_the_persons_first_message_only(self):
        world = World().requested()
        world.replies("one")
        assert world.one(SendMessage).message.quick_replies[0].title == "Back to bot"
        world.replies("two")
        assert world.one(SendMessage).message.quick_replies == ()

    def test_the_bot_has_answered_since_so_the_draft_is_kept(self):
        world = World().requested()
        world.takes_over()
        seen = {"epoch": world.state.epoch, "seq": world.state.seq}
        world.hands_back()
        world.answers("Bot speaks")
        world.replies("late", **seen)
        refused = world.one(CommandRefused)
        assert refused.code == "bot_answered_since"
        assert "Bot speaks" in [said.text for said in refused.newer]
        assert world.of(SendMessage) == []
        world.replies("late", **seen, force=True)
        assert world.texts() == ["late"]

    def test_after_a_silent_expiry_a_reply_still_goes_out_and_takes_over(self):
        world = World().requested(auto_return=10)
        seen = {"epoch": world.state.epoch, "seq": world.state.seq}
        world.wait(11).replies("hello", **seen)
        assert world.texts() == ["hello"]
        assert [event.cause for event in world.all(TakeoverStarted)] == [Cause.FLOW, Cause.OPERATOR]

    def test_of_another_than_the_holder_it_is_refused_unless_forced(self):
        world = World().requested()
        world.replies()
        world.replies("me too", who=BEN)
        assert world.one(CommandRefused).code == "held"
        world.replies("me too", who=BEN, force=True)
        assert world.texts() == ["me too"]
        assert world.state.episode.holder == BEN

    def test_a_colleagues_newer_message_holds_it_back(self):
        world = World().requested()
        world.staff_replies("Staff wrote")
        seen = world.state.seq - 1
        world.replies("and I", seq=seen - 1)
        refused = world.one(CommandRefused)
        assert refused.code == "newer"
        assert refused.newer[0].text == "Staff wrote"
        world.replies("and I")
        assert world.texts() == ["and I"]


class TestOperatorSetsExpiry:
    def test_refused_while_the_bot_has_it(self):
        world = World().bot_has()
        world.sets_expiry(expiry=60)
        assert world.one(CommandRefused).code == "not_taken_over"

    def test_replaced_and_removed(self):
        world = World().requested()
        world.sets_expiry(expiry=60)
        assert world.state.episode.deadline == world.state.last_at + timedelta(seconds=60)
        world.sets_expiry()
        assert world.state.episode.deadline is None
        assert "expiry" not in timers(world.state)

    def test_what_an_operator_set_stands_when_somebody_takes_it_up(self):
        world = World().requested()
        world.sets_expiry(expiry=60)
        deadline = world.state.episode.deadline
        world.replies()
        assert world.state.episode.deadline == deadline

    def test_in_the_past_is_refused(self):
        world = World().requested()
        world.sets_expiry(deadline=world.now - timedelta(seconds=1))
        assert world.one(CommandRefused).code == "past"


class TestOperatorHandsBack:
    def test_take_control_say_go_on_at_the_port(self):
        world = World().requested().facebook_does_all()
        world.replies()
        world.facebook_does_all()
        world.hands_back(note="paid")
        ended = world.one(TakeoverEnded)
        assert (ended.cause, ended.by, ended.note, ended.answered) == (Cause.OPERATOR, ANA, "paid", True)
        kinds = [type(effect.event) for effect in world.last]
        assert kinds.index(TakeThread) < kinds.index(SendMessage) < kinds.index(TurnAsked)
        assert world.texts() == ["I am back."]
        assert world.one(TurnAsked).input.resume.port == "operator"
        assert world.state.epoch == 2

    def test_without_a_block_the_settings_text_is_said_and_the_flow_resumes_where_it_stopped(self):
        world = World().bot_has()
        world.takes_over()
        world.hands_back()
        assert world.texts() == ["Bot again."]
        assert world.one(TurnAsked).input.resume.block is None

    def test_an_empty_text_says_nothing(self):
        world = World().requested(back_to_bot_message="")
        world.hands_back()
        assert world.texts() == []
        assert world.one(TurnAsked)

    def test_restart_begins_the_flow_anew(self):
        world = World().requested()
        world.hands_back(mode="restart")
        assert world.one(TurnAsked).input.reason == "start"

    def test_close_says_nothing_and_the_next_message_begins_at_start(self):
        world = World().requested()
        world.hands_back(mode="close")
        assert world.texts() == []
        assert world.of(TurnAsked) == []
        world.says("hello again")
        assert world.one(TurnAsked).session.waits_for == "start"

    def test_refused_when_the_bot_has_it_already(self):
        world = World().bot_has()
        world.hands_back()
        assert world.one(CommandRefused).code == "already_bot"

    def test_of_an_earlier_episode_it_is_refused(self):
        world = World().requested()
        first = world.state.epoch
        world.hands_back()
        world.takes_over()
        world.hands_back(epoch=first)
        assert world.one(CommandRefused).code == "changed"
        assert world.state.owner == "human"


class TestExpiry:
    def test_it_is_silent_and_the_bot_speaks_when_the_customer_does(self):
        world = World().requested(auto_return=10)
        timer = timers(world.state)["expiry"]
        world.wait(10).fold(timer.event)
        assert world.one(TakeoverEnded).cause is Cause.EXPIRED
        assert world.texts() == []
        assert world.of(TurnAsked) == []
        world.says("hello?")
        asked = world.one(TurnAsked)
        assert (asked.input.reason, asked.input.message.text) == ("message", "hello?")
        assert (asked.input.resume.block, asked.input.resume.port) == ("ask-person", "expired")

    def test_without_a_block_the_flow_resumes_where_it_stopped_so_that_an_open_question_is_asked_again(self):
        world = World().bot_has()
        world.takes_over(expiry=10)
        world.wait(10).says("hello?")
        asked = world.one(TurnAsked).input
        assert (asked.message.text, asked.resume.block, asked.resume.port) == ("hello?", None, "expired")

    def test_a_due_deadline_is_applied_at_the_first_event_after_it(self):
        world = World().requested(auto_return=10)
        world.wait(10).says("hello?")
        assert world.one(TakeoverEnded).cause is Cause.EXPIRED
        assert world.one(TurnAsked)

    def test_whichever_comes_first_the_state_is_the_same(self):
        def played(*, by_timer: bool) -> World:
            world = World().requested(auto_return=10)
            event = timers(world.state)["expiry"].event
            world.wait(20)
            at = world.now
            if by_timer:
                world.fold(event)
            world.now = at
            world.says("hello?")
            if not by_timer:
                world.now = at
                world.fold(event)
            world.state.last_at = None
            return world

        assert played(by_timer=True).state == played(by_timer=False).state

    def test_an_answer_in_time_voids_it_however_late_the_timer_comes(self):
        world = World().requested(auto_return=10)
        event = timers(world.state)["expiry"].event
        world.wait(9).replies()
        world.wait(100).fold(event)
        assert world.of(TakeoverEnded) == []
        assert world.state.owner == "human"

    def test_its_own_time_is_not_compared(self):
        world = World().requested(auto_return=10)
        world.wait(1).fold(timers(world.state)["expiry"].event)
        assert world.one(TakeoverEnded)

    def test_of_another_epoch_it_is_void(self):
        world = World().requested(auto_return=10)
        event = timers(world.state)["expiry"].event
        world.hands_back()
        world.answers()
        world.requested(auto_return=10)
        world.fold(event)
        assert world.state.owner == "human"

    def test_the_bot_may_greet_before_its_first_answer_where_the_settings_say_so(self):
        settings = bot_settings(takeover=TakeoverSettings(back_to_bot_message="Back.", say_after_expiry=True))
        world = World(settings).bot_has()
        world.takes_over(expiry=10)
        world.wait(10).says("hello?")
        assert world.texts() == []
        world.answers("Hi!")
        assert world.texts() == ["Back.", "Hi!"]
        world.says("more")
        world.answers("Hi!")
        assert world.texts() == ["Hi!"]

    def test_control_is_taken_back(self):
        world = World().requested(auto_return=10).facebook_does_all()
        world.wait(10).says("hello?", channel="standby")
        assert world.one(TakeThread)

    def test_it_counts_for_a_page_inbox_session_too(self):
        world = World().bot_has()
        world.moved_to_main()
        world.wait(3600).fold(SessionExpired(**world.common("z"), epoch=1, deadline=world.state.episode.deadline))
        assert world.state.owner == "bot"


class TestPageInbox:
    def test_a_staff_reply_takes_it_from_the_bot(self):
        world = World().bot_has()
        world.staff_replies()
        started, answered = world.one(TakeoverStarted), world.one(TakeoverAnswered)
        assert started.cause is Cause.PAGE_INBOX
        assert (answered.venue, answered.holder, answered.by) == ("page_inbox", None, "staff")
        assert answered.deadline == world.state.last_at + HOUR
        assert world.one(StaffSaid).text == "Staff here."
        assert world.one(Silence)

    def test_it_exists_also_when_staff_wrote_first(self):
        world = World()
        world.staff_replies()
        assert world.state.owner == "human"
        world.says("oh hello")
        assert world.of(TurnAsked) == []

    def test_our_own_echoes_are_no_act_of_staff(self):
        world = World().bot_has()
        for fields in (
            {"app_id": APP},
            {"app_id": None, "metadata": '{"c":"messenger:1001:7001!3"}'},
        ):
            assert world.staff_replies("Hello!", **fields) == ()

    def test_another_bots_and_the_pages_automatic_texts_are_recorded_only(self):
        world = World().bot_has()
        world.staff_replies("beep", app_id="888")
        assert world.one(StaffSaid).automatic
        world.staff_replies("We are closed.", app_id=None)
        assert world.one(StaffSaid).automatic
        assert world.state.owner == "bot"

    def test_in_an_operators_session_the_venue_moves_and_the_expiry_starts_anew(self):
        world = World().requested()
        world.replies()
        world.wait(60).staff_replies()
        changed = world.one(TakeoverChanged)
        assert (changed.venue, changed.holder) == ("page_inbox", None)
        assert changed.deadline == world.state.last_at + HOUR

    def test_the_next_staff_message_counts_as_the_setting_says(self):
        world = World().bot_has()
        world.staff_replies("one")
        deadline = world.state.episode.deadline
        world.wait(60).staff_replies("two")
        assert world.state.episode.deadline == deadline

    def test_move_to_main_stops_the_bot_though_nobody_writes(self):
        world = World().bot_has()
        world.moved_to_main()
        assert world.one(TakeoverStarted).cause is Cause.PAGE_INBOX
        assert world.one(TakeoverAnswered).deadline == world.state.last_at + HOUR
        world.says("hello?", channel="standby")
        assert world.of(TurnAsked) == []

    def test_the_first_message_after_move_to_main_starts_the_expiry_anew(self):
        world = World().bot_has()
        world.moved_to_main()
        world.wait(60).staff_replies()
        assert world.state.episode.deadline == world.state.last_at + HOUR

    def test_a_request_for_control_is_granted(self):
        world = World().bot_has()
        world.thread("request", requested_owner=INBOX)
        assert world.one(PassThread).target == INBOX
        assert world.one(TakeoverStarted).cause is Cause.PAGE_INBOX

    @pytest.mark.parametrize("notification", [True, False])
    def test_the_grant_is_not_met_by_our_own_silence(self, notification):
        world = World(bot_settings(notification=notification)).bot_has()
        world.thread("request", requested_owner=INBOX)
        granted, silence = world.one(PassThread), world.one(Silence)
        assert granted.epoch == silence.epoch == 1

    def test_a_request_is_granted_although_the_mirror_says_that_they_have_it(self):
        world = World().requested().facebook_does_all()
        world.wait(1).thread("request", requested_owner=INBOX)
        assert world.one(PassThread)

    def test_the_webhook_of_our_own_take_is_no_move_to_done(self):
        world = World().requested()
        world.replies()
        world.facebook_does_all()
        world.wait(1).thread("take", new_owner=APP, previous_owner=INBOX)
        assert not world.state.moved_to_done
        assert world.of(PassThread) == []

    def test_a_confirmation_older_than_what_staff_did_since_does_not_undo_it(self):
        world = World(bot_settings(notification=False)).bot_has()
        world.moved_to_main()
        world.wait(60).hands_back()
        take, confirmed_at = world.one(TakeThread), world.now
        world.wait(1).moved_to_main()
        world.fold(
            ThreadMoved(
                **{**world.common("r"), "occurred_at": confirmed_at}, command=take.id, epoch=take.epoch, owner=APP
            )
        )
        world.wait(60).hands_back()
        assert world.one(TakeThread)

    def test_a_confirmation_by_a_clock_that_is_ahead_makes_no_later_act_of_staff_old(self):
        world = World(bot_settings(notification=False)).bot_has()
        world.moved_to_main()
        world.wait(60).hands_back()
        take = world.one(TakeThread)
        ahead = {**world.common("r"), "occurred_at": world.now + timedelta(hours=1)}
        world.fold(ThreadMoved(**ahead, command=take.id, epoch=take.epoch, owner=APP))
        world.wait(60).moved_to_main()
        assert world.state.owner == "human"

    def test_our_own_pass_is_no_act_of_staff(self):
        world = World().requested()
        world.thread("pass", new_owner=INBOX, previous_owner=APP)
        assert world.of(TakeoverAnswered) == []
        assert not world.state.episode.attended

    def test_move_to_done_ends_a_page_inbox_session(self):
        world = World().bot_has()
        world.staff_replies()
        world.moved_to_done()
        assert world.one(TakeoverEnded).cause is Cause.PAGE_INBOX
        assert world.texts() == ["Bot again."]

    def test_move_to_done_ends_a_request(self):
        world = World().requested().facebook_does_all()
        world.wait(1).moved_to_done()
        assert world.one(TakeoverEnded).cause is Cause.PAGE_INBOX
        assert world.of(TakeThread) == []
        assert world.one(TurnAsked).input.resume.port == "page_inbox"

    def test_move_to_done_does_not_end_over_a_working_operator(self):
        world = World().requested()
        world.replies()
        world.facebook_does_all()
        world.wait(1).moved_to_done()
        assert world.of(TakeoverEnded) == []
        assert [event.moved_to_done for event in world.of(ThreadChanged)][-1]
        assert world.one(PassThread)

    def test_after_an_expiry_staff_go_on_and_a_new_session_runs(self):
        world = World().bot_has()
        world.staff_replies()
        world.wait(3601).staff_replies("still here")
        assert [event.cause for event in world.all(TakeoverEnded)] == [Cause.EXPIRED]
        assert len(world.all(TakeoverStarted)) == 2
        assert world.state.owner == "human"

    def test_an_older_fact_changes_nothing(self):
        world = World().bot_has()
        world.staff_replies()
        world.thread("pass", new_owner=APP, occurred_at=world.now - timedelta(seconds=30))
        assert world.last == ()
        assert world.state.owner == "human"


class TestSilentDone:
    """The customer writes on `messaging` though the Page Inbox should have the thread."""

    def suspicious(self) -> World:
        world = World().requested().facebook_does_all()
        world.wait(30).says("hello?")
        return world

    def answered(self, world: World, **fields: object) -> None:
        world.fold(
            ThreadOwnerRead(
                **{
                    **world.common("r"),
                    "command": world.state.reading.command,
                    "epoch": world.state.epoch,
                    "known": True,
                    **fields,
                }
            )
        )

    def test_the_message_waits_while_the_owner_is_read(self):
        world = self.suspicious()
        assert world.one(ReadThread)
        assert world.of(CustomerSaid) == []

    def test_ours_means_done_and_the_message_is_the_bots(self):
        world = self.suspicious()
        self.answered(world, owner=APP)
        assert world.one(TakeoverEnded).cause is Cause.PAGE_INBOX
        assert world.one(CustomerSaid).addressed == "bot"
        world.answers("Welcome back")
        assert world.one(TurnAsked).input.message.text == "hello?"

    def test_free_before_its_time_means_done_too(self):
        world = self.suspicious()
        self.answered(world, owner=None)
        assert world.one(TakeoverEnded).cause is Cause.PAGE_INBOX

    def test_free_by_time_means_nothing_and_control_is_passed_again(self):
        world = World().requested(auto_return=None).facebook_does_all()
        world.wait(25 * 3600).says("hello?")
        self.answered(world, owner=None)
        assert world.of(TakeoverEnded) == []
        assert world.one(PassThread)
        assert world.one(CustomerSaid).addressed == "person"

    def test_still_theirs_means_the_message_is_the_operators(self):
        world = self.suspicious()
        self.answered(world, owner=INBOX)
        assert world.one(CustomerSaid).addressed == "person"
        assert world.state.owner == "human"

    def test_no_answer_in_two_seconds_means_the_same(self):
        world = self.suspicious()
        timer = timers(world.state)["thread"]
        assert timer.due_at == world.state.last_at + timedelta(seconds=2)
        assert isinstance(timer.event, ReadOverdue)
        world.wait(2).fold(timer.event)
        assert world.one(CustomerSaid).addressed == "person"

    def test_the_back_to_bot_click_does_not_wait(self):
        world = World().requested().facebook_does_all()
        world.wait(30).clicks_back()
        assert world.one(TakeoverEnded).cause is Cause.CUSTOMER
        assert world.one(TurnAsked).may_ask_person is False

    def test_what_waits_comes_before_the_click(self):
        world = self.suspicious()
        world.clicks_back()
        assert [said.input.text for said in world.of(CustomerSaid)] == ["hello?", "Back to bot"]
        assert {said.addressed for said in world.of(CustomerSaid)} == {"person"}

    def test_handed_back_meanwhile_it_is_the_bots_in_its_order(self):
        world = self.suspicious()
        world.hands_back()
        world.answers()
        world.says("second")
        world.answers()
        asked = [turn.input.message.text for turn in world.all(TurnAsked) if turn.input.message]
        assert asked[-2:] == ["hello?", "second"]

    def test_too_many_are_the_persons_in_their_order(self):
        world = self.suspicious()
        for number in range(25):
            world.says(f"word{number}")
        texts = [said.input.text for said in world.all(CustomerSaid)]
        assert texts[1:] == ["hello?", *[f"word{number}" for number in range(len(texts) - 2)]]
        assert len(texts) > 20

    def test_an_answer_to_an_older_epochs_question_changes_nothing_while_our_take_is_under_way(self):
        world = World().bot_has()
        world.refused(world.all(SendMessage)[-1])
        world.takes_over()
        world.hands_back()
        self.answered(world, owner=INBOX)
        assert world.of(TakeoverStarted) == []

    def test_an_operator_at_work_is_told_and_keeps_it(self):
        world = World().requested()
        world.replies()
        world.facebook_does_all()
        world.wait(30).says("hello?")
        self.answered(world, owner=APP)
        assert world.of(TakeoverEnded) == []
        assert any(event.moved_to_done for event in world.of(ThreadChanged))
        assert world.one(CustomerSaid).addressed == "person"

    def test_a_postback_proves_nothing(self):
        world = World().requested().facebook_does_all()
        world.wait(30).says("", kind="postback", payload="block:menu")
        assert world.of(ReadThread) == []
        assert world.one(CustomerSaid).addressed == "person"

    def test_within_ten_seconds_of_a_change_it_proves_nothing(self):
        world = World().requested().facebook_does_all()
        world.wait(9).says("hello?")
        assert world.of(ReadThread) == []


class TestThreadTime:
    """Facebook frees a thread after 24 hours without a word of the customer's."""

    def lasting(self, **settings: Any) -> World:
        """An operator has it, without an expiry."""
        takeover = TakeoverSettings(default_session_expiry=None)
        world = World(bot_settings(takeover=takeover, **settings)).bot_has()
        world.takes_over()
        return world.facebook_does_all()

    def looks(self, world: World) -> World:
        timer = timers(world.state)["check"]
        world.now = max(world.now, timer.due_at)
        world.fold(timer.event)
        return world

    def extended(self, world: World) -> World:
        command = world.all(ExtendThread)[-1]
        fields = {"command": command.id, "epoch": command.epoch, "seconds": command.seconds}
        world.fold(ThreadExtended(**world.common("r"), **fields))
        return world

    def test_what_is_ours_is_extended_an_hour_before_until_nobody_may_write_any_more(self):
        world = self.lasting(notification=False)
        self.looks(world)
        assert world.now - START < timedelta(hours=24)
        left = START + timedelta(days=7) - world.state.last_at
        assert timedelta(0) <= left - timedelta(seconds=world.one(ExtendThread).seconds) < timedelta(seconds=1)

    def test_a_word_of_the_customers_puts_it_off(self):
        world = self.lasting(notification=False)
        world.wait(12 * 3600).says("still there?")
        self.looks(world)
        assert world.last == ()
        self.looks(world)
        assert world.one(ExtendThread)
        assert world.now - START >= timedelta(hours=35)

    def test_what_was_extended_is_left_alone_until_the_extension_is_over(self):
        world = self.extended(self.looks(self.lasting(notification=False)))
        self.looks(world)
        assert world.of(ExtendThread) == []
        self.looks(world)
        assert world.last == ()
        assert "check" not in timers(world.state)

    def test_after_a_week_of_silence_the_customers_word_has_it_looked_after_again(self):
        world = self.extended(self.looks(self.lasting(notification=False)))
        world = self.looks(self.looks(world))
        world.wait(24 * 3600).says("hello again")
        assert timers(world.state)["check"].due_at == world.state.last_at + timedelta(hours=23)

    def test_what_rests_in_main_is_asked_about_after_its_time_and_passed_again_when_it_is_free(self):
        world = self.looks(self.lasting())
        assert world.last == ()
        self.looks(world)
        assert world.now - START > timedelta(hours=24)
        TestSilentDone().answered(world, owner=None)
        assert world.one(PassThread).target == INBOX
        assert world.of(TakeoverEnded) == []

    def test_what_still_rests_in_main_stays_there(self):
        world = self.looks(self.looks(self.lasting()))
        TestSilentDone().answered(world, owner=INBOX)
        assert world.last == ()

    def test_ours_after_its_time_is_no_move_to_done_for_the_default_app_gets_what_is_free(self):
        world = World(bot_settings(takeover=TakeoverSettings(default_session_expiry=None)))
        world.requested(auto_return=None).facebook_does_all()
        world.wait(25 * 3600).says("hello?")
        TestSilentDone().answered(world, owner=APP)
        assert world.of(TakeoverEnded) == []
        assert world.one(PassThread)
        assert world.one(CustomerSaid).addressed == "person"

    def test_her_own_word_keeps_the_page_inboxs_time_running_so_ours_the_next_day_is_a_move_to_done(self):
        world = World(bot_settings(takeover=TakeoverSettings(default_session_expiry=None)))
        world.requested(auto_return=None).facebook_does_all()
        world.wait(20 * 3600).says("still there?", channel="standby")
        world.wait(20 * 3600).says("hello?")
        TestSilentDone().answered(world, owner=APP)
        assert world.one(TakeoverEnded).cause is Cause.PAGE_INBOX

    def test_without_a_default_app_nothing_lapses_that_matters(self):
        assert "check" not in timers(self.lasting(default_app=False).state)

    def test_the_bot_needs_none_of_it(self):
        world = self.lasting(notification=False)
        timer = timers(world.state)["check"]
        world.hands_back()
        assert "check" not in timers(world.state)
        assert world.wait(24 * 3600).fold(timer.event) == ()

    def test_a_timer_of_an_earlier_episode_or_time_is_void(self):
        world = self.lasting(notification=False)
        late = timers(world.state)["check"].event
        world.hands_back()
        world.answers()
        world.wait(60).takes_over()
        assert world.wait(24 * 3600).fold(late) == ()

    def test_a_refused_extension_is_told_and_the_owner_is_read(self):
        world = self.looks(self.lasting(notification=False))
        command = world.one(ExtendThread)
        fields = {"command": command.id, "epoch": command.epoch, "action": "extend", "code": 100}
        world.fold(ThreadRefused(**world.common("r"), **fields, reason="not the owner"))
        assert world.one(ThreadChanged).reason == "extend refused: not the owner"
        assert world.one(ReadThread)
        TestSilentDone().answered(world, owner="999")
        assert (world.one(ThreadChanged).owner, world.state.owner) == ("other", "human")


class TestTheEnd:
    """Every end takes the thread, unless it is known to be ours."""

    def test_an_owner_that_nobody_told_of_is_taken_to_be_sure(self):
        world = World()
        world.takes_over()
        world.hands_back()
        assert world.one(TakeThread)

    @pytest.mark.parametrize("ends", ["clicks_back", "expires"])
    def test_a_pass_that_still_follows_its_message_is_taken_back_behind_it(self, ends):
        world = World().requested()
        goodbye = world.all(SendMessage)[-1]
        fields = {"command": goodbye.id, "epoch": goodbye.epoch}
        world.fold(MessageSent(**world.common("r"), **fields, seq=goodbye.seq, mid="m", passed=False))
        if ends == "clicks_back":
            world.clicks_back()
        else:
            world.fold(timers(world.state)["expiry"].event)
        assert world.one(TakeThread)
        world.fold(ThreadMoved(**world.common("r"), **fields, owner=INBOX))
        assert world.state.thread.expected == (True, APP)

    def test_what_is_known_to_be_ours_is_not_taken(self):
        world = World(bot_settings(notification=False)).bot_has()
        world.takes_over()
        world.hands_back()
        assert world.of(TakeThread) == []

    def test_an_expiry_at_a_message_that_shows_it_elsewhere_takes_it_before_the_bot_is_asked(self):
        world = World(bot_settings(notification=False)).bot_has()
        world.takes_over(expiry=60)
        world.wait(61).says("hello?", channel="standby")
        kinds = [type(effect.event) for effect in world.last]
        assert kinds.index(TakeThread) < kinds.index(TurnAsked)

    def test_a_refused_take_is_told_and_the_owner_is_read_and_no_takeover_comes_of_it(self):
        world = World(bot_settings(notification=False)).bot_has()
        world.wait(60).moved_to_main()
        world.wait(60).hands_back()
        command = world.one(TakeThread)
        fields = {"command": command.id, "epoch": command.epoch, "action": "take", "code": 27}
        world.fold(ThreadRefused(**world.common("r"), **fields, reason="no default app"))
        assert world.one(ThreadChanged).reason == "take refused: no default app"
        TestSilentDone().answered(world, owner=INBOX)
        assert world.of(TakeoverStarted) == []

    def test_without_a_way_back_it_is_told_why_it_stays_elsewhere(self):
        world = World(bot_settings(default_app=False)).bot_has()
        world.wait(60).moved_to_main()
        world.wait(60).hands_back()
        assert world.of(TakeThread) == []
        assert world.one(ThreadChanged).reason == NO_WAY_BACK

    @pytest.mark.parametrize("notification", [True, False])
    def test_without_a_way_back_nothing_is_passed_away(self, notification):
        world = World(bot_settings(notification=notification, default_app=False)).requested()
        assert not world.all(SendMessage)[-1].then_pass
        world.replies()
        world.facebook_does_all()
        assert not world.all(SendMessage)[-1].then_pass
        assert world.all(PassThread) == []


class TestRefusedSends:
    def test_the_first_of_an_epoch_reads_the_owner_and_the_page_inbox_means_staff_have_it(self):
        world = World().bot_has()
        world.refused(world.all(SendMessage)[-1])
        assert world.one(DeliveryChanged).state == "not_delivered"
        assert world.one(ReadThread)
        TestSilentDone().answered(world, owner=INBOX)
        started = world.one(TakeoverStarted)
        assert (started.cause, started.inferred) == (Cause.PAGE_INBOX, True)
        assert world.one(TakeoverAnswered).venue == "page_inbox"

    def test_the_others_only_mark_their_message(self):
        world = World().bot_has()
        message = world.all(SendMessage)[-1]
        world.refused(message)
        TestSilentDone().answered(world, owner=APP)
        world.refused(message)
        assert world.of(ReadThread) == []
        assert world.one(DeliveryChanged)

    def test_of_a_persons_message_it_corrects_the_mirror_and_the_takeover_stays(self):
        world = World().requested()
        world.replies()
        world.refused(world.one(SendMessage))
        assert world.one(ThreadChanged).owner == "other"
        assert world.state.owner == "human"

    def test_a_permanent_refusal_is_shown_and_changes_nobodys_turn(self):
        world = World().bot_has()
        world.refused(world.all(SendMessage)[-1], kind="permanent")
        assert world.one(DeliveryChanged).reason == "another app controls the thread"
        assert world.of(ReadThread) == []

    def test_a_pass_that_rode_on_a_refused_message_is_done_by_itself(self):
        world = World().requested()
        world.refused(world.all(SendMessage)[-1], kind="permanent")
        assert world.one(PassThread).target == INBOX

    def test_a_refused_pass_is_visible(self):
        world = World().requested(goodbye_message="")
        command = world.one(PassThread)
        world.fold(
            ThreadRefused(
                **world.common("r"), command=command.id, epoch=command.epoch, action="pass", reason="no receiver"
            )
        )
        assert "pass refused: no receiver" in world.one(ThreadChanged).reason
        assert world.state.thread.under_way == ()


class TestBadCommands:
    """Refused with the field that was at fault; nothing changes but the refusal's own record."""

    @pytest.mark.parametrize(
        ("word", "changes", "code", "field"),
        [
            ("takes_over", {"epoch": 0}, "changed", "epoch"),
            ("takes_over", {"epoch": 99}, "changed", "epoch"),
            ("takes_over", {"expiry": 60, "no_expiry": True}, "invalid", "no_expiry"),
            ("replies", {"text": " \n "}, "invalid", "text"),
            ("replies", {"epoch": 99}, "changed", "epoch"),
            ("replies", {"seq": 10_000}, "invalid", "seq"),
            ("replies", {"seq": 10_000, "force": True}, "invalid", "seq"),
            ("sets_expiry", {"epoch": 0, "expiry": 60}, "changed", "epoch"),
            ("sets_expiry", {"deadline": START - timedelta(days=1)}, "past", "deadline"),
            ("sets_expiry", {"deadline": START + timedelta(days=3650)}, "invalid", "deadline"),
            ("sets_expiry", {"deadline": START + timedelta(days=1), "expiry": 60}, "invalid", "deadline"),
            ("hands_back", {"epoch": 0}, "changed", "epoch"),
            ("assigns", {"epoch": 0}, "changed", "epoch"),
        ],
    )
    def test_is_refused_by_field_and_nothing_changes(self, word, changes, code, field):
        world = World().requested()
        before = world.state
        getattr(world, word)(**changes)
        refused = world.one(CommandRefused)
        assert (refused.code, refused.field) == (code, field)
        assert len(world.last) == 1
        world.state.count, world.state.last_at = before.count, before.last_at
        assert world.state == before

    @pytest.mark.parametrize(("word", "limits"), [("takes_over", (0, 10 * 365 * 86400)), ("sets_expiry", (0, 10**9))])
    def test_a_length_of_nothing_or_of_ten_years_is_no_command(self, word, limits):
        for length in limits:
            with pytest.raises(ValidationError, match="expiry"):
                getattr(World().requested(), word)(expiry=length)

    def test_neither_is_an_endless_text(self):
        with pytest.raises(ValidationError, match="text"):
            World().requested().replies("x" * 100_000)

    def test_an_empty_text_without_a_file_is_refused(self):
        world = World().requested()
        world.replies("")
        assert (world.one(CommandRefused).code, world.one(CommandRefused).field) == ("invalid", "text")

    def test_with_the_bot_it_says_since_when_the_bot_has_it(self):
        world = World().requested()
        world.hands_back()
        ended = world.one(TakeoverEnded)
        world.wait(5).hands_back()
        assert (world.one(CommandRefused).owner, world.one(CommandRefused).since) == ("bot", ended.at)


class TestAssignment:
    def test_with_the_bot_it_is_a_note_and_the_next_episode_is_theirs(self):
        world = World().bot_has()
        world.assigns(to=BEN)
        assert world.one(AssignmentChanged).assigned == BEN
        assert world.one(CommandAccepted)
        assert (world.state.owner, world.state.epoch, world.state.episode) == ("bot", 0, None)
        world.requested()
        started = world.all(TakeoverStarted)[-1]
        assert (started.holder, started.attended) == (BEN, False)
        assert world.state.assigned is None

    def test_a_request_gets_a_holder_and_neither_epoch_nor_deadline_changes(self):
        world = World().requested(auto_return=300)
        before = world.state
        world.wait(5).assigns(to=BEN)
        changed = world.one(TakeoverChanged)
        assert (changed.holder, changed.attended, changed.deadline) == (BEN, False, before.episode.deadline)
        assert (world.state.epoch, world.state.owner) == (before.epoch, "human")

    def test_what_is_only_assigned_may_be_taken_up_by_anybody(self):
        world = World().requested()
        world.assigns(to=BEN)
        world.takes_over(ANA)
        assert world.one(TakeoverAnswered).holder == ANA

    def test_who_holds_it_transfers_it_without_a_new_expiry(self):
        world = World().requested()
        world.replies()
        deadline, epoch = world.state.episode.deadline, world.state.epoch
        world.wait(60).assigns(ANA, to=BEN)
        assert world.one(TakeoverChanged).holder == BEN
        assert (world.state.episode.deadline, world.state.epoch) == (deadline, epoch)
        world.replies("mine now", who=ANA)
        refused = world.one(CommandRefused)
        assert (refused.code, refused.holder, refused.since) == ("held", BEN, world.all(TakeoverChanged)[-1].at)

    def test_a_colleagues_is_not_given_away_unless_forced(self):
        world = World().requested()
        world.takes_over(ANA)
        world.assigns(BEN, to=BEN)
        assert world.one(CommandRefused).code == "held"
        world.assigns(BEN, to=BEN, force=True)
        assert world.state.episode.holder == BEN

    def test_what_staff_work_on_keeps_whom_it_was_given_to(self):
        world = World().bot_has()
        world.staff_replies()
        world.assigns(to=BEN)
        assert (world.state.episode.venue, world.state.episode.holder) == ("page_inbox", BEN)
        world.staff_replies("more")
        assert world.state.episode.holder == BEN
        world.wait(60).replies(who=BEN)
        assert world.one(TakeoverChanged).venue == "inbox"
        assert world.state.episode.deadline == world.state.last_at + HOUR

    def test_an_episode_that_a_person_begins_is_that_persons(self):
        for begin in (lambda world: world.takes_over(ANA), lambda world: world.staff_replies()):
            world = World().bot_has()
            world.assigns(to=BEN)
            begin(world)
            assert world.one(TakeoverStarted).holder is None
            assert world.state.assigned is None
            assert world.state.episode.holder in {ANA, None}

    def test_the_same_once_more_is_accepted_and_tells_nothing(self):
        world = World().requested()
        world.assigns(to=BEN)
        world.assigns(to=BEN)
        assert [type(effect.event) for effect in world.last] == [CommandAccepted]


class TestDeactivated:
    def test_with_the_bot_nothing_is_assigned_to_them_any_more(self):
        world = World().bot_has()
        world.assigns(to=BEN)
        world.is_deactivated(BEN)
        assert world.one(AssignmentChanged).assigned is None
        assert world.state.assigned is None

    def test_a_request_that_was_theirs_is_nobodys(self):
        world = World().requested()
        world.assigns(to=BEN)
        before = world.state
        world.is_deactivated(BEN)
        assert world.one(TakeoverChanged).holder is None
        assert (world.state.epoch, world.state.episode.deadline) == (before.epoch, before.episode.deadline)

    def test_what_they_had_taken_up_waits_for_somebody_and_its_time_runs_on(self):
        world = World().requested()
        world.takes_over(BEN)
        deadline = world.state.episode.deadline
        world.wait(60).is_deactivated(BEN)
        changed = world.one(TakeoverChanged)
        assert (changed.attended, changed.venue, changed.holder, changed.deadline) == (True, "inbox", None, deadline)
        assert world.state.owner == "human"
        world.takes_over(ANA)
        assert world.state.episode.holder == ANA
        assert world.state.episode.deadline == world.state.last_at + HOUR

    def test_a_colleagues_conversation_is_not_touched(self):
        for world in (World().bot_has(), World().requested()):
            world.assigns(to=ANA)
            world.is_deactivated(BEN)
            assert world.last == ()


class TestCatchUp:
    """What was read afterwards because no webhook told of it."""

    def ended(self) -> World:
        world = World().requested()
        world.wait(60).hands_back()
        world.answers()
        return world

    def test_a_message_from_before_the_last_episodes_end_is_recorded_only(self):
        world = self.ended()
        before = world.state
        world.wait(1).says("old", occurred_at=before.ended_at - timedelta(seconds=1), caught_up=True)
        assert [type(effect.event) for effect in world.last] == [CustomerSaid]
        assert world.one(CustomerSaid).addressed == "record"
        assert (world.state.turn, world.state.queue, world.state.thread) == (None, (), before.thread)

    def test_so_is_an_echo_of_staff(self):
        world = self.ended()
        world.wait(1).staff_replies(occurred_at=world.state.ended_at - timedelta(seconds=1), caught_up=True)
        assert [type(effect.event) for effect in world.last] == [StaffSaid]
        assert not world.one(StaffSaid).automatic
        assert world.state.owner == "bot"

    def test_what_is_younger_counts(self):
        world = self.ended()
        world.says("new", caught_up=True)
        assert world.one(TurnAsked)
        world.answers()
        world.wait(1).staff_replies(caught_up=True)
        assert world.state.owner == "human"

    def test_what_catch_up_reads_came_by_no_channel_and_tells_nothing_of_the_thread(self):
        world = World()
        world.moved_to_main()
        before = world.state.thread
        world.wait(60).says("read afterwards", caught_up=True)
        assert (world.state.thread, world.state.held, world.state.reading) == (before, (), None)
        assert world.one(CustomerSaid).addressed == "person"

    def test_where_other_bots_write_an_echo_without_app_is_recorded_only(self):
        world = self.ended()
        world.wait(1).staff_replies(app_id=None, channel="messaging", caught_up=True)
        assert [type(effect.event) for effect in world.last] == [StaffSaid]
        assert world.state.owner == "bot"
        world.wait(1).staff_replies(app_id=None, channel="messaging")
        assert world.state.owner == "human", "a webhook tells it when a bot wrote"

    def test_a_webhook_that_was_only_slow_is_answered(self):
        world = self.ended()
        world.says("slow", occurred_at=world.state.ended_at - timedelta(seconds=1))
        assert world.one(TurnAsked)

    def test_an_echo_older_than_the_dedup_window_is_recorded_only(self):
        world = World(known=False)
        world.staff_replies(occurred_at=world.now - timedelta(days=8))
        assert [type(effect.event) for effect in world.last] == [StaffSaid]
        assert world.state.owner == "bot"

    def test_a_thread_fact_older_than_the_dedup_window_changes_nothing(self):
        world = World()
        world.thread("take", new_owner=INBOX, previous_owner=APP, occurred_at=world.now - timedelta(days=8))
        assert world.last == ()
        assert (world.state.owner, world.state.thread.known) == ("bot", False)


def test_each_record_has_its_own_id_and_entries_rise_without_gaps():
    world = World()
    for _ in range(3):
        world.requested()
        world.says("hello?")
        world.replies()
        world.hands_back()
        world.answers()
    ids = [effect.event.id for effect in world.effects]
    assert len(ids) == len(set(ids))
    entries = sorted(
        [event.seq for event in world.all(SendMessage)]
        + [
            event.seq
            for kind in (CustomerSaid, TakeoverStarted, TakeoverAnswered, TakeoverEnded)
            for event in world.all(kind)
        ]
    )
    assert entries == list(range(1, world.state.seq + 1))


def test_a_fault_of_the_rules_brings_a_person():
    world = World().bot_has()
    decision = decide_fault(world.state, world.all(CustomerSaid)[0], world.now, world.settings, "KeyError: x")
    started = [effect.event for effect in decision.effects if isinstance(effect.event, TakeoverStarted)]
    assert [event.cause for event in started] == [Cause.FAULT]
    assert decision.state.owner == "human"


def test_the_row_names_its_conversation():
    assert World().state.id == MIA


class TestErasure:
    @staticmethod
    def asked(world: World) -> None:
        world.fold(ErasureAsked(id="erase1", conversation=MIA, by="ops"))

    def test_nothing_of_the_customer_stays_and_who_had_it_does(self):
        world = World().requested(goodbye_message="Bye Mia", back_to_bot_message="Here I am, Mia")
        world.says("my number is 555-0100")
        before = world.state
        self.asked(world)
        kept = world.state.to_json()
        for personal in ("Mia", "555-0100", "Bye"):
            assert personal in before.to_json()
            assert personal not in kept
        assert (world.state.owner, world.state.epoch, world.state.seq) == (before.owner, before.epoch, before.seq)
        assert world.state.episode.deadline == before.episode.deadline
        assert world.one(Erase).seq == world.one(ConversationErased).seq == before.seq

    def test_a_turn_that_is_out_is_not_waited_for_and_its_answer_not_said(self):
        world = World()
        world.says("book me in")
        self.asked(world)
        assert timers(world.state) == {}
        world.answers("Hi Mia")
        assert world.texts() == []
        assert world.one(AnswerSuppressed).messages == (), "it was made of what was forgotten"

    def test_an_answer_to_what_came_afterwards_is_recorded_with_its_words(self):
        world = World()
        world.says("book me in")
        self.asked(world)
        world.says("hello again")
        turn = world.turn()
        world.takes_over(ANA)
        world.answers("How can I help?", turn=turn)
        assert [message.text for message in world.one(AnswerSuppressed).messages] == ["How can I help?"]

    def test_a_name_that_was_being_read_does_not_come_back_however_often_it_is_told(self):
        world = World(known=False)
        world.says()
        (asked,) = world.of(ReadProfile)
        self.asked(world)
        named = {"command": asked.id, "epoch": asked.epoch, "profile": Profile(first_name="Mia", last_name="Moss")}
        for again in ("p1", "p2"):
            world.fold(ProfileRead(id=again, conversation=MIA, **named))
            assert "Moss" not in world.state.to_json()
            assert world.of(CustomerKnown) == []
        world.says("again")
        assert world.turn().profile == Profile()

    def test_the_name_is_not_asked_for_again(self):
        world = World()
        world.says()
        self.asked(world)
        world.says("again")
        assert world.of(ReadProfile) == []
        assert world.turn().profile == Profile()

"""The table of docs/ownership.md, cell by cell: each has a test, each row an event that the rules have, and the reverse."""

import importlib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from interleavings import CAST, FOUND
from mutants import MUTANTS
from takeover_world import ANA, APP, INBOX, World, bot_settings

from schemas.commands import PassThread, SendMessage
from schemas.conversations import (
    ChannelFact,
    CommandSuppressed,
    DelayElapsed,
    ErasureAsked,
    MessageSent,
    PolicyEnforced,
    ProfileRead,
    SessionExpired,
    ThreadExtended,
    ThreadMoved,
    ThreadRefused,
    TurnFailed,
    TurnOverdue,
    TurnStarted,
)
from schemas.handover import Cause
from schemas.messages import Profile
from schemas.outcomes import (
    AnswerSuppressed,
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
from schemas.turns import TurnAsked
from takeover.decide import RULES

PAGE: Final = Path(__file__).parents[3] / "docs" / "ownership.md"
D: Final = "test_decide::"
T: Final = "test_table::"
M: Final = "test_messages::"


class Cells(NamedTuple):
    """Tests that show a row's cells; several where one cell says several things."""

    bot: tuple[str, ...]
    requested: tuple[str, ...]
    attended: tuple[str, ...]


def in_all(*tests: str) -> Cells:
    return Cells(tests, tests, tests)


def with_people(bot: tuple[str, ...], *tests: str) -> Cells:
    return Cells(bot, tests, tests)


CUSTOMER: Final = D + "TestCustomerMessage::"
TURNS: Final = D + "TestTurns::"
STAFF: Final = D + "TestPageInbox::"
LASTS: Final = D + "TestThreadTime::"
REFUSED: Final = D + "TestRefusedSends::"
SILENT: Final = D + "TestSilentDone::"
OVER: Final = T + "test_what_becomes_of_a_turn_is_nothing_once_a_person_has_it"

TABLE: Final[Mapping[str, Cells]] = {
    "`customer.message.v1`": Cells(
        (
            CUSTOMER + "test_bot_has_it_so_a_turn_is_asked",
            CUSTOMER + "test_while_a_turn_is_out_it_waits_and_is_asked_next",
            CUSTOMER + "test_the_first_one_waits_for_the_customers_name",
        ),
        (
            CUSTOMER + "test_a_person_has_it_so_it_is_theirs_and_the_bot_is_not_asked",
            D + "TestBackToBot::test_the_button_ends_the_episode_and_the_flow_goes_on_at_its_port",
            D + "TestBackToBot::test_its_exact_text_does_the_same",
        ),
        (
            CUSTOMER + "test_a_person_has_it_so_it_is_theirs_and_the_bot_is_not_asked",
            T + "test_the_click_ends_what_an_operator_has",
        ),
    ),
    "the same, a click of an ended episode's button, older than 7 days, or brought by catch-up from before the last "
    "episode's end": in_all(T + "test_what_is_only_for_the_record_is_recorded"),
    "`turn.completed.v1`": Cells(
        (TURNS + "test_the_outstanding_one_is_said", TURNS + "test_a_second_answer_to_the_same_turn_is_never_said"),
        (T + "test_words_of_a_void_turn_are_suppressed_and_recorded",),
        (
            T + "test_words_of_a_void_turn_are_suppressed_and_recorded",
            TURNS + "test_an_answer_that_comes_after_an_operator_took_over_is_suppressed_and_recorded",
        ),
    ),
    "`takeover.requested.v1`": Cells(
        (
            D + "TestTakeoverRequested::"
            "test_what_stood_before_is_said_then_the_goodbye_with_the_button_then_it_rests_in_main",
            D + "TestTakeoverRequested::test_the_request_expiry_of_the_block_counts",
            D + "TestTakeoverRequested::test_inputs_that_waited_are_the_persons",
        ),
        (T + "test_words_of_a_void_turn_are_suppressed_and_recorded",),
        (
            T + "test_words_of_a_void_turn_are_suppressed_and_recorded",
            D + "TestTakeoverRequested::test_of_a_void_turn_it_is_suppressed",
        ),
    ),
    "`turn.failed.v1`": with_people((TURNS + "test_a_failed_turn_does_the_same_at_once",), OVER),
    "`turn.overdue.v1`": with_people(
        (
            TURNS + "test_overdue_is_asked_again_under_the_same_id_after_30_s_doubling_to_5_min",
            TURNS + "test_three_begun_and_unfinished_bring_the_fallback_and_a_person",
        ),
        OVER,
    ),
    "`turn.started.v1`": with_people(
        (TURNS + "test_three_begun_and_unfinished_bring_the_fallback_and_a_person",), OVER
    ),
    "`delay.elapsed.v1`": with_people(
        (TURNS + "test_a_delay_goes_on_when_it_has_run_out",), OVER, TURNS + "test_a_delay_is_void_once_a_person_has_it"
    ),
    "`operator.takes_over.v1`": Cells(
        (D + "TestOperatorTakesOver::test_from_the_bot_an_episode_starts_attended_and_the_bot_is_silenced",),
        (
            D + "TestOperatorTakesOver::test_requested_becomes_attended_with_the_default_expiry_and_the_same_epoch",
            D + "TestAssignment::test_what_is_only_assigned_may_be_taken_up_by_anybody",
        ),
        (
            D + "TestOperatorTakesOver::test_held_by_another_is_refused_with_who_and_since_when",
            D + "TestOperatorTakesOver::test_with_force_it_is_the_others",
        ),
    ),
    "`operator.replies.v1`": Cells(
        (
            D + "TestOperatorReplies::test_taking_over_by_sending",
            D + "TestOperatorReplies::test_the_bot_has_answered_since_so_the_draft_is_kept",
        ),
        (D + "TestOperatorReplies::test_default_expiry_counts_anew_from_the_first_message_and_not_from_the_next",),
        (
            D + "TestOperatorReplies::test_of_another_than_the_holder_it_is_refused_unless_forced",
            D + "TestOperatorReplies::test_a_colleagues_newer_message_holds_it_back",
            D + "TestOperatorReplies::test_every_response_counts_anew_where_the_bot_says_so",
        ),
    ),
    "`operator.sets_expiry.v1`": Cells(
        (D + "TestOperatorSetsExpiry::test_refused_while_the_bot_has_it",),
        (
            D + "TestOperatorSetsExpiry::test_replaced_and_removed",
            D + "TestOperatorSetsExpiry::test_in_the_past_is_refused",
            D + "TestBadCommands::test_is_refused_by_field_and_nothing_changes",
        ),
        (T + "test_an_operators_deadline_is_replaced_too",),
    ),
    "`operator.hands_back.v1`": Cells(
        (D + "TestOperatorHandsBack::test_refused_when_the_bot_has_it_already",),
        (
            D + "TestOperatorHandsBack::test_restart_begins_the_flow_anew",
            D + "TestOperatorHandsBack::test_close_says_nothing_and_the_next_message_begins_at_start",
        ),
        (D + "TestOperatorHandsBack::test_take_control_say_go_on_at_the_port",),
    ),
    "`operator.assigns.v1`": Cells(
        (D + "TestAssignment::test_with_the_bot_it_is_a_note_and_the_next_episode_is_theirs",),
        (D + "TestAssignment::test_a_request_gets_a_holder_and_neither_epoch_nor_deadline_changes",),
        (
            D + "TestAssignment::test_who_holds_it_transfers_it_without_a_new_expiry",
            D + "TestAssignment::test_a_colleagues_is_not_given_away_unless_forced",
        ),
    ),
    "`operator.deactivated.v1`": Cells(
        (D + "TestDeactivated::test_with_the_bot_nothing_is_assigned_to_them_any_more",),
        (D + "TestDeactivated::test_a_request_that_was_theirs_is_nobodys",),
        (D + "TestDeactivated::test_what_they_had_taken_up_waits_for_somebody_and_its_time_runs_on",),
    ),
    "`erasure.asked.v1`": Cells(
        (D + "TestErasure::test_a_turn_that_is_out_is_not_waited_for_and_its_answer_not_said",),
        (D + "TestErasure::test_nothing_of_the_customer_stays_and_who_had_it_does",),
        (T + "test_the_holder_stays_when_the_customer_is_forgotten",),
    ),
    "`message.echo.v1`, ours (our app, our metadata, or a message that we know to have sent)": in_all(
        T + "test_our_own_echo_is_nothing", M + "test_an_echo_is_ours_if_and_only_if_something_of_ours_is_in_it"
    ),
    "the same, of an app that is listed as a bot, a listed automatic text, older than 7 days, or brought by catch-up from "
    "before the last episode's end": in_all(T + "test_what_no_person_wrote_now_is_recorded"),
    "the same, of staff": Cells(
        (STAFF + "test_a_staff_reply_takes_it_from_the_bot",),
        (T + "test_staff_take_up_what_was_asked_for",),
        (
            STAFF + "test_in_an_operators_session_the_venue_moves_and_the_expiry_starts_anew",
            STAFF + "test_the_next_staff_message_counts_as_the_setting_says",
        ),
    ),
    "`thread.control.v1`: the Page Inbox took control, or asks for it (then it is granted)": Cells(
        (
            STAFF + "test_move_to_main_stops_the_bot_though_nobody_writes",
            STAFF + "test_a_request_for_control_is_granted",
        ),
        (
            T + "test_staff_take_up_what_was_asked_for",
            STAFF + "test_a_request_is_granted_although_the_mirror_says_that_they_have_it",
        ),
        (T + "test_move_to_main_moves_an_operators_session_there",),
    ),
    "the same: control came to us (Move to Done)": Cells(
        (T + "test_control_that_comes_to_us_is_noted_while_the_bot_has_it",),
        (STAFF + "test_move_to_done_ends_a_request",),
        (
            STAFF + "test_move_to_done_ends_a_page_inbox_session",
            STAFF + "test_move_to_done_does_not_end_over_a_working_operator",
        ),
    ),
    "the same: our own pass or take, or to another app": in_all(T + "test_a_move_of_ours_or_to_another_app_is_noted"),
    "`thread.owner_read.v1`, `read.overdue.v1`": Cells(
        (
            REFUSED + "test_the_first_of_an_epoch_reads_the_owner_and_the_page_inbox_means_staff_have_it",
            CUSTOMER + "test_a_name_that_does_not_come_in_ten_seconds_is_not_waited_for",
        ),
        (
            SILENT + "test_ours_means_done_and_the_message_is_the_bots",
            SILENT + "test_free_by_time_means_nothing_and_control_is_passed_again",
            SILENT + "test_still_theirs_means_the_message_is_the_operators",
            SILENT + "test_no_answer_in_two_seconds_means_the_same",
        ),
        (SILENT + "test_an_operator_at_work_is_told_and_keeps_it",),
    ),
    "`profile.read.v1`": Cells(
        (CUSTOMER + "test_the_first_one_waits_for_the_customers_name",),
        (T + "test_the_name_is_kept_and_the_bot_not_asked_where_a_person_has_it",),
        (T + "test_the_name_is_kept_and_the_bot_not_asked_where_a_person_has_it",),
    ),
    "`message.sent.v1`, `command.suppressed.v1`": in_all(T + "test_what_became_of_a_message_is_told"),
    "`message.refused.v1`": Cells(
        (
            REFUSED + "test_the_first_of_an_epoch_reads_the_owner_and_the_page_inbox_means_staff_have_it",
            REFUSED + "test_the_others_only_mark_their_message",
        ),
        (
            T + "test_a_refusal_of_this_epoch_corrects_the_mirror",
            REFUSED + "test_a_pass_that_rode_on_a_refused_message_is_done_by_itself",
        ),
        (REFUSED + "test_of_a_persons_message_it_corrects_the_mirror_and_the_takeover_stays",),
    ),
    "`thread.moved.v1`": in_all(T + "test_a_confirmed_move_is_noted"),
    "`thread.extended.v1`": with_people(
        (T + "test_an_extension_is_noted",),
        T + "test_an_extension_is_noted",
        LASTS + "test_what_was_extended_is_left_alone_until_the_extension_is_over",
    ),
    "`thread.check_due.v1`": with_people(
        (LASTS + "test_the_bot_needs_none_of_it",),
        LASTS + "test_what_is_ours_is_extended_an_hour_before_until_nobody_may_write_any_more",
        LASTS + "test_what_rests_in_main_is_asked_about_after_its_time_and_passed_again_when_it_is_free",
        LASTS + "test_a_timer_of_an_earlier_episode_or_time_is_void",
    ),
    "`thread.refused.v1`": in_all(T + "test_a_refused_move_is_told_with_its_reason"),
    "`session.expired.v1`": Cells(
        (T + "test_a_timer_of_an_ended_episode_is_nothing",),
        (D + "TestExpiry::test_it_is_silent_and_the_bot_speaks_when_the_customer_does",),
        (
            D + "TestExpiry::test_it_counts_for_a_page_inbox_session_too",
            D + "TestExpiry::test_of_another_epoch_it_is_void",
        ),
    ),
    "`customer.edited.v1`": Cells(
        (
            M + "test_what_waits_for_its_turn_is_answered_as_it_reads_now",
            M + "test_a_turn_that_is_out_goes_on_as_asked",
        ),
        (M + "test_an_edit_is_told_and_is_no_act",),
        (M + "test_an_edit_is_told_and_is_no_act",),
    ),
    "`customer.deleted.v1`": Cells(
        (M + "test_no_turn_is_asked_for_what_was_taken_back", M + "test_a_turn_that_is_out_goes_on_as_asked"),
        (M + "test_what_was_taken_back_is_told_and_not_remembered",),
        (M + "test_what_was_taken_back_is_told_and_not_remembered",),
    ),
    "`customer.reacted.v1`": in_all(M + "test_a_reaction_is_told_and_moves_nothing"),
    "`customer.referred.v1`": in_all(M + "test_a_return_is_told_and_moves_nothing"),
    "`receipt.v1`": in_all(M + "test_a_receipt_is_told_once_and_moves_nothing"),
    "`policy.enforced.v1`, `channel.fact.v1`": in_all(T + "test_what_is_kept_raw_is_nothing"),
}
"""The first column's text → what shows each of its cells."""


def rows() -> dict[str, list[str]]:
    table = PAGE.read_text(encoding="utf-8").partition("## Events")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {head: cells for head, *cells in lines[2:]}


def test_the_pages_rows_are_those_that_are_tested_and_none_has_an_empty_cell():
    assert list(rows()) == list(TABLE)
    for head, cells in rows().items():
        assert len(cells) == 3, head
        assert all(cell.strip() for cell in cells), head


def test_each_row_names_an_event_that_the_rules_have_and_each_event_has_a_row():
    named = set(re.findall(r"`([a-z_.]+\.v\d+)`", "\n".join(TABLE)))
    assert named == {event.model_fields["type"].default for event in RULES}


@pytest.mark.parametrize("head", TABLE)
def test_each_cell_is_shown_by_tests_that_exist(head):
    for column, cell in TABLE[head]._asdict().items():
        assert cell, f"{head}: nothing shows {column}"
        for name in cell:
            module, *path = name.split("::")
            found = importlib.import_module(module)
            for part in path:
                assert hasattr(found, part), f"{head}: {name} is no test"
                found = getattr(found, part)
            assert path[-1].startswith("test_")
            assert callable(found)


# --- what no other test shows


def bot() -> World:
    return World().bot_has()


def requested() -> World:
    return World().requested().facebook_does_all()


def attended() -> World:
    world = requested()
    world.takes_over(ANA)
    return world


COLUMNS: Final[Mapping[str, Callable[[], World]]] = {"bot": bot, "requested": requested, "attended": attended}
each_column = pytest.mark.parametrize("column", COLUMNS)
with_a_person = pytest.mark.parametrize("column", ["requested", "attended"])


def has_not_moved(world: World, before) -> None:
    """Owner, epoch, episode, and what waits are as before."""
    for name in ("owner", "epoch", "episode", "turn", "queue", "delay", "held", "session"):
        assert getattr(world.state, name) == getattr(before, name), name


@each_column
@pytest.mark.parametrize("what", ["button", "old", "catch-up"])
def test_what_is_only_for_the_record_is_recorded(column, what):
    world = World().requested()
    first = world.state.episode.id
    world.clicks_back()
    world.answers()
    if column != "bot":
        world.requested()
    if column == "attended":
        world.takes_over()
    before = world.state
    if what == "button":
        world.wait(1).clicks_back(first)
    elif what == "old":
        world.says("old", occurred_at=world.now.replace(day=1, month=2))
    else:
        world.says("old", occurred_at=before.ended_at.replace(hour=11), caught_up=True)
    assert world.one(CustomerSaid).addressed == "record"
    assert world.of(TurnAsked) == []
    has_not_moved(world, before)


def test_the_click_ends_what_an_operator_has():
    world = attended()
    world.clicks_back()
    assert world.one(TakeoverEnded).cause is Cause.CUSTOMER
    assert world.one(TakeoverEnded).answered


@with_a_person
@pytest.mark.parametrize("how", ["answers", "asks_person"])
def test_words_of_a_void_turn_are_suppressed_and_recorded(column, how):
    world = COLUMNS[column]()
    before = world.state
    getattr(world, how)("Too late", turn=world.turn())
    assert world.one(AnswerSuppressed).messages[0].text == "Too late"
    assert world.of(SendMessage) == []
    has_not_moved(world, before)


@with_a_person
def test_what_becomes_of_a_turn_is_nothing_once_a_person_has_it(column):
    world = COLUMNS[column]()
    turn, before = world.turn(), world.state
    fields = {"turn": turn.turn, "epoch": turn.epoch}
    for event in (
        TurnFailed(**world.common("f"), **fields, reason="x"),
        TurnStarted(**world.common("f"), **fields, attempt=2),
        TurnOverdue(**world.common("f"), turn=turn.turn, attempt=1),
        DelayElapsed(**world.common("f"), **fields),
    ):
        assert world.fold(event) == (), event.type
    has_not_moved(world, before)


def test_an_operators_deadline_is_replaced_too():
    world = attended()
    world.sets_expiry(expiry=60)
    assert (world.state.episode.deadline - world.state.last_at).total_seconds() == 60
    world.sets_expiry()
    assert world.one(TakeoverChanged).deadline is None


def test_the_holder_stays_when_the_customer_is_forgotten():
    world = attended()
    before = world.state
    world.fold(ErasureAsked(**world.common("z")))
    assert world.one(ConversationErased)
    now = world.state
    assert (now.owner, now.epoch) == (before.owner, before.epoch)
    assert (now.episode.holder, now.episode.deadline) == (ANA, before.episode.deadline)


@each_column
def test_our_own_echo_is_nothing(column):
    world = COLUMNS[column]()
    before = world.state
    assert world.staff_replies("Hello!", app_id=APP) == ()
    assert world.staff_replies("Hello!", app_id=None, metadata=f'{{"c": "{world.state.id}!3"}}') == ()
    has_not_moved(world, before)


@each_column
@pytest.mark.parametrize("what", ["bot", "text", "old", "catch-up"])
def test_what_no_person_wrote_now_is_recorded(column, what):
    world = World().requested()
    world.hands_back()
    world.answers()
    if column != "bot":
        world.requested()
    if column == "attended":
        world.takes_over()
    before = world.state
    how = {
        "bot": {"app_id": "888"},
        "text": {"app_id": None, "text": "We are closed."},
        "old": {"occurred_at": world.now.replace(day=1, month=2)},
        "catch-up": {"occurred_at": before.ended_at.replace(hour=11), "caught_up": True},
    }
    world.wait(1).staff_replies(**how[what])
    assert world.one(StaffSaid).automatic == (what in {"bot", "text"})
    assert len(world.last) == 1
    has_not_moved(world, before)


@pytest.mark.parametrize("act", ["staff_replies", "moved_to_main"])
def test_staff_take_up_what_was_asked_for(act):
    world = World(bot_settings(notification=False)).requested()
    world.wait(10)
    getattr(world, act)()
    answered = world.one(TakeoverAnswered)
    assert (answered.venue, answered.by) == ("page_inbox", "staff")
    assert (answered.deadline - world.state.last_at).total_seconds() == 3600
    assert (world.of(TakeoverStarted), world.state.epoch) == ([], 1)


@pytest.mark.parametrize("act", ["take", "request"])
def test_move_to_main_moves_an_operators_session_there(act):
    world = World(bot_settings(notification=False)).requested()
    world.takes_over()
    world.wait(60).thread(act, **({"new_owner": INBOX} if act == "take" else {"requested_owner": INBOX}))
    changed = world.one(TakeoverChanged)
    assert (changed.venue, changed.holder) == ("page_inbox", None)
    assert (changed.deadline - world.state.last_at).total_seconds() == 3600
    assert len(world.of(PassThread)) == (act == "request")


def test_control_that_comes_to_us_is_noted_while_the_bot_has_it():
    world = World(bot_settings(default_app=False))
    world.thread("take", new_owner="999", previous_owner=APP)
    before = world.state
    world.wait(1).moved_to_done()
    assert world.one(ThreadChanged).owner == "us"
    has_not_moved(world, before)


@each_column
@pytest.mark.parametrize(
    ("action", "owner", "previous", "word"),
    [("pass", INBOX, APP, "page_inbox"), ("take", APP, INBOX, "us"), ("pass", "999", APP, "other")],
)
def test_a_move_of_ours_or_to_another_app_is_noted(column, action, owner, previous, word):
    world = COLUMNS[column]()
    before = world.state
    world.wait(1).thread(action, new_owner=owner, previous_owner=previous)
    assert world.state.thread.owner == owner
    assert all(told.owner == word for told in world.of(ThreadChanged))
    has_not_moved(world, before)


@with_a_person
def test_the_name_is_kept_and_the_bot_not_asked_where_a_person_has_it(column):
    world = World(known=False)
    world.staff_replies() if column == "attended" else world.says("person")
    command = world.state.naming.command
    if column == "requested":
        world.named()
        world.asks_person()
    world.fold(ProfileRead(**world.common("p"), command=command, epoch=0, profile=Profile(first_name="Mia B.")))
    assert world.one(CustomerKnown).profile.first_name == "Mia B."
    assert world.of(TurnAsked) == []


@each_column
@pytest.mark.parametrize(("kind", "word"), [(MessageSent, "sent"), (CommandSuppressed, "suppressed")])
def test_what_became_of_a_message_is_told(column, kind, word):
    world = COLUMNS[column]()
    message, before = world.all(SendMessage)[-1], world.state
    world.fold(kind(**world.common("r"), command=message.id, epoch=message.epoch, seq=message.seq))
    told = world.one(DeliveryChanged)
    assert (told.state, told.message_seq) == (word, message.seq)
    has_not_moved(world, before)


def test_a_refusal_of_this_epoch_corrects_the_mirror():
    world = World(bot_settings(notification=False)).requested()
    message = replace_epoch(world.all(SendMessage)[-1], world.state.epoch)
    world.wait(1).refused(message)
    assert world.one(ThreadChanged).owner == "other"
    assert world.one(DeliveryChanged).state == "not_delivered"
    assert world.state.owner == "human"


def replace_epoch(message: SendMessage, epoch: int) -> SendMessage:
    return message.model_copy(update={"epoch": epoch})


@each_column
def test_a_confirmed_move_is_noted(column):
    world = COLUMNS[column]()
    before = world.state
    world.wait(1).fold(ThreadMoved(**world.common("r"), command="x!1", epoch=0, owner="999"))
    assert world.one(ThreadChanged).owner == "other"
    has_not_moved(world, before)


@each_column
def test_an_extension_is_noted(column):
    world = COLUMNS[column]()
    before = world.state
    world.wait(1).fold(ThreadExtended(**world.common("r"), command="x!1", epoch=0, seconds=600))
    assert world.state.thread.owner == APP
    assert world.state.thread.kept_until == world.state.last_at + timedelta(seconds=600)
    has_not_moved(world, before)


@each_column
def test_a_refused_move_is_told_with_its_reason(column):
    world = COLUMNS[column]()
    before = world.state
    world.fold(ThreadRefused(**world.common("r"), command="x!1", epoch=0, action="take", reason="no right to"))
    assert world.one(ThreadChanged).reason == "take refused: no right to"
    has_not_moved(world, before)


def test_a_timer_of_an_ended_episode_is_nothing():
    world = attended()
    deadline = world.state.episode.deadline
    world.hands_back()
    before = world.state
    for epoch in (before.epoch, before.epoch - 1):
        assert world.fold(SessionExpired(**world.common("z"), epoch=epoch, deadline=deadline)) == ()
    has_not_moved(world, before)


@each_column
def test_what_is_kept_raw_is_nothing(column):
    world = COLUMNS[column]()
    before = world.state
    assert world.fold(ChannelFact(**world.common("f"), kind="optin", raw={"optin": {}})) == ()
    assert world.fold(PolicyEnforced(**world.common("f"), action="block")) == ()
    has_not_moved(world, before)


def test_the_page_lists_the_mutants():
    table = PAGE.read_text(encoding="utf-8").partition("| mutant |")[2]
    listed = [line.strip("| ").split(" | ") for line in table.splitlines()[2:] if line.startswith("| ")]
    assert listed == [[mutant.name, f"`{mutant.file}.py`", str(mutant.law)] for mutant in MUTANTS]


def test_the_page_tells_how_much_is_explored():
    page = PAGE.read_text(encoding="utf-8")
    found = re.sub(r"\s+", " ", page)
    assert f"{FOUND[5].nodes:,} different states, {FOUND[5].steps:,} decisions" in found
    assert f"{sum(len(script) for script in CAST.values())} moves" in page

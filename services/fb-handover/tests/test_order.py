"""What comes next, and what an answer makes of a row: every kind of command against every kind of answer."""

from dataclasses import replace

import pytest
from fb_commands import (
    APP,
    AT,
    CHANNEL,
    INBOX,
    begun,
    context,
    extends_thread,
    passes_thread,
    reads_profile,
    reads_thread,
    row,
    says,
    takes_thread,
)

from fb_handover import order
from fb_handover.order import Act, Listen, Look, Looked, Met, Shut, Transition
from fb_handover.outgoing import State, Step
from graphapi.answers import Accepted, Later, NotOwner, Permanent, Unknown
from graphapi.errors import Consequence
from schemas.conversations import (
    CommandSuppressed,
    MessageRefused,
    MessageSent,
    ProfileRead,
    ThreadExtended,
    ThreadMoved,
    ThreadOwnerRead,
    ThreadRefused,
)
from schemas.messages import OutMessage

OK = Accepted({"recipient_id": "7733", "message_id": "m_1"})
DONE = Accepted({"success": True})
OTHERS = NotOwner(10, 2018300)
NO = Permanent("No.", 100, None)
NOT_THERE = Looked()
PICTURE_AND_TEXT = OutMessage(text="Look", image_url="https://x.example/a.png")


def after(a_row, verdict, **rules):
    return order.after(a_row, verdict, context(**rules), CHANNEL)


def decide(a_row, *, connected=True, heard_all=True, looked=NOT_THERE, shut=None, **rules):
    """With all echoes heard, and the message not in Facebook's list, unless told otherwise."""
    decision = order.decide(a_row, context(**rules), connected=connected, shut=shut)
    if isinstance(decision, Listen):
        decision = order.after_listening(a_row, context(**rules), heard_all=heard_all)
    if isinstance(decision, Look):
        return order.after_looking(a_row, looked, context(**rules))
    return decision


# --- a message


def test_an_accepted_message_is_told_with_its_id_and_facebooks_time():
    told = after(begun(says(name="c-9", epoch=4)), OK)
    assert told.row.state is State.DONE
    assert told.reports == (
        MessageSent(
            id="c-9:sent", occurred_at=AT, conversation=says().conversation, command="c-9", epoch=4, seq=7, mid="m_1"
        ),
    )


def test_an_accepted_message_with_a_riding_pass_is_told_as_passed():
    [sent] = after(begun(says(then_pass=True)), OK).reports
    assert isinstance(sent, MessageSent)
    assert sent.passed


def test_a_refused_ride_leaves_the_message_to_go_alone():
    told = after(begun(says(then_pass=True)), NO)
    assert (told.row.state, told.row.riding, told.delay, told.reports) == (State.WAITING, False, 0.0, ())
    assert not order.rides(told.row)


def test_a_refused_target_app_leaves_the_message_to_go_alone():
    assert after(begun(says(then_pass=True)), Permanent("No.", 100, 2018164)).row.state is State.WAITING


def test_a_message_that_went_alone_is_told_as_not_passed_and_the_pass_follows():
    told = after(begun(says(then_pass=True), riding=False), OK)
    [sent] = told.reports
    assert isinstance(sent, MessageSent)
    assert not sent.passed
    assert (told.row.state, told.row.step) == (State.WAITING, Step.PASS)


def test_a_pass_that_follows_waits_for_the_echo_of_its_message_and_no_longer_than_five_seconds():
    told = after(begun(says(then_pass=True), riding=False), OK)
    assert told.delay == 5.0
    assert order.meet(told, Met(), context()).delay == 5.0


def test_an_echo_that_came_before_the_answer_lets_the_pass_follow_at_once():
    told = after(begun(says(then_pass=True), riding=False), OK)
    assert order.meet(told, Met(mid="m_1"), context()).delay == 0.0


def test_an_echo_of_an_earlier_part_does_not_let_the_pass_follow():
    command = says(then_pass=True, message=PICTURE_AND_TEXT)
    told = after(begun(command, riding=False, part=1), OK)
    assert order.meet(told, Met(mid="m_0", part=0), context()).delay == 5.0


def test_an_echo_that_comes_while_the_pass_waits_for_it_calls_it():
    told = after(begun(says(then_pass=True), riding=False), OK)
    heard = order.hear(told.row, "m_1", 0, context())
    assert heard == Transition(told.row)
    assert decide(heard.row) == Act()


def test_an_echo_does_not_hasten_a_pass_that_facebook_put_off():
    waiting = after(begun(says(then_pass=True), step=Step.PASS, riding=False, mid="m_1"), Later("No.", code=2))
    assert waiting.delay == 1.0
    assert order.meet(waiting, Met(mid="m_1"), context()).delay == 1.0


def test_an_extension_is_told_with_its_seconds():
    told = after(begun(extends_thread(seconds=7200), step=Step.EXTEND), DONE)
    assert told.row.state is State.DONE
    [extended] = told.reports
    assert isinstance(extended, ThreadExtended)
    assert (extended.command, extended.seconds) == ("c-extend", 7200)


def test_a_pass_that_follows_a_message_is_told_as_moved():
    told = after(begun(says(name="c-9", then_pass=True), step=Step.PASS, riding=False, mid="m_1"), DONE)
    assert told.row.state is State.DONE
    [moved] = told.reports
    assert isinstance(moved, ThreadMoved)
    assert (moved.owner, moved.command) == (INBOX, "c-9")


def test_a_refused_pass_after_a_message_does_not_unsay_the_message():
    told = after(begun(says(then_pass=True), step=Step.PASS, riding=False, mid="m_1"), NO)
    assert told.row.state is State.DONE
    [refused] = told.reports
    assert isinstance(refused, ThreadRefused)
    assert (refused.action, refused.code) == ("pass", 100)


def test_a_refusal_that_speaks_of_the_message_is_final_though_a_pass_rode_on_it():
    [refused] = after(begun(says(then_pass=True)), Permanent("No such customer.", 100, 2018001)).reports
    assert isinstance(refused, MessageRefused)


def test_a_permanent_refusal_is_told_with_code_subcode_and_reason():
    told = after(begun(says()), Permanent("Too late.", 10, 2018278))
    assert told.row.state is State.REFUSED
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert (refused.kind, refused.code, refused.subcode, refused.reason) == ("permanent", 10, 2018278, "Too late.")


def test_a_bots_message_refused_to_a_non_owner_is_told_so():
    told = after(begun(says()), OTHERS)
    assert told.row.state is State.REFUSED
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert (refused.kind, refused.code, refused.subcode) == ("not_owner", 10, 2018300)


def test_a_persons_message_refused_to_a_non_owner_takes_the_thread_first():
    told = after(begun(says(person=True)), OTHERS)
    assert (told.row.state, told.row.step, told.reports, told.delay) == (State.WAITING, Step.TAKE, (), 0.0)


def test_a_thread_taken_for_a_message_is_told_and_the_message_goes_again():
    told = after(begun(says(name="c-9", person=True), step=Step.TAKE), DONE)
    assert (told.row.state, told.row.step, told.row.retaken) == (State.WAITING, Step.SEND, True)
    [moved] = told.reports
    assert isinstance(moved, ThreadMoved)
    assert (moved.owner, moved.id) == (APP, "c-9:taken")


@pytest.mark.parametrize("answer", [OTHERS, Permanent("Blocked.", 27), Permanent("Not allowed.", 200)])
def test_a_take_that_is_refused_ends_the_message_as_not_owner(answer):
    told = after(begun(says(person=True), step=Step.TAKE), answer)
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert (refused.kind, refused.code) == ("not_owner", answer.code)
    assert refused.reason.endswith(answer.reason)


def test_a_message_refused_again_after_a_take_is_not_taken_for_twice():
    told = after(begun(says(person=True), retaken=True), OTHERS)
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert refused.kind == "not_owner"


@pytest.mark.parametrize(("attempts", "wait"), [(1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (5000, 60.0)])
def test_later_waits_longer_each_time_up_to_a_bound(attempts, wait):
    told = after(begun(says(), attempts=attempts), Later("busy"))
    assert (told.row.state, told.delay, told.reports) == (State.WAITING, wait, ())


def test_a_servers_fault_leaves_time_for_the_echo_of_what_it_may_have_accepted():
    assert after(begun(says()), Later("HTTP 500", perhaps_done=True)).delay == 4.0


def test_a_lost_answer_waits_for_the_echo_without_sending_again():
    told = after(begun(says()), Unknown("cut off"))
    assert (told.row.state, told.delay, told.reports) == (State.SENDING, 30.0, ())


def test_facebooks_own_time_to_wait_counts_and_the_back_off_where_it_is_longer():
    assert after(begun(says()), Later("busy", wait=17.0)).delay == 17.0
    assert after(begun(says(), attempts=7), Later("busy", wait=17.0)).delay == 60.0


@pytest.mark.parametrize(
    ("command", "step"), [(says(), Step.SEND), (passes_thread(), Step.PASS), (takes_thread(), Step.TAKE)]
)
def test_what_a_dead_token_refused_waits_for_another_token(command, step):
    dead = Permanent("The token.", 190, None, Consequence.STOP_PAGE)
    told = after(begun(command, step=step), dead)
    assert (told.row.state, told.row.step, told.reports) == (State.WAITING, step, ())


# --- a page for which nothing may be asked


def test_nothing_is_asked_for_a_page_that_is_shut_and_the_conversation_rests_as_long():
    told = decide(row(says()), shut=Shut(42.0, "the page's limit"))
    assert isinstance(told, Transition)
    assert (told.row.state, told.delay, told.reason, told.reports) == (State.WAITING, 42.0, "the page's limit", ())


@pytest.mark.parametrize(("command", "report"), [(reads_thread(), ThreadOwnerRead), (reads_profile(), ProfileRead)])
def test_a_question_about_a_page_that_is_shut_is_answered_at_once_as_not_known(command, report):
    told = decide(row(command), shut=Shut(42.0, "the page's limit"))
    assert isinstance(told, Transition)
    assert [type(each) for each in told.reports] == [report]


def test_what_waits_for_a_page_that_is_shut_is_given_up_in_its_time():
    told = decide(row(says(), age=24 * 3600.0), shut=Shut(42.0, "the page's limit"))
    assert isinstance(told, Transition)
    assert told.row.state is State.REFUSED


def test_an_echo_counts_though_the_page_is_shut():
    told = decide(begun(says(), mid="m_7"), shut=Shut(42.0, "the page's limit"))
    assert isinstance(told, Transition)
    assert told.row.state is State.DONE


# --- parts


def test_a_message_of_two_parts_is_told_once_after_the_second():
    first = after(begun(says(message=PICTURE_AND_TEXT)), OK)
    assert (first.row.state, first.row.part, first.row.mid, first.reports) == (State.WAITING, 1, None, ())
    second = after(replace(first.row, state=State.SENDING), OK)
    assert second.row.state is State.DONE
    assert [type(report) for report in second.reports] == [MessageSent]


def test_only_the_last_part_carries_the_pass():
    command = says(message=PICTURE_AND_TEXT, then_pass=True)
    assert not order.rides(begun(command, part=0))
    assert order.rides(begun(command, part=1))


# --- unknown outcomes


def test_a_row_found_as_being_sent_waits_for_its_echo():
    told = decide(begun(says(), sending_for=12.0))
    assert isinstance(told, Transition)
    assert (told.row.state, told.delay, told.reports) == (State.SENDING, 18.0, ())


def test_an_echo_settles_an_unknown_outcome_as_sent():
    told = decide(begun(says(), sending_for=12.0, mid="m_7"))
    assert isinstance(told, Transition)
    [sent] = told.reports
    assert isinstance(sent, MessageSent)
    assert sent.mid == "m_7"


def test_without_an_echo_a_bots_message_is_sent_once_more():
    told = decide(begun(says(), sending_for=30.1))
    assert isinstance(told, Transition)
    assert (told.row.state, told.row.unknowns, told.reports) == (State.WAITING, 1, ())
    assert isinstance(decide(told.row), Act)


@pytest.mark.parametrize("person", [False, True])
def test_while_echoes_are_still_unheard_nothing_is_given_up(person):
    told = decide(begun(says(person=person), sending_for=3000.0), heard_all=False)
    assert isinstance(told, Transition)
    assert (told.row.state, told.row.unknowns, told.delay, told.reports) == (State.SENDING, 0, 1.0, ())


def test_without_an_echo_twice_a_bots_message_is_uncertain():
    told = decide(begun(says(), sending_for=30.1, unknowns=1))
    assert isinstance(told, Transition)
    assert told.row.state is State.UNCERTAIN
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert refused.kind == "uncertain"


def test_without_an_echo_a_persons_message_is_uncertain_and_not_sent_again():
    told = decide(begun(says(person=True), sending_for=30.1))
    assert isinstance(told, Transition)
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert (told.row.state, refused.kind) == (State.UNCERTAIN, "uncertain")


@pytest.mark.parametrize("person", [False, True])
def test_a_message_that_facebooks_list_has_is_sent(person):
    told = decide(begun(says(person=person), sending_for=30.1), looked=Looked("m_9"))
    assert isinstance(told, Transition)
    [sent] = told.reports
    assert (told.row.state, sent.mid) == (State.DONE, "m_9")


@pytest.mark.parametrize("person", [False, True])
def test_while_facebooks_list_cannot_be_read_nothing_is_given_up_but_not_for_ever(person):
    told = decide(begun(says(person=person), sending_for=80.0), looked=Looked(again=True))
    assert isinstance(told, Transition)
    assert (told.row.state, told.delay, told.reports) == (State.SENDING, 3.0, ())
    told = decide(begun(says(person=person), sending_for=91.0), looked=Looked(again=True))
    assert isinstance(told, Transition)
    assert told.row.state is (State.UNCERTAIN if person else State.WAITING)


def test_a_part_that_facebooks_list_has_is_followed_by_the_next():
    told = decide(begun(says(message=PICTURE_AND_TEXT), sending_for=30.1), looked=Looked("m_9"))
    assert isinstance(told, Transition)
    assert (told.row.state, told.row.part, told.row.mid) == (State.WAITING, 1, None)


def test_without_an_echo_a_silenced_message_is_not_sent_again():
    told = decide(begun(says(), sending_for=30.1, silenced=True))
    assert isinstance(told, Transition)
    assert told.row.state is State.UNCERTAIN


def test_an_echo_that_came_before_a_retry_makes_it_needless():
    told = decide(row(says(), mid="m_7", attempts=1))
    assert isinstance(told, Transition)
    assert told.row.state is State.DONE


@pytest.mark.parametrize("command", [passes_thread(), takes_thread(), reads_thread(), reads_profile()])
def test_a_call_that_may_be_repeated_is_repeated_when_its_outcome_is_unknown(command):
    told = decide(row(command, state=State.SENDING, sending_for=1.0))
    assert isinstance(told, Transition)
    assert (told.row.state, told.row.unknowns, told.delay) == (State.WAITING, 1, 0.0)


def test_a_message_that_may_have_passed_the_thread_on_and_is_then_not_ours_to_send_is_uncertain():
    told = after(begun(says(then_pass=True), unknowns=1), OTHERS)
    [refused] = told.reports
    assert isinstance(refused, MessageRefused)
    assert refused.kind == "uncertain"


# --- thread control


def test_a_confirmed_pass_moves_the_thread_to_its_target():
    told = after(begun(passes_thread(), step=Step.PASS), DONE)
    [moved] = told.reports
    assert isinstance(moved, ThreadMoved)
    assert (told.row.state, moved.owner) == (State.DONE, INBOX)


def test_a_confirmed_take_moves_the_thread_to_our_app():
    [moved] = after(begun(takes_thread(), step=Step.TAKE), DONE).reports
    assert isinstance(moved, ThreadMoved)
    assert moved.owner == APP


@pytest.mark.parametrize(
    ("command", "step", "action"),
    [(passes_thread(), Step.PASS, "pass"), (takes_thread(), Step.TAKE, "take")],
)
@pytest.mark.parametrize("answer", [OTHERS, NO, Permanent("Blocked.", 27)])
def test_a_refused_thread_call_is_told(command, step, action, answer):
    told = after(begun(command, step=step), answer)
    [refused] = told.reports
    assert isinstance(refused, ThreadRefused)
    assert (told.row.state, refused.action, refused.code) == (State.REFUSED, action, answer.code)


@pytest.mark.parametrize(("command", "step"), [(passes_thread(), Step.PASS), (takes_thread(), Step.TAKE)])
@pytest.mark.parametrize("answer", [Later("busy"), Unknown("cut off")])
def test_a_thread_call_without_a_clear_answer_is_made_again(command, step, answer):
    told = after(begun(command, step=step), answer)
    assert (told.row.state, told.delay, told.reports) == (State.WAITING, 1.0, ())


@pytest.mark.parametrize("answer", [OTHERS, NO])
def test_a_pass_whose_answer_was_lost_and_that_is_not_ours_to_give_any_more_has_happened(answer):
    lost = after(begun(passes_thread(), step=Step.PASS), Unknown("cut off"))
    [moved] = after(replace(lost.row, state=State.SENDING), answer).reports
    assert isinstance(moved, ThreadMoved)


# --- questions


def test_the_owner_read_is_told():
    answer = Accepted({"data": [{"thread_owner": {"app_id": 263902037430900}}]})
    [read] = after(begun(reads_thread(), step=Step.READ_OWNER), answer).reports
    assert isinstance(read, ThreadOwnerRead)
    assert (read.known, read.owner) == (True, INBOX)


@pytest.mark.parametrize("answer", [Later("busy"), Unknown("late"), NO, OTHERS])
def test_an_owner_that_cannot_be_read_is_told_as_not_known_at_once(answer):
    told = after(begun(reads_thread(), step=Step.READ_OWNER), answer)
    [read] = told.reports
    assert isinstance(read, ThreadOwnerRead)
    assert (told.row.state, read.known, read.owner) == (State.DONE, False, None)


@pytest.mark.parametrize("answer", [Later("busy"), Unknown("late"), NO, OTHERS])
def test_a_profile_that_cannot_be_read_is_told_as_empty_at_once(answer):
    told = after(begun(reads_profile(), step=Step.READ_PROFILE), answer)
    [read] = told.reports
    assert isinstance(read, ProfileRead)
    assert (told.row.state, read.profile.name) == (State.DONE, "")


def test_a_profile_is_told():
    answer = Accepted({"first_name": "Mia", "last_name": "Winter", "profile_pic": "https://x/y"})
    [read] = after(begun(reads_profile(), step=Step.READ_PROFILE), answer).reports
    assert isinstance(read, ProfileRead)
    assert (read.profile.name, read.profile.picture_url) == ("Mia Winter", "https://x/y")


# --- before a request


def test_typing_comes_before_a_message_that_asks_for_it():
    typed = row(says(message=OutMessage(text="Hm", typing=2.5)))
    assert typed.step is Step.TYPING
    told = order.after_typing(typed, shown_for=0.5)
    assert (told.row.step, told.row.state, told.delay) == (Step.SEND, State.WAITING, 2.0)


def test_typing_that_took_too_long_delays_nothing():
    assert order.after_typing(row(says(message=OutMessage(text="Hm", typing=1.0))), shown_for=2.0).delay == 0.0


def test_a_command_of_an_unknown_page_waits():
    told = decide(row(says()), connected=False)
    assert isinstance(told, Transition)
    assert (told.row.state, told.delay, told.reports) == (State.WAITING, 5.0, ())


def test_an_empty_message_is_refused_without_a_request():
    told = decide(row(says(message=OutMessage())))
    assert isinstance(told, Transition)
    assert told.row.state is State.REFUSED


@pytest.mark.parametrize(
    ("command", "report"),
    [
        (says(), MessageRefused),
        (passes_thread(), ThreadRefused),
        (takes_thread(), ThreadRefused),
        (reads_thread(), ThreadOwnerRead),
        (reads_profile(), ProfileRead),
    ],
)
def test_what_facebook_puts_off_for_a_day_is_given_up_and_told(command, report):
    told = decide(row(command, age=24 * 3600.0), connected=False)
    assert isinstance(told, Transition)
    assert not told.row.state.is_open
    assert [type(each) for each in told.reports] == [report]


# --- what a row met meanwhile


def test_a_message_put_off_that_was_silenced_in_flight_never_leaves_again():
    told = order.meet(after(begun(says()), Later("busy")), Met(silenced=True), context())
    assert told.row.state is State.SUPPRESSED
    [suppressed] = told.reports
    assert isinstance(suppressed, CommandSuppressed)
    assert suppressed.seq == 7


def test_a_message_accepted_that_was_silenced_in_flight_is_told_as_sent():
    told = order.meet(after(begun(says()), OK), Met(silenced=True), context())
    assert [type(report) for report in told.reports] == [MessageSent]


def test_a_silenced_pass_after_its_message_is_told_apart_from_the_message():
    going = after(begun(says(then_pass=True), riding=False), OK)
    told = order.meet(going, Met(silenced=True), context())
    sent, suppressed = told.reports
    assert isinstance(sent, MessageSent)
    assert isinstance(suppressed, CommandSuppressed)
    assert (told.row.state, suppressed.seq) == (State.DONE, None)


def test_a_lost_answer_whose_echo_came_first_does_not_wait():
    told = order.meet(after(begun(says()), Unknown("cut off")), Met(mid="m_7"), context())
    assert (told.row.mid, told.delay) == ("m_7", 0.0)


def test_an_echo_of_an_earlier_part_says_nothing_of_the_next_one():
    going = after(begun(says(message=PICTURE_AND_TEXT)), OK)
    told = order.meet(going, Met(mid="m_7", part=0), context())
    assert told.row.mid is None


def test_an_echo_that_comes_while_a_message_is_given_up_makes_it_sent():
    given_up = decide(begun(says(person=True), sending_for=31.0))
    assert isinstance(given_up, Transition)
    told = order.meet(given_up, Met(mid="m_7"), context())
    assert (told.row.state, told.row.mid, told.reports) == (State.SENDING, "m_7", ())


def test_a_silenced_message_whose_echo_came_is_not_suppressed():
    told = order.meet(after(begun(says()), Later("HTTP 500")), Met(silenced=True, mid="m_7"), context())
    assert told.row.state is State.WAITING
    sent = decide(told.row)
    assert isinstance(sent, Transition)
    assert [type(report) for report in sent.reports] == [MessageSent]


# --- echoes


def test_an_echo_is_noted_on_a_message_under_way():
    told = order.hear(begun(says()), "m_7", 0, context())
    assert told is not None
    assert (told.row.state, told.row.mid, told.reports) == (State.SENDING, "m_7", ())


def test_an_echo_of_another_part_is_not_noted():
    assert order.hear(begun(says(message=PICTURE_AND_TEXT), part=1), "m_7", 0, context()) is None


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.SUPPRESSED, State.REFUSED])
def test_a_late_echo_shows_that_a_message_given_up_has_arrived(state):
    told = order.hear(begun(says(person=True), state=state), "m_7", 0, context())
    assert told is not None
    assert (told.row.state, [type(report) for report in told.reports]) == (State.DONE, [MessageSent])


def test_a_late_echo_of_a_first_part_does_not_make_the_whole_message_sent():
    lost = begun(says(message=PICTURE_AND_TEXT, person=True), state=State.UNCERTAIN)
    assert order.hear(lost, "m_7", 0, context()) is None


# --- sent again by a person


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.REFUSED, State.SUPPRESSED])
def test_a_message_whose_attempts_all_failed_goes_again(state):
    assert order.repeats(row(says(again="a")), [row(says(), state=state)], context()) is None


def test_a_message_of_which_any_attempt_arrived_does_not_go_again():
    attempts = [row(says(), state=State.REFUSED), row(says(), state=State.DONE)]
    told = order.repeats(row(says(again="b", person=True)), attempts, context())
    assert told is not None
    [refused] = told.reports
    assert (told.row.state, refused.kind, refused.reason) == (State.REFUSED, "permanent", order.ARRIVED)


def test_a_part_that_arrived_is_not_said_again():
    again = row(says(message=PICTURE_AND_TEXT, again="a"))
    failed = row(says(message=PICTURE_AND_TEXT), part=1, state=State.REFUSED)
    told = order.repeats(again, [failed], context())
    assert told is not None
    assert (told.row.part, told.row.state, told.reports) == (1, State.WAITING, ())
    assert order.repeats(told.row, [failed], context()) is None

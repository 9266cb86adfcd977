"""The checker is proven by planted faults: of each kind, in a run without any, one is planted, and one is counted."""

from collections.abc import Callable

import pytest

from faults import recorded
from faults.checker import KINDS, check
from faults.evidence import Ledger, Letter, Written
from faults.recorded import ADDRESS, ANA, MIA, OVER, STAFF, Run, clean, moment
from schemas.bots import PAGE_INBOX_APP
from schemas.conversations import ChannelFact, CustomerMessage, OperatorSetsExpiry, SessionExpired, ThreadControl
from schemas.deadletters import DeadLetter
from schemas.handover import Cause
from schemas.messages import CustomerInput, Speaker
from schemas.outcomes import CommandAccepted, CustomerSaid, TakeoverChanged, TakeoverStarted
from schemas.topics import CONVERSATIONS

Plant = Callable[[Run], None]


def counts(run: Run) -> dict[str, int]:
    return {kind: count for kind, count in check(run.evidence()).counts().items() if count and kind in KINDS}


def test_a_clean_run_counts_its_accepted_webhooks_and_nothing_else():
    assert check(clean().evidence()).counts() == {"accepted": 4} | dict.fromkeys(KINDS, 0)


# --- two voices


def bot_speaks_in_an_episode(run: Run) -> None:
    run.answers(15, "T9", 0)
    run.commands_message(15, "c9", 0, turn="T9")


def bot_speaks_under_the_epoch_of_a_person(run: Run) -> None:
    run.commands_message(16, "c9", 1)


def bot_is_sent_once_more_after_the_person(run: Run) -> None:
    run.ledger["c2"] = Ledger("done", unknowns=1)
    run.arrives(25, "c2")


def staff_are_not_heard(run: Run) -> None:
    run.without("done", "c5")
    run.never_arrives("c5")
    run.outcomes[:] = [each for each in run.outcomes if each[1].cause_id != STAFF]
    run.answers(115, "T9", 2)
    run.commands_message(115, "c9", 2, turn="T9")


def an_act_of_staff_on_the_thread_is_not_heard(run: Run) -> None:
    staff_are_not_heard(run)
    took = ThreadControl(id="took", conversation=MIA, action="take", new_owner=PAGE_INBOX_APP, occurred_at=moment(110))
    run.log[:] = [(at, took if event.id == STAFF else event) for at, event in run.log]


def our_own_pass_ends_the_episode(run: Run) -> None:
    ours = ThreadControl(id="done", conversation=MIA, action="pass", new_owner=PAGE_INBOX_APP)
    run.log[:] = [(at, ours if event.id == "done" else event) for at, event in run.log]


def two_episodes_at_once(run: Run) -> None:
    episode = {"epoch": 1, "episode": f"{MIA}/1", "venue": "inbox", "attended": False}
    run.tell(20, TakeoverStarted, "there", **episode, cause=Cause.FLOW)


# --- lost


def accepted_and_not_in_the_log(run: Run) -> None:
    run.webhook(50, "vanished")


def a_turn_never_ends(run: Run) -> None:
    run.without("T3:done", "c4")


def an_answer_neither_arrives_nor_is_told(run: Run) -> None:
    run.never_arrives("c4")


def a_reply_never_arrives(run: Run) -> None:
    run.never_arrives("c3")


def an_accepted_reply_is_not_commanded(run: Run) -> None:
    run.without("c3")


def a_reply_is_stopped_by_a_takeover(run: Run) -> None:
    run.never_arrives("c3")
    run.delivery(30, "c3", "suppressed")


def an_answer_is_refused_where_we_had_passed_the_thread(run: Run) -> None:
    run.never_arrives("c4")
    run.thread(95, "send")
    run.refused(101, "c4")


def a_command_is_not_decided(run: Run) -> None:
    run.log.append((93, OperatorSetsExpiry(id="set", conversation=MIA, operator=ANA, epoch=1, expiry=9)))


def a_command_is_taken_and_not_in_the_log(run: Run) -> None:
    run.taken["vanished"] = "takeover"


def a_message_is_not_told(run: Run) -> None:
    run.outcomes[:] = [each for each in run.outcomes if each[1].cause_id != "there"]


def a_message_is_in_no_episode(run: Run) -> None:
    run.says(105, "nobody", "nobody #5", 5, addressed="person", epoch=2)


def a_message_is_only_recorded(run: Run) -> None:
    run.says(105, "nobody", "nobody #5", 5, addressed="record", epoch=2)


def an_event_is_a_dead_letter(run: Run) -> None:
    letter = DeadLetter(id="dead", origin_topic=CONVERSATIONS, origin_key=MIA, reason="handler", value_base64="")
    run.dead_letters.append((50, letter))


# --- twice


def a_message_arrives_twice(run: Run) -> None:
    run.ledger["c1"] = Ledger("done", unknowns=0)
    run.arrives(2, "c1")


def two_turns_answer_a_message(run: Run) -> None:
    run.asks(0.5, "T9", "hi #1", 0)
    run.answers(1.5, "T9", 0)


def a_turn_and_an_episode_have_a_message(run: Run) -> None:
    for place, (at, event) in enumerate(run.outcomes):
        if isinstance(event, TakeoverStarted) and event.epoch == 1:
            run.outcomes[place] = (at, event.model_copy(update={"taken": (1,)}))


def a_turn_answers_what_is_a_persons(run: Run) -> None:
    run.asks(20, "T9", "are you there #3", 0)
    run.answers(21, "T9", 0)


def a_message_is_told_twice(run: Run) -> None:
    said = CustomerInput(text="are you there #3")
    run.tell(20, CustomerSaid, "there", epoch=1, seq=9, mid="there", input=said, addressed="person")


def a_command_is_decided_twice(run: Run) -> None:
    run.tell(22, CommandAccepted, "reply", epoch=1, command="reply")


def a_reply_is_commanded_twice(run: Run) -> None:
    run.commands_message(23, "c9", 1, speaker=Speaker.OPERATOR, operator=ANA, episode=f"{MIA}/1", reply="reply")


# --- out of order


def a_message_overtakes(run: Run) -> None:
    run.never_arrives("c4")
    run.arrives(125, "c4")


# --- wrong expiry


def a_session_ends_too_early(run: Run) -> None:
    run.log[:] = [(80 if event.id == "timer" else at, event) for at, event in run.log]


def a_session_ends_that_was_set_anew(run: Run) -> None:
    run.log.append((40, OperatorSetsExpiry(id="set", conversation=MIA, operator=ANA, epoch=1, expiry=300)))
    episode = {"epoch": 1, "episode": f"{MIA}/1", "venue": "inbox", "attended": True}
    run.tell(40, TakeoverChanged, "set", **episode, deadline=moment(340))
    run.tell(40, CommandAccepted, "set", epoch=1, command="set")


def a_deadline_is_told_that_does_not_follow(run: Run) -> None:
    for place, (at, event) in enumerate(run.outcomes):
        if event.cause_id == STAFF and event.type == "takeover.answered.v1":
            run.outcomes[place] = (at, event.model_copy(update={"deadline": moment(110 + 3600)}))


def a_session_ends_later_than_the_first_event_after_its_deadline(run: Run) -> None:
    run.log.append((85, ChannelFact(id="read", conversation=MIA, kind="read", raw={})))


def a_session_never_ends(run: Run) -> None:
    """And nothing else happens any more."""
    run.without("timer", "thanks", "T3:1", "T3:done", "c4", STAFF, "done", "c5")
    run.box[:] = [each for each in run.box if each[0] < 90]


# --- second e-mails


def a_second_email(run: Run) -> None:
    run.written.append(Written(f"{MIA}/1", ADDRESS, "<2@salon>"))
    run.letters.append(Letter("<2@salon>", ADDRESS))


def an_email_of_no_episode(run: Run) -> None:
    run.letters.append(Letter("<2@salon>", ADDRESS))


PLANTED: dict[str, tuple[Plant, ...]] = {
    "two_voices": (
        bot_speaks_in_an_episode,
        bot_speaks_under_the_epoch_of_a_person,
        bot_is_sent_once_more_after_the_person,
        staff_are_not_heard,
        an_act_of_staff_on_the_thread_is_not_heard,
        our_own_pass_ends_the_episode,
        two_episodes_at_once,
    ),
    "lost": (
        accepted_and_not_in_the_log,
        a_turn_never_ends,
        an_answer_neither_arrives_nor_is_told,
        a_reply_never_arrives,
        an_accepted_reply_is_not_commanded,
        a_reply_is_stopped_by_a_takeover,
        an_answer_is_refused_where_we_had_passed_the_thread,
        a_command_is_not_decided,
        a_command_is_taken_and_not_in_the_log,
        a_message_is_not_told,
        a_message_is_in_no_episode,
        a_message_is_only_recorded,
        an_event_is_a_dead_letter,
    ),
    "twice": (
        a_message_arrives_twice,
        two_turns_answer_a_message,
        a_turn_and_an_episode_have_a_message,
        a_turn_answers_what_is_a_persons,
        a_message_is_told_twice,
        a_command_is_decided_twice,
        a_reply_is_commanded_twice,
    ),
    "out_of_order": (a_message_overtakes,),
    "wrong_expiry": (
        a_session_ends_too_early,
        a_session_ends_that_was_set_anew,
        a_deadline_is_told_that_does_not_follow,
        a_session_ends_later_than_the_first_event_after_its_deadline,
        a_session_never_ends,
    ),
    "second_emails": (a_second_email, an_email_of_no_episode),
}


@pytest.mark.parametrize(
    ("kind", "plant"),
    [pytest.param(kind, plant, id=plant.__name__) for kind, plants in PLANTED.items() for plant in plants],
)
def test_one_planted_fault_is_counted_once_and_as_what_it_is(kind, plant):
    run = clean()
    plant(run)
    assert counts(run) == {kind: 1}


def test_each_kind_has_a_planted_fault():
    assert set(PLANTED) == set(KINDS)


# --- what is allowed


def the_same_webhook_twice(run: Run) -> None:
    again = CustomerMessage(id="hi", conversation=MIA, mid="hi", input=CustomerInput(text="hi #1"))
    run.log.append((95, again))


def a_copy_whose_first_answer_was_lost(run: Run) -> None:
    run.never_arrives("c1")
    run.arrives(1.1, "c1", answer="lost")
    run.arrives(5, "c1")


def a_copy_whose_sender_died(run: Run) -> None:
    run.ledger["c1"] = Ledger("done", unknowns=1)
    run.arrives(5, "c1")


def the_same_email_twice(run: Run) -> None:
    run.letters.append(Letter("<1@salon>", ADDRESS))


def a_timer_that_comes_late_and_changes_nothing(run: Run) -> None:
    run.log.append((OVER - 1, SessionExpired(id="old", conversation=MIA, epoch=1, deadline=moment(41))))


def an_answer_is_refused_where_staff_took_the_thread(run: Run) -> None:
    run.never_arrives("c4")
    run.thread(95, "inbox")
    run.refused(101, "c4")


def an_answer_is_stopped_by_a_takeover(run: Run) -> None:
    run.never_arrives("c4")
    run.delivery(101, "c4", "suppressed")


def an_old_act_of_staff_on_the_thread(run: Run) -> None:
    old = {"action": "take", "new_owner": PAGE_INBOX_APP, "occurred_at": moment(90)}
    new = {"action": "pass", "new_owner": recorded.APP, "occurred_at": moment(91)}
    run.log += [
        (95, ThreadControl(id="new", conversation=MIA, **new)),
        (96, ThreadControl(id="old", conversation=MIA, **old)),
    ]


@pytest.mark.parametrize(
    "harmless",
    [
        the_same_webhook_twice,
        a_copy_whose_first_answer_was_lost,
        a_copy_whose_sender_died,
        the_same_email_twice,
        an_answer_is_refused_where_staff_took_the_thread,
        an_answer_is_stopped_by_a_takeover,
        a_timer_that_comes_late_and_changes_nothing,
        an_old_act_of_staff_on_the_thread,
    ],
)
def test_what_may_happen_is_no_finding(harmless):
    run = clean()
    harmless(run)
    assert counts(run) == {}


def test_an_end_that_was_never_due_is_counted_though_the_deadline_was_removed():
    run = clean()
    run.log.append((40, OperatorSetsExpiry(id="never", conversation=MIA, operator=ANA, epoch=1)))
    episode = {"epoch": 1, "episode": f"{MIA}/1", "venue": "inbox", "attended": True}
    run.tell(40, TakeoverChanged, "never", **episode)
    run.tell(40, CommandAccepted, "never", epoch=1, command="never")
    assert counts(run) == {"wrong_expiry": 1}

"""A message that waited is looked at once more: Facebook takes nothing after its windows, and a bot has only the first."""

from datetime import timedelta

import pytest
from fb_commands import AT, context, row, says

from fb_handover import lateness, order
from fb_handover.outgoing import State, Step
from graphapi.errors import LINES, NOT_OWNER_REASON, TAGS_STOPPED, Consequence
from schemas.conversations import CommandSuppressed, MessageRefused
from schemas.delivery import NEXT_STEPS
from schemas.messages import OutMessage
from schemas.window import CLOSED, CLOSED_FOR_ALL, NO_HUMAN_AGENT

DAY, WEEK = timedelta(hours=24), timedelta(days=7)


def decided(*, since, person, tags="on", **more):
    command = says(acted_at=None if since is None else AT - since, person=person, **more)
    return order.decide(row(command), context(), connected=True, tags=tags)


@pytest.mark.parametrize("person", [True, False])
@pytest.mark.parametrize("since", [None, timedelta(), DAY - timedelta(seconds=1)])
def test_within_a_day_everything_goes_out(since, person):
    assert decided(since=since, person=person) == order.Act()


def test_a_bots_message_that_waited_longer_never_leaves_and_the_log_is_told_why():
    told = decided(since=DAY, person=False)
    assert told.row.state is State.SUPPRESSED
    [report] = told.reports
    assert isinstance(report, CommandSuppressed)
    assert (report.seq, report.reason) == (7, CLOSED)


def test_it_is_not_even_typed_for():
    told = decided(since=DAY, person=False, message=OutMessage(text="a", typing=1.0))
    assert told.row.state is State.SUPPRESSED


def test_an_operators_goes_out_under_the_tag():
    assert decided(since=DAY, person=True) == order.Act()


@pytest.mark.parametrize(
    ("since", "tags", "reason", "step"),
    [
        (WEEK, "on", CLOSED_FOR_ALL, "wait_for_customer"),
        (WEEK, "off", CLOSED_FOR_ALL, "wait_for_customer"),
        (DAY, "off", NO_HUMAN_AGENT, "human_agent"),
        (DAY, "stopped", TAGS_STOPPED, "wait_for_customer"),
    ],
)
def test_an_operators_that_cannot_is_refused_with_the_reason_and_the_next_step(since, tags, reason, step):
    told = decided(since=since, person=True, tags=tags)
    [report] = told.reports
    assert isinstance(report, MessageRefused)
    assert (report.kind, report.reason, report.next_step) == ("permanent", reason, step)
    assert told.row.state is State.REFUSED


def test_what_was_said_already_only_passes_the_thread():
    command = says(acted_at=AT - WEEK, person=True, then_pass=True)
    assert order.decide(row(command, step=Step.PASS, mid="m_1"), context(), connected=True) == order.Act()


@pytest.mark.parametrize(
    ("since", "person", "tags", "tagged"),
    [
        (DAY, True, "on", True),
        (DAY - timedelta(seconds=30), True, "on", True),
        (DAY - timedelta(seconds=30), True, "off", False),
        (timedelta(), True, "on", False),
        (DAY, False, "on", False),
        (DAY, True, "stopped", False),
        (None, True, "on", False),
    ],
)
def test_the_tag_is_an_operators_and_only_where_it_is_needed(since, person, tags, tagged):
    command = says(acted_at=None if since is None else AT - since, person=person)
    assert lateness.is_tagged(command, AT, tags) is tagged


def test_an_uncertain_message_is_to_be_checked_and_sent_again():
    looked = order.Looked(mid=None, again=False)
    told = order.after_looking(row(says(person=True), state=State.SENDING, sending_for=1e6), looked, context())
    [report] = told.reports
    assert (report.kind, report.next_step) == ("uncertain", "check_and_retry")


def test_every_next_step_that_the_table_of_refusals_names_has_its_sentence():
    named = {line.next_step for line in LINES.values()} | set(lateness.NEXT_STEPS.values()) | {"check_and_retry"}
    assert named - {""} <= NEXT_STEPS.keys()


def test_every_refusal_of_a_message_says_what_can_be_done():
    about_others = {2018218, 2018247}  # profiles
    missing = [
        number
        for number, line in LINES.items()
        if line.does in {Consequence.REFUSE, Consequence.CONFIGURATION, Consequence.NOT_OWNER, Consequence.STOP_TAGS}
        and not line.next_step
        and number[1] not in about_others
        and number[0] not in {27, 230, 10303}  # thread control, profiles, account linking
    ]
    assert missing == []
    assert NOT_OWNER_REASON

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.notice import KEEP_TRYING, RETRY_CAP, Notice, message_id, next_attempt, plan
from schemas.handover import Cause
from schemas.outcomes import (
    ConversationErased,
    CustomerKnown,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUSY = settings(deadline=None)  # a busy machine is no fault of the code
CONVERSATION = "messenger:1029:7733"


def outcome(kind, episode="e1", **more):
    fields = {
        "id": f"{kind.__name__}:{episode}",
        "conversation": CONVERSATION,
        "bot": "shop",
        "epoch": 1,
        "episode": episode,
        "seq": 1,
        "at": NOW,
        "cause_id": "x",
    }
    return kind(**fields | more)


def started(*emails, episode="e1", **more):
    return outcome(TakeoverStarted, episode, attended=False, venue="inbox", cause=Cause.FLOW, emails=emails, **more)


def answered(episode="e1"):
    return outcome(TakeoverAnswered, episode, attended=True, venue="inbox", by="reply")


def ended(episode="e1"):
    return outcome(TakeoverEnded, episode, cause=Cause.EXPIRED, answered=False)


def test_each_address_of_an_episode_gets_one_however_it_is_spelled_and_however_often_it_is_told():
    wanted = plan([started("a@x.org", "A@X.org", "b@x.org"), started("a@x.org", episode="e2"), started("b@x.org")])
    assert [(notice.episode, notice.address) for notice in wanted.notices] == [
        ("e1", "a@x.org"),
        ("e1", "b@x.org"),
        ("e2", "a@x.org"),
    ]


def test_nobody_listed_means_no_email():
    assert plan([started()]).notices == ()


def test_an_answer_and_an_end_make_the_episodes_emails_needless_and_no_others():
    wanted = plan([started("a@x.org"), answered(), started("a@x.org", episode="e2"), ended("e0")])
    assert wanted.over == ("e1", "e0")
    assert len(wanted.notices) == 2


def test_nobody_is_written_to_about_a_customer_who_was_erased():
    assert plan([started("a@x.org"), outcome(ConversationErased)]).over == ("e1",)


def test_other_outcomes_change_nothing():
    changed = outcome(TakeoverChanged, attended=False, venue="inbox")
    known = outcome(CustomerKnown, None, profile={"first_name": "Mia"})
    assert plan([changed, known]) == plan([])


def test_a_message_id_is_the_same_for_every_attempt_and_another_for_each_address_and_episode():
    notices = [
        Notice("e1", "a@x.org", started()),
        Notice("e1", "b@x.org", started()),
        Notice("e2", "a@x.org", started()),
    ]
    ids = [message_id(notice, "https://chat.example.org:8443/x") for notice in notices]
    assert len(set(ids)) == 3
    assert all(one.endswith("@chat.example.org>") and one.startswith("<") for one in ids)
    assert message_id(Notice("e1", "A@x.org", started()), "https://chat.example.org:8443/x") == ids[0]


class Rng:
    """Draws at a fixed part of the range."""

    def __init__(self, part: float) -> None:
        self.part = part

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.part


@settings(BUSY)
@given(attempts=st.integers(1, 10_000), part=st.floats(0, 1), age=st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_the_next_attempt_lies_ahead_within_the_bound_and_never_after_a_day(attempts, part, age):
    at = next_attempt(attempts=attempts, started=NOW - age, now=NOW, rng=Rng(part))
    if at is not None:
        assert NOW <= at <= NOW + timedelta(seconds=RETRY_CAP)
        assert at < NOW - age + KEEP_TRYING
    else:
        assert age + timedelta(seconds=RETRY_CAP) >= KEEP_TRYING


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 4), (2, 8), (3, 16), (9, 900), (500, 900)])
def test_the_bound_doubles_up_to_a_quarter_of_an_hour(attempts, seconds):
    at = next_attempt(attempts=attempts, started=NOW, now=NOW, rng=Rng(1.0))
    assert at == NOW + timedelta(seconds=seconds)

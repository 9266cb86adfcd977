"""Until when a customer may be answered, and how."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.window import CLOSED_FOR_ALL, NO_HUMAN_AGENT, TAGGED, Window

ACTED = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY, WEEK = timedelta(hours=24), timedelta(days=7)
TAGS = Window.after(ACTED, human_agent=True)
NO_TAGS = Window.after(ACTED, human_agent=False)


@pytest.mark.parametrize(
    ("later", "tagged", "untagged", "bot"),
    [
        (timedelta(), "response", "response", True),
        (DAY - timedelta(minutes=2), "response", "response", True),
        (DAY - timedelta(seconds=30), "human_agent", "response", True),
        (DAY, "human_agent", "none", False),
        (WEEK - timedelta(seconds=1), "human_agent", "none", False),
        (WEEK, "none", "none", False),
    ],
)
def test_who_may_answer_how_long_after_the_customers_last_act(later, tagged, untagged, bot):
    at = ACTED + later
    assert (TAGS.person(at), NO_TAGS.person(at), TAGS.takes_bots(at)) == (tagged, untagged, bot)


def test_the_reason_says_what_is_in_the_way():
    assert TAGS.reason(ACTED) == ""
    assert TAGS.reason(ACTED + DAY) == TAGGED
    assert NO_TAGS.reason(ACTED + DAY) == NO_HUMAN_AGENT
    assert TAGS.reason(ACTED + WEEK) == NO_TAGS.reason(ACTED + WEEK) == CLOSED_FOR_ALL


def test_where_nothing_is_known_of_the_customers_last_act_facebook_is_asked():
    unknown = Window.after(None, human_agent=True)
    assert (unknown.person(ACTED), unknown.takes_bots(ACTED), unknown.reason(ACTED)) == ("response", True, "")

"""What the story reads and tells. That it goes as told is shown by playing it: `make demo`."""

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from schemas.flows import check
from story.answers import Entry
from story.doors import Missing, eventually
from story.seed import BadChannelFile, example_flow, read_channel
from story.steps import HOUR, is_hour
from story.telling import Step, Timeline, lines

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = """
page_id: "1029384756"
app_id: "5647382910"
app_secret: very-secret
verify_token: also-secret
page_token: most-secret
"""


def entry(seq, kind, **content):
    return Entry(seq=seq, at=AT, epoch=0, speaker="bot", text="Hello", content={"kind": kind, **content})


def test_a_channel_file_is_read_and_its_secrets_are_not_shown(tmp_path):
    file = tmp_path / "channel.yaml"
    file.write_text(GOOD)
    channel = read_channel(file)
    assert (channel.bot, channel.page_id, channel.app_secret.get_secret_value()) == (
        "salon",
        "1029384756",
        "very-secret",
    )
    assert "secret" not in repr(channel).replace("app_secret", "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (GOOD.replace("page_token: most-secret\n", ""), "page_token"),
        (GOOD.replace('"1029384756"', "my page"), "page_id"),
        (GOOD + "colour: red\n", "colour"),
        ("- a list", "field: value"),
        ("a: [", "line"),
    ],
)
def test_a_mistake_in_it_is_named_and_no_secret_is_shown(tmp_path, text, named):
    file = tmp_path / "channel.yaml"
    file.write_text(text)
    with pytest.raises(BadChannelFile) as refused:
        read_channel(file)
    assert named in str(refused.value)
    assert "most-secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadChannelFile, match=r"nowhere\.yaml cannot be read"):
        read_channel(tmp_path / "nowhere.yaml")


def test_the_timeline_tells_owner_and_deadline_at_each_moment():
    timeline = Timeline()
    told = timeline.take(
        [
            entry(1, "message"),
            entry(2, "takeover_started", cause="flow", deadline=(AT + HOUR).isoformat()),
            entry(3, "message"),
            entry(4, "takeover_ended", cause="operator"),
        ]
    )
    assert [moment.owner for moment in told] == ["bot", "human", "human", "bot"]
    assert [moment.deadline for moment in told] == [None, AT + HOUR, AT + HOUR, None]
    assert timeline.take([entry(4, "message")]) == []


def test_a_check_that_fails_fails_its_step_and_says_why():
    step = Step(step=3, title="The bot is silent")
    step.check("nothing is said", ok=True)
    step.check("nothing is said twice", ok=False, detail="it said hello")
    assert not step.ok
    assert lines(step)[0].startswith(" 3. FAILED")
    assert any("it said hello" in line for line in lines(step))


async def test_a_fact_that_does_not_come_is_missing_with_what_was_seen_last():
    async def look():
        return 7

    with pytest.raises(Missing, match="last seen: 7"):
        await eventually("eight", look, lambda seen: seen == 8, within=0.1)


def test_an_hour_is_an_hour_give_or_take_the_acts_of_one_gesture():
    assert is_hour(HOUR + timedelta(seconds=1))
    assert not is_hour(HOUR - timedelta(seconds=1))
    assert not is_hour(None)


def test_the_example_flow_has_no_problem():
    assert check(yaml.safe_load(example_flow())).problems == ()

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
        (GOOD.replace("page_token: most-secret\n", ""), "page_token is missing"),
        (GOOD.replace("page_token: most-secret", "page_token:"), "line 6: page_token has to be a text"),
        (GOOD.replace("page_token: most-secret", "page_token: ..."), "line 6: page_token is not filled in"),
        (GOOD.replace('"1029384756"', "my page"), "line 2: page_id has to be the page's number, digits only"),
        (GOOD + "colour: red\n", "line 7: colour is not a field of it; there are bot, page_id,"),
        (GOOD + "bot: Möwe\n", "line 7: bot has to be the bot's id: small letters"),
        (GOOD + "messenger_inbox_notification: maybe\n", "messenger_inbox_notification has to be true or false"),
        (GOOD + "7: red\n", "line 7: 7 is not a field"),
        ("- a list", "field: value"),
        ("", "field: value"),
        ("a: [", "is not YAML: line 1"),
        (GOOD + "page_name: 'open\n", "is not YAML: line 8"),
        (GOOD.replace("most-secret", "*most-secret"), "is not YAML: line 6, column 13: found undefined alias a value"),
        (GOOD.replace("most-secret", "!most-secret x"), "is not YAML: line 6"),
        (GOOD.replace("most-secret", "most-secret: 7"), "is not YAML: line 6"),
    ],
)
def test_a_mistake_in_it_is_named_with_its_line_and_no_secret_is_shown(tmp_path, text, named):
    file = tmp_path / "channel.yaml"
    file.write_text(text)
    with pytest.raises(BadChannelFile) as refused:
        read_channel(file)
    assert named in str(refused.value)
    assert "most-secret" not in str(refused.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    file = tmp_path / "channel.yaml"
    file.write_text("page_id: x\ncolor: red\n")
    with pytest.raises(BadChannelFile) as refused:
        read_channel(file)
    assert [field for field in ("page_id", "color", "app_id", "app_secret") if field not in str(refused.value)] == []


def test_numbers_need_no_quotes(tmp_path):
    file = tmp_path / "channel.yaml"
    file.write_text(GOOD.replace('"', "") + "page_name: 2026\n")
    assert (read_channel(file).page_id, read_channel(file).page_name) == ("1029384756", "2026")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: None, "cannot be read: No such file or directory"),
        (lambda file: file.mkdir(), "cannot be read: Is a directory"),
        (lambda file: file.write_bytes(b"bot: salon\npage_name: \xff\n"), "is not text: line 2 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, make, said):
    make(tmp_path / "channel.yaml")
    with pytest.raises(BadChannelFile, match=rf"channel\.yaml {said}"):
        read_channel(tmp_path / "channel.yaml")


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

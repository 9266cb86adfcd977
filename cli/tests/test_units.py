"""What needs no broker: merging, times, lines and what a terminal may be shown."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from convoboss.command import Command
from convoboss.commands import COMMANDS
from convoboss.entries import entry
from convoboss.lines import Lines, json_line
from convoboss.merging import MAX_WAITING, Merge
from convoboss.secrets import HIDDEN, SECRETS, without_secrets
from convoboss.start import parse_start
from convoboss.telling import TELLING, tell
from convoboss.terminal import Look, columns, escaped, visible, wrapped
from schemas.bots import BotSettings, MessengerChannel
from schemas.deadletters import DeadLetter
from schemas.envelope import encode, event_types
from schemas.samples import SAMPLES
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS, TOPICS

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENTS = [pytest.param(topic, event, id=event.type) for topic in SAMPLES for event in SAMPLES[topic]]


@dataclass(frozen=True)
class Fetched:
    """A record as the client gives it."""

    topic: str = CONVERSATIONS
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = b"messenger:1:2"
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes], ...] = ()


# --- merging

TIMES = st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=4)


def lanes(times: list[list[int]]) -> dict[TopicPartition, list[Fetched]]:
    return {
        TopicPartition(f"t{number % 2}", number): [
            Fetched(f"t{number % 2}", number, offset, at) for offset, at in enumerate(each)
        ]
        for number, each in enumerate(times)
    }


@given(times=TIMES, data=st.data())
def test_however_records_arrive_each_is_given_out_once_and_partitions_keep_their_order(
    times: list[list[int]], data: st.DataObject
) -> None:
    past = lanes(times)
    merge = Merge(["t0", "t1"], {tp: bool(records) for tp, records in past.items()})
    left = {tp: list(records) for tp, records in past.items()}
    given_out: list[Fetched] = []
    while any(left.values()):
        tp = data.draw(st.sampled_from([tp for tp in left if left[tp]]))
        count = data.draw(st.integers(1, len(left[tp])))
        merge.add(tp, left[tp][:count])
        left[tp] = left[tp][count:]
        if not left[tp]:
            merge.caught_up(tp)
        given_out += merge.ready()
    assert not merge.ahead
    assert sorted(given_out, key=lambda each: (each.partition, each.offset)) == [
        each for records in past.values() for each in records
    ]
    for tp in past:
        offsets = [each.offset for each in given_out if each.partition == tp.partition]
        assert offsets == sorted(offsets)


@given(TIMES)
def test_where_times_rise_within_partitions_the_past_is_in_the_order_of_time(times: list[list[int]]) -> None:
    past = lanes([sorted(each) for each in times])
    merge = Merge(["t0", "t1"], {tp: bool(records) for tp, records in past.items()})
    given_out: list[Fetched] = []
    for tp, records in past.items():
        for record in records:
            merge.add(tp, [record])
            given_out += merge.ready()
        merge.caught_up(tp)
    given_out += merge.ready()
    assert [each.timestamp for each in given_out] == sorted(each.timestamp for each in given_out)


def test_nothing_is_given_out_while_a_partition_may_still_have_something_earlier() -> None:
    slow, quick = TopicPartition("t", 0), TopicPartition("t", 1)
    merge = Merge(["t"], {slow: True, quick: True})
    merge.add(quick, [Fetched("t", 1, 0, timestamp=5)])
    assert list(merge.ready()) == []
    merge.add(slow, [Fetched("t", 0, 0, timestamp=3)])
    assert [each.timestamp for each in merge.ready()] == [3]
    merge.caught_up(slow)
    assert [each.timestamp for each in merge.ready()] == [5]


def test_a_partition_that_runs_ahead_is_not_read_on() -> None:
    slow, quick = TopicPartition("t", 0), TopicPartition("t", 1)
    merge = Merge(["t"], {slow: True, quick: True})
    merge.add(quick, [Fetched("t", 1, offset) for offset in range(MAX_WAITING)])
    assert merge.full == {quick}
    assert merge.ahead == {slow, quick}


# --- from when


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("beginning", "beginning"),
        ("end", "end"),
        ("-30s", NOW - timedelta(seconds=30)),
        ("-5m", NOW - timedelta(minutes=5)),
        ("-2h", NOW - timedelta(hours=2)),
        ("-1d", NOW - timedelta(days=1)),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24T09:30", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)),
        ("2026-11-24T09:30:00Z", datetime(2026, 11, 24, 9, 30, tzinfo=UTC)),
        ("2026-11-24T09:30+02:00", datetime(2026, 11, 24, 7, 30, tzinfo=UTC)),
    ],
)
def test_the_forms_of_a_start(text: str, start: object) -> None:
    assert parse_start(text, NOW) == start


@given(st.text(max_size=20) | st.from_regex(r"-\d{1,12}[smhdy]", fullmatch=True))
def test_any_other_text_is_refused_with_the_forms_that_there_are(text: str) -> None:
    try:
        start = parse_start(text, NOW)
    except ValueError as error:
        assert "-5m" in str(error)  # noqa: PT017 - most texts are refused, some are a time
    else:
        assert start in {"beginning", "end"} or isinstance(start, datetime)


# --- lines


def test_every_type_has_its_telling_fields_and_they_exist() -> None:
    models = {model for topic in TOPICS for model in event_types(topic).values()}
    assert set(TELLING) == models
    for model, names in TELLING.items():
        assert set(names) <= set(model.model_fields)
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(("topic", "event"), EVENTS)
def test_every_sample_is_one_line_and_one_json_object(topic: str, event: object) -> None:
    assert isinstance(event, tuple(event_types(topic).values()))
    key, value, headers = encode(event, source="test")
    shown = entry(Fetched(topic, 3, 7, 1795512600000, key, value, tuple(headers)))
    line = Lines(Look(colours=False, width=None), 18, keys=True).line(shown)
    assert "\n" not in line
    assert event.type in line
    told = json.loads(json_line(shown))
    assert (told["topic"], told["partition"], told["offset"], told["type"]) == (topic, 3, 7, event.type)
    assert told["at"] == "2026-11-24T09:30:00.000Z"


def test_a_number_is_told_even_when_it_is_nought_and_ids_leave_their_conversation_out() -> None:
    completed = next(event for event in SAMPLES[CONVERSATIONS] if event.type == "turn.completed.v1")
    assert "turn=!4  epoch=0  " in tell(completed)


RECORDS = st.builds(
    Fetched,
    topic=st.sampled_from(list(TOPICS)),
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.integers(-1, 2**63 - 1),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=50),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_type", "ce_source", "traceparent"]),
            st.binary(max_size=20)
            | st.sampled_from([name.encode() for topic in TOPICS for name in event_types(topic)]),
        ),
        max_size=3,
    ).map(tuple),
)


@given(RECORDS, st.booleans(), st.none() | st.integers(1, 200))
def test_no_record_raises_or_reaches_the_terminal_raw(record: Fetched, colours: bool, width: int | None) -> None:
    shown = entry(record)
    line = Lines(Look(colours=colours, width=width), 18, keys=True).line(shown)
    plain = re.sub(r"\x1b\[\d+m", "", line) if colours else line
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain)
    assert json.loads(json_line(shown))["offset"] == record.offset


# --- secrets


def test_whatever_of_a_channel_is_called_a_secret_or_a_token_is_hidden() -> None:
    assert set(SECRETS) == {"app_secret", "verify_token", "page_token"}
    assert set(SECRETS) <= set(MessengerChannel.model_fields)
    (settings,) = SAMPLES[BOTS]
    shown = without_secrets(settings)
    assert isinstance(shown, BotSettings)
    assert {getattr(shown.messenger[0], name) for name in SECRETS} == {HIDDEN}


def test_the_bytes_of_a_dead_letter_are_hidden_where_they_are_a_bots() -> None:
    (letter,) = SAMPLES[DEAD_LETTERS]
    assert isinstance(letter, DeadLetter)
    assert without_secrets(letter) == letter
    hidden = without_secrets(letter.model_copy(update={"origin_topic": BOTS}))
    assert isinstance(hidden, DeadLetter)
    assert hidden.value_base64 == HIDDEN


# --- terminals


@given(st.text(max_size=100))
def test_text_for_a_terminal_holds_no_control_characters_and_json_stays_json(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", visible(text))
    assert json.loads(escaped(json.dumps(text, ensure_ascii=False))) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=120), st.integers(4, 40))
def test_wrapped_text_fits_and_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = list(wrapped(text, width))
    assert all(columns(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wide_letters_count_as_two_columns() -> None:
    assert columns("由紀") == 4
    assert columns("e\u0301") == 1
    assert list(wrapped("由紀 田中", 5)) == ["由紀", "田中"]


# --- commands


def test_commands_are_told_apart_by_name_and_each_has_examples() -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)
    for command in COMMANDS:
        assert isinstance(command, Command)
        assert f"convoboss {command.name}" in command.examples
        assert command.summary

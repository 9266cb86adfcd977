"""Records on the wire: CloudEvents headers, what reads back, and what bytes can never do."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.base import BaseEvent
from schemas.bots import BotSettings, TakeoverSettings
from schemas.conversations import ThreadMoved
from schemas.envelope import BadRecord, Undecodable, UnknownType, decode, encode, event_types, header, traceparent
from schemas.outcomes import BotPosition
from schemas.samples import CONVERSATION, SAMPLES
from schemas.topics import BOTS, CONVERSATIONS, OUTCOMES, TOPICS

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENTS = [pytest.param(topic, event, id=f"{topic}/{event.type}") for topic in SAMPLES for event in SAMPLES[topic]]


def test_there_is_one_sample_of_every_type_in_the_order_of_the_catalogue() -> None:
    assert {topic: [event.type for event in events] for topic, events in SAMPLES.items()} == {
        topic: list(event_types(topic)) for topic in TOPICS
    }


@pytest.mark.parametrize(("topic", "event"), EVENTS)
def test_what_is_written_reads_back_the_same(topic: str, event: BaseEvent) -> None:
    key, value, headers = encode(event, source="test")
    assert key.decode() == event.key
    assert decode(topic, value, headers) == event


@pytest.mark.parametrize(("topic", "event"), EVENTS)
def test_fields_of_a_newer_writer_are_ignored_at_every_depth(topic: str, event: BaseEvent) -> None:
    _, value, headers = encode(event, source="test")
    newer = json.loads(value)
    for document in list(documents(newer)):
        document["from_a_newer_writer"] = {"any": ["thing"]}
    read = decode(topic, json.dumps(newer).encode(), headers)
    assert {**read.model_dump(), "raw": None} == {**event.model_dump(), "raw": None}


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in `value` that is a document: those whose keys are data (blocks, attributes, details, headers) are none."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name == "blocks":
                yield from (each for block in inner.values() for each in documents(block))
            elif name not in {"attributes", "details", "headers", "raw"}:
                yield from documents(inner)
    elif isinstance(value, list):
        yield from (each for inner in value for each in documents(inner))


@pytest.mark.parametrize(("topic", "event"), EVENTS)
def test_headers_are_those_of_a_cloudevent_in_binary_mode(topic: str, event: BaseEvent) -> None:
    _, value, headers = encode(event, source="takeover", traceparent=PARENT)
    told = dict(headers)
    assert len(told) == len(headers)
    assert told["ce_specversion"] == b"1.0"
    assert told["ce_id"] == event.id.encode()
    assert told["ce_source"] == b"takeover"
    assert told["ce_type"] == event.type.encode()
    assert told["content-type"] == b"application/json"
    assert told["traceparent"] == PARENT.encode()
    assert ("ce_time" in told) == (event.occurred_at is not None)
    if event.occurred_at is not None:
        assert told["ce_time"] == event.occurred_at.isoformat().encode()
    assert json.loads(value)["type"] == event.type


def test_without_a_trace_there_is_no_traceparent() -> None:
    _, _, headers = encode(SAMPLES[CONVERSATIONS][0], source="test")
    assert "traceparent" not in dict(headers)


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        (CONVERSATIONS, ThreadMoved(id="1", conversation=CONVERSATION, command="c", epoch=1, owner=None)),
        (
            BOTS,
            BotSettings(
                id="1", bot="salon", version=1, name="S", takeover=TakeoverSettings(default_session_expiry=None)
            ),
        ),
        (OUTCOMES, SAMPLES[OUTCOMES][-1].model_copy(update={"block": None})),
    ],
    ids=["an idle thread", "a session that never expires", "a flow that has run out"],
)
def test_nothing_is_something_where_it_is_not_the_default(topic: str, event: BaseEvent) -> None:
    assert isinstance(event, (ThreadMoved, BotSettings, BotPosition))
    _, value, headers = encode(event, source="test")
    assert decode(topic, value, headers) == event


def test_a_type_that_this_version_does_not_know_is_told_by_its_name() -> None:
    with pytest.raises(UnknownType) as told:
        decode(CONVERSATIONS, b"{}", [("ce_type", b"customer.sang.v1")])
    assert (told.value.topic, told.value.event_type) == (CONVERSATIONS, "customer.sang.v1")


def test_a_type_of_another_topic_is_unknown_here() -> None:
    _, value, headers = encode(SAMPLES[OUTCOMES][0], source="test")
    with pytest.raises(UnknownType):
        decode(CONVERSATIONS, value, headers)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (None, [("ce_type", b"customer.message.v1")]),
        (b"", [("ce_type", b"customer.message.v1")]),
        (b"{}", [("ce_type", b"customer.message.v1")]),
        (b"[1, 2", [("ce_type", b"customer.message.v1")]),
        (b"\xff\xfe", [("ce_type", b"customer.message.v1")]),
        (b"{}", []),
        (b"{}", [("ce_type", b"\xff")]),
        (b"{}", [("ce_type", b"")]),
        (b"{}", [("ce_type", None)]),
    ],
    ids=[
        "no value",
        "empty",
        "no fields",
        "no JSON",
        "no UTF-8",
        "no type",
        "type no UTF-8",
        "type empty",
        "type null",
    ],
)
def test_what_is_no_event_is_undecodable(value: bytes | None, headers: list[tuple[str, Any]]) -> None:
    with pytest.raises(Undecodable) as told:
        decode(CONVERSATIONS, value, headers)
    assert told.value.topic == CONVERSATIONS
    assert told.value.reason


def test_the_reason_names_the_field_and_repeats_nothing_of_the_content() -> None:
    _, value, headers = encode(SAMPLES[CONVERSATIONS][0], source="test")
    broken = json.loads(value) | {"channel": "s3cret-text"}
    with pytest.raises(Undecodable, match="channel") as told:
        decode(CONVERSATIONS, json.dumps(broken).encode(), headers)
    assert "s3cret-text" not in str(told.value)


def test_a_time_without_a_zone_is_undecodable() -> None:
    expired = next(event for event in SAMPLES[CONVERSATIONS] if event.type == "session.expired.v1")
    _, value, headers = encode(expired, source="test")
    broken = json.loads(value) | {"deadline": "2026-11-24T10:00:00"}
    with pytest.raises(Undecodable, match="deadline"):
        decode(CONVERSATIONS, json.dumps(broken).encode(), headers)


# --- whatever the bytes

KNOWN = [name.encode() for topic in TOPICS for name in event_types(topic)]
NAMES = st.sampled_from(["ce_type", "ce_id", "traceparent"]) | st.text(max_size=10)
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=40) | st.sampled_from(KNOWN)), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(topic=st.sampled_from(list(TOPICS)), value=st.none() | st.binary(max_size=200), headers=HEADERS)
@example(topic=CONVERSATIONS, value=b"[" * 100_000, headers=[("ce_type", b"channel.fact.v1")])
@example(topic=CONVERSATIONS, value=b'{"raw":' * 1000, headers=[("ce_type", b"channel.fact.v1")])
def test_no_bytes_raise_anything_but_bad_record(
    topic: str, value: bytes | None, headers: list[tuple[str, Any]]
) -> None:
    only_bad_record(topic, value, headers)


@given(data=st.data())
def test_no_change_of_a_real_record_raises_anything_but_bad_record(data: st.DataObject) -> None:
    """Valid JSON with a value of another kind somewhere: closer to what really goes wrong than random bytes."""
    topic = data.draw(st.sampled_from(list(TOPICS)))
    event = data.draw(st.sampled_from(SAMPLES[topic]))
    _, value, headers = encode(event, source="test")
    changed = copy.deepcopy(json.loads(value))
    place = data.draw(st.sampled_from(list(documents(changed))))
    if place:
        place[data.draw(st.sampled_from(list(place)))] = data.draw(JSON)
    only_bad_record(topic, json.dumps(changed).encode(), headers)


def only_bad_record(topic: str, value: bytes | None, headers: list[tuple[str, Any]]) -> None:
    try:
        event = decode(topic, value, headers)
    except BadRecord:
        return
    assert event.type in event_types(topic)
    encode(event, source="test")


@given(HEADERS)
def test_headers_of_any_kind_are_read_without_raising(headers: list[tuple[str, Any]]) -> None:
    assert traceparent(headers) is None or len(str(traceparent(headers))) <= 128
    assert header(headers, "ce_type") != ""


def test_the_last_of_two_headers_of_one_name_counts() -> None:
    assert header([("a", b"1"), ("b", b"2"), ("a", b"3")], "a") == "3"


def test_an_overlong_traceparent_is_dropped() -> None:
    assert traceparent([("traceparent", b"0" * 129)]) is None
    assert traceparent([("traceparent", PARENT.encode())]) == PARENT

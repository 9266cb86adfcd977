"""Whatever JSON comes: nothing raises, nothing well-formed is lost, and all of it can be written."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ingress import webhook
from ingress.channels import Known
from ingress.gate import Through
from ingress.messenger import Parsed, parse
from ingress.routing import MAX_ORIGINAL, Router
from ingress.spans import Spans
from ingress.webhook import Broken
from schemas.base import BaseEvent
from schemas.conversations import CustomerMessage
from schemas.deadletters import DeadLetter
from schemas.envelope import decode
from schemas.topics import DEAD_LETTERS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUSY = settings(deadline=None)  # a busy machine is no fault of the code
APPS = frozenset({"77"})
THROUGH = Through(frozenset({"1"}), Known(pages={"1": APPS}), APPS, {}, NOW)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "sender", "recipient", "timestamp", "message", "postback", "pass_thread_control", "take_thread_control",
    "request_thread_control", "read", "delivery", "app_roles", "optin",
)  # fmt: skip
INNER = ("id", "mid", "text", "is_echo", "attachments", "quick_reply", "payload", "app_id", "type", "sticker_id")
parts = st.dictionaries(st.sampled_from(INNER), anything, max_size=5) | anything
odd_events = st.dictionaries(st.sampled_from(KEYS), parts, max_size=6) | anything
mids = st.text("abcdefgh0123456789._$-", min_size=1, max_size=20)


@st.composite
def good_events(draw):
    customer = draw(st.sampled_from(["7", 8, "9"]))
    message = {"mid": draw(mids), "text": draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=10))}
    return {"sender": {"id": customer}, "recipient": {"id": "1"}, "timestamp": 1_795_500_000_000, "message": message}


@st.composite
def batches(draw):
    """A body with good events among odd ones, and the good ones."""
    good = []
    entries = []
    for _ in range(draw(st.integers(1, 3))):
        entry = {"id": draw(st.sampled_from(["1", 1])), "time": draw(scalars)}
        for array in draw(st.sets(st.sampled_from(["messaging", "standby"]))):
            listed = draw(st.lists(good_events() | odd_events, max_size=5))
            good += [one for one in listed if _is_good(one)]
            entry[array] = listed
        if draw(st.booleans()):
            entry["changes"] = draw(anything)
        entries.append(draw(st.just(entry) | anything) if not any(map(_is_good, _all(entry))) else entry)
    return {"object": "page", "entry": entries}, good


def _all(entry):
    return [*entry.get("messaging", []), *entry.get("standby", [])]


def _is_good(one):
    return isinstance(one, dict) and one.get("timestamp") == 1_795_500_000_000 and "mid" in str(one.get("message"))


def dumped(value) -> bytes:
    """As bytes, with escapes as Facebook writes them, and numbers that JSON does not have replaced."""
    return json.dumps(_finite(value)).encode()


def _finite(value):
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Taken:
    topic: str
    event: BaseEvent


def taken(raw: bytes) -> tuple[list[Parsed | Broken], list[Taken]]:
    """What a body becomes, and the events as a reader of the records sees them."""
    found = parse(webhook.document(raw), received=NOW)
    records = Router(raw, THROUGH, None).records(found)
    assert len(records) == len(found)
    return found, [Taken(record.topic, decode(record.topic, record.value, record.headers)) for record in records]


@settings(BUSY)
@given(anything)
def test_any_json_value_is_read_without_an_error(value):
    taken(dumped(value))


@settings(BUSY)
@given(anything)
def test_any_value_as_an_entry_is_read_without_an_error(value):
    taken(dumped({"object": "page", "entry": value}))
    taken(dumped({"object": "page", "entry": [{"id": 1, "messaging": value, "standby": value, "changes": value}]}))


@settings(BUSY, max_examples=300)
@given(batches())
def test_no_well_formed_event_of_a_batch_is_lost(batch):
    body, good = batch
    raw = dumped(body)
    found, _ = taken(raw)
    said = {
        one.event.mid: one.event for one in found if isinstance(one, Parsed) and isinstance(one.event, CustomerMessage)
    }
    first = {}
    for event in good:
        first.setdefault(event["message"]["mid"], event)
    for mid in first:
        assert said[mid].input.text
    later = parse(webhook.document(raw), received=NOW.replace(hour=23))
    assert [one.event.id for one in later if isinstance(one, Parsed)] == [
        one.event.id for one in found if isinstance(one, Parsed)
    ]


@settings(BUSY)
@given(st.lists(good_events(), max_size=8, unique_by=lambda one: one["message"]["mid"]))
def test_events_of_one_conversation_stay_in_their_order(listed):
    found, _ = taken(dumped({"object": "page", "entry": [{"id": "1", "messaging": listed}]}))
    assert [one.event.mid for one in found] == [one["message"]["mid"] for one in listed]


@settings(BUSY)
@given(batches(), st.sampled_from([None, 1]))
def test_a_dead_letter_holds_the_bytes_that_were_sent(batch, indent):
    raw = json.dumps(_finite(batch[0]), indent=indent).encode()
    found, records = taken(raw)
    for part, record in zip(found, records, strict=True):
        assert isinstance(part, Broken) == isinstance(record.event, DeadLetter)
        if isinstance(record.event, DeadLetter):
            original = base64.b64decode(record.event.value_base64)
            assert original in raw
            assert json.loads(original) == _at(batch[0], part.path)


def _at(value, path):
    for step in path:
        value = value[step]
    return _finite(value)


@settings(BUSY)
@given(anything, st.sampled_from([None, 2]), st.booleans())
def test_a_span_is_where_the_value_stands(value, indent, ascii_only):
    value = json.loads(json.dumps(_finite(value)))  # as JSON has it: of equal keys the last
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    spans = Spans(b" " + raw + b"\n")

    def check(path, inner):
        assert json.loads(spans.cut(path).decode("utf-8", "surrogatepass")) == inner
        steps = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for step, below in steps:
            check((*path, step), below)

    if ascii_only or not isinstance(value, dict | list):
        check((), value)


def test_too_large_too_deep_and_too_many_go_to_the_dead_letters_and_not_to_an_error():
    good = {"sender": {"id": "7"}, "recipient": {"id": "1"}, "message": {"mid": "m1", "text": "hi"}}
    deep: object = 1
    for _ in range(260):
        deep = [deep]
    large = {"sender": {"id": "7"}, "recipient": {"id": "1"}, "message": {"mid": "m2", "text": "x" * 950_000}}
    for odd in (large, {"read": deep}, {"message": deep}, {"sender": {"id": "7"}, "odd": deep}):
        raw = json.dumps({"object": "page", "entry": [{"id": "1", "messaging": [odd, good]}]}).encode()
        _, records = taken(raw)
        assert records[0].topic == DEAD_LETTERS
        assert len(base64.b64decode(records[0].event.value_base64)) <= MAX_ORIGINAL
        assert records[1].event.mid == "m1"
    many = b'{"object":"page","entry":[{"id":"1","messaging":[' + b"0," * 30_000 + b"0]}]}"
    (letter,) = taken(many)[1]
    assert base64.b64decode(letter.event.value_base64) == many


def test_events_of_a_page_that_no_bot_has_are_kept_raw_under_their_conversation():
    raw = b'{"object":"page","entry":[{"id":2,"time":5,"messaging":[ {"sender":{"id":7}, "message":{"mid":"m","text":"\\u00e9"}} ]}]}'
    (record,) = taken(raw)[1]
    letter = record.event
    assert (record.topic, letter.reason, letter.key) == (DEAD_LETTERS, "unknown_page", "messenger:2:7")
    assert base64.b64decode(letter.value_base64) == b'{"sender":{"id":7}, "message":{"mid":"m","text":"\\u00e9"}}'
    assert letter.headers == {"page": "2", "array": "messaging", "entry_time": "5", "apps": "77"}
    assert taken(raw)[1][0].event.id == letter.id

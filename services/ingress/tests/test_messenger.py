"""Rules that no public capture shows."""

from datetime import UTC, datetime

import pytest

from ingress import webhook
from ingress.messenger import Parsed, parse
from ingress.times import told_time
from ingress.webhook import Broken, NotJson

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STAMP = 1_795_500_000_000
LIKE = "369239263222822"


def event(**keys):
    return {"sender": {"id": "7"}, "recipient": {"id": "1"}, "timestamp": STAMP, **keys}


def body(*messaging, standby=(), **entry):
    return {
        "object": "page",
        "entry": [{"id": "1", "time": STAMP, "messaging": list(messaging), "standby": list(standby), **entry}],
    }


def read(*messaging, **more) -> list[Parsed | Broken]:
    return parse(body(*messaging, **more), received=NOW)


def one(**keys):
    (found,) = read(event(**keys))
    assert isinstance(found, Parsed)
    return found.event


def test_the_same_mid_on_both_arrays_is_one_event_and_messaging_wins():
    message = event(message={"mid": "m1", "text": "hi"})
    for found in (
        read(message, standby=[message]),
        parse(
            {"object": "page", "entry": [{"id": "1", "standby": [message]}, {"id": "1", "messaging": [message]}]},
            received=NOW,
        ),
    ):
        assert [(part.event.id, part.event.channel) for part in found] == [("messenger:1:m1", "messaging")]


def test_an_echo_never_takes_the_id_of_a_message():
    assert one(message={"mid": "m1", "is_echo": True, "text": "hi"}).id == "messenger:1:m1:echo"


def test_a_sticker_told_as_sticker_and_as_picture_is_shown_once():
    told = [
        {"type": "image", "payload": {"url": "https://cdn.example/like.png", "sticker_id": int(LIKE)}},
        {"type": "sticker", "payload": {"sticker_id": LIKE}},
    ]
    (sticker,) = one(message={"mid": "m1", "attachments": told}).input.attachments
    assert (sticker.kind, sticker.sticker_id, sticker.url) == ("sticker", LIKE, "https://cdn.example/like.png")


def test_a_sticker_named_beside_its_picture_is_one_sticker():
    told = {"mid": "m1", "sticker_id": int(LIKE), "attachments": [{"type": "image", "payload": {"url": "https://x/y"}}]}
    (sticker,) = one(message=told).input.attachments
    assert (sticker.kind, sticker.sticker_id, sticker.url) == ("sticker", LIKE, "https://x/y")


@pytest.mark.parametrize("odd", [{}, {"payload": None}, {"type": "file", "payload": "text"}, None, "x", 3])
def test_an_attachment_of_any_shape_is_at_least_shown_as_one(odd):
    (attachment,) = one(message={"mid": "m1", "attachments": [odd]}).input.attachments
    assert attachment.kind in {"unsupported", "file"}


def test_a_place_has_coordinates():
    told = [{"type": "location", "title": "Here", "payload": {"coordinates": {"lat": 48.2, "long": 16.37}}}]
    (place,) = one(message={"mid": "m1", "attachments": told}).input.attachments
    assert (place.kind, place.title, place.latitude, place.longitude) == ("location", "Here", 48.2, 16.37)


def test_a_message_that_facebook_cannot_show_still_reaches_the_conversation():
    said = one(message={"mid": "m1", "is_unsupported": True}).input
    assert [attachment.kind for attachment in said.attachments] == ["unsupported"]


def test_a_message_with_nothing_in_it_is_nobodys_turn():
    assert one(message={"mid": "m1"}).kind == "message_empty"


def test_a_stripped_postback_on_standby_has_no_payload():
    (found,) = read(standby=[event(postback={})])
    assert (found.event.input.kind, found.event.input.payload, found.event.channel) == ("postback", None, "standby")


def test_handover_ids_tell_two_passes_apart_and_one_pass_on_both_arrays_is_one():
    first = event(pass_thread_control={"new_owner_app_id": 5, "previous_owner_app_id": None})
    later = first | {"timestamp": STAMP + 1}
    found = read(first, later, standby=[first])
    assert len(found) == 2
    assert found[0].event.new_owner == "5"
    assert found[0].event.previous_owner is None


def test_handover_without_any_side_but_the_page_is_unaddressed():
    (found,) = read({"recipient": {"id": "1"}, "timestamp": STAMP, "take_thread_control": {}})
    assert isinstance(found, Broken)
    assert found.reason == "unaddressed"


def test_words_of_the_page_that_are_no_echo_never_reach_the_bot():
    (found,) = read({"sender": {"id": "1"}, "recipient": {"id": "7"}, "message": {"mid": "m1", "text": "hi"}})
    assert isinstance(found, Broken)
    assert (found.page, found.customer) == ("1", "7")


@pytest.mark.parametrize(
    "bad",
    [
        {"message": {"mid": "m2", "text": ["no", "text"]}},
        {"message": "text"},
        {"sender": 5},
        {"sender": {"id": True}},
        {"sender": {"id": "with space"}, "message": {"mid": "m2", "text": "x"}},
        {"sender": {"id": "_page"}, "message": {"mid": "m2", "text": "x"}},
        {"pass_thread_control": "x"},
    ],
)
def test_one_bad_event_of_a_batch_loses_no_other(bad):
    good = [event(message={"mid": mid, "text": mid}) for mid in ("m1", "m3")]
    found = read(good[0], event(**bad), good[1])
    assert [part.event.mid for part in found if isinstance(part, Parsed)] == ["m1", "m3"]
    assert isinstance(found[1], Broken)
    assert found[1].path == ("entry", 0, "messaging", 1)


def test_an_entry_without_a_page_is_broken_and_the_next_is_read():
    found = parse(
        {"object": "page", "entry": [{"messaging": [event()]}, "x", *body(event(read={}))["entry"]]}, received=NOW
    )
    assert [type(part) for part in found] == [Broken, Broken, Parsed]


def test_a_fact_without_customer_belongs_to_the_page():
    (found,) = read({"recipient": {"id": "1"}, "timestamp": STAMP, "optin": {"user_ref": "u", "token": "t"}})
    assert found.event.conversation == "messenger:1:_page"
    assert found.event.raw["optin"] == {"user_ref": "u", "token": "[redacted]"}


def test_nul_and_half_a_surrogate_pair_become_replacement_characters():
    said = webhook.document(b'{"a": "x\\u0000y", "b": ["\\ud83d!", "\\ud83d\\ude00"]}')
    assert said == {"a": "x\ufffdy", "b": ["\ufffd!", "\N{GRINNING FACE}"]}


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b"NaN", b'{"a": Infinity}', b"\xef\xbb\xbf{}", b"[" * 5000 + b"]" * 5000]
)
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(NotJson):
        webhook.document(raw)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1_795_500_000_123, datetime(2026, 11, 24, 6, 0, 0, 123000, tzinfo=UTC)),
        (1_795_500_000, datetime(2026, 11, 24, 6, 0, tzinfo=UTC)),
        ("1795500000123", datetime(2026, 11, 24, 6, 0, 0, 123000, tzinfo=UTC)),
        (1_795_500_000_000.5, datetime(2026, 11, 24, 6, 0, 0, 500, tzinfo=UTC)),
        ("2026-11-24T06:00:00", datetime(2026, 11, 24, 6, 0, tzinfo=UTC)),
        ("2026-11-24T08:00:00+0200", datetime(2026, 11, 24, 6, 0, tzinfo=UTC)),
        (1_795_700_000_000, None),  # two days ahead
        (1_795_500_000_000_000, None),  # microseconds
        (0, None),
        (4, None),
        (-1, None),
        (True, None),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e400", None),
        (10**400, None),
        ([], None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_times_are_read_by_their_size_and_nonsense_is_no_time(told, expected):
    assert told_time(told, received=NOW) == expected

"""Rules that no public capture shows."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress import webhook
from ingress.messenger import Parsed, parse
from ingress.times import told_time
from ingress.webhook import Broken, NotJson
from schemas.conversations import ChannelFact, CustomerDeleted, CustomerEdited, PolicyEnforced
from schemas.messages import CustomerInput, Quoted, Referral

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


@pytest.mark.parametrize("told", [{}, {"mid": "m1", "title": "Book"}])
def test_a_stripped_postback_on_standby_is_kept_and_never_stands_in_for_the_whole_one(told):
    (stripped,) = read(standby=[event(postback=told)])
    (whole,) = read(event(postback={"mid": "m1", "title": "Book", "payload": "BOOK"}))
    assert (stripped.event.kind, stripped.event.channel) == ("postback_stripped", "standby")
    assert (whole.event.input.payload, whole.event.id) == ("BOOK", "messenger:1:m1")
    assert stripped.event.id != whole.event.id


def test_an_own_app_may_send_a_button_without_payload_on_messaging():
    assert one(postback={"title": "Book"}).input == CustomerInput(kind="postback", text="Book")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"mid": "m0", "is_self_reply": True}, Quoted(mid="m0", own=True)),
        ({"mid": "m0"}, Quoted(mid="m0")),
        (
            {"story": {"id": 17, "url": "https://cdn.example/s"}},
            Quoted(story_id="17", story_url="https://cdn.example/s"),
        ),
        ({}, None),
        ("m0", None),
        ({"story": "x"}, None),
    ],
)
def test_what_a_message_answers_is_told(told, expected):
    assert one(message={"mid": "m1", "text": "this one", "reply_to": told}).input.reply_to == expected


@pytest.mark.parametrize("own", ["mia@salon.example", "+36 1 234 5678", "+3612345678"])
def test_an_offered_address_or_number_is_what_the_customer_wrote_and_no_choice(own):
    said = one(message={"mid": "m1", "text": own, "quick_reply": {"payload": own}}).input
    assert (said.kind, said.text, said.payload) == ("text", own, None)


def test_a_choice_whose_payload_is_its_title_stays_a_choice():
    said = one(message={"mid": "m1", "text": "Yes", "quick_reply": {"payload": "Yes"}}).input
    assert (said.kind, said.payload) == ("quick_reply", "Yes")


def test_what_meta_wrote_for_the_customer_after_a_lead_ad_says_so():
    hop = [{"app_id": 413038776280800, "metadata": "messenger_lead_gen"}]
    told = one(message={"mid": "m1", "text": "My name is Mia"}, hop_context=hop)
    assert told.input.text == "My name is Mia"
    assert told.extras == {"hop_context": hop}


def test_what_stands_beside_a_message_is_kept_but_for_secrets():
    told = one(
        message={"mid": "m1", "text": "hi", "nlp": {"intents": []}}, prior_message={"identifier": 3, "token": "t"}
    )
    assert told.extras == {"nlp": {"intents": []}, "prior_message": {"identifier": 3, "token": "[redacted]"}}


@pytest.mark.parametrize("place", ["inside", "beside"])
def test_an_ad_by_which_a_customer_came_is_told_with_their_message(place):
    ad = {"source": "ADS", "type": "OPEN_THREAD", "ad_id": 6045246247433, "ads_context_data": {"ad_title": "Spring"}}
    message = {"mid": "m1", "text": "hi"}
    told = one(message=message | {"referral": ad}) if place == "inside" else one(message=message, referral=ad)
    assert told.input.referral == Referral(source="ADS", kind="OPEN_THREAD", ad_id="6045246247433")
    assert told.extras == {"referral": ad}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"type": "fallback", "title": "A page", "url": "https://x/y"}, ("fallback", "https://x/y", "A page", None)),
        ({"type": "fallback", "payload": {"url": "https://x/y", "title": "A page"}}, ("fallback", "https://x/y", "A page", None)),
        (
            {"type": "reel", "payload": {"url": "https://x/r", "title": "Waves", "reel_video_id": 77}},
            ("reel", "https://x/r", "Waves", "77"),
        ),
        ({"type": "ig_post", "payload": {"url": "https://x/p", "ig_post_media_id": "9"}}, ("ig_post", "https://x/p", None, "9")),
        (
            {"type": "template", "payload": {"product": {"elements": [
                {"id": "5", "title": "Comb", "image_url": "https://x/c"}, {"title": "Brush"},
            ]}}},
            ("template", "https://x/c", "Comb, Brush", "5"),
        ),
        ({"type": "template", "payload": {"elements": "odd"}}, ("template", None, None, None)),
        ({"type": "share", "payload": "https://x/y"}, ("share", None, None, None)),
        ({"type": "like_heart"}, ("like_heart", None, None, None)),
        ({"type": "unsupported_type", "payload": None}, ("unsupported_type", None, None, None)),
        ({"type": "appointment_booking", "title": "Friday"}, ("appointment_booking", None, "Friday", None)),
    ],
)  # fmt: skip
def test_what_is_attached_is_told_as_far_as_it_can_be_shown(told, expected):
    (found,) = one(message={"mid": "m1", "attachments": [told]}).input.attachments
    assert (found.kind, found.url, found.title, found.reference) == expected


@pytest.mark.parametrize(
    ("number", "expected"), [(2, 2), ("2", 2), (None, None), ("x", None), (True, None), ("9" * 400, None)]
)
def test_an_edit_is_no_message_and_its_number_may_come_as_text(number, expected):
    told = one(message_edit={"mid": "m1", "text": "Sunday", "num_edit": number})
    assert isinstance(told, CustomerEdited)
    assert (told.mid, told.text, told.number) == ("m1", "Sunday", expected)


def test_two_edits_of_a_message_are_two_events():
    first, second = (one(message_edit={"mid": "m1", "text": text, "num_edit": 1}) for text in ("a", "b"))
    assert first.id != second.id


def test_a_message_taken_back_is_told_by_its_mid_and_never_takes_the_messages_id():
    told = one(message={"mid": "m1", "is_deleted": True})
    assert isinstance(told, CustomerDeleted)
    assert told.mid == "m1"
    assert told.id != "messenger:1:m1"


def test_an_echo_that_is_taken_back_says_nothing_anew():
    told = one(sender={"id": "1"}, recipient={"id": "7"}, message={"mid": "m1", "is_echo": True, "is_deleted": True})
    assert (told.type, told.kind) == ("channel.fact.v1", "message_deleted")


@pytest.mark.parametrize(
    "told",
    [
        {"reaction": {"mid": "m1", "action": "react", "emoji": "x"}},
        {"message_edit": {"mid": "m1", "text": "x"}},
        {"read": {"watermark": STAMP}},
        {"message": {"mid": "m1", "is_deleted": True}},
        {"referral": {"ref": "x"}},
    ],
)
def test_what_the_page_itself_did_is_nothing_of_the_customers(told):
    found = one(sender={"id": "1"}, recipient={"id": "7"}, **told)
    assert isinstance(found, ChannelFact)
    assert found.conversation == "messenger:1:7"


@pytest.mark.parametrize(
    ("told", "until", "mids"),
    [
        ({"watermark": STAMP}, True, ()),
        ({"watermark": str(STAMP)}, True, ()),
        ({"watermark": STAMP // 1000}, True, ()),
        ({"watermark": 0, "mids": ["m1", 2, None]}, False, ("m1", "2")),
        ({"mid": "m1"}, False, ("m1",)),
    ],
)
def test_a_receipt_tells_a_time_or_messages(told, until, mids):
    found = one(read=told)
    assert (found.state, found.until is not None, found.mids) == ("seen", until, mids)
    assert not until or found.until == told_time(STAMP, received=NOW)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("delivery", {}),
        ("delivery", "x"),
        ("delivery", {"watermark": "soon", "mids": "m1"}),
        ("read", {"watermark": None}),
        ("reaction", {"mid": "m1", "action": "dance"}),
        ("reaction", {"action": "react"}),
        ("message_edit", {"mid": "m1"}),
        ("message_edit", {"mid": "m1", "text": ""}),
        ("message_edit", {"text": "x"}),
        ("referral", {}),
        ("referral", None),
        ("policy_enforcement", {}),
    ],
)
def test_what_has_not_all_that_an_event_needs_is_kept_raw(key, value):
    found = one(**{key: value})
    assert isinstance(found, ChannelFact)
    assert found.kind == key
    assert found.raw[key] == value


@pytest.mark.parametrize("key", ["policy_enforcement", "policy-enforcement"])
def test_policy_is_the_pages_however_it_is_spelled(key):
    (found,) = read({"recipient": {"id": "1"}, "timestamp": STAMP, key: {"action": "warning", "reason": "spam"}})
    assert isinstance(found.event, PolicyEnforced)
    assert (found.event.conversation, found.event.action) == ("messenger:1:_page", "warning")


@pytest.mark.parametrize(
    "key", ["order", "payment", "checkout_update", "pre_checkout", "game_play", "branded_camera", "what_comes_next"]
)
def test_what_is_not_known_is_kept_and_counted(key):
    (found,) = read(event(**{key: {"x": 1}}))
    assert (found.kind, found.event.raw[key]) == ("unknown", {"x": 1})


def test_a_message_request_is_a_bare_word():
    assert one(message_request="accept").kind == "message_request"


KINDS = (
    {"message": {"mid": "?", "text": "hi"}},
    {"message": {"mid": "?", "attachments": [{"type": "image"}]}},
    {"message": {"mid": "?", "is_echo": True, "text": "hi"}},
    {"message": {"mid": "?", "is_deleted": True}},
    {"message_edit": {"mid": "?", "text": "hi", "num_edit": 1}},
    {"postback": {"mid": "?", "payload": "X"}},
    {"postback": {"title": "?"}},
    {"reaction": {"mid": "?", "action": "react"}},
    {"referral": {"ref": "?"}},
    {"read": {"watermark": STAMP}},
    {"delivery": {"watermark": STAMP, "mids": ["?"]}},
    {"pass_thread_control": {"new_owner_app_id": "?"}},
    {"take_thread_control": {"previous_owner_app_id": "?"}},
    {"optin": {"ref": "?"}},
    {"something": "new"},
)


def kind(number: int, name: str):
    """What happened, with `name` where one is needed."""
    return orjson.loads(orjson.dumps(KINDS[number]).replace(b"?", name.encode()))


times = st.sampled_from(
    [STAMP, STAMP // 1000, str(STAMP), STAMP / 1000, "2026-11-24T06:00:00+00:00", 0, None, "now", -1, True]
)


@st.composite
def envelopes(draw):
    """A body of several entries, pages and arrays; and for each event its page, customer and array."""
    entries, expected = [], []
    for _ in range(draw(st.integers(1, 4))):
        page = draw(st.sampled_from(["1", "2"]))
        entry = {"id": draw(st.sampled_from([page, int(page)]))}
        stamp = draw(times)
        if stamp is not None:
            entry["time"] = stamp
        for array in draw(st.permutations(["messaging", "standby", "changes"])):
            if array == "changes":
                entry[array] = [{"field": "feed", "value": {"item": len(expected)}}]
                expected.append((page, "_page", "changes"))
                continue
            entry[array] = []
            for _ in range(draw(st.integers(0, 3))):
                customer = draw(st.sampled_from(["7", "8"]))
                told = {"sender": {"id": draw(st.sampled_from([customer, int(customer)]))}, "recipient": {"id": page}}
                told |= {key: value for key, value in [("timestamp", draw(times))] if value is not None}
                told |= kind(draw(st.integers(0, len(KINDS) - 1)), f"m{len(expected)}")
                told["number"] = len(expected)  # so that no two of them are copies of each other
                entry[array].append(told)
                expected.append((page, customer, array))
        entries.append(entry)
    return {"object": "page", "entry": entries}, expected


@settings(deadline=None)
@given(envelopes())
def test_every_event_finds_its_page_its_customer_and_its_array_whatever_the_times(drawn):
    document, expected = drawn
    found = parse(document, received=NOW)
    assert all(isinstance(part, Parsed) for part in found)
    assert [(*part.event.conversation.split(":")[1:], part.element.array) for part in found] == expected
    for part in found:
        at = part.event.occurred_at
        assert at is None or at == told_time(STAMP, received=NOW)


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

"""Bodies as public captures show them, and what each has to become."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingress import webhook
from ingress.messenger import Parsed, parse
from ingress.webhook import Broken
from schemas.base import BaseEvent
from schemas.conversations import (
    ChannelFact,
    CustomerDeleted,
    CustomerEdited,
    CustomerMessage,
    CustomerReacted,
    CustomerReferred,
    Echo,
    PolicyEnforced,
    Receipt,
    ThreadControl,
)
from schemas.messages import Referral

FOLDER = Path(__file__).parent / "fixtures"
INDEX = json.loads((FOLDER / "index.json").read_text())
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
# The index counts what stands in arrays; an array that came as one object is taken as one event all the same.
NOT_AN_ARRAY = "messaging_is_object_not_array"
OWN_TEST = {NOT_AN_ARRAY, "object_not_page"}
EVENTS = {
    "edit": ("message_edit", CustomerEdited),
    "delete": ("message_deleted", CustomerDeleted),
    "reaction": ("reaction", CustomerReacted),
    "read": ("read", Receipt),
    "delivery": ("delivery", Receipt),
    "referral": ("referral", CustomerReferred),
    "policy": ("policy_enforcement", PolicyEnforced),
    "optin": ("optin", ChannelFact),
    "app_roles": ("app_roles", ChannelFact),
    "account_linking": ("account_linking", ChannelFact),
    "unknown": ("unknown", ChannelFact),
}
"""The index's kind of what is no message → what it is counted as, and the event that it becomes."""


def document(name: str) -> object:
    return webhook.document((FOLDER / f"{name}.json").read_bytes())


def parts(name: str) -> list[Parsed]:
    """The events of a fixture, read as one of a page: Instagram's bodies have the same shape."""
    found = parse(document(name), received=NOW)
    assert not [one for one in found if isinstance(one, Broken)]
    return [one for one in found if isinstance(one, Parsed)]


def events(name: str) -> list[BaseEvent]:
    return [one.event for one in parts(name)]


def only(name: str):
    (event,) = events(name)
    return event


def messages(found: Sequence[object], *kinds: str) -> list[CustomerMessage]:
    return [one for one in found if isinstance(one, CustomerMessage) and one.input.kind in kinds]


@pytest.mark.parametrize("case", [c for c in INDEX if c["name"] not in OWN_TEST], ids=lambda case: case["name"])
def test_a_body_becomes_as_many_messages_echoes_and_postbacks_as_it_holds(case):
    found = events(case["name"])
    counts = case["counts"]
    assert len(messages(found, "text", "quick_reply")) == case.get("dedupe", counts["inbound"])
    assert len(messages(found, "postback")) == counts["postbacks"]
    assert len([one for one in found if isinstance(one, Echo)]) == counts["echoes"]


@pytest.mark.parametrize("case", [c for c in INDEX if c["kind"] in EVENTS], ids=lambda case: case["name"])
def test_what_is_no_message_is_an_event_of_its_own_kind_and_nobodys_turn(case):
    (part,) = parts(case["name"])
    assert (part.kind, type(part.event)) == EVENTS[case["kind"]]


@pytest.mark.parametrize("case", [c for c in INDEX if c["kind"] in EVENTS], ids=lambda case: case["name"])
def test_what_has_no_type_of_its_own_is_kept_raw(case):
    event = only(case["name"])
    assert not isinstance(event, ChannelFact) or event.raw


def test_an_edit_tells_the_message_its_text_and_which_edit_it_is():
    edit = only("message_edit")
    assert (edit.mid, edit.text, edit.number) == ("mid.3038213f4ad952b07779da1f1a6d5ad9", "could somebody", 37)
    assert edit.conversation == "messenger:11029096121:153236427548"


def test_a_deletion_tells_the_message_and_is_no_empty_one():
    assert only("message_deleted").mid == "3600691_83"


def test_a_reaction_tells_the_message_and_the_emoji():
    told = only("reaction_react_emoji")
    assert (told.mid, told.action, told.reaction, told.emoji) == ("524b4cbd_3600691_83", "react", "sad", "😢")


def test_receipts_tell_a_time_up_to_which_and_messages_where_they_name_them():
    read, delivery = only("read_watermark"), only("delivery_no_timestamp")
    until = datetime(2016, 3, 23, 17, 47, 36, 253000, tzinfo=UTC)
    assert (read.state, read.until, read.mids) == ("seen", until, ())
    assert (delivery.state, delivery.until) == ("delivered", until)
    assert delivery.mids == ("mid.04921dd2c38c34d482f0a2f80cee4e0e",)


def test_a_return_by_a_link_or_an_ad_tells_which_and_keeps_the_rest():
    assert only("referral_shortlink").referral == Referral(
        ref="416_bac0_09_9_228_ad_e5145", source="SHORTLINK", kind="OPEN_THREAD"
    )
    lead = only("lead_complete_referral_seconds")
    assert lead.referral == Referral(source="ADS", kind="LEAD_COMPLETE", ad_id="1329357288170")
    assert [each["answer"] for each in lead.raw["lead"]["data"]] == ["hello", "number is"]


def test_a_first_press_behind_an_ad_tells_the_ad():
    pressed = only("postback_get_started_ad_referral").input
    assert (pressed.kind, pressed.referral.ad_id, pressed.referral.ref) == ("postback", "82 83", "988357d2 416")


def test_what_comes_with_a_message_is_kept():
    assert only("text_with_tags_chat_plugin").extras == {"tags": [{"source": "customer_chat_plugin"}]}
    assert only("message_with_commands").extras == {"commands": [{"name": "has"}]}
    assert only("text_basic_int_ids").extras is None


def test_a_block_of_the_page_tells_what_and_why():
    told = only("policy_block_hyphen")
    assert (told.action, told.reason.startswith("hello")) == ("block", True)


@pytest.mark.parametrize(
    "case", [c for c in INDEX if c["kind"].endswith("_thread_control")], ids=lambda case: case["name"]
)
def test_handover_events_tell_the_action(case):
    event = only(case["name"])
    assert isinstance(event, ThreadControl)
    assert f"{event.action}_thread_control" == case["kind"]
    assert event.channel == case.get("channel", "messaging")


@pytest.mark.parametrize("case", INDEX, ids=lambda case: case["name"])
def test_a_repeated_webhook_has_the_same_ids_whenever_it_comes(case):
    body = document(case["name"])
    first, again = (
        [one.event.id for one in parse(body, received=NOW.replace(hour=hour)) if isinstance(one, Parsed)]
        for hour in (12, 13)
    )
    assert first == again


def test_ids_that_come_as_numbers_become_text():
    message = only("text_basic_int_ids")
    assert message.conversation == "messenger:11029096121:153236427548"
    assert message.id == "messenger:11029096121:mid.3038213f4ad952b07779da1f1a6d5ad9"
    assert message.input.text == "could somebody"
    assert message.occurred_at == datetime(2016, 3, 13, 6, 29, 57, 627000, tzinfo=UTC)


def test_an_echo_is_the_pages_whichever_side_is_named_as_sender():
    swapped = only("echo_with_app_id_int_ids")
    assert isinstance(swapped, Echo)
    assert swapped.app_id == "1398970359156755"
    assert swapped.metadata == "e3a2f2ae8_f7a668d_9f12ced8_b79112"
    assert swapped.conversation == "messenger:11029096121:153236427548"
    assert only("echo_sender_is_customer_id").conversation == "messenger:141487467430926:1728531416993915"
    assert only("echo_sender_is_customer_id").app_id is None
    assert only("echo_from_own_app_arabic").conversation == "messenger:175809342685627:1102515966566815"
    assert only("echo_from_own_app_arabic").text == "في طلبي"


def test_a_quick_reply_is_a_message_with_title_and_payload():
    said = only("quick_reply").input
    assert (said.kind, said.text, said.payload) == ("quick_reply", "check my parcel", "B7F1523_18B0F_214F3")


def test_a_postback_without_mid_has_a_derived_id_that_depends_on_its_payload():
    body = document("postback_basic")
    first = parse(body, received=NOW)[0].event
    assert first.input.payload == "F169_F7A668D_B7F1523"
    assert first.mid == ""
    body["entry"][0]["messaging"][0]["postback"]["payload"] = "ANOTHER"
    assert parse(body, received=NOW)[0].event.id != first.id


def test_an_attachment_is_taken_as_told_and_not_fetched():
    (attachment,) = only("attachment_image_placeholder").input.attachments
    assert (attachment.kind, attachment.url) == ("image", "somebody")


def test_the_new_owner_of_a_thread_is_the_page_inbox():
    event = only("pass_to_page_inbox")
    assert (event.action, event.new_owner, event.previous_owner) == ("pass", "263902037430900", None)
    assert event.conversation == "messenger:175809342685627:1102515966566815"


def test_legacy_handover_events_leave_untold_owners_open():
    assert only("pass_thread_control_legacy").new_owner == "the"
    assert only("pass_thread_control_legacy").previous_owner is None
    taken = only("take_thread_control_legacy")
    assert (taken.new_owner, taken.previous_owner, taken.metadata) == (None, "check", "9f12ced8")
    assert only("request_thread_control_no_recipient").requested_owner == "146333131"


def test_roles_and_policy_belong_to_the_page_even_with_a_sender():
    assert only("app_roles_with_sender").conversation == "messenger:11029096121:_page"
    assert only("policy_block_hyphen").conversation == "messenger:11029096121:_page"


def test_changes_are_kept_under_the_page():
    feed, words = sorted(events("standby_arabic_plus_feed_change"), key=lambda one: one.type)
    assert isinstance(feed, ChannelFact)
    assert (feed.kind, feed.conversation) == ("changes:feed", "messenger:175809342685627:_page")
    assert (words.channel, words.input.text) == ("standby", "أن يساعدني")


def test_the_dashboards_test_button_is_nobodys_event():
    assert events("dashboard_test_changes_messages") == []


def test_seconds_iso_times_and_times_that_cannot_be_true():
    assert only("lead_complete_referral_seconds").occurred_at == datetime(2022, 10, 11, 17, 55, 33, tzinfo=UTC)
    assert only("ig_standby_text_iso_time").occurred_at == datetime(2026, 10, 8, 6, 34, 4, tzinfo=UTC)
    # "timestamp": 4 is no time: the entry's is taken, so that the event is not taken for one of 1970
    assert only("echo_from_own_app_arabic").occurred_at == datetime(2016, 3, 24, 0, 25, 52, 478000, tzinfo=UTC)
    assert only("delivery_no_timestamp").occurred_at == datetime(2016, 3, 23, 17, 47, 36, 451000, tzinfo=UTC)
    assert (
        next(one for one in events("standby_arabic_plus_feed_change") if one.type == "customer.message.v1").occurred_at
        is None
    )


def test_each_entry_is_of_its_own_page():
    assert [one.conversation for one in events("batch_two_pages")] == [
        "messenger:1110623662394302:1882306039337091",
        "messenger:113650611935758:1882306039337091",
    ]


def test_a_batch_keeps_its_order():
    assert [
        (one.conversation.rpartition(":")[2], one.channel, one.type) for one in events("batch_many_events_mixed_owners")
    ] == [
        ("111", "messaging", "customer.message.v1"),
        ("111", "messaging", "customer.message.v1"),
        ("111", "messaging", "message.echo.v1"),
        ("222", "messaging", "customer.message.v1"),
        ("333", "standby", "customer.message.v1"),
    ]


def test_an_entry_may_hold_both_arrays_and_empty_events():
    stubs, words = events("entry_with_messaging_and_standby")[:2], events("entry_with_messaging_and_standby")[2]
    assert [one.kind for one in stubs] == ["unknown", "unknown"]
    assert words.input.text == "somebody"


def test_an_array_that_came_as_one_object_is_one_event():
    message = only(NOT_AN_ARRAY)
    assert message.input.text == "could somebody"


def test_another_object_is_not_a_page():
    assert not webhook.is_page(document("object_not_page"))
    assert not webhook.is_page(document("ig_text"))
    assert webhook.is_page(document("text_basic_int_ids"))


def test_tokens_and_codes_in_raw_events_are_not_kept():
    raw = only("account_linked").raw
    assert raw["account_linking"] == {"status": "linked", "authorization_code": "[redacted]"}

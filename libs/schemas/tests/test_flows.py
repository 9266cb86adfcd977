"""What a flow document may look like, and what a builder is told when it is not right."""

import copy
import json
from typing import Any

import pytest

from schemas.bots import FlowPublished
from schemas.flows import (
    MAX_DOCUMENT,
    Checked,
    Flow,
    LetHumanTakeover,
    Message,
    check,
    choice_payload,
    fill,
    jump_payload,
    parse_choice,
    parse_jump,
)
from schemas.handover import BACK_PAYLOAD, HumanTakeover

Raw = dict[str, Any]


def good() -> Raw:
    return {
        "id": "salon",
        "name": "Salon",
        "blocks": {
            "start": {"kind": "start"},
            "greet": {
                "kind": "message",
                "text": "Hi {{first_name|there}}",
                "quick_replies": [{"id": "person", "title": "A person"}, {"id": "mail", "title": "Write me"}],
            },
            "mail": {"kind": "question", "text": "Your e-mail?", "attribute": "email", "check": "email"},
            "vip": {
                "kind": "condition",
                "branches": [
                    {"id": "yes", "comparisons": [{"attribute": "email", "test": "contains", "value": "@vip"}]}
                ],
            },
            "mark": {"kind": "set_attribute", "attribute": "level", "value": 2},
            "later": {"kind": "delay", "seconds": 60},
            "again": {"kind": "go_to", "target": "greet"},
            "person": {"kind": "human_takeover", "notify_admin": True, "emails": ["a@example.com"]},
        },
        "wires": [
            {"block": "start", "to": "greet"},
            {"block": "greet", "port": "person", "to": "person"},
            {"block": "greet", "port": "mail", "to": "mail"},
            {"block": "mail", "to": "vip"},
            {"block": "vip", "port": "yes", "to": "mark"},
            {"block": "vip", "port": "else", "to": "later"},
            {"block": "mark", "to": "later"},
            {"block": "later", "to": "again"},
            {"block": "person", "port": "customer", "to": "again"},
        ],
        "keywords": [{"words": ["help"], "to": "person"}],
        "default_reply": {"text": "Pardon?"},
    }


def changed(path: str, value: Any) -> Raw:
    """A good document with one thing changed; `path` is like `blocks.greet.text`."""
    document = copy.deepcopy(good())
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


def told(checked: Checked) -> list[tuple[str, str, str]]:
    return [(problem.severity, problem.block, problem.field) for problem in checked.problems]


def test_a_good_document_has_no_problem_and_comes_back_the_same_from_json():
    checked = check(good())
    assert checked.problems == ()
    assert checked.flow is not None
    assert Flow.model_validate_json(checked.flow.model_dump_json()) == checked.flow
    assert check(json.dumps(good()).encode()) == checked


def test_a_published_flow_is_read_from_its_record_although_a_newer_writer_added_fields():
    record = FlowPublished(id="f", ref="salon@1", bot="salon", document=Flow.model_validate(good()))
    raw = json.loads(record.model_dump_json(exclude_none=True))
    raw["document"]["blocks"]["greet"]["sparkle"] = True
    assert FlowPublished.model_validate(raw) == record


def test_the_flow_knows_where_its_ports_lead():
    flow = Flow.model_validate(good())
    assert flow.start == "start"
    assert flow.target("greet", "person") == "person"
    assert flow.target("greet", "next") is None


@pytest.mark.parametrize(
    ("path", "value", "block", "field", "part"),
    [
        ("blocks.greet.txt", "x", "greet", "txt", "no such field"),
        ("blocks.greet.kind", "nope", "greet", "", "no kind 'nope'"),
        ("blocks.greet.text", "x" * 2000, "greet", "text", "At most 1999"),
        ("blocks.greet.text", "", "greet", "text", "A text or an image"),
        ("blocks.greet.typing", 3.5, "greet", "typing", "At most 3"),
        ("blocks.greet.image_url", "javascript:x", "greet", "image_url", "has to look like"),
        ("blocks.greet.quick_replies.0.title", "x" * 21, "greet", "quick_replies[0].title", "At most 20"),
        ("blocks.greet.quick_replies.1.id", "person", "greet", "person", "Two ports"),
        ("blocks.greet.quick_replies.1.id", "next", "greet", "next", "Two ports"),
        (
            "blocks.greet.quick_replies",
            [{"id": f"r{i}", "title": "x"} for i in range(14)],
            "greet",
            "quick_replies",
            "At most 13",
        ),
        ("blocks.greet.buttons", [{"id": f"b{i}", "title": "x"} for i in range(4)], "greet", "buttons", "At most 3"),
        ("blocks.mail.attribute", "e mail", "mail", "attribute", "has to look like"),
        ("blocks.mail.check", "fax", "mail", "check", "One of"),
        ("blocks.mail.check", "choice", "mail", "choices", "At least one choice"),
        ("blocks.mail.choices", [{"id": "a", "title": "A"}], "mail", "choices", "Only a question that checks"),
        ("blocks.mail.max_attempts", 0, "mail", "max_attempts", "At least 1"),
        ("blocks.vip.branches", [], "vip", "branches", "At least 1"),
        ("blocks.vip.branches.0.comparisons.0.test", "greater", "vip", "branches[0].comparisons[0].value", "numbers"),
        ("blocks.later.seconds", 0, "later", "seconds", "More than 0"),
        ("blocks.again.target", "nowhere", "again", "target", "no block 'nowhere'"),
        ("blocks.person.emails", [], "person", "emails", "1 to 20 addresses"),
        ("blocks.person.emails", ["nobody"], "person", "emails[0]", "@-sign"),
        ("blocks.person.emails", [f"a{i}@example.com" for i in range(21)], "person", "emails", "At most 20"),
        ("blocks.person.auto_return", 0, "person", "auto_return", "At least 1"),
        ("blocks.person.auto_return", 30 * 24 * 3600 + 1, "person", "auto_return", "At most 2592000"),
        ("blocks.person.back_to_bot_button", "x" * 21, "person", "back_to_bot_button", "At most 20"),
        ("blocks.second", {"kind": "start"}, "second", "kind", "second Start"),
        ("blocks.a b", {"kind": "start"}, "a b", "id", "has to look like"),
        ("wires.1.to", "nowhere", "greet", "wires[1].to", "no block 'nowhere'"),
        ("wires.1.block", "nowhere", "nowhere", "wires[1].block", "no block 'nowhere'"),
        ("wires.1.port", "nope", "greet", "wires[1].port", "no port 'nope'"),
        ("wires.1.port", "mail", "greet", "wires[2].port", "second wire"),
        ("wires.1.to", 7, "greet", "wires[1].to", "string"),
        ("keywords.0.to", "nowhere", "", "keywords[0].to", "no block 'nowhere'"),
        ("keywords.0.words", [], "", "keywords[0].words", "At least 1"),
        ("default_reply.block", "nowhere", "", "default_reply.block", "no block 'nowhere'"),
        ("name", "", "", "name", "may not be empty"),
        ("id", "Salon!", "", "id", "has to look like"),
    ],
)
def test_a_mistake_is_told_with_its_block_and_field_and_hinders_publishing(path, value, block, field, part):
    checked = check(changed(path, value))
    assert checked.flow is None
    assert [p for p in checked.errors if (p.block, p.field) == (block, field) and part in p.message], checked.problems


@pytest.mark.parametrize(
    ("path", "value", "block", "field", "part"),
    [
        ("wires.3.block", "person", "mail", "next", "Nothing is wired"),
        ("wires.2", {"block": "person", "to": "mail"}, "greet", "mail", "Nothing is wired"),
        ("blocks.mail.max_attempts", 2, "mail", "failed", "Nothing is wired"),
        ("blocks.alone", {"kind": "message", "text": "x"}, "alone", "", "No way leads"),
        ("blocks.greet.text", "Hi {{ name", "greet", "text", "braces"),
        ("blocks.greet.text", "Hi {{nmae}}", "greet", "text", "No block sets the attribute 'nmae'"),
        ("blocks.person.back_to_bot_button", "Back", "person", "back_to_bot_button", "rides on the Goodbye"),
        ("default_reply", {}, "", "default_reply", "no answer"),
        ("keywords", [{"words": ["Help", "help"], "to": "person"}], "", "keywords", "twice"),
        ("wires.8", {"block": "greet", "to": "again"}, "greet", "quick_replies", "vanish"),
        ("wires.8", {"block": "greet", "to": "again"}, "greet", "", "goes round"),
        ("blocks.again.target", "again", "again", "", "goes round"),
    ],
)
def test_a_doubtful_place_is_a_warning_and_does_not_hinder_publishing(path, value, block, field, part):
    checked = check(changed(path, value))
    assert checked.flow is not None, checked.problems
    assert [p for p in checked.problems if (p.block, p.field) == (block, field) and part in p.message], checked.problems


def test_no_start_is_an_error():
    document = good()
    del document["blocks"]["start"], document["wires"][0]
    assert ("error", "", "blocks") in told(check(document))


def test_more_than_640_characters_above_buttons_is_an_error_and_below_buttons_a_text_is_needed():
    button = {"id": "b", "title": "x", "url": "https://example.com"}
    document = changed("blocks.greet.buttons", [button])
    document["blocks"]["greet"]["text"] = "x" * 640
    assert check(document).flow is not None
    document["blocks"]["greet"]["text"] = "x" * 641
    assert told(check(document)) == [("error", "greet", "text")]
    document["blocks"]["greet"] |= {"text": "", "image_url": "https://example.com/a.png"}
    assert ("error", "greet", "text") in told(check(document))


def test_more_than_1000_blocks_is_an_error():
    document = good()
    document["blocks"] |= {f"m{i}": {"kind": "message", "text": "x"} for i in range(1000)}
    assert told(check(document)) == [("error", "", "blocks")]


def test_a_document_too_big_for_one_record_is_an_error_in_both_forms():
    document = good()
    document["blocks"] |= {f"m{i}": {"kind": "message", "text": "x" * 1999} for i in range(500)}
    for form in (document, json.dumps(document).encode()):
        assert f"at most {MAX_DOCUMENT}" in check(form).errors[0].message


def test_the_size_of_a_document_counts_in_bytes_and_not_in_letters():
    document = good()
    document["blocks"] |= {f"m{i}": {"kind": "message", "text": "営" * 1999} for i in range(200)}
    assert f"at most {MAX_DOCUMENT}" in check(document).errors[0].message


def test_a_question_whose_choices_are_all_wired_needs_no_next():
    document = good()
    document["blocks"]["mail"] |= {"check": "choice", "choices": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}]}
    document["wires"][3] = {"block": "mail", "port": "a", "to": "vip"}
    assert ("warning", "mail", "next") in told(check(document))
    document["wires"].append({"block": "mail", "port": "b", "to": "vip"})
    assert told(check(document)) == []


def test_a_quick_reply_without_a_wire_is_fine_when_its_title_is_a_keyword():
    document = changed("blocks.greet.quick_replies.1", {"id": "help", "title": "Help"})
    document["wires"][2] = {"block": "person", "port": "next", "to": "mail"}
    assert told(check(document)) == []


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe", b"[]", b"{", b"[" * 100_000, b'{"blocks": [1]}', b"null", b'{"blocks": {"a": null}}']
)
def test_rubbish_is_a_problem_and_never_an_exception(rubbish):
    checked = check(rubbish)
    assert checked.flow is None
    assert checked.errors


@pytest.mark.parametrize("wires", [None, 3, [None], [[]], {"0": {"block": "x"}}, [{"block": ["x"]}], ["x"]])
def test_wires_of_any_shape_are_a_problem_and_never_an_exception(wires):
    assert check(changed("wires", wires)).errors


def test_a_long_chain_of_blocks_is_checked_without_running_out_of_stack():
    document = {
        "id": "long",
        "name": "Long",
        "blocks": {"start": {"kind": "start"}}
        | {f"g{i}": {"kind": "go_to", "target": f"g{i + 1}"} for i in range(998)},
        "wires": [{"block": "start", "to": "g0"}],
        "default_reply": {"text": "x"},
    }
    document["blocks"]["g998"] = {"kind": "go_to", "target": "g0"}
    checked = check(document)
    assert told(checked) == [("warning", "g0", "")]


def test_the_takeover_block_has_exactly_the_properties_of_a_takeover():
    own = set(LetHumanTakeover.model_fields) - {"kind", "name", "x", "y"}
    assert own == set(HumanTakeover.model_fields)
    assert LetHumanTakeover().ports() == ("next", "operator", "customer", "expired", "page_inbox")


def test_a_link_button_has_no_port():
    message = Message.model_validate(
        {"text": "x", "buttons": [{"id": "a", "title": "A", "url": "https://example.com"}, {"id": "b", "title": "B"}]}
    )
    assert message.ports() == ("next", "b")


def test_payloads_name_their_block_and_nothing_else_is_taken_for_one():
    assert parse_jump(jump_payload("ask-person")) == "ask-person"
    assert parse_choice(choice_payload("day", "mon")) == ("day", "mon")
    for other in (None, "", BACK_PAYLOAD + "e1", "GET_STARTED", choice_payload("a", "b")):
        assert parse_jump(other) is None
    for other in (None, "", jump_payload("a")):
        assert parse_choice(other) is None


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hi {{first_name}}!", "Hi Mia!"),
        ("Hi {{ first_name }}!", "Hi Mia!"),
        ("Hi {{unknown}}!", "Hi !"),
        ("Hi {{unknown|there}}!", "Hi there!"),
        ("Hi {{empty| there }}!", "Hi there!"),
        ("{{nested}}", "{{first_name}}"),
        ("{{first_name", "{{first_name"),
        ("{{}} {first_name}", "{{}} {first_name}"),
        ("{{first_name|a}}{{first_name|b}}", "MiaMia"),
    ],
)
def test_attributes_in_texts_are_filled_in_once_and_never_again(text, filled):
    assert fill(text, {"first_name": "Mia", "empty": "", "nested": "{{first_name}}"}) == filled


FACE = "\U0001f600"  # two units
FILE = {"kind": "video", "url": "https://x.example/a.mp4"}
CARD = {"title": "Oak", "subtitle": "Warm", "buttons": [{"id": "buy", "title": "Buy"}]}


def with_message(**fields: Any) -> Raw:
    document = good()
    document["blocks"]["greet"] |= fields
    return document


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"text": FACE * 1000}, "text", "At most 1999 characters, of which an emoji is two or more; it has 2000"),
        ({"quick_replies": [{"id": "a", "title": FACE * 11}]}, "quick_replies[0].title", "it has 22"),
        ({"buttons": [{"id": "b", "title": FACE * 11}]}, "buttons[0].title", "it has 22"),
        ({"text": "x" * 641, "buttons": [{"id": "b", "title": "x"}]}, "text", "At most 640 characters above buttons"),
        ({"text": FACE * 321, "buttons": [{"id": "b", "title": "x"}]}, "text", "it has 642"),
        ({"buttons": [{"id": f"b{i}", "title": "x"} for i in range(4)]}, "buttons", "At most 3"),
        ({"cards": [CARD | {"buttons": []}] * 11}, "cards", "At most 10"),
        ({"cards": [CARD | {"title": "x" * 81}]}, "cards[0].title", "At most 80"),
        ({"cards": [CARD | {"title": FACE * 41}]}, "cards[0].title", "it has 82"),
        ({"cards": [CARD | {"title": ""}]}, "cards[0].title", "may not be empty"),
        ({"cards": [CARD | {"subtitle": "x" * 81}]}, "cards[0].subtitle", "At most 80"),
        ({"cards": [{"title": "Oak"}]}, "cards[0].subtitle", "needs a subtitle, an image, a page or a button"),
        (
            {"cards": [CARD | {"buttons": [{"id": f"b{i}", "title": "x"} for i in range(4)]}]},
            "cards[0].buttons",
            "At most 3",
        ),
        (
            {"cards": [CARD | {"buttons": [{"id": "a", "title": FACE * 11}]}]},
            "cards[0].buttons[0].title",
            "it has 22",
        ),
        ({"cards": [CARD, CARD]}, "buy", "Two ports"),
        ({"cards": [CARD | {"url": "ftp://x"}]}, "cards[0].url", "has to look like"),
        ({"cards": [CARD | {"image_url": "https://x.example/" + "x" * 2000}]}, "cards[0].image_url", "At most 2000"),
        ({"media": FILE | {"kind": "hologram"}}, "media.kind", "One of"),
        ({"media": FILE | {"url": "file:///etc/passwd"}}, "media.url", "has to look like"),
        ({"media": FILE | {"url": "https://x.example/" + "x" * 2000}}, "media.url", "At most 2000"),
        ({"image_url": "https://x.example/" + "x" * 2000}, "image_url", "At most 2000"),
        ({"buttons": [{"id": "b", "title": "x", "url": "https://" + "x" * 2000}]}, "buttons[0].url", "At most 2000"),
        ({"buttons": [{"id": "b", "title": "x", "phone": "030 123"}]}, "buttons[0].phone", "has to look like"),
        (
            {"buttons": [{"id": "b", "title": "x", "phone": "+4930123456", "url": "https://x.example"}]},
            "buttons[0].phone",
            "not both",
        ),
    ],
)
def test_each_limit_of_the_channel_is_told_with_the_block_and_field_that_breaks_it(
    fields: Raw, field: str, part: str
) -> None:
    document = with_message(**fields)
    checked = check(document)
    assert checked.flow is None
    assert [(error.block, error.field) for error in checked.errors if part in error.message] == [("greet", field)]


@pytest.mark.parametrize(
    ("block", "fields", "field"),
    [
        ("mail", {"text": FACE * 1000}, "text"),
        ("mail", {"retry_text": FACE * 1000}, "retry_text"),
        ("person", {"goodbye_message": FACE * 951}, "goodbye_message"),
        ("person", {"goodbye_message": "x", "back_to_bot_button": FACE * 11}, "back_to_bot_button"),
        ("person", {"back_to_bot_message": FACE * 951}, "back_to_bot_message"),
    ],
)
def test_so_are_those_of_questions_and_takeovers(block: str, fields: Raw, field: str) -> None:
    document = good()
    document["blocks"][block] |= fields
    assert [(error.block, error.field) for error in check(document).errors] == [(block, field)]


def test_and_that_of_the_default_reply() -> None:
    [error] = check(changed("default_reply.text", FACE * 1000)).errors
    assert (error.block, error.field) == ("", "default_reply.text")


def test_what_attributes_add_is_not_counted_for_nobody_knows_it_yet() -> None:
    replies = [{"id": "person", "title": "{{first_name}}" + FACE * 5}, {"id": "mail", "title": "Write me"}]
    assert check(with_message(quick_replies=replies)).errors == ()


def test_files_and_cards_need_no_text_and_their_buttons_have_ports() -> None:
    document = with_message(text="", media=FILE, cards=[CARD], quick_replies=[])
    document["wires"] = [wire for wire in document["wires"] if wire["block"] != "greet"]
    document["wires"].append({"block": "greet", "port": "buy", "to": "mail"})
    checked = check(document)
    assert checked.errors == ()
    assert checked.flow is not None
    assert checked.flow.target("greet", "buy") == "mail"
    assert checked.flow.blocks["greet"].ports() == ("next", "buy")


def test_a_button_that_calls_has_no_port() -> None:
    document = with_message(buttons=[{"id": "call", "title": "Call", "phone": "+4930123456"}])
    flow = check(document).flow
    assert flow is not None
    assert flow.blocks["greet"].ports() == ("next", "person", "mail")


def test_only_a_question_for_an_address_or_a_number_suggests_the_customers_own() -> None:
    assert check(changed("blocks.mail.suggest", True)).errors == ()
    [error] = check(
        good() | {"blocks": good()["blocks"] | {"mail": {**good()["blocks"]["mail"], "check": "text", "suggest": True}}}
    ).errors
    assert (error.block, error.field) == ("mail", "suggest")

import json

import pytest
from fb_commands import BUTTONS, INBOX, PAGE, REPLIES
from hypothesis import given
from hypothesis import strategies as st

from fb_handover import graph_body
from fb_handover.graph_body import Origin, parts, read_metadata, split, units, write_metadata
from schemas.base import ConversationId
from schemas.messages import OutMessage

MIA = ConversationId("messenger", PAGE, "7733")


def sent(message, **more):
    return [
        json.loads(graph_body.send(MIA, part, Origin("c-1", number), **more).payload())
        for number, part in enumerate(parts(message))
    ]


def test_a_text_is_one_response_to_the_customer_with_our_metadata():
    assert sent(OutMessage(text="Hello")) == [
        {
            "recipient": {"id": "7733"},
            "messaging_type": "RESPONSE",
            "message": {"text": "Hello", "metadata": '{"c":"c-1"}'},
        }
    ]


def test_the_page_is_named_in_the_path_so_that_a_wrong_token_fails():
    assert graph_body.send(MIA, parts(OutMessage(text="a"))[0], Origin("c")).path == f"{PAGE}/messages"


def test_a_pass_rides_on_the_message():
    [body] = sent(OutMessage(text="Bye"), pass_to=INBOX)
    assert body["thread_control"] == {"control_type": "pass", "app_id": INBOX}


def test_quick_replies_go_with_the_text():
    [body] = sent(OutMessage(text="Well?", quick_replies=REPLIES))
    assert body["message"]["quick_replies"] == [
        {"content_type": "text", "title": "Yes", "payload": "yes"},
        {"content_type": "text", "title": "No", "payload": "no"},
    ]


def test_buttons_are_a_template_with_links_and_postbacks():
    [body] = sent(OutMessage(text="Well?", buttons=BUTTONS))
    assert body["message"]["attachment"] == {
        "type": "template",
        "payload": {
            "template_type": "button",
            "text": "Well?",
            "buttons": [
                {"type": "web_url", "title": "Shop", "url": "https://shop.example/"},
                {"type": "postback", "title": "Help", "payload": "help"},
            ],
        },
    }


def test_a_picture_goes_before_its_text_and_the_choices_go_last():
    picture, text = sent(OutMessage(text="Well?", image_url="https://x.example/a.png", quick_replies=REPLIES))
    assert picture["message"]["attachment"] == {"type": "image", "payload": {"url": "https://x.example/a.png"}}
    assert "quick_replies" not in picture["message"]
    assert text["message"]["text"] == "Well?"
    assert len(text["message"]["quick_replies"]) == 2


def test_a_picture_alone_carries_the_choices():
    [picture] = sent(OutMessage(image_url="https://x.example/a.png", quick_replies=REPLIES))
    assert len(picture["message"]["quick_replies"]) == 2


def test_parts_are_told_apart_in_their_echoes():
    _, second = sent(OutMessage(text="Well?", image_url="https://x.example/a.png"))
    assert read_metadata(second["message"]["metadata"]) == Origin("c-1", 1)


def test_a_text_over_buttons_that_is_too_long_for_a_template_begins_as_a_message():
    lead, last = parts(OutMessage(text="Sentence. " * 90, buttons=BUTTONS))
    assert lead.text is not None
    assert lead.attachment is None
    assert last.attachment is not None
    assert units(last.attachment.payload.text) <= 640


def test_buttons_without_a_text_get_one_since_facebook_wants_it():
    [body] = sent(OutMessage(buttons=BUTTONS))
    assert body["message"]["attachment"]["payload"]["text"]


@pytest.mark.parametrize("message", [OutMessage(), OutMessage(text="  \n"), OutMessage(quick_replies=REPLIES)])
def test_a_message_that_says_nothing_has_no_part(message):
    assert parts(message) == ()


def test_a_text_of_two_thousand_characters_is_two_messages():
    assert [units(part.text) for part in parts(OutMessage(text="x" * 2000))] == [1999, 1]


def test_a_long_text_is_cut_after_a_sentence():
    text = "A" * 900 + ". " + "B" * 900 + ". " + "C" * 196
    assert parts(OutMessage(text=text))[0].text == "A" * 900 + ". " + "B" * 900 + "."


def test_an_emoji_counts_as_two():
    assert [units(piece) for piece in split("😀" * 10, 9)] == [8, 8, 4]


@given(st.text(max_size=400), st.integers(2, 60))
def test_no_piece_is_too_long_and_no_word_is_lost(text, limit):
    pieces = split(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128), st.integers(0, 9))
def test_metadata_comes_back_as_it_was_and_fits(command, part):
    written = write_metadata(Origin(command, part))
    assert read_metadata(written) == Origin(command, part)
    assert len(written) < 1000


@pytest.mark.parametrize("foreign", [None, "", "{", "[]", "x", '{"d":"c-1"}', '{"c":7}', "null"])
def test_metadata_of_others_is_not_ours(foreign):
    assert read_metadata(foreign) is None


def test_metadata_with_more_in_it_is_read():
    assert read_metadata('{"c":"c-1","later":true}') == Origin("c-1")


def test_thread_control_and_questions():
    assert json.loads(graph_body.pass_thread(MIA, INBOX).payload()) == {
        "recipient": {"id": "7733"},
        "target_app_id": INBOX,
    }
    assert json.loads(graph_body.take_thread(MIA).payload()) == {"recipient": {"id": "7733"}}
    assert graph_body.thread_owner(MIA).query == (("recipient", "7733"),)
    assert graph_body.thread_owner(MIA).payload() is None
    assert graph_body.profile(MIA).path == "7733"

import json

import pytest
from fb_commands import BUTTONS, INBOX, PAGE, REPLIES
from hypothesis import given
from hypothesis import strategies as st

from facebook.limits import send_request
from fb_handover import graph_body
from fb_handover.graph_body import Origin, parts, read_metadata, write_metadata
from schemas.base import ConversationId
from schemas.messages import Button, Card, Media, OutMessage, QuickReply
from schemas.texts import units

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


FACES = "\U0001f600" * 40


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
def test_a_file_goes_by_its_address_and_before_the_text(kind):
    file, text = sent(
        OutMessage(text="Here.", media=Media(kind=kind, url="https://x.example/a"), quick_replies=REPLIES)
    )
    assert file["message"]["attachment"] == {"type": kind, "payload": {"url": "https://x.example/a"}}
    assert text["message"]["text"] == "Here."
    assert len(text["message"]["quick_replies"]) == 2


def test_cards_are_a_generic_template_after_the_text_and_carry_the_choices():
    card = Card(
        title="Oak",
        subtitle="Warm",
        image_url="https://x.example/oak.png",
        url="https://x.example/oak",
        buttons=(Button(title="Call", phone="+4930123456"),),
    )
    text, cards = sent(
        OutMessage(text="Look:", cards=(card, Card(title="Elm", subtitle="Cool")), quick_replies=REPLIES)
    )
    assert text["message"]["text"] == "Look:"
    assert cards["message"]["attachment"] == {
        "type": "template",
        "payload": {
            "template_type": "generic",
            "elements": [
                {
                    "title": "Oak",
                    "subtitle": "Warm",
                    "image_url": "https://x.example/oak.png",
                    "default_action": {"type": "web_url", "url": "https://x.example/oak"},
                    "buttons": [{"type": "phone_number", "title": "Call", "payload": "+4930123456"}],
                },
                {"title": "Elm", "subtitle": "Cool"},
            ],
        },
    }
    assert len(cards["message"]["quick_replies"]) == 2


@pytest.mark.parametrize(("kind", "content"), [("email", "user_email"), ("phone", "user_phone_number")])
def test_a_quick_reply_offers_what_facebook_knows_of_the_customer(kind, content):
    [body] = sent(OutMessage(text="Well?", quick_replies=(QuickReply(title="Mine", payload="x", kind=kind),)))
    assert body["message"]["quick_replies"] == [{"content_type": content}]


def test_titles_are_cut_by_the_unit_in_which_facebook_counts_at_most():
    message = OutMessage(
        text="Well?",
        quick_replies=(QuickReply(title=FACES[:20], payload="x"),),
        buttons=(Button(title=FACES[:20], payload="x"),),
        cards=(Card(title=FACES, subtitle=FACES[:-1] + "ab"),),
    )
    first, last = sent(message)
    [element] = last["message"]["attachment"]["payload"]["elements"]
    titles = [
        first["message"]["attachment"]["payload"]["buttons"][0]["title"],
        last["message"]["quick_replies"][0]["title"],
        element["title"],
        element["subtitle"],
    ]
    assert [units(title) for title in titles] == [20, 20, 80, 80]


def test_a_persons_late_answer_goes_out_under_the_human_agent_tag_and_nothing_else_does():
    [late] = sent(OutMessage(text="a"), human_agent=True)
    assert (late["messaging_type"], late["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
    [now] = sent(OutMessage(text="a"))
    assert (now["messaging_type"], "tag" in now) == ("RESPONSE", False)


def test_a_persona_is_named_beside_the_message():
    [body] = sent(OutMessage(text="a"), persona="17")
    assert body["persona_id"] == "17"
    request = graph_body.make_persona(PAGE, "Ola", "https://x.example/ola.png")
    assert request.path == f"{PAGE}/personas"
    assert json.loads(request.payload()) == {"name": "Ola", "profile_picture_url": "https://x.example/ola.png"}


WORDS = st.text(st.sampled_from("ab .\n\u0301\u200d\U0001f600\U0001f1e9\U0001f1ea"), max_size=400)
TITLE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
BUTTON = st.builds(Button, title=TITLE, payload=st.just("p"))
MESSAGE = st.builds(
    OutMessage,
    text=WORDS.map(lambda text: (text * 5)[:2000]),
    image_url=st.none() | st.just("https://x.example/a.png"),
    media=st.none() | st.just(Media(kind="video", url="https://x.example/a.mp4")),
    quick_replies=st.lists(st.builds(QuickReply, title=TITLE, payload=st.just("p")), max_size=13).map(tuple),
    buttons=st.lists(BUTTON, max_size=3).map(tuple),
    cards=st.lists(
        st.builds(
            Card,
            title=st.text(min_size=1, max_size=80),
            subtitle=st.text(max_size=80),
            buttons=st.lists(BUTTON, max_size=3).map(tuple),
        ),
        max_size=10,
    ).map(tuple),
)


@given(MESSAGE)
def test_whatever_is_said_facebook_in_a_box_takes_each_part_and_no_word_is_lost(message):
    said = [send_request({"recipient": body["recipient"], "message": body["message"]}) for body in sent(message)]
    texts = [
        part.message.text or getattr(getattr(part.message.attachment, "payload", None), "text", "") for part in said
    ]
    assert all(units(text) < 2000 for text in texts)
    assert "".join("".join(texts).replace(graph_body.NO_TEXT, "").split()) == "".join(message.text.split())


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

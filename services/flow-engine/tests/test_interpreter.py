"""What a turn says and where it leaves the customer, told as laws of the flow."""

from typing import Any

import pytest

from flow_engine.interpreter import STEP_LIMIT, flow_of, take_turn
from schemas.conversations import TakeoverRequested, TurnCompleted
from schemas.flows import PLAIN_PAYLOAD, Flow, check, choice_payload, jump_payload
from schemas.handover import RequestedBy, back_payload
from schemas.messages import CustomerInput, OutMessage, Profile
from schemas.sessions import MAX_ATTRIBUTES, Session
from schemas.turns import TurnAsked

FLOW = "salon@1"
CONVERSATION = "messenger:100:200"
MIA = Profile(first_name="Mia", last_name="Berg")


def flow(*, wires: str = "", keywords: Any = (), default: Any = None, **blocks: dict[str, Any]) -> Flow:
    """`wires` as `a>b a.port>b`."""
    document = {
        "id": "salon",
        "name": "Salon",
        "blocks": {"start": {"kind": "start"}, **blocks},
        "wires": [wire(text) for text in wires.split()],
        "keywords": [{"words": words, "match": match, "to": to} for words, match, to in keywords],
        "default_reply": default or {},
    }
    checked = check(document)
    assert checked.flow is not None, checked.problems
    return checked.flow


def wire(text: str) -> dict[str, str]:
    source, target = text.split(">")
    block, _, port = source.partition(".")
    return {"block": block, "port": port or "next", "to": target}


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"kind": "message", "text": text, **more}


def ask(text: str = "Your e-mail?", **more: Any) -> dict[str, Any]:
    return {"kind": "question", "text": text, "attribute": "email", "check": "email", **more}


def turn(
    reason: str = "message",
    text: str | None = "hello",
    *,
    session: Session | None = None,
    payload: str | None = None,
    resume: dict[str, Any] | None = None,
    profile: Profile = MIA,
    may_ask_person: bool = True,
    at: str = "t1",
) -> TurnAsked:
    kind = "text" if payload is None else "quick_reply"
    message = CustomerInput(kind=kind, text=text or "", payload=payload).model_dump() if reason == "message" else None
    return TurnAsked.model_validate(
        {
            "id": f"{at}:1",
            "conversation": CONVERSATION,
            "bot": "salon",
            "turn": at,
            "epoch": 3,
            "flow": FLOW,
            "session": session,
            "input": {"reason": reason, "message": message, "resume": resume},
            "profile": profile,
            "may_ask_person": may_ask_person,
        }
    )


def completed(document: Flow, asked: TurnAsked) -> TurnCompleted:
    end = take_turn(document, asked)
    assert isinstance(end, TurnCompleted)
    return end


def requested(document: Flow, asked: TurnAsked) -> TakeoverRequested:
    end = take_turn(document, asked)
    assert isinstance(end, TakeoverRequested)
    return end


def texts(end: TurnCompleted | TakeoverRequested) -> list[str]:
    return [message.text for message in end.messages]


def codes(end: TurnCompleted | TakeoverRequested) -> list[str]:
    return [notice.code for notice in end.notices]


def at(block: str, waits_for: str = "input", **more: Any) -> Session:
    return Session.model_validate({"flow": FLOW, "at": block, "waits_for": waits_for, **more})


# --- beginning


def test_a_first_message_begins_at_start_and_the_turn_ends_in_one_event_named_after_it():
    end = completed(flow(hi=say("Hi {{first_name|there}}"), wires="start>hi"), turn())
    assert end.id == "t1:done"
    assert (end.turn, end.epoch, end.conversation) == ("t1", 3, CONVERSATION)
    assert end.messages == (OutMessage(text="Hi Mia", block="hi"),)
    assert end.session == at("hi")
    assert end.notices == ()


def test_a_stranger_is_greeted_by_the_default_of_the_text():
    assert texts(completed(flow(hi=say("Hi {{first_name|there}}"), wires="start>hi"), turn(profile=Profile()))) == [
        "Hi there"
    ]


@pytest.mark.parametrize("session", [None, Session(flow="salon@7"), Session(flow="salon@7", attributes={"a": "1"})])
def test_a_new_beginning_takes_the_published_version(session):
    asked = turn(session=session)
    assert flow_of(asked) == FLOW
    end = completed(flow(hi=say("Hi"), wires="start>hi"), asked)
    assert end.session.flow == FLOW
    assert end.session.attributes == (session.attributes if session else {})


def test_a_session_under_way_stays_on_its_version():
    session = Session(flow="salon@7", at="hi", waits_for="input")
    asked = turn(session=session)
    assert flow_of(asked) == "salon@7"
    assert completed(flow(hi=say("Hi"), wires="start>hi"), asked).session.flow == "salon@7"


def test_start_begins_anew_with_the_published_version_and_keeps_the_attributes():
    asked = turn(
        "start", session=Session(flow="salon@7", at="q", waits_for="answer", attempts=2, attributes={"a": "1"})
    )
    end = completed(flow(hi=say("Hi {{a}}"), wires="start>hi"), asked)
    assert texts(end) == ["Hi 1"]
    assert end.session == Session(flow=FLOW, at="hi", waits_for="input", attributes={"a": "1"})


def test_a_keyword_in_the_first_message_wins_over_start():
    document = flow(hi=say("Hi"), hours=say("9 to 5"), wires="start>hi", keywords=[(["hours"], "contains", "hours")])
    assert texts(completed(document, turn(text="your hours?"))) == ["9 to 5"]


# --- messages


def test_a_message_says_its_buttons_and_quick_replies_which_jump_where_they_are_wired():
    hi = say(
        "Hi",
        typing=1.5,
        quick_replies=[{"id": "a", "title": "To {{first_name}}"}, {"id": "b", "title": "B"}],
        buttons=[{"id": "c", "title": "C"}, {"id": "d", "title": "D", "url": "https://example.com"}],
    )
    (message,) = completed(flow(hi=hi, other=say("x"), wires="start>hi hi.a>other hi.c>other"), turn()).messages
    assert [(reply.title, reply.payload) for reply in message.quick_replies] == [
        ("To Mia", jump_payload("other")),
        ("B", PLAIN_PAYLOAD),
    ]
    assert [(button.title, button.payload, button.url) for button in message.buttons] == [
        ("C", jump_payload("other"), None),
        ("D", None, "https://example.com"),
    ]
    assert message.typing == 1.5


def test_an_image_goes_before_its_text_as_a_message_of_its_own():
    document = flow(
        hi=say("Look", image_url="https://example.com/a.png", typing=1, quick_replies=[{"id": "a", "title": "A"}]),
        wires="start>hi",
    )
    image, text = completed(document, turn()).messages
    assert (image.image_url, image.text, image.typing, image.quick_replies) == (
        "https://example.com/a.png",
        "",
        1.0,
        (),
    )
    assert (text.image_url, text.text, text.typing, len(text.quick_replies)) == (None, "Look", 0.0, 1)


def test_quick_replies_ride_on_an_image_that_has_no_text():
    hi = say("", image_url="https://example.com/a.png", quick_replies=[{"id": "a", "title": "A"}])
    (message,) = completed(flow(hi=hi, wires="start>hi"), turn()).messages
    assert len(message.quick_replies) == 1


FACE = "\U0001f600"


def test_a_text_that_is_too_long_once_filled_in_is_said_in_several_messages_and_told():
    session = Session(flow=FLOW, attributes={"long": "x" * 2000})
    hi = say("{{long}} {{long}}", quick_replies=[{"id": "a", "title": "{{long}}"}])
    end = completed(flow(hi=hi, wires="start>hi"), turn(session=session))
    assert "".join(message.text for message in end.messages) == "x" * 4000
    assert all(len(message.text) < 2000 for message in end.messages)
    assert [len(message.quick_replies) for message in end.messages] == [0] * (len(end.messages) - 1) + [1]
    assert len(end.messages[-1].quick_replies[0].title) == 20
    assert codes(end) == ["bad_template", "bad_template"]


def test_what_would_be_more_than_four_messages_is_cut_and_told():
    session = Session(flow=FLOW, attributes={"long": "x" * 2000})
    end = completed(flow(hi=say("{{long}}" * 9), wires="start>hi"), turn(session=session))
    assert [len(message.text) for message in end.messages] == [1999] * 4
    assert "cut to 4 messages" in end.notices[0].text
    assert end.notices[0].block == "hi"


def test_above_buttons_only_the_end_of_a_long_text_stands():
    session = Session(flow=FLOW, attributes={"long": "word " * 200})
    hi = say("{{long}}", buttons=[{"id": "b", "title": "Go"}])
    end = completed(flow(hi=hi, wires="start>hi"), turn(session=session))
    assert [len(message.buttons) for message in end.messages] == [0, 1]
    assert all(len(message.text) <= 640 for message in end.messages)
    assert codes(end) == ["bad_template"]


def test_an_emoji_counts_as_two_and_is_not_cut_in_half():
    session = Session(flow=FLOW, attributes={"faces": FACE * 30})
    hi = say("Hi", quick_replies=[{"id": "a", "title": "x{{faces}}"}])
    end = completed(flow(hi=hi, wires="start>hi"), turn(session=session))
    assert end.messages[0].quick_replies[0].title == "x" + FACE * 9


def test_each_kind_of_content_is_a_message_of_its_own_and_the_choices_go_with_the_last():
    card = {
        "title": "Oak for {{first_name}}",
        "subtitle": "Warm",
        "url": "https://x.example/oak",
        "image_url": "https://x.example/oak.png",
        "buttons": [{"id": "buy", "title": "Buy"}, {"id": "call", "title": "Call", "phone": "+4930123456"}],
    }
    hi = say(
        "Look:",
        image_url="https://x.example/a.png",
        media={"kind": "video", "url": "https://x.example/a.mp4"},
        cards=[card],
        quick_replies=[{"id": "more", "title": "More"}],
        typing=1.0,
    )
    end = completed(flow(hi=hi, ask=ask(), wires="start>hi hi.buy>ask"), turn())
    image, file, text, cards = end.messages
    assert (image.image_url, image.typing) == ("https://x.example/a.png", 1.0)
    assert (file.media.kind, file.media.url, file.typing) == ("video", "https://x.example/a.mp4", 0.0)
    assert text.text == "Look:"
    [oak] = cards.cards
    assert (oak.title, oak.subtitle, oak.url) == ("Oak for Mia", "Warm", "https://x.example/oak")
    assert [(button.payload, button.phone) for button in oak.buttons] == [
        (jump_payload("ask"), None),
        (None, "+4930123456"),
    ]
    assert [bool(message.quick_replies) for message in end.messages] == [False, False, False, True]


def test_a_card_whose_title_is_empty_is_left_out_and_told():
    cards = [{"title": "{{nick}}", "subtitle": "x"}, {"title": "Elm", "subtitle": "x"}]
    end = completed(flow(hi=say("", cards=cards), wires="start>hi"), turn())
    assert [card.title for card in end.messages[0].cards] == ["Elm"]
    assert "card 1" in end.notices[0].text


@pytest.mark.parametrize(("check_for", "kind"), [("email", "email"), ("phone", "phone")])
def test_a_question_suggests_what_the_channel_knows_of_the_customer(check_for, kind):
    end = completed(flow(q=ask(check=check_for, suggest=True), wires="start>q"), turn())
    assert [reply.kind for reply in end.messages[0].quick_replies] == [kind]


def test_the_suggested_address_answers_the_question():
    mail = flow(q=ask(suggest=True), end=say("Thanks {{email}}"), wires="start>q q>end")
    asked = completed(mail, turn())
    end = completed(mail, turn(text="mia@example.com", payload="mia@example.com", session=asked.session))
    assert [message.text for message in end.messages] == ["Thanks mia@example.com"]


def test_a_turn_that_would_be_too_big_for_its_record_is_cut_and_told():
    wide = [{"title": f"c{n}", "image_url": f"https://x.example/{n}" + "x" * 1900, "subtitle": "x"} for n in range(10)]
    blocks = {f"m{n}": say("", cards=wide) for n in range(30)}
    wires = "start>m0 " + " ".join(f"m{n}>m{n + 1}" for n in range(29))
    end = completed(flow(wires=wires, **blocks), turn())
    assert len(end.model_dump_json()) < 800_000
    assert 0 < len(end.messages) < 30
    assert "step_limit" in codes(end)


def test_above_buttons_a_text_is_cut_to_640():
    session = Session(flow=FLOW, attributes={"long": "x" * 2000})
    hi = say("{{long}}", buttons=[{"id": "a", "title": "A", "url": "https://example.com"}])
    assert len(completed(flow(hi=hi, wires="start>hi"), turn(session=session)).messages[0].text) == 640


def test_a_message_with_nothing_left_to_say_is_left_out_and_told_and_the_flow_goes_on():
    end = completed(flow(empty=say("{{nothing}}"), bye=say("Bye"), wires="start>empty empty>bye"), turn())
    assert texts(end) == ["Bye"]
    assert codes(end) == ["bad_template"]


def test_a_value_that_looks_like_a_mark_is_said_as_it_stands():
    session = Session(flow=FLOW, attributes={"a": "{{first_name}}"})
    assert texts(completed(flow(hi=say("{{a}}"), wires="start>hi"), turn(session=session))) == ["{{first_name}}"]


# --- jumps, keywords, the default reply


@pytest.mark.parametrize(
    "session",
    [
        None,
        at("hi"),
        at("q", "answer", attempts=1),
        at("wait", "delay", delay_turn="t0"),
        at("gone", "answer"),
        at("person", "person"),
    ],
)
def test_a_press_jumps_from_anywhere_to_the_block_it_names(session):
    document = flow(
        hi=say("Hi"),
        q=ask(),
        wait={"kind": "delay", "seconds": 5},
        person={"kind": "human_takeover"},
        there=say("There"),
        wires="start>hi",
    )
    end = completed(document, turn(session=session, text="Go", payload=jump_payload("there")))
    assert texts(end) == ["There"]
    assert end.session == at("there")


@pytest.mark.parametrize(
    "payload", [jump_payload("gone"), back_payload("e1"), PLAIN_PAYLOAD, "GET_STARTED", "x" * 1000]
)
def test_a_press_that_names_no_block_of_this_version_counts_by_its_title(payload):
    document = flow(hi=say("Hi"), hours=say("9 to 5"), wires="start>hi", keywords=[(["hours"], "exact", "hours")])
    assert texts(completed(document, turn(session=at("hi"), text="Hours", payload=payload))) == ["9 to 5"]


def test_what_matches_nothing_gets_the_default_reply_and_the_customer_stays_where_she_was():
    end = completed(
        flow(hi=say("Hi"), wires="start>hi", default={"text": "Pardon, {{first_name}}?"}), turn(session=at("hi"))
    )
    assert texts(end) == ["Pardon, Mia?"]
    assert end.session == at("hi")


def test_the_default_reply_may_be_a_block():
    end = completed(
        flow(hi=say("Hi"), sorry=say("Sorry"), wires="start>hi", default={"block": "sorry"}), turn(session=at("hi"))
    )
    assert texts(end) == ["Sorry"]
    assert end.session == at("sorry")


def test_without_a_default_reply_nothing_is_said():
    end = completed(flow(hi=say("Hi"), wires="start>hi"), turn(session=at("hi")))
    assert (end.messages, end.session) == ((), at("hi"))


# --- questions

QUESTIONS = flow(
    q=ask(retry_text="Once more?", max_attempts=3),
    done=say("Thanks, {{email}}"),
    failed=say("Never mind"),
    help=say("Help!"),
    wires="start>q q>done q.failed>failed",
    keywords=[(["help"], "contains", "help")],
)


def test_a_question_waits_for_its_answer_and_keeps_it():
    end = completed(QUESTIONS, turn())
    assert texts(end) == ["Your e-mail?"]
    assert end.session == at("q", "answer")
    after = completed(QUESTIONS, turn(session=end.session, text="mia@example.com"))
    assert texts(after) == ["Thanks, mia@example.com"]
    assert after.session == at("done", attributes={"email": "mia@example.com"})


def test_an_answer_that_does_not_fit_is_asked_for_again_until_the_attempts_are_used_up():
    first = completed(QUESTIONS, turn(session=at("q", "answer"), text="what?"))
    assert texts(first) == ["Once more?"]
    assert first.session == at("q", "answer", attempts=1)
    second = completed(QUESTIONS, turn(session=first.session, text="why?"))
    assert second.session == at("q", "answer", attempts=2)
    third = completed(QUESTIONS, turn(session=second.session, text="no"))
    assert texts(third) == ["Never mind"]
    assert third.session == at("failed")


def test_when_the_attempts_are_used_up_and_nothing_is_wired_the_default_reply_answers():
    document = flow(q=ask(max_attempts=1), wires="start>q", default={"text": "Pardon?"})
    end = completed(document, turn(session=at("q", "answer"), text="no"))
    assert texts(end) == ["Pardon?"]
    assert end.session == at("q")


def test_without_a_limit_and_a_retry_text_the_question_itself_is_asked_for_ever():
    end = completed(flow(q=ask(), wires="start>q"), turn(session=at("q", "answer", attempts=1000), text="no"))
    assert texts(end) == ["Your e-mail?"]


def test_an_answer_that_fits_is_taken_although_it_holds_a_keyword():
    document = flow(q=ask(check="text"), hours=say("9"), wires="start>q", keywords=[(["hours"], "contains", "hours")])
    end = completed(document, turn(session=at("q", "answer"), text="hours"))
    assert end.session.attributes == {"email": "hours"}


def test_an_answer_that_does_not_fit_but_is_a_keyword_leaves_the_question():
    end = completed(QUESTIONS, turn(session=at("q", "answer"), text="I need help"))
    assert texts(end) == ["Help!"]
    assert end.session == at("help")


def test_a_choice_is_offered_as_quick_replies_and_goes_on_at_its_own_port():
    q = ask("Which day?", check="choice", choices=[{"id": "mon", "title": "Monday"}, {"id": "tue", "title": "Tuesday"}])
    document = flow(q=q, other=say("Other"), monday=say("{{email}} it is"), wires="start>q q.mon>monday q>other")
    asked = completed(document, turn())
    assert [(r.title, r.payload) for r in asked.messages[0].quick_replies] == [
        ("Monday", choice_payload("q", "mon")),
        ("Tuesday", choice_payload("q", "tue")),
    ]
    pressed = turn(session=asked.session, text="Monday", payload=choice_payload("q", "mon"))
    assert texts(completed(document, pressed)) == ["Monday it is"]
    assert texts(completed(document, turn(session=asked.session, text="tuesday"))) == ["Other"]
    again = completed(document, turn(session=asked.session, text="sunday"))
    assert len(again.messages[0].quick_replies) == 2


# --- conditions and attributes


def test_a_condition_chooses_by_what_was_set_in_the_same_turn():
    document = flow(
        put={"kind": "set_attribute", "attribute": "level", "value": "{{first_name}}-{{n|1}}"},
        c={
            "kind": "condition",
            "branches": [{"id": "yes", "comparisons": [{"attribute": "level", "test": "equals", "value": "mia-1"}]}],
        },
        a=say("A"),
        b=say("B"),
        wires="start>put put>c c.yes>a c.else>b",
    )
    end = completed(document, turn())
    assert texts(end) == ["A"]
    assert end.session.attributes == {"level": "Mia-1"}


def test_an_empty_value_removes_an_attribute():
    document = flow(put={"kind": "set_attribute", "attribute": "level"}, wires="start>put")
    assert completed(document, turn(session=Session(flow=FLOW, attributes={"level": "1"}))).session.attributes == {}


def test_attributes_are_bounded_in_number_and_length_and_that_is_told():
    document = flow(
        put={"kind": "set_attribute", "attribute": "new", "value": "{{a0}}{{a0}}"},
        old={"kind": "set_attribute", "attribute": "a0", "value": "y{{a0}}"},
        wires="start>put put>old",
    )
    full = {f"a{i}": "x" * 2000 for i in range(MAX_ATTRIBUTES)}
    end = completed(document, turn(session=Session(flow=FLOW, attributes=full)))
    assert set(end.session.attributes) == set(full)
    assert end.session.attributes["a0"] == "y" + "x" * 1999
    assert codes(end) == ["bad_template", "bad_template", "bad_template"]


# --- delays

DELAYED = flow(
    wait={"kind": "delay", "seconds": 90},
    later=say("Still there?"),
    hours=say("9 to 5"),
    ahead=say("Before"),
    wires="start>ahead ahead>wait wait>later",
    keywords=[(["hours"], "exact", "hours")],
    default={"text": "Pardon?"},
)
WAITING = at("wait", "delay", delay_turn="t0")


def test_a_delay_ends_the_turn_and_names_it():
    end = completed(DELAYED, turn())
    assert (texts(end), end.delay) == (["Before"], 90)
    assert end.session == at("wait", "delay", delay_turn="t1")


def test_when_the_delay_has_run_out_the_flow_goes_on_after_it():
    end = completed(DELAYED, turn("delay", session=WAITING))
    assert texts(end) == ["Still there?"]
    assert (end.session, end.delay) == (at("later"), None)


def test_a_keyword_during_a_delay_ends_it():
    end = completed(DELAYED, turn(session=WAITING, text="hours"))
    assert texts(end) == ["9 to 5"]
    assert end.session == at("hours")


def test_any_other_message_during_a_delay_gets_the_default_reply_and_the_delay_stays():
    end = completed(DELAYED, turn(session=WAITING, text="well?"))
    assert texts(end) == ["Pardon?"]
    assert (end.session, end.delay) == (WAITING, None)


def test_a_default_reply_that_is_a_block_leaves_the_delay_too_unless_it_waits_for_something_itself():
    wait = {"kind": "delay", "seconds": 90}
    said = flow(wait=wait, sorry=say("Sorry"), wires="start>wait", default={"block": "sorry"})
    assert completed(said, turn(session=WAITING, text="well?")).session == WAITING
    asks = flow(wait=wait, sorry=ask(), wires="start>wait", default={"block": "sorry"})
    assert completed(asks, turn(session=WAITING, text="well?")).session == at("sorry", "answer")


@pytest.mark.parametrize("session", [None, at("later"), at("q", "answer")])
def test_a_delay_that_is_over_already_changes_nothing(session):
    end = completed(DELAYED, turn("delay", session=session))
    assert end.messages == ()
    assert end.session == (session or Session(flow=FLOW))


# --- asking for a person

PERSON = {
    "kind": "human_takeover",
    "name": "Ask",
    "auto_return": 30,
    "notify_admin": True,
    "emails": ["a@example.com"],
    "goodbye_message": "Bye {{first_name}}",
    "back_to_bot_button": "Back, {{first_name}}",
    "back_to_bot_message": "Hello again {{first_name}}",
}
TAKEOVER = flow(
    hi=say("One moment"),
    person=PERSON,
    after=say("What else?"),
    back=say("You came back"),
    wires="start>hi hi>person person>after person.customer>back",
    keywords=[(["person"], "exact", "person")],
    default={"text": "Pardon?"},
)


def test_reaching_the_block_ends_the_turn_with_what_stood_before_it_and_the_texts_filled_in():
    end = requested(TAKEOVER, turn())
    assert end.id == "t1:done"
    assert texts(end) == ["One moment"]
    assert end.session == at("person", "person")
    assert end.block == RequestedBy(
        block="person",
        block_name="Ask",
        auto_return=30,
        notify_admin=True,
        emails=("a@example.com",),
        goodbye_message="Bye Mia",
        back_to_bot_button="Back, Mia",
        back_to_bot_message="Hello again Mia",
    )


def test_the_texts_of_the_block_are_cut_to_their_limits():
    document = flow(person=PERSON | {"back_to_bot_button": "{{a}}", "goodbye_message": "{{a}}"}, wires="start>person")
    end = requested(document, turn(session=Session(flow=FLOW, attributes={"a": "x" * 2000})))
    assert (len(end.block.back_to_bot_button), len(end.block.goodbye_message)) == (20, 1900)
    assert codes(end) == ["bad_template", "bad_template"]


def test_the_click_back_to_the_bot_may_not_ask_for_a_person_again():
    document = flow(person=PERSON, wires="start>person person>person", default={"text": "Pardon?"})
    back = {"block": "person", "port": "customer"}
    end = completed(document, turn("resume", session=at("person", "person"), resume=back, may_ask_person=False))
    assert texts(end) == ["Pardon?"]
    assert codes(end) == ["person_barred"]
    assert end.session == at("person")


def test_a_barred_block_stops_the_turn_without_a_default_reply_when_something_was_said():
    end = completed(TAKEOVER, turn(may_ask_person=False))
    assert texts(end) == ["One moment"]
    assert end.session == at("person")


def test_a_default_reply_that_leads_to_a_barred_block_is_tried_once():
    document = flow(person=PERSON, wires="start>person", default={"block": "person"})
    end = completed(document, turn(session=at("person"), may_ask_person=False))
    assert (end.messages, codes(end)) == ((), ["person_barred"])


# --- after a takeover

HELD = at("person", "person")


@pytest.mark.parametrize(
    ("port", "said"),
    [("customer", "You came back"), ("operator", "What else?"), ("page_inbox", "What else?"), ("next", "What else?")],
)
def test_after_a_takeover_the_flow_goes_on_at_the_port_of_its_cause_else_at_next(port, said):
    end = completed(TAKEOVER, turn("resume", session=HELD, resume={"block": "person", "port": port}))
    assert texts(end) == [said]
    assert end.session.waits_for == "input"


def test_with_nothing_wired_a_takeover_ends_in_silence_and_the_next_message_is_an_ordinary_one():
    document = flow(person=PERSON, wires="start>person", default={"text": "Pardon?"})
    end = completed(document, turn("resume", session=HELD, resume={"block": "person", "port": "operator"}))
    assert (end.messages, end.session) == ((), at("person"))
    assert texts(completed(document, turn(session=end.session))) == ["Pardon?"]


def test_after_an_expiry_the_next_message_enters_the_flow_at_the_port():
    end = completed(TAKEOVER, turn(session=HELD, text="anyone?", resume={"block": "person", "port": "expired"}))
    assert texts(end) == ["What else?"]
    assert end.session == at("after")


def test_after_an_expiry_a_keyword_wins_and_may_ask_for_a_person_again():
    end = requested(TAKEOVER, turn(session=HELD, text="Person", resume={"block": "person", "port": "expired"}))
    assert end.session == HELD


def test_after_an_expiry_with_nothing_wired_the_default_reply_answers():
    document = flow(person=PERSON, wires="start>person", default={"text": "Pardon?"})
    end = completed(document, turn(session=HELD, resume={"block": "person", "port": "expired"}))
    assert texts(end) == ["Pardon?"]
    assert end.session == at("person")


@pytest.mark.parametrize("reason", ["resume", "message"])
def test_a_takeover_that_no_block_began_asks_an_open_question_again(reason):
    session = at("q", "answer", attempts=1)
    end = completed(QUESTIONS, turn(reason, session=session, text="mia@example.com", resume={"block": None}))
    assert texts(end) == ["Your e-mail?"]
    assert end.session == session


def test_a_takeover_that_no_block_began_starts_a_waiting_delay_anew():
    end = completed(DELAYED, turn("resume", session=WAITING, resume={"block": None}))
    assert (end.messages, end.delay) == ((), 90)
    assert end.session == at("wait", "delay", delay_turn="t1")
    written = completed(DELAYED, turn(session=WAITING, text="well?", resume={"block": None}))
    assert (texts(written), written.delay) == (["Pardon?"], 90)
    assert written.session == at("wait", "delay", delay_turn="t1")


def test_a_takeover_that_no_block_began_and_nothing_waited_for_ends_in_silence():
    for session in (at("after"), None):
        end = completed(TAKEOVER, turn("resume", session=session, resume={"block": None}))
        assert end.messages == ()
        assert end.session == (session or Session(flow=FLOW))


def test_a_takeover_before_the_bot_ever_spoke_leaves_the_next_message_at_start():
    assert texts(requested(TAKEOVER, turn(session=None, resume={"block": None}))) == ["One moment"]


def test_a_takeover_block_that_is_gone_is_told_and_the_customer_is_answered_by_default():
    end = completed(TAKEOVER, turn(session=at("gone", "person"), resume={"block": "gone", "port": "expired"}))
    assert texts(end) == ["Pardon?"]
    assert codes(end) == ["missing_block"]
    assert end.session == Session(flow=FLOW, waits_for="input")


# --- what is wrong with a flow or a session


def test_a_loop_is_cut_when_it_comes_round_and_says_each_message_once():
    document = flow(a=say("A"), b=say("B"), wires="start>a a>b b>a")
    end = completed(document, turn())
    assert texts(end) == ["A", "B"]
    assert codes(end) == ["step_limit"]
    assert end.session == at("b")


def test_a_loop_that_changes_an_attribute_each_time_is_cut_at_the_step_limit():
    document = flow(
        a={"kind": "set_attribute", "attribute": "n", "value": "{{n}}x"},
        b={"kind": "go_to", "target": "a"},
        wires="start>a a>b",
    )
    end = completed(document, turn())
    assert codes(end) == ["step_limit"]
    assert len(end.session.attributes["n"]) == STEP_LIMIT // 2
    assert end.session.waits_for == "input"


def test_a_session_on_a_question_that_is_gone_is_told_and_goes_by_keyword_or_default_reply():
    end = completed(QUESTIONS, turn(session=at("gone", "answer"), text="help"))
    assert (texts(end), codes(end)) == (["Help!"], ["missing_block"])
    silent = completed(QUESTIONS, turn(session=at("help", "answer"), text="x"))
    assert (silent.messages, codes(silent)) == ((), ["missing_block"])
    assert silent.session.waits_for == "input"


def test_a_flow_that_was_never_checked_raises_nothing():
    bare = Flow(id="x", name="x", blocks={})
    end = completed(bare, turn())
    assert codes(end) == ["missing_block"]
    wild = Flow.model_validate(
        {"id": "x", "name": "x", "blocks": {"start": {"kind": "start"}}, "wires": [{"block": "start", "to": "gone"}]}
    )
    assert codes(completed(wild, turn())) == ["missing_block"]


def test_the_same_turn_gives_the_same_event_to_the_byte():
    asked = turn(session=at("q", "answer"), text="mia@example.com")
    assert take_turn(QUESTIONS, asked).model_dump_json() == take_turn(QUESTIONS, asked).model_dump_json()

"""The example bot: what `make run` publishes, walked through as customers do."""

from importlib.resources import files

import pytest
import yaml

from flow_engine.interpreter import TurnEnd, take_turn
from schemas.conversations import TakeoverRequested
from schemas.flows import Flow, check
from schemas.messages import CustomerInput, Profile
from schemas.sessions import Session
from schemas.turns import TurnAsked


@pytest.fixture(scope="module")
def salon() -> Flow:
    checked = check(yaml.safe_load((files("flow_engine") / "examples" / "salon.yaml").read_text()))
    assert checked.problems == ()
    assert checked.flow is not None
    return checked.flow


class Mia:
    """A customer who writes, presses what was offered last, or waits for a person."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.session: Session | None = None
        self.end: TurnEnd | None = None

    def writes(self, text: str, **more: object) -> list[str]:
        return self._turn({"reason": "message", "message": CustomerInput(text=text), **more})

    def presses(self, title: str) -> list[str]:
        assert self.end is not None
        reply = next(reply for reply in self.end.messages[-1].quick_replies if reply.title == title)
        said = CustomerInput(kind="quick_reply", text=title, payload=reply.payload)
        return self._turn({"reason": "message", "message": said})

    def is_handed_back(self, block: str, port: str) -> list[str]:
        return self._turn({"reason": "resume", "resume": {"block": block, "port": port}})

    def asked_for(self) -> str | None:
        return self.end.block.block if isinstance(self.end, TakeoverRequested) else None

    def _turn(self, asked: dict[str, object]) -> list[str]:
        self.end = take_turn(
            self.flow,
            TurnAsked.model_validate(
                {
                    "id": "t:1",
                    "conversation": "messenger:1:2",
                    "bot": "salon",
                    "turn": "t",
                    "epoch": 0,
                    "flow": "salon@1",
                    "session": self.session,
                    "input": asked,
                    "profile": Profile(first_name="Mia"),
                }
            ),
        )
        self.session = self.end.session
        return [message.text for message in self.end.messages]


def test_mia_is_greeted_by_name_and_finds_a_person_and_then_the_flow_goes_on(salon):
    mia = Mia(salon)
    assert mia.writes("hi")[0].startswith("Hi Mia!")
    assert mia.presses("Talk to a person") == []
    assert mia.asked_for() == "ask-person"
    assert mia.end.block.goodbye_message == "A colleague will be with you shortly."
    assert mia.end.block.back_to_bot_button == "Back to bot"
    assert mia.end.block.back_to_bot_message.startswith("I am back.")
    assert mia.is_handed_back("ask-person", "operator") == ["What else can I do for you?"]
    assert mia.presses("Opening hours")[0].startswith("Tuesday")


def test_mia_books_a_visit_although_she_mistypes_her_address(salon):
    mia = Mia(salon)
    mia.writes("hi")
    mia.presses("Book a visit")
    assert "Tuesday, got it" in mia.writes("Tuesday")[0]
    assert "once more" in mia.writes("mia@")[0]
    thanks, more = mia.writes("mia@example.com")
    assert "mia@example.com" in thanks
    assert more == "What else can I do for you?"


@pytest.mark.parametrize(
    ("words", "block", "auto_return", "notify"),
    [
        ("I want a person!", "ask-person", 3600, True),
        ("is anybody free", "ask-person-short", 4, False),
        ("I have a complaint", "ask-person-quiet", None, False),
    ],
)
def test_a_keyword_leads_to_each_of_the_takeover_blocks(salon, words, block, auto_return, notify):
    mia = Mia(salon)
    mia.writes(words)
    assert mia.asked_for() == block
    assert (mia.end.block.auto_return, mia.end.block.notify_admin) == (auto_return, notify)
    assert bool(mia.end.block.emails) == notify
    again = mia.writes("hello?", resume={"block": block, "port": "expired"})
    assert again == ["What else can I do for you?"]


def test_what_the_salon_does_not_understand_is_answered_with_a_choice(salon):
    mia = Mia(salon)
    mia.writes("hi")
    assert mia.writes("qwertz") == ["I did not quite get that. You can choose one of these."]
    mia.presses("Talk to a person")
    assert mia.asked_for() == "ask-person"

"""What answers a question, and what is kept of it."""

import pytest

from flow_engine.answers import Answer, read_answer
from schemas.flows import Question, choice_payload
from schemas.messages import Attachment, CustomerInput


def question(check: str) -> Question:
    return Question.model_validate({"text": "?", "attribute": "a", "check": check})


@pytest.mark.parametrize(
    ("check", "said", "kept"),
    [
        ("text", "  Tuesday ", "Tuesday"),
        ("text", "   ", None),
        ("email", "Mia@Example.COM", "Mia@example.com"),
        ("email", " mia@example.com ", "mia@example.com"),
        ("email", "mia at example", None),
        ("email", "mia@example.com, tom@example.com", None),
        ("email", "a" * 400 + "@example.com", None),
        ("number", "12", "12"),
        ("number", "-3,5", "-3.5"),
        ("number", "３", "3"),  # noqa: RUF001 - a full-width digit
        ("number", "1e5", None),
        ("number", "nan", None),
        ("number", "twelve", None),
        ("number", "9" * 50, None),
        ("phone", "+49 (30) 123-456", "+4930123456"),
        ("phone", "030 / 12 34 56", "030123456"),
        ("phone", "call me", None),
        ("phone", "123", None),
        ("phone", "+" + "9" * 16, None),
    ],
)
def test_an_answer_that_fits_is_kept_and_another_is_not(check, said, kept):
    answer = read_answer("q", question(check), {}, CustomerInput(text=said))
    assert answer == (None if kept is None else Answer(kept))


TITLES = {"mon": "Monday", "tue": "Tuesday"}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (CustomerInput(text="monday!"), Answer("Monday", "mon")),
        (CustomerInput(kind="quick_reply", text="x", payload=choice_payload("q", "tue")), Answer("Tuesday", "tue")),
        (
            CustomerInput(kind="quick_reply", text="Monday", payload=choice_payload("other", "tue")),
            Answer("Monday", "mon"),
        ),
        (CustomerInput(kind="quick_reply", text="x", payload=choice_payload("q", "sun")), None),
        (CustomerInput(text="Mon"), None),
        (CustomerInput(), None),
    ],
)
def test_a_choice_is_pressed_or_typed_and_the_title_is_kept(said, answer):
    assert read_answer("q", question("choice"), TITLES, said) == answer


def test_a_press_of_some_button_and_a_picture_answer_nothing():
    assert (
        read_answer("q", question("text"), {}, CustomerInput(kind="postback", text="Get started", payload="GET"))
        is None
    )
    assert read_answer("q", question("text"), {}, CustomerInput(attachments=(Attachment(kind="image"),))) is None

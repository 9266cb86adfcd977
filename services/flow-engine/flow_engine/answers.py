"""Whether what a customer wrote answers an open question."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from email_validator import EmailNotValidError, validate_email

from flow_engine.words import plain
from schemas.flows import NEXT, Question, parse_choice
from schemas.messages import CustomerInput

MAX_EMAIL: Final = 320  # characters
MIN_PHONE: Final = 4  # digits
MAX_PHONE: Final = 15  # digits, by ITU-T E.164
_PHONE: Final = re.compile(r"\+?[\d\s().\-/]{4,40}")
_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,10})?")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept in the question's attribute, and the port at which the flow goes on if it is wired."""

    value: str
    port: str = NEXT


def read_answer(block: str, question: Question, titles: Mapping[str, str], said: CustomerInput) -> Answer | None:
    """The answer in `said` to the question `block`; None when it does not fit. `titles`: choice id → title as shown."""
    if question.check == "choice":
        return _choice(block, titles, said)
    text = said.text.strip()
    if said.kind == "postback" or not text:  # a press of some old button is no answer
        return None
    value = _READERS[question.check](text)
    return None if value is None else Answer(value)


def _choice(block: str, titles: Mapping[str, str], said: CustomerInput) -> Answer | None:
    pressed = parse_choice(said.payload)
    if pressed is not None and pressed[0] == block and pressed[1] in titles:
        return Answer(titles[pressed[1]], pressed[1])
    text = plain(said.text)
    return next((Answer(title, choice) for choice, title in titles.items() if text and plain(title) == text), None)


def _email(text: str) -> str | None:
    if len(text) > MAX_EMAIL:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def _number(text: str) -> str | None:
    digits = unicodedata.normalize("NFKC", text)
    return digits.replace(",", ".") if _NUMBER.fullmatch(digits) else None


def _phone(text: str) -> str | None:
    """Digits, with a plus where the country is named; spaces and the like go."""
    written = unicodedata.normalize("NFKC", text)
    digits = "".join(str(int(sign)) for sign in written if sign.isdecimal())
    if not _PHONE.fullmatch(written) or not MIN_PHONE <= len(digits) <= MAX_PHONE:
        return None
    return f"+{digits}" if written.startswith("+") else digits


def _text(text: str) -> str | None:
    return text


_READERS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "text": _text,
    "email": _email,
    "number": _number,
    "phone": _phone,
}

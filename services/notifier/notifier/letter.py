"""What the e-mail says: text and HTML, from a takeover and the bot's name. Pure; nothing in it is loaded from elsewhere."""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from schemas.handover import Cause
from schemas.messages import Said, Speaker
from schemas.outcomes import TakeoverStarted

MAX_SUBJECT_PART: Final = 80  # characters of a name
MAX_SAID: Final = 600  # characters shown of one message
POLICY: Final = SMTP.clone(cte_type="7bit")  # any server takes it
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SPEAKERS: Final = {
    Speaker.CUSTOMER: "Customer",
    Speaker.BOT: "Bot",
    Speaker.OPERATOR: "Operator",
    Speaker.STAFF: "Page Inbox",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """All that an e-mail says, as words. `message_id` and `written` are the same for every attempt."""

    started: TakeoverStarted
    bot_name: str
    link: str
    message_id: str
    written: datetime


def link(public_url: str, conversation: str) -> str:
    """Where the operator answers: `<public url>/inbox/<conversation>`."""
    return f"{public_url.rstrip('/')}/inbox/{quote(conversation, safe=':')}"


def compose(letter: Letter, *, sender: str, recipient: str) -> EmailMessage:
    """The e-mail to one recipient. Names of customers and bots cannot add a header: what breaks a line is taken out."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject(letter)
    message["Date"] = format_datetime(letter.written.astimezone(UTC))
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text(letter))
    message.add_alternative(html(letter), subtype="html")
    return message


def subject(letter: Letter) -> str:
    return f"{_headline(letter.started)} · {_line(letter.bot_name)}"


def text(letter: Letter) -> str:
    started = letter.started
    lines = [
        f"{_headline(started)}.",
        "",
        f"Bot: {_line(letter.bot_name)}",
        f"Since: {_friendly(started.at)} ({_iso(started.at)})",
        _waits(started),
    ]
    if started.block_name:
        lines.append(f"Where: {_line(started.block_name)}")
    if started.last:
        lines += ["", "The last messages:"]
        lines += [f"  {_who(said, started)}: {_said(said)}".replace("\n", "\n    ") for said in started.last]
    lines += ["", "Open the conversation and answer:", letter.link, "", _why(letter)]
    return "\n".join(lines) + "\n"


def html(letter: Letter) -> str:
    started = letter.started
    return _template("takeover.html").substitute(
        subject=escape(subject(letter)),
        headline=escape(_headline(started)),
        facts="".join(_template("fact.html").substitute(name=name, value=value) for name, value in _facts(letter)),
        messages="".join(_messages(started)),
        link=escape(letter.link),
        why=escape(_why(letter)),
    )


def _facts(letter: Letter) -> Iterator[tuple[str, str]]:
    """Names and values, as HTML."""
    started = letter.started
    yield "Bot", escape(_line(letter.bot_name))
    if started.block_name:
        yield "Where", escape(_line(started.block_name))
    yield "Since", _moment(started.at)
    if started.deadline is None:
        yield "Waits", "until somebody answers"
    else:
        yield "Waits until", f"{_moment(started.deadline)}; after that the bot answers again"


def _moment(at: datetime) -> str:
    iso = _iso(at)
    return f'<time datetime="{iso}">{_friendly(at)}</time> <span class="iso">({iso})</span>'


def _messages(started: TakeoverStarted) -> Iterator[str]:
    for said in started.last:
        yield _template("said.html").substitute(
            side="customer" if said.speaker is Speaker.CUSTOMER else "ours",
            who=escape(_who(said, started)),
            text=escape(_said(said)).replace("\n", "<br>"),
        )


def _headline(started: TakeoverStarted) -> str:
    who = _line(started.customer.name) or "A customer"
    return f"{who} asks for a person" if started.cause is Cause.FLOW else f"{who} needs a person"


def _waits(started: TakeoverStarted) -> str:
    if started.deadline is None:
        return "Waits until somebody answers."
    until = f"{_friendly(started.deadline)} ({_iso(started.deadline)})"
    return f"Waits until {until}; after that the bot answers again."


def _why(letter: Letter) -> str:
    return f"You get this because your address is listed to be notified by the bot {_line(letter.bot_name)}."


def _who(said: Said, started: TakeoverStarted) -> str:
    name = _line(said.name)
    if said.speaker is Speaker.CUSTOMER:
        name = name or _line(started.customer.name)
    return name or _SPEAKERS[said.speaker]


def _said(said: Said) -> str:
    words = _CONTROL.sub(" ", said.text.replace("\r\n", "\n")).strip()
    return words if len(words) <= MAX_SAID else words[: MAX_SAID - 1].rstrip() + "…"


def _line(words: str) -> str:
    """On one line, and not longer than a subject bears."""
    line = " ".join(_CONTROL.sub(" ", words).split())
    return line if len(line) <= MAX_SUBJECT_PART else line[: MAX_SUBJECT_PART - 1].rstrip() + "…"


def _friendly(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%A}, {at.day} {at:%B %Y}, {at:%H:%M} UTC"


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@cache
def _template(name: str) -> string.Template:
    return string.Template((files("notifier") / "templates" / name).read_text(encoding="utf-8"))

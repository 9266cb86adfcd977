import email
import re
from datetime import UTC, datetime, timedelta
from email import policy
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.letter import Letter, compose, html, link, subject, text
from schemas.handover import Cause
from schemas.messages import Profile, Said, Speaker
from schemas.outcomes import TakeoverStarted

NOW = datetime(2026, 11, 24, 12, 5, 9, tzinfo=UTC)
BUSY = settings(deadline=None)  # a busy machine is no fault of the code
CONVERSATION = "messenger:1029:7733"


def letter(*, bot_name: str = "Shop", **more: object) -> Letter:
    fields: dict[str, object] = {
        "id": "o1",
        "conversation": CONVERSATION,
        "bot": "shop",
        "epoch": 1,
        "episode": "e1",
        "seq": 5,
        "at": NOW,
        "cause_id": "x",
        "attended": False,
        "venue": "inbox",
        "cause": Cause.FLOW,
        "customer": Profile(first_name="Mia", last_name="Kim"),
        "deadline": NOW + timedelta(minutes=30),
        "block_name": "Ask a colleague",
        "last": (
            Said(seq=1, speaker=Speaker.CUSTOMER, text="hi"),
            Said(seq=2, speaker=Speaker.BOT, text="Hello Mia!\nHow can I help?"),
            Said(seq=3, speaker=Speaker.OPERATOR, name="Ann", text="…"),
        ),
    }
    return Letter(
        started=TakeoverStarted.model_validate(fields | more),
        bot_name=bot_name,
        link=link("http://127.0.0.1:8081/", CONVERSATION),
        message_id="<a.b@localhost>",
        written=NOW,
    )


def sent(one: Letter) -> email.message.EmailMessage:
    """As a mail reader gets it."""
    raw = compose(one, sender="Convoboss <noreply@localhost>", recipient="ann@example.org").as_bytes()
    return email.message_from_bytes(raw, policy=policy.default)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data):
        self.words += data


def test_the_email_tells_who_when_what_was_said_until_when_and_where_to_answer():
    message = sent(letter())
    assert message["Subject"] == "Mia Kim asks for a person · Shop"
    assert (message["From"], message["To"]) == ("Convoboss <noreply@localhost>", "ann@example.org")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == "<a.b@localhost>"
    assert message["Date"].datetime == NOW
    assert message["Reply-To"] is None
    for kind in ("plain", "html"):
        body = message.get_body((kind,)).get_content()
        words = body if kind == "plain" else Tags(body).words
        for told in (
            "Mia Kim asks for a person",
            "Tuesday, 24 November 2026, 12:05 UTC",
            "2026-11-24T12:05:09Z",
            "2026-11-24T12:35:09Z",
            "Ask a colleague",
            "How can I help?",
            "Ann",
            "http://127.0.0.1:8081/inbox/messenger:1029:7733",
        ):
            assert told in words


def test_no_deadline_is_said_to_be_none():
    assert "Waits until somebody answers." in text(letter(deadline=None))


def test_a_customer_without_a_name_and_a_failed_bot_are_told_as_such():
    assert subject(letter(customer=Profile())) == "A customer asks for a person · Shop"
    assert subject(letter(cause=Cause.FAULT)) == "Mia Kim needs a person · Shop"


def test_without_messages_there_is_no_heading_for_them():
    assert "last messages" not in text(letter(last=()))
    assert "last messages" in text(letter())


def test_what_people_wrote_is_no_markup():
    evil = '<script>alert(1)</script><img src="http://evil.example/x">'
    said = (Said(seq=1, speaker=Speaker.CUSTOMER, text=evil, name=evil),)
    page = html(letter(last=said, customer=Profile(first_name=evil), block_name=evil, bot_name=evil))
    plain = html(letter(last=(Said(seq=1, speaker=Speaker.CUSTOMER, text="x"),)))
    assert Tags(page).tags == Tags(plain).tags


def test_nothing_is_loaded_from_elsewhere():
    page = html(letter())
    assert set(Tags(page).links) == {"http://127.0.0.1:8081/inbox/messenger:1029:7733"}
    assert "url(" not in page
    assert "@import" not in page


names = st.text(max_size=200) | st.sampled_from(
    [
        "Mia\r\nBcc: all@example.org",
        "a\nSubject: x",
        "\x00\x0b\u2028",
        "Zoë 👩‍👩‍👧",
        "مرحبا",
        "$link ${bot}",
        "=?utf-8?q?x?=",
    ]
)


@settings(BUSY)
@given(first=names, bot=names, words=names)
def test_no_name_can_add_a_header_or_break_the_email(first, bot, words):
    said = (Said(seq=1, speaker=Speaker.CUSTOMER, text=words),)
    one = letter(customer=Profile(first_name=first), bot_name=bot, last=said)
    message = sent(one)
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
    assert "\n" not in subject(one)
    assert message.get_body(("html",)).get_content().rstrip().endswith("</html>")
    raw = compose(one, sender="x@localhost", recipient="ann@example.org").as_bytes()
    assert raw.isascii()  # any mail server takes it
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert not re.search(rb"(?<!\r)\n", raw)


def test_a_long_message_and_a_long_name_are_cut():
    said = (Said(seq=1, speaker=Speaker.CUSTOMER, text="x" * 5000),)
    one = letter(last=said, customer=Profile(first_name="N" * 500))
    assert "x" * 599 + "…" in text(one)
    assert len(subject(one)) < 200


@pytest.mark.parametrize("public_url", ["https://chat.example.org", "https://chat.example.org/"])
def test_the_link_leads_to_the_conversation_in_the_inbox(public_url):
    assert link(public_url, CONVERSATION) == "https://chat.example.org/inbox/messenger:1029:7733"
    assert link(public_url, "messenger:1:<a/b>?#") == "https://chat.example.org/inbox/messenger:1:%3Ca%2Fb%3E%3F%23"

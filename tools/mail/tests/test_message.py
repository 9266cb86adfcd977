"""What is read out of the bytes of a mail, and that malformed bytes are no accident."""

from datetime import UTC, datetime
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from mail.message import Mail, read

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def parsed(raw: bytes) -> Mail:
    return read(1, AT, "bot@example.org", ("noor@example.org",), raw)


def test_headers_text_and_html_are_found_and_decoded() -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Bot <bot@example.org>", "Nöör <noor@example.org>"
    message["Subject"], message["Message-ID"] = "Grüße 😀", "<1@x>"
    message.set_content("text مر")
    message.add_alternative("<p>html</p>", subtype="html")
    mail = parsed(message.as_bytes())
    assert (mail.subject, mail.message_id, mail.from_header) == ("Grüße 😀", "<1@x>", "Bot <bot@example.org>")
    assert (mail.text, mail.html) == ("text مر\n", "<p>html</p>\n")
    assert ("Subject", "Grüße 😀") in mail.headers
    assert mail.is_to("NOOR@example.org")
    assert not mail.is_to("lea@example.org")


def test_mail_without_headers_is_its_text() -> None:
    mail = parsed(b"\r\nonly text\r\n")
    assert (mail.subject, mail.message_id, mail.html) == ("", None, None)
    assert mail.text is not None
    assert "only text" in mail.text


def test_text_of_an_unknown_charset_is_shown_as_far_as_it_can_be_read() -> None:
    mail = parsed(b"Content-Type: text/plain; charset=klingon\r\n\r\nabc\r\n")
    assert mail.text is not None
    assert "abc" in mail.text


@given(st.binary(max_size=400))
def test_any_bytes_are_kept_and_shown_without_an_error(raw: bytes) -> None:
    assert parsed(raw).size == len(raw)


@given(st.sampled_from(["To", "From", "Subject", "Message-ID", "Content-Type"]), st.text(max_size=80))
def test_any_header_is_kept_and_shown_without_an_error(name: str, value: str) -> None:
    raw = f"{name}: {value}\r\n\r\nbody\r\n".encode("utf-8", "surrogatepass")
    assert parsed(raw).size == len(raw)

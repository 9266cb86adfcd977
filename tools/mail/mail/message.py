"""A mail as it is shown: its raw bytes read into headers, text and HTML."""

from collections.abc import Iterable
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from pydantic import BaseModel, ConfigDict


class Mail(BaseModel):
    """`sender` and `recipients` are the envelope's; `from_header` and `to_header` are what a reader sees."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    message_id: str | None
    from_header: str
    to_header: str
    subject: str
    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    size: int

    def is_to(self, address: str) -> bool:
        return any(address.casefold() == one.casefold() for one in self.recipients)


def read(number: int, at: datetime, sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
    """Never raises for a malformed mail: what cannot be read is shown as it came.

    The lenient parser of the standard library does it; the stricter one raises for headers such as `To: x@`.
    """
    message = message_from_bytes(raw)
    headers = tuple((name, _header(value)) for name, value in message.raw_items())
    return Mail(
        id=number,
        at=at,
        sender=sender,
        recipients=recipients,
        message_id=_first(headers, "Message-ID") or None,
        from_header=_first(headers, "From"),
        to_header=_first(headers, "To"),
        subject=_first(headers, "Subject"),
        text=_part(message, "text/plain"),
        html=_part(message, "text/html"),
        headers=headers,
        size=len(raw),
    )


def _first(headers: Iterable[tuple[str, str]], name: str) -> str:
    return next((value for known, value in headers if known.casefold() == name.casefold()), "")


def _header(raw: object) -> str:
    value = _readable(str(raw)).replace("\r", "").replace("\n", "").strip()
    try:
        return _readable(str(make_header(decode_header(value))))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _readable(text: str) -> str:
    """Bytes above ASCII come as surrogates; here they become text, or a replacement mark."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _part(message: Message, kind: str) -> str | None:
    """The first part of this type that is no attachment."""
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            return _content(part)
    return None


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    except LookupError:
        return payload.decode("utf-8", "replace").replace("\r\n", "\n")

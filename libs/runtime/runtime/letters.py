"""Dead letters: what could not be handled, with its origin, the reason, and the original bytes."""

import base64
from collections.abc import Sequence
from typing import Final, Literal, Protocol

from runtime.records import Headers, Outgoing
from schemas.deadletters import DeadLetter
from schemas.topics import DEAD_LETTERS

# A letter must fit into a record whatever it holds, or it would stop the partition that it is to free.
MAX_VALUE: Final = 500_000  # bytes, which base64 makes 667 kB
MAX_ERROR: Final = 2_000  # characters
MAX_KEY: Final = 500  # characters
MAX_HEADERS: Final = 40
MAX_HEADER: Final = 1_000  # characters


class Origin(Protocol):
    """Where a record was found, and its bytes."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Raw(Origin, Protocol):
    """What of aiokafka's ConsumerRecord is used; `timestamp` in milliseconds."""

    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...


def letter(
    origin: Origin,
    key: str,
    reason: Literal["undecodable", "handler", "unknown_page", "unaddressed"],
    error: str,
    traceparent: str | None,
) -> Outgoing:
    """The id follows from the origin, so that a letter that is written twice is recognised."""
    value = origin.value or b""
    cut = f" (cut to {MAX_VALUE} of {len(value)} bytes)" if len(value) > MAX_VALUE else ""
    event = DeadLetter(
        id=f"dead-letter:{origin.topic}:{origin.partition}:{origin.offset}:{reason}",
        origin_topic=origin.topic,
        origin_partition=origin.partition,
        origin_offset=origin.offset,
        origin_key=key[:MAX_KEY],
        reason=reason,
        error=_encodable(error)[:MAX_ERROR] + cut,
        value_base64=base64.b64encode(value[:MAX_VALUE]).decode(),
        headers=_readable(origin.headers),
    )
    return Outgoing(DEAD_LETTERS, event, traceparent)


def text(value: bytes | None) -> str:
    """Bytes as text; those that are no UTF-8 are escaped."""
    return (value or b"").decode(errors="backslashreplace")


def _readable(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    return {_encodable(name)[:MAX_KEY]: text(value)[:MAX_HEADER] for name, value in headers[:MAX_HEADERS]}


def _encodable(value: str) -> str:
    """Without halves of surrogate pairs, which JSON as UTF-8 cannot hold."""
    return value.encode(errors="backslashreplace").decode()

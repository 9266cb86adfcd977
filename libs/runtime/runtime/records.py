"""What goes into a handler and what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.base import BaseEvent

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    """An event at its place in the log. `at` is the broker's time of the record, in UTC; `value` the bytes as they came."""

    topic: str
    partition: int
    offset: int
    key: str
    at: datetime
    event: BaseEvent
    traceparent: str | None = None
    value: bytes = field(default=b"", repr=False, compare=False)
    headers: Headers = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to be published; its key comes from the event."""

    topic: str
    event: BaseEvent
    traceparent: str | None = None

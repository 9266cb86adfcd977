"""What goes into a handler and what comes out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.base import BaseEvent

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """An event at its place in the log. `at` is the broker's time of the record, in UTC; `value` the bytes as they came."""

    topic: str
    partition: int
    offset: int
    key: str
    at: datetime
    event: BaseEvent
    traceparent: str | None = None
    value: bytes = b""
    headers: Headers = ()

    def __repr__(self) -> str:
        return f"Record({self.topic}[{self.partition}]@{self.offset}, {self.key}, {self.event.id})"


class Outgoing(NamedTuple):
    """An event to be published; its key comes from the event."""

    topic: str
    event: BaseEvent
    traceparent: str | None = None

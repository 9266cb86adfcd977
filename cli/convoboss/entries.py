"""A record as it is shown: an event, a removal, or what could not be read and why. Never raises, whatever the bytes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from convoboss.merging import Raw
from convoboss.secrets import without_secrets
from schemas import envelope
from schemas.base import BaseEvent
from schemas.topics import TOPICS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999  # ms: the end of the year 9999
UNKNOWN_TYPE: Final = "unknown type"
UNDECODABLE: Final = "undecodable"


@dataclass(frozen=True, slots=True)
class Entry:
    """`what` is the event, or a text: why there is none. `size` is that of the value in bytes, None for a removal."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: str
    type: str
    source: str
    traceparent: str | None
    size: int | None
    what: BaseEvent | str

    @property
    def readable(self) -> bool:
        return self.size is None or isinstance(self.what, BaseEvent)


def entry(raw: Raw) -> Entry:
    """What a record holds, without secrets."""
    headers = tuple(raw.headers)
    name, what = _content(raw)
    return Entry(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        at=_EPOCH + timedelta(milliseconds=min(max(raw.timestamp, 0), _LAST)),
        key=(raw.key or b"").decode(errors="backslashreplace"),
        type=name,
        source=envelope.header(headers, "ce_source") or "",
        traceparent=envelope.traceparent(headers),
        size=None if raw.value is None else len(raw.value),
        what=what,
    )


def type_of(raw: Raw) -> str:
    """The type that the record's headers name; empty where they name none."""
    return envelope.header(tuple(raw.headers), "ce_type") or ""


def _content(raw: Raw) -> tuple[str, BaseEvent | str]:
    if raw.value is None and TOPICS[raw.topic].cleanup == "compact":
        return "removed", "no longer there"
    try:
        event = envelope.decode(raw.topic, raw.value, tuple(raw.headers))
    except envelope.UnknownType as error:
        return UNKNOWN_TYPE, repr(error.event_type)
    except envelope.BadRecord as error:
        return UNDECODABLE, error.reason
    return event.type, without_secrets(event)

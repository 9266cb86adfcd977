"""Events as records ready to be published, and as the body of an outbox row."""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from runtime import tracing
from runtime.errors import RecordTooLarge
from runtime.records import Outgoing
from schemas import envelope
from schemas.base import BaseEvent

# Bytes of key and value: below the broker's `message.max.bytes` (1048588 by default) with room for headers.
MAX_RECORD: Final = 900_000


class Packed(NamedTuple):
    """A record but for what the publisher adds: its partition and `ce_source`."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def pack(outgoing: Sequence[Outgoing]) -> list[Packed]:
    """What has no trace of its own gets the current one. Raises `RecordTooLarge`."""
    current = tracing.current()
    return [pack_one(each.topic, each.event, each.traceparent or current) for each in outgoing]


def pack_one(topic: str, event: BaseEvent, traceparent: str | None) -> Packed:
    """One event with this trace, or with none. Raises `RecordTooLarge`."""
    key, value, headers = envelope.encode(event, source=None, traceparent=traceparent)
    if len(key) + len(value) > MAX_RECORD:
        raise RecordTooLarge(topic, key.decode(), len(key) + len(value), MAX_RECORD)
    return Packed(topic, key, value, headers)


def dump(packed: Sequence[Packed]) -> bytes:
    """The body of an outbox row: JSON, so that a person can read it where something is stuck."""
    return orjson.dumps([tuple(each) for each in packed], default=bytes.decode)


def load(body: bytes) -> list[Packed]:
    """What `dump` made, byte for byte."""
    return [
        Packed(topic, key.encode(), value.encode(), [(name, text.encode()) for name, text in headers])
        for topic, key, value, headers in json.loads(body)
    ]

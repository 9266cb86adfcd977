"""CloudEvents 1.0 in binary mode: attributes are `ce_*` headers, the value is the event's JSON, untouched.

Source: the Kafka protocol binding of the CloudEvents specification.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import get_args

from pydantic import ValidationError

from schemas.base import BaseEvent
from schemas.topics import TOPICS

Headers = Sequence[tuple[str, bytes]]
MAX_TRACEPARENT = 128  # bytes; a longer one is not a traceparent
_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/json")


class BadRecord(Exception):
    """A record that this version cannot read."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"{topic}: {reason}")
        self.topic = topic
        self.reason = reason


class UnknownType(BadRecord):
    """The record is well-formed but of a type that this version does not know."""

    def __init__(self, topic: str, event_type: str) -> None:
        super().__init__(topic, f"unknown type {event_type!r}")
        self.event_type = event_type


class Undecodable(BadRecord):
    """The bytes are not an event of this topic."""


def encode(
    event: BaseEvent, *, source: str | None, traceparent: str | None = None
) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Key, value and headers of the record that carries `event`. `source` is the writing service's name.

    None leaves it to a later step; a record without it is no CloudEvent.
    """
    headers = [
        _SPECVERSION,
        ("ce_id", event.id.encode()),
        ("ce_type", event.type.encode()),
        _CONTENT_TYPE,
    ]
    if source is not None:
        headers.append(("ce_source", source.encode()))
    if event.occurred_at is not None:
        headers.append(("ce_time", event.occurred_at.isoformat().encode()))
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    # every field is written, nulls too: where null is not the default (an idle thread, a session that never expires) it says something
    return event.key.encode(), event.__pydantic_serializer__.to_json(event), headers


@cache
def event_types(topic: str) -> dict[str, type[BaseEvent]]:
    """Type name → model of everything that `topic` may hold."""
    union = TOPICS[topic].union
    members: tuple[type[BaseEvent], ...] = get_args(get_args(union)[0]) if get_args(union) else (union,)
    return {member.model_fields["type"].default: member for member in members}


def type_names(*models: type[BaseEvent]) -> frozenset[str]:
    """What `ce_type` says of records that carry one of these."""
    return frozenset(model.model_fields["type"].default for model in models)


def decode(topic: str, value: bytes | None, headers: Headers | Mapping[str, bytes]) -> BaseEvent:
    """The event in a record of `topic`; raise UnknownType or Undecodable."""
    if value is None:
        raise Undecodable(topic, "no value")
    event_type = header(headers, "ce_type")
    if event_type is None:
        raise Undecodable(topic, "no ce_type header")
    model = event_types(topic).get(event_type)
    if model is None:
        raise UnknownType(topic, event_type)
    try:
        # what `model_validate_json` does, without its handling of arguments that are not given
        event: BaseEvent = model.__pydantic_validator__.validate_json(value)
    except ValidationError as error:
        where = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise Undecodable(topic, where) from error
    return event


def header(headers: Headers | Mapping[str, bytes], name: str) -> str | None:
    """The last header of that name, None when there is none, or it is empty, null (Kafka has such) or not UTF-8."""
    value = (headers if isinstance(headers, dict) else dict(headers)).get(name)
    try:
        return value.decode() if value else None
    except UnicodeDecodeError:
        return None


def traceparent(headers: Headers | Mapping[str, bytes]) -> str | None:
    value = header(headers, "traceparent")
    return value if value and len(value) <= MAX_TRACEPARENT else None

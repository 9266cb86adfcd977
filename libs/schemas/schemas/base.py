"""What all records share, and the identity of a conversation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Word(StrEnum):
    """An enumeration of words in records. Pydantic reads `value` wherever it writes one: this way it is no call of Python."""

    if not TYPE_CHECKING:
        value = property(attrgetter("_value_"))  # what enum's own property returns


_NONE: Final[Mapping[str, Any]] = {}


class Document(BaseModel):
    """A value inside a record. Readers ignore fields that a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="float")

    @classmethod
    def made(cls, values: Mapping[str, Any] = _NONE, /, **more: Any) -> Self:
        """An instance of values that are valid already, which are not looked at again; half of what validation costs.

        For what rules make of parts that were validated as they came in, and whose tests validate all that they make. Not
        for models with default factories. Where a required value is missing, the model cannot be written as JSON.
        """
        blank, names = _form(cls)
        one = object.__new__(cls)
        held = one.__dict__
        held.update(blank)
        held.update(values)
        held.update(more)
        _put(one, "__pydantic_fields_set__", names)
        _put(one, "__pydantic_extra__", None)
        _put(one, "__pydantic_private__", None)
        return one

    def changed(self, **values: Any) -> Self:
        """A copy with other values, which are not validated either. Nested values are shared: they are frozen."""
        return self.made(self.__dict__, **values)


_put: Final = object.__setattr__  # a frozen model's own refuses


@cache
def _form(model: type[Document]) -> tuple[dict[str, Any], set[str]]:
    """A model's defaults in the order of its fields, an ellipsis where there is none; and the names of its fields.

    The names are shared by all instances: those are frozen, and pydantic copies the set before it adds to one.
    """
    fields = model.model_fields
    return {name: ... if field.is_required() else field.default for name, field in fields.items()}, set(fields)


class BaseEvent(Document):
    """One record of a topic. `type` carries its version; `id` is deterministic, so a second copy is recognised."""

    type: str
    id: Annotated[str, Field(min_length=1, max_length=512)]
    occurred_at: AwareDatetime | None = None
    """The source's own time: for display and for the order of Facebook's facts, never for deadlines."""

    @property
    def key(self) -> str:
        """The Kafka key: what has one order."""
        raise KeyMissing(self.type)


class KeyMissing(Exception):
    """An event class does not say what keys it."""


class BadConversationId(ValueError):
    """A conversation id is `messenger:<page id>:<psid>`."""


_ID = re.compile(r"(?P<channel>[a-z]+):(?P<account>[^:\s]{1,128}):(?P<customer>[^:\s]{1,128})")


@dataclass(frozen=True, slots=True)
class ConversationId:
    """The parts of a conversation's readable id, e.g. `messenger:1029:7733` (channel, page id, PSID)."""

    channel: str
    account: str
    customer: str

    @staticmethod
    def parse(text: str) -> "ConversationId":
        """Raise BadConversationId when `text` is not `<channel>:<account>:<customer>`."""
        return _parsed(text)

    def __str__(self) -> str:
        return f"{self.channel}:{self.account}:{self.customer}"

    @property
    def is_page(self) -> bool:
        """Whether this keys a page's own events, which belong to no customer."""
        return self.customer == PAGE_EVENTS


@lru_cache(maxsize=10_000)  # each record of a conversation names it, and so does each effect
def _parsed(text: str) -> ConversationId:
    match = _ID.fullmatch(text)
    if match is None:
        raise BadConversationId(text)
    return ConversationId(match["channel"], match["account"], match["customer"])


PAGE_EVENTS = "_page"
"""The customer part under which events of a page that name no customer are kept."""


def _valid_id(text: str) -> str:
    _parsed(text)
    return text


ConversationKey = Annotated[str, Field(max_length=300), AfterValidator(_valid_id)]


class ConversationEvent(BaseEvent):
    """An event of one conversation; everything about it has one order."""

    conversation: ConversationKey

    @property
    def key(self) -> str:
        return self.conversation

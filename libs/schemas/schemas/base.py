"""What all records share, and the identity of a conversation."""

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Document(BaseModel):
    """A value inside a record. Readers ignore fields that a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="float")


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

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise BadConversationId when `text` is not `<channel>:<account>:<customer>`."""
        match = _ID.fullmatch(text)
        if match is None:
            raise BadConversationId(text)
        return cls(**match.groupdict())

    def __str__(self) -> str:
        return f"{self.channel}:{self.account}:{self.customer}"

    @property
    def is_page(self) -> bool:
        """Whether this keys a page's own events, which belong to no customer."""
        return self.customer == PAGE_EVENTS


PAGE_EVENTS = "_page"
"""The customer part under which events of a page that name no customer are kept."""


def _valid_id(text: str) -> str:
    ConversationId.parse(text)
    return text


ConversationKey = Annotated[str, Field(max_length=300), AfterValidator(_valid_id)]


class ConversationEvent(BaseEvent):
    """An event of one conversation; everything about it has one order."""

    conversation: ConversationKey

    @property
    def key(self) -> str:
        return self.conversation

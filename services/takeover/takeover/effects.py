"""What a decision leads to."""

from typing import NamedTuple

from schemas.base import ConversationEvent
from takeover.state import Conversation


class Effect(NamedTuple):
    """A record to publish once the decision is stored."""

    topic: str
    event: ConversationEvent


class Decision(NamedTuple):
    state: Conversation
    effects: tuple[Effect, ...]

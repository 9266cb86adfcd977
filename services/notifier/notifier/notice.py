"""Who is e-mailed about what, and when it is tried again. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from urllib.parse import urlsplit

from schemas.base import BaseEvent
from schemas.outcomes import ConversationErased, TakeoverAnswered, TakeoverEnded, TakeoverStarted

KEEP_TRYING: Final = timedelta(hours=24)
"""From the beginning of the takeover. Nobody is helped by an older e-mail."""
RETRY_FIRST: Final = 2.0  # seconds
RETRY_CAP: Final = 15 * 60.0  # seconds
UNKNOWNS: Final = 2
"""Sends of unknown outcome after which an e-mail is left alone: the first, and once more under the same Message-ID."""


class State(StrEnum):
    """Where an e-mail stands. `due` and `sending` are on their way; the others are final."""

    DUE = "due"
    SENDING = "sending"
    """Its transmission began. Found in this state later: the process died, and the outcome is unknown."""
    SENT = "sent"
    NOT_NEEDED = "not needed"
    """Somebody took the conversation up, or the episode ended, before it was sent."""
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Notice:
    """One e-mail to be written: to whom, and the takeover that it is about."""

    episode: str
    address: str
    started: TakeoverStarted

    @property
    def address_key(self) -> str:
        """What counts as one address: spelling in capitals is no second one."""
        return self.address.casefold()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch of outcomes asks for: new e-mails, and episodes that need none any more."""

    notices: tuple[Notice, ...]
    over: tuple[str, ...]


def plan(events: Iterable[BaseEvent]) -> Plan:
    """From outcomes in their order. An episode may begin and be over in the same batch."""
    notices: dict[tuple[str, str], Notice] = {}
    over: dict[str, None] = {}
    for event in events:
        match event:
            case TakeoverStarted(episode=str(episode)):
                for address in event.emails:
                    notice = Notice(episode, address, event)
                    notices.setdefault((episode, notice.address_key), notice)
            case (
                TakeoverAnswered(episode=str(episode))
                | TakeoverEnded(episode=str(episode))
                | ConversationErased(episode=str(episode))
            ):
                over[episode] = None
            case _:
                pass
    return Plan(tuple(notices.values()), tuple(over))


def message_id(notice: Notice, public_url: str) -> str:
    """The same for every attempt, so that a mail server or reader recognises a second copy."""
    return f"<{_digest(notice.episode)}.{_digest(notice.address_key)}@{urlsplit(public_url).hostname or 'localhost'}>"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Rng(Protocol):
    """What of `random.Random` is needed."""

    def uniform(self, a: float, b: float, /) -> float: ...


def next_attempt(*, attempts: int, started: datetime, now: datetime, rng: Rng) -> datetime | None:
    """When to try again after `attempts` that failed: exponential back-off with full jitter. None: never."""
    bound = min(RETRY_CAP, RETRY_FIRST * 2.0 ** min(attempts, 30))
    at = now + timedelta(seconds=rng.uniform(0.0, bound))
    return at if at < started.astimezone(UTC) + KEEP_TRYING else None

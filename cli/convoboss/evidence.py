"""What is known of one conversation from outside: its log, what was published, its row and its timers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

import orjson

from convoboss.errors import CommandError
from schemas import envelope
from schemas.base import BaseEvent, ConversationEvent
from schemas.deadletters import DeadLetter
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from takeover.folding import Logged, Settings

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PUBLISHED: Final = (OUTCOMES, MESSENGER_COMMANDS, TURNS)
"""Where decisions are published."""


class Kind(IntEnum):
    """What a piece of evidence is; the value is its place in the order of a conversation's evidence."""

    ROW = 0
    TIMER = 1
    LOG = 2
    LETTER = 3
    OUTCOME = 4
    COMMAND = 5
    TURN = 6

    @property
    def topic(self) -> str:
        return _TOPICS[self]


_TOPICS: Final = {
    Kind.LOG: CONVERSATIONS,
    Kind.LETTER: DEAD_LETTERS,
    Kind.OUTCOME: OUTCOMES,
    Kind.COMMAND: MESSENGER_COMMANDS,
    Kind.TURN: TURNS,
}
KINDS: Final[Mapping[str, Kind]] = {topic: kind for kind, topic in _TOPICS.items()}


class Piece(NamedTuple):
    """A record (`at` in ms, `word` its type) or a row of a table (`value` its JSON), as it can be put aside on disk."""

    conversation: str
    kind: Kind
    offset: int
    at: int
    word: str
    value: bytes


class Row(NamedTuple):
    """takeover's row of a conversation; `state` is the JSON document."""

    bot: str
    owner: str
    epoch: int
    seq: int
    state: str
    updated_at: datetime


class TimerRow(NamedTuple):
    due_at: datetime
    event: str
    """Its id."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a partition of a topic is still there: `begin` to `end` exclusive; `first_at`: the time of its first record."""

    begin: int = 0
    end: int = 0
    first_at: datetime | None = None

    def lost(self, at: datetime) -> bool:
        """Whether retention may have taken a record that was written at `at` or soon after."""
        return self.begin > 0 and (self.first_at is None or at <= self.first_at)


@dataclass(frozen=True, slots=True)
class Place:
    """What all conversations of a partition share: how far takeover is, under which settings, what it has yet to publish.

    `next_offset`: of the first event that is not decided. `pending`: ids of records that wait in the outbox. `reaches`: by topic.
    """

    partition: int
    next_offset: int
    settings: Settings
    pending: frozenset[str]
    reaches: Mapping[str, Reach] = field(default_factory=dict)

    def reach(self, topic: str) -> Reach:
        return self.reaches.get(topic, Reach())


@dataclass(slots=True)
class Evidence:
    """`log` in order, without what is no event; `unreadable`: offsets of what went to the dead letters undecoded.

    `letters`: offset → error, of events that the rules could not take. `published`: by topic, in order, each id once.
    """

    conversation: str
    row: Row | None = None
    timers: dict[str, TimerRow] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    letters: dict[int, str] = field(default_factory=dict)
    published: dict[str, dict[str, BaseEvent]] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        return self.row is None and not self.log and not self.unreadable


class NewerNeeded(CommandError):
    """The log holds a type that this version does not know."""

    def __init__(self, event_type: str, offset: int) -> None:
        super().__init__(f"Offset {offset} holds the unknown type {event_type!r}: use the version that wrote it.")


def evidence(conversation: str, pieces: Iterable[Piece]) -> Evidence:
    """Raises NewerNeeded."""
    found = Evidence(conversation)
    for piece in pieces:
        _add(found, piece)
    return found


def _add(found: Evidence, piece: Piece) -> None:
    match piece.kind:
        case Kind.ROW:
            told = orjson.loads(piece.value)
            told["updated_at"] = datetime.fromisoformat(told["updated_at"])
            found.row = Row(**told)
        case Kind.TIMER:
            found.timers[piece.word] = TimerRow(_time_of_row(piece), orjson.loads(piece.value)["id"])
        case Kind.LOG:
            _add_logged(found, piece)
        case Kind.LETTER:
            letter = _decoded(piece)
            if isinstance(letter, DeadLetter):
                _add_letter(found, letter)
        case _:
            event = _decoded(piece)
            if event is not None:
                found.published.setdefault(piece.kind.topic, {}).setdefault(event.id, event)


def _add_logged(found: Evidence, piece: Piece) -> None:
    event = _decoded(piece)
    if isinstance(event, ConversationEvent):
        found.log.append(Logged(piece.offset, time_of(piece), event))
    else:
        found.unreadable.append(piece.offset)


def _add_letter(found: Evidence, letter: DeadLetter) -> None:
    """One of the log's, whoever of its readers wrote it."""
    if letter.origin_topic == CONVERSATIONS and letter.reason == "handler" and letter.origin_offset is not None:
        found.letters.setdefault(letter.origin_offset, letter.error)


def _decoded(piece: Piece) -> BaseEvent | None:
    try:
        return envelope.decode(piece.kind.topic, piece.value, (("ce_type", piece.word.encode()),))
    except envelope.UnknownType as error:
        raise NewerNeeded(error.event_type, piece.offset) from error
    except envelope.BadRecord:
        return None


def time_of(piece: Piece) -> datetime:
    """As the services read the broker's time."""
    return datetime.fromtimestamp(piece.at / 1000, UTC)


def _time_of_row(piece: Piece) -> datetime:
    """`at` of a timer is in microseconds, as the database has it."""
    return _EPOCH + timedelta(microseconds=piece.at)

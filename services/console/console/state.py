"""A conversation as the console keeps it, and what a record adds to it: the columns of its rows, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from console.problems import Present
from console.views import Content, DeliveryState, Owner, ThreadOwner
from schemas.handover import Cause
from schemas.messages import Person, Said, Speaker
from schemas.outcomes import Venue


@dataclass(slots=True)
class View:
    """A conversation as operators see it; the columns of its row. A batch changes its own copy."""

    id: str
    channel: str
    last_at: datetime
    """Of its newest entry; of its first record while it has none."""
    begun: bool = False
    """It has an entry."""
    bot: str | None = None
    customer_name: str = ""
    picture_url: str = ""
    owner: Owner = "bot"
    epoch: int = 0
    episode: str | None = None
    attended: bool = False
    venue: Venue | None = None
    holder_id: str | None = None
    holder_name: str | None = None
    assigned_id: str | None = None
    assigned_name: str | None = None
    deadline: datetime | None = None
    cause: Cause | None = None
    inferred: bool = False
    fault: str = ""
    block: str = ""
    block_name: str = ""
    since: datetime | None = None
    thread_owner: ThreadOwner = "unknown"
    thread_app: str | None = None
    thread_reason: str = ""
    moved_to_done: bool = False
    acted_at: datetime | None = None
    """Of the customer's last act, by the channel's time."""
    flow: str | None = None
    flow_block: str | None = None
    waits_for: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    seq: int = 0
    last_seq: int = 0
    last_speaker: Speaker | None = None
    last_name: str = ""
    last_text: str = ""
    last_said_at: datetime | None = None
    customer_seq: int = 0
    unread: int = 0
    read_seq: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """An entry's own part."""

    at: datetime
    epoch: int
    episode: str | None
    speaker: Speaker | None
    person: Person | None
    text: str
    content: Content


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a message. `next_step`: a word of `schemas.delivery`."""

    state: DeliveryState
    reason: str
    mid: str
    next_step: str = ""
    sent_at: datetime | None = None
    """When the channel took it."""


@dataclass(frozen=True, slots=True)
class Received:
    """Messages of ours that arrived or were seen: all sent up to `until`, and those in `mids`."""

    seq: int
    """The conversation's last entry then."""
    until: datetime | None
    mids: tuple[str, ...]

    def then(self, later: "Received") -> "Received":
        times = [until for until in (self.until, later.until) if until is not None]
        return Received(max(self.seq, later.seq), max(times, default=None), (*self.mids, *later.mids))


@dataclass(frozen=True, slots=True)
class EntryPatch:
    """What is newly known of one entry; None: nothing of that part."""

    conversation: str
    seq: int
    written: Written | None = None
    delivered: Delivered | None = None
    taken: bool = False
    """It was addressed to the bot and is a person's now."""

    def then(self, later: "EntryPatch") -> "EntryPatch":
        return replace(
            self,
            written=later.written or self.written,
            delivered=later.delivered or self.delivered,
            taken=self.taken or later.taken,
        )


@dataclass(frozen=True, slots=True)
class EpisodePatch:
    """What is newly known of one episode; None: nothing."""

    id: str
    conversation: str
    cause: Cause | None = None
    inferred: bool | None = None
    by: Person | None = None
    block: str | None = None
    block_name: str | None = None
    started_at: datetime | None = None
    attended_at: datetime | None = None
    first_answer_at: datetime | None = None
    """The earliest counts."""
    ended_at: datetime | None = None
    end_cause: Cause | None = None
    ended_by: Person | None = None
    mode: Literal["continue", "restart", "close"] | None = None
    note: str | None = None
    answered: bool | None = None

    def then(self, later: "EpisodePatch") -> "EpisodePatch":
        known = {
            name: value
            for name in self.__dataclass_fields__
            if (value := getattr(later, name)) is not None and name != "first_answer_at"
        }
        answers = [at for at in (self.first_answer_at, later.first_answer_at) if at is not None]
        return replace(self, **known, first_answer_at=min(answers, default=None))


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of an operator's command."""

    command: str
    conversation: str
    status: Literal["accepted", "refused"]
    at: datetime
    code: str | None = None
    reason: str = ""
    present: Present | None = None
    newer: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """What was said and known up to entry `seq`, and written down until `at`, is to be forgotten."""

    conversation: str
    seq: int
    at: datetime

"""Who has a conversation, why, since when, until when, and what comes next: all that a decision stands on."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Literal, Self

from pydantic import ConfigDict, TypeAdapter

from schemas.base import Document
from schemas.conversations import CustomerMessage
from schemas.handover import Cause, RequestedBy
from schemas.messages import Person, Profile, Said, Speaker
from schemas.outcomes import Venue
from schemas.sessions import Session
from schemas.turns import Resume, TurnInput

Owner = Literal["bot", "human"]


class Episode(Document):
    """One takeover. `attended` False: requested, nobody has taken it up."""

    id: str
    cause: Cause
    started_at: datetime
    attended: bool = False
    venue: Venue = "inbox"
    holder: Person | None = None
    held_since: datetime | None = None
    """When the holder got it."""
    attended_at: datetime | None = None
    answered_at: datetime | None = None
    """When a person's first message came."""
    deadline: datetime | None = None
    length: int | None = None
    """Seconds of the session expiry that counts for this session; a later change of the settings does not touch it."""
    every_response: bool = False
    fixed: bool = False
    """An operator set the time: no reply replaces it."""
    block: RequestedBy | None = None
    button_given: bool = False
    """The Back to Bot button rode on a person's first message."""


class QueuedInput(Document):
    """A customer's input that waits for its turn. `seqs`: its entries in the conversation."""

    seqs: tuple[int, ...]
    input: TurnInput
    may_ask_person: bool = True
    delay_turn: str | None = None
    """The turn whose Delay has run out: the input counts only while the flow still waits in that one."""


class OpenTurn(Document):
    """The turn that was asked for and has not ended."""

    id: str
    asked: QueuedInput
    attempt: int
    overdue_at: datetime
    flow: str = ""
    profile: Profile = Profile()
    """Flow and profile as it was asked first: asked again it is the same turn."""
    started: int = 0
    """How often the flow engine said that it began this turn, from the second asking on."""


class Delay(Document):
    """A Delay block that runs."""

    turn: str
    due_at: datetime


class Question(Document):
    """Something asked of the channel, with the time after which its answer is not waited for.

    `why` the thread's owner is asked for. `message`: a send was refused, or a message came where none should. `move`: a pass,
    take or extension was refused. `check`: an episode has lasted so long that Facebook may have freed the thread.
    """

    command: str
    due_at: datetime
    why: Literal["message", "move", "check"] = "message"


class Thread(Document):
    """Facebook's thread owner as far as evidence goes. `owner` None with `known`: idle."""

    known: bool = False
    owner: str | None = None
    occurred_at: datetime | None = None
    """The source's time of the fact that this follows."""
    confirmed_at: datetime | None = None
    """The log's time of that fact."""
    kept_until: datetime | None = None
    """Up to when Facebook keeps the owner by our extension."""
    under_way: tuple[tuple[str, str | None], ...] = ()
    """Our thread commands that were not reported yet: (command id, the owner that they lead to)."""

    @property
    def expected(self) -> tuple[bool, str | None]:
        """(known, owner) once everything under way is done."""
        if self.under_way:
            return True, self.under_way[-1][1]
        return self.known, self.owner


_THREAD = Thread()


@dataclass
class Conversation:
    """The row of a conversation. A decision works on a copy; its nested values are never changed in place.

    No pydantic model: every event copies it and sets some of its fields, which costs a model several times as much.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")

    id: str
    bot: str
    owner: Owner = "bot"
    epoch: int = 0
    seq: int = 0
    """The last visible entry."""
    count: int = 0
    """How many ids this conversation has given; the next record's id is made of it."""
    last_at: datetime | None = None

    episode: Episode | None = None
    session: Session | None = None
    turn: OpenTurn | None = None
    queue: tuple[QueuedInput, ...] = ()
    delay: Delay | None = None
    resume: Resume | None = None
    """An expired takeover's port, where the customer's next message enters the flow."""
    greeting: str = ""
    """What the bot says before its first answer after an expiry."""

    thread: Thread = _THREAD
    reading: Question | None = None
    held: tuple[CustomerMessage, ...] = ()
    """Messages that wait for the answer to `reading`."""
    heard_at: datetime | None = None
    """When the customer last wrote."""
    acted_at: datetime | None = None
    """Of the customer's last act by the channel's own time, never after its place in the log: the window counts from it."""
    check_at: datetime | None = None
    """When, in an episode, the thread is looked at again."""
    refused_epoch: int = -1
    """The last epoch in which a send was refused because another app had the thread."""
    moved_to_done: bool = False
    ended_at: datetime | None = None
    """When the last episode ended: since when the bot has it."""
    assigned: Person | None = None
    """Whose the next episode is to be, as long as nobody else takes it; in an episode that is the holder."""

    profile: Profile | None = None
    naming: Question | None = None
    """The customer's name was asked for."""
    recent: tuple[Said, ...] = ()
    forgotten: int = 0
    """How many ids were given when the customer was last forgotten: what was asked for under them is not to be heard."""
    marks: dict[str, int] = field(default_factory=dict)
    """The last messages by the digest of their mid: customers' and ours, each with its entry."""
    delivered_to: datetime | None = None
    """Up to where it was told that our messages arrived."""
    seen_to: datetime | None = None

    def seq_of(self, mid: str) -> int | None:
        """The entry of a message, where it is one of the last."""
        return self.marks.get(mid_digest(mid))

    def copy(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__ = self.__dict__.copy()
        return twin

    def later(self, at: datetime) -> datetime:
        """The log's time for an event that was appended at `at`: it never goes back."""
        return at if self.last_at is None or at > self.last_at else self.last_at

    def moved_to(self, at: datetime) -> Self:
        twin = self.copy()
        twin.last_at = self.later(at)
        return twin

    def differs_in_time_alone(self, other: Self) -> bool:
        return self.__dict__ | {"last_at": other.last_at} == other.__dict__

    def forget(self) -> None:
        """Drops what is of the customer: profile, texts, where they stand in the flow, and what waits to be answered.

        The profile is known to be empty from here on, else the next echo would have the name asked for anew. Flows fill their
        texts in for a customer, so those of the episode's block go too.
        """
        self.forgotten = self.count
        self.profile, self.naming = Profile(), None
        self.session, self.turn, self.delay, self.resume = None, None, None, None
        self.queue, self.held, self.greeting = (), (), ""
        self.recent = tuple(
            said.changed(text="", name="" if said.speaker is Speaker.CUSTOMER else said.name) for said in self.recent
        )
        if self.episode is not None and self.episode.block is not None:
            block = self.episode.block.changed(goodbye_message="", back_to_bot_button="", back_to_bot_message="")
            self.episode = self.episode.changed(block=block)

    def is_forgotten(self, identity: str) -> bool:
        """Whether we gave this id, a turn's or a command's, before the customer was last forgotten."""
        number = identity.rpartition("!")[2]
        return number.isdecimal() and int(number) <= self.forgotten

    def to_json(self) -> str:
        """The row's `state`. What has its default is written too: comparing costs more than writing."""
        return _ADAPTER.serializer.to_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "Conversation":
        """Raises pydantic's ValidationError. Of a row's `state` and `updated_at` the latter is `last_at`."""
        return _ADAPTER.validate_json(text)


def mid_digest(mid: str) -> str:
    """48 bits of a message's id, which is some hundred characters long: enough to tell a conversation's last ones apart."""
    return urlsafe_b64encode(blake2b(mid.encode(), digest_size=6).digest()).decode()


_ADAPTER: TypeAdapter[Conversation] = TypeAdapter(Conversation)

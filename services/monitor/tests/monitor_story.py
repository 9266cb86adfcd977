"""Conversations as takeover and fb-handover would write them, or as they never should, in three topics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitor.watch import Finding, Watch, fold
from schemas.base import BaseEvent
from schemas.commands import SendMessage, Silence
from schemas.conversations import CommandSuppressed, MessageRefused, MessageSent, SessionExpired
from schemas.handover import Cause
from schemas.messages import OutMessage, Person, Speaker
from schemas.outcomes import AnswerSuppressed, DeliveryChanged, TakeoverAnswered, TakeoverEnded, TakeoverStarted
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
ANA = Person(id="ana", name="Ana")
TOPICS = (OUTCOMES, MESSENGER_COMMANDS, CONVERSATIONS)


@dataclass(frozen=True)
class Placed:
    topic: str
    offset: int
    at: datetime
    event: BaseEvent


@dataclass
class Story:
    """Writes a conversation as the switch decides it. Each move takes a second of the log."""

    conversation: str = "messenger:1029:7733"
    epoch: int = 0
    seq: int = 0
    seconds: float = 0.0
    count: int = 0
    cause: Cause = Cause.FLOW
    records: list[Placed] = field(default_factory=list)
    unsettled: list[SendMessage] = field(default_factory=list)

    @property
    def at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    @property
    def is_open(self) -> bool:
        return self.epoch % 2 == 1

    @property
    def episode(self) -> str | None:
        return f"{self.conversation}/{self.epoch}" if self.is_open else None

    def write(self, topic: str, event: BaseEvent) -> None:
        offset = sum(each.topic == topic for each in self.records)
        self.records.append(Placed(topic, offset, self.at, event))

    def entry(self) -> int:
        self.seq += 1
        return self.seq

    def name(self) -> str:
        self.count += 1
        return f"{self.conversation}!{self.count}"

    def move(self) -> None:
        self.seconds += 1.0

    def common(self, **more: object) -> dict[str, object]:
        return {
            "id": self.name(),
            "conversation": self.conversation,
            "bot": "salon",
            "epoch": self.epoch,
            "episode": self.episode,
            "seq": self.seq,
            "at": self.at,
            "cause_id": "x",
            **more,
        }

    # --- the switch

    def says(self, speaker: Speaker = Speaker.BOT, **more: object) -> SendMessage:
        """A command, of the epoch and entry that it should have unless `more` says otherwise."""
        self.move()
        values: dict[str, object] = {
            "id": self.name(),
            "conversation": self.conversation,
            "epoch": self.epoch,
            "episode": self.episode,
            "seq": self.entry(),
            "at": self.at,
            "speaker": speaker,
            "operator": ANA if speaker is Speaker.OPERATOR else None,
            "message": OutMessage(text="hi"),
            **more,
        }
        command = SendMessage.model_validate(values)
        self.write(MESSENGER_COMMANDS, command)
        self.unsettled.append(command)
        return command

    def begins(self, cause: Cause = Cause.FLOW) -> None:
        self.move()
        self.epoch += 1
        self.cause = cause
        if cause in {Cause.OPERATOR, Cause.PAGE_INBOX}:
            self.write(MESSENGER_COMMANDS, Silence(id=self.name(), conversation=self.conversation, epoch=self.epoch))
        fields = self.common(seq=self.entry(), attended=False, venue="inbox", cause=cause)
        self.write(OUTCOMES, TakeoverStarted.model_validate(fields))
        if cause in {Cause.OPERATOR, Cause.PAGE_INBOX}:
            self.answers()

    def answers(self) -> None:
        fields = self.common(seq=self.entry(), attended=True, venue="inbox", by="switch")
        self.write(OUTCOMES, TakeoverAnswered.model_validate(fields))

    def ends(self) -> None:
        self.move()
        episode = self.episode
        self.epoch += 1
        fields = self.common(seq=self.entry(), episode=episode, cause=Cause.OPERATOR, answered=True)
        self.write(OUTCOMES, TakeoverEnded.model_validate(fields))

    def stops(self) -> None:
        """An answer of the turn before comes too late."""
        self.move()
        fields = self.common(seq=self.entry(), turn="t", turn_epoch=self.epoch - 1, messages=())
        self.write(OUTCOMES, AnswerSuppressed.model_validate(fields))

    # --- what became of commands

    def report(self, command: SendMessage, state: str = "sent") -> None:
        self.move()
        self.unsettled = [each for each in self.unsettled if each.id != command.id]
        fields = {"id": f"{command.id}:{state}", "conversation": self.conversation, "command": command.id}
        fields |= {"epoch": command.epoch, "seq": command.seq}
        told: BaseEvent
        match state:
            case "sent":
                told = MessageSent.model_validate(fields)
            case "suppressed":
                told = CommandSuppressed.model_validate(fields)
            case _:
                told = MessageRefused.model_validate(fields | {"kind": "permanent", "reason": "no"})
        self.write(CONVERSATIONS, told)
        word = {"refused": "not_delivered"}.get(state, state)
        fields = self.common(command=command.id, state=word, message_seq=command.seq)
        self.write(OUTCOMES, DeliveryChanged.model_validate(fields))

    def expires(self, late: float) -> None:
        self.move()
        deadline = self.at - timedelta(seconds=late)
        fields = {"id": self.name(), "conversation": self.conversation, "epoch": self.epoch, "deadline": deadline}
        self.write(CONVERSATIONS, SessionExpired.model_validate(fields))

    # --- reading it

    def of(self, topic: str) -> list[Placed]:
        return [each for each in self.records if each.topic == topic]

    def read(self, order: Sequence[str] = ()) -> tuple[Watch, list[Finding]]:
        """As the monitor reads it: a record of each topic that `order` names in turn, then what is left, topic by topic."""
        watch, found = Watch(), []
        for each in merged([self.of(topic) for topic in TOPICS], [TOPICS.index(topic) for topic in order]):
            watch, findings = fold(watch, each.event, offset=each.offset, at=each.at)
            watch = Watch.model_validate_json(watch.model_dump_json())  # as it would come back from the table
            found += findings
        return watch, found

    def as_written(self) -> tuple[Watch, list[Finding]]:
        return self.read([each.topic for each in self.records])


def merged(streams: Sequence[Sequence[Placed]], order: Sequence[int]) -> Iterator[Placed]:
    places = [0] * len(streams)
    for number in [*order, *(number for number, stream in enumerate(streams) for _ in stream)]:
        if places[number] < len(streams[number]):
            yield streams[number][places[number]]
            places[number] += 1

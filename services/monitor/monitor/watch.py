"""What the monitor knows of one conversation, and what it finds in it. Pure, and made of the records alone.

Three topics tell of a conversation, and between them there is no order: the monitor may read a message's report before its
command, and either before the takeover that forbade it. Three things may be relied on, and nothing else is:

- a topic has a conversation's records in the order in which they were written; those of `conversations` have it as the log's;
- `seq` numbers what is visible in a conversation, beginnings and ends of takeovers among it, in the order of the decisions;
- an epoch is one beginning or one end, so a message's tells who had the conversation when it was commanded.

So what cannot be judged yet is kept until the other topic has told the rest, which these show:

- a command with a higher `seq`: all commands below it were read;
- `silence.v1`: all commands of lower epochs were read;
- `delivery.changed.v1` about a message: all outcomes up to its report's place in the log were read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime

from schemas.base import BaseEvent, Document
from schemas.commands import SendMessage, Silence
from schemas.conversations import CommandSuppressed, MessageRefused, MessageSent, SessionExpired
from schemas.handover import Cause
from schemas.messages import Speaker
from schemas.outcomes import AnswerSuppressed, DeliveryChanged, TakeoverAnswered, TakeoverEnded, TakeoverStarted

MAX_LINES: Final = 200  # messages under way in a conversation; the oldest is let go
MAX_EPISODES: Final = 50  # ended, and not known to be over for the commands

Report = MessageSent | MessageRefused | CommandSuppressed
Reason = Literal["commanded", "sent"]
StoppedBy = Literal["flow", "operator", "page_inbox", "fault", "ended", "repeated", "silence", "unknown"]


class Left(Document):
    """The report that a message has left: its place in the log, and the broker's time of it."""

    offset: int
    at: AwareDatetime


class Line(Document):
    """A message that is under way. `speaker` and `epoch` None: no record has told them yet."""

    command: str
    seq: int
    speaker: Speaker | None = None
    epoch: int | None = None
    reported: bool = False
    left: Left | None = None
    told: int | None = None
    """The epoch in which its report was told: all outcomes up to the report's place were read."""
    counted: bool = False


class Episode(Document):
    """A takeover: `seq` and `epoch` of its beginning, `ended` the `seq` of its end."""

    id: str
    epoch: int
    seq: int
    cause: Cause
    started_at: AwareDatetime
    attended: bool = False
    ended: int | None = None
    spoken: int | None = None
    """Place in the log of the report that a person's first message of it has left through us."""
    last_left: AwareDatetime | None = None
    """When the last message of the bot's that was commanded before it, and left after its beginning, was reported."""
    measured: bool = False


class Watch(Document):
    """Episodes that are open, or that a command may still fall into; messages under way. Else nothing is kept.

    `commanded`: the highest `seq` of a command that was read; `silenced`: the highest epoch of a Silence.
    """

    episodes: tuple[Episode, ...] = ()
    lines: tuple[Line, ...] = ()
    commanded: int = 0
    silenced: int = 0

    @property
    def is_nothing(self) -> bool:
        return not self.episodes and not self.lines and not self.silenced

    @property
    def is_open(self) -> bool:
        return any(episode.ended is None for episode in self.episodes)

    @property
    def is_quiet(self) -> bool:
        """Whether it is kept only for commands that may come late."""
        return not self.lines and not self.is_open

    @property
    def waiting_since(self) -> datetime | None:
        """Since when the customer waits for a person that nobody is yet."""
        since = [each.started_at for each in self.episodes if each.ended is None and not each.attended]
        return min(since, default=None)


@dataclass(frozen=True, slots=True)
class TwoVoices:
    """A message of the bot's that was commanded, or left, where a person had the conversation. `episode` may be empty."""

    command: str
    epoch: int
    seq: int
    episode: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Stopped:
    """Something that the bot was about to say was not said."""

    by: StoppedBy


@dataclass(frozen=True, slots=True)
class Silent:
    """Seconds from an operator's takeover to the last message of the bot's having left; 0: none left after it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drift:
    """Seconds from a session's deadline to its timer's place in the log."""

    seconds: float


@dataclass(frozen=True, slots=True)
class LetGo:
    """What was under way was too much to keep: so many messages and episodes are not judged."""

    count: int


Finding = TwoVoices | Stopped | Silent | Drift | LetGo


def fold(watch: Watch, event: BaseEvent, *, offset: int, at: datetime) -> tuple[Watch, Sequence[Finding]]:
    """What is known after `event`, and what it shows. `offset` and `at` are its place; they count for the log's own events."""
    findings = list(_seen(watch, event, at))
    watch = _noted(watch, event, Left.made(offset=offset, at=at))
    watch = _measured(_spoken(watch), findings)
    watch = _judged(watch, findings)
    return _bounded(_let_go(watch), findings), findings


def _seen(watch: Watch, event: BaseEvent, at: datetime) -> Iterator[Finding]:
    """What the event shows by itself."""
    if isinstance(event, SessionExpired):
        yield Drift((at - event.deadline).total_seconds())
    elif isinstance(event, AnswerSuppressed):
        yield Stopped(_stopped_by(watch, event))
    elif isinstance(event, CommandSuppressed) and event.seq is not None:
        yield Stopped("silence")


def _stopped_by(watch: Watch, event: AnswerSuppressed) -> StoppedBy:
    if event.episode is None:
        return "ended" if event.epoch > event.turn_epoch else "repeated"
    words: dict[Cause, StoppedBy] = {
        Cause.FLOW: "flow",
        Cause.OPERATOR: "operator",
        Cause.PAGE_INBOX: "page_inbox",
        Cause.FAULT: "fault",
    }
    cause = next((each.cause for each in watch.episodes if each.id == event.episode), None)
    return words.get(cause, "unknown") if cause is not None else "unknown"


# --- what an event tells


def _noted(watch: Watch, event: BaseEvent, place: Left) -> Watch:
    match event:
        case TakeoverStarted():
            return _began(watch, event)
        case TakeoverAnswered():
            return _with_episode(watch, event.episode, attended=True)
        case TakeoverEnded():
            return _with_episode(watch, event.episode, ended=event.seq)
        case SendMessage():
            return _commanded(watch, event)
        case Silence():
            return watch.changed(silenced=max(watch.silenced, event.epoch))
        case MessageSent():
            return _reported(watch, event, event.seq, place)
        case MessageRefused():
            return _reported(watch, event, event.seq, None)
        case CommandSuppressed() if event.seq is not None:
            return _reported(watch, event, event.seq, None)
        case DeliveryChanged():
            return _with_line(watch, _line(watch, event.command, event.message_seq).changed(told=event.epoch))
        case _:
            return watch


def _began(watch: Watch, event: TakeoverStarted) -> Watch:
    episode = Episode.made(
        id=event.episode or f"{event.conversation}/{event.epoch}",
        epoch=event.epoch,
        seq=event.seq,
        cause=event.cause,
        started_at=event.at,
        attended=event.attended,
    )
    others = tuple(each for each in watch.episodes if each.id != episode.id)
    return watch.changed(episodes=(*others, episode))


def _commanded(watch: Watch, event: SendMessage) -> Watch:
    """Reports of lower entries whose commands were not read by now are second ones, or from before the topic's beginning."""
    lines = tuple(line for line in watch.lines if line.speaker is not None or line.seq >= event.seq)
    watch = watch.changed(lines=lines, commanded=max(watch.commanded, event.seq))
    line = _line(watch, event.id, event.seq)
    return _with_line(watch, line.changed(speaker=event.speaker, epoch=event.epoch, seq=event.seq))


def _reported(watch: Watch, event: Report, seq: int, left: Left | None) -> Watch:
    """The first report counts: a message of unknown outcome may be told of twice, when its echo comes after all."""
    line = _line(watch, event.command, seq)
    if line.reported:
        return watch
    return _with_line(watch, line.changed(epoch=event.epoch, reported=True, left=left))


def _line(watch: Watch, command: str, seq: int) -> Line:
    known = next((line for line in watch.lines if line.command == command), None)
    return known or Line.made(command=command, seq=seq)


def _with_line(watch: Watch, line: Line) -> Watch:
    others = tuple(each for each in watch.lines if each.command != line.command)
    return watch.changed(lines=(*others, line))


def _with_episode(watch: Watch, identity: str | None, **values: object) -> Watch:
    episodes = tuple(each.changed(**values) if each.id == identity else each for each in watch.episodes)
    return watch.changed(episodes=episodes)


# --- what follows


def _spoken(watch: Watch) -> Watch:
    """When a person first spoke in each episode, and when the bot last did that was before it."""
    said = [(line, line.left) for line in watch.lines if line.left is not None and line.epoch is not None]
    people = [(line.epoch, left) for line, left in said if line.speaker is Speaker.OPERATOR]
    bots = [(line.epoch, left) for line, left in said if line.speaker is Speaker.BOT]
    episodes = []
    for episode in watch.episodes:
        places = [left.offset for epoch, left in people if epoch == episode.epoch]
        late = [left.at for epoch, left in bots if epoch is not None and epoch < episode.epoch]
        late = [at for at in late if at > episode.started_at]
        known = [episode.spoken] if episode.spoken is not None else []
        last = [episode.last_left] if episode.last_left is not None else []
        episodes.append(
            episode.changed(
                spoken=min([*known, *places], default=None),
                last_left=max([*last, *late], default=None),
            )
        )
    return watch.changed(episodes=tuple(episodes))


def _measured(watch: Watch, findings: list[Finding]) -> Watch:
    """How soon the bot was silent, where all that it had been commanded to say before is known and settled."""
    episodes = []
    for each in watch.episodes:
        episode = each
        under_way = any(
            line.speaker is Speaker.BOT and not line.reported and line.epoch is not None and line.epoch < episode.epoch
            for line in watch.lines
        )
        known = watch.silenced >= episode.epoch and not under_way
        if episode.cause is Cause.OPERATOR and known and not episode.measured:
            after = episode.last_left - episode.started_at if episode.last_left else None
            findings.append(Silent(after.total_seconds() if after else 0.0))
            episode = episode.changed(measured=True)
        episodes.append(episode)
    return watch.changed(episodes=tuple(episodes))


def _judged(watch: Watch, findings: list[Finding]) -> Watch:
    """Each message is counted once, whatever is wrong with it."""
    lines = []
    for line in watch.lines:
        found = None if line.counted else _two_voices(watch, line)
        if found is not None:
            findings.append(found)
        lines.append(line if found is None else line.changed(counted=True))
    return watch.changed(lines=tuple(lines))


def _two_voices(watch: Watch, line: Line) -> TwoVoices | None:
    epoch = line.epoch
    if line.speaker is not Speaker.BOT or epoch is None:
        return None
    if line.told is not None and line.told < epoch:  # of an epoch that had not come when it had left
        return TwoVoices(line.command, epoch, line.seq, "", "commanded")
    for episode in watch.episodes:
        reason: Reason | None = None
        if _contradicts(line, epoch, episode):
            reason = "commanded"
        elif line.left and epoch < episode.epoch and episode.spoken is not None and line.left.offset > episode.spoken:
            reason = "sent"
        if reason is not None:
            return TwoVoices(line.command, epoch, line.seq, episode.id, reason)
    return None


def _contradicts(line: Line, epoch: int, episode: Episode) -> bool:
    """A message is before an episode or after it, and its place and its epoch say the same. False also: not known yet."""
    if line.seq < episode.seq:
        return epoch >= episode.epoch
    if epoch <= episode.epoch:
        return True
    if episode.ended is None:
        return line.told is not None  # the end that its epoch speaks of would have been read
    return line.seq < episode.ended


def _let_go(watch: Watch) -> Watch:
    """Nothing is kept that no record to come can change."""
    lines = tuple(line for line in watch.lines if not _is_settled(watch, line))
    episodes = tuple(each for each in watch.episodes if not _is_over(watch, lines, each))
    gone = {each.epoch for each in watch.episodes} - {each.epoch for each in episodes}
    silenced = 0 if watch.silenced in gone else watch.silenced
    return watch.changed(lines=lines, episodes=episodes, silenced=silenced)


def _is_settled(watch: Watch, line: Line) -> bool:
    if line.speaker is None or not line.reported or line.told is None:
        return False
    # a report that is not known to be a person's may turn out to be one that was before this
    return line.left is None or not any(
        other.speaker is None and other.left and other.left.offset < line.left.offset for other in watch.lines
    )


def _is_over(watch: Watch, lines: Sequence[Line], episode: Episode) -> bool:
    if episode.ended is None or any(line.epoch is None or line.epoch < episode.epoch for line in lines):
        return False
    return watch.commanded > episode.ended or watch.silenced > episode.epoch


def _bounded(watch: Watch, findings: list[Finding]) -> Watch:
    lines, episodes = watch.lines[-MAX_LINES:], watch.episodes[-MAX_EPISODES:]
    lost = len(watch.lines) - len(lines) + len(watch.episodes) - len(episodes)
    if lost:
        findings.append(LetGo(lost))
        return watch.changed(lines=lines, episodes=episodes)
    return watch

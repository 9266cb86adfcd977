"""What a batch of commands does to the table: which rows are appended, and what is silenced. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fb_handover.graph_body import Origin, read_metadata
from fb_handover.outgoing import QueuedCommand, State, Step, first_step
from runtime.records import Record
from schemas.commands import Erase, SendMessage, Silence
from schemas.conversations import Echo
from schemas.messages import Speaker

_READS = frozenset({Step.READ_OWNER, Step.READ_PROFILE})


@dataclass(frozen=True, slots=True)
class NewRow:
    """`state` is `suppressed` where a Silence of the same batch met the command."""

    command: QueuedCommand
    state: State
    step: Step
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """`silences`: conversation → the highest epoch that silences what is stored already. `erased`: conversations."""

    rows: tuple[NewRow, ...] = ()
    silences: Mapping[str, int] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()

    @property
    def conversations(self) -> list[str]:
        return sorted({row.command.conversation for row in self.rows} | self.silences.keys())

    def first_waiting(self, conversations: Container[str]) -> list[NewRow]:
        """The first row of each of these conversations that waits."""
        found: dict[str, NewRow] = {}
        for row in self.rows:
            if row.state is State.WAITING and row.command.conversation in conversations:
                found.setdefault(row.command.conversation, row)
        return list(found.values())


def plan(records: Sequence[Record]) -> Batch:
    """In the order of the records: a Silence meets what stands before it, never what comes after."""
    rows: list[NewRow] = []
    silences: dict[str, int] = {}
    for record in records:
        if isinstance(record.event, Silence):
            silence = record.event
            silences[silence.conversation] = max(silence.epoch, silences.get(silence.conversation, 0))
            rows = [_silenced(row, silence) for row in rows]
        elif isinstance(record.event, QueuedCommand):
            rows.append(NewRow(record.event, State.WAITING, first_step(record.event), record.traceparent))
    erased = frozenset(record.event.conversation for record in records if isinstance(record.event, Erase))
    return Batch(tuple(rows), silences, erased)


def _silenced(row: NewRow, silence: Silence) -> NewRow:
    """What a person said was accepted and leaves, whoever has the conversation by then; so do questions."""
    command = row.command
    if row.step in _READS or (isinstance(command, SendMessage) and command.speaker is Speaker.OPERATOR):
        return row
    met = command.conversation == silence.conversation and command.epoch < silence.epoch
    return NewRow(command, State.SUPPRESSED, row.step, row.traceparent) if met else row


@dataclass(frozen=True, slots=True)
class Heard:
    """An echo of a message of ours."""

    origin: Origin
    conversation: str
    mid: str


def heard(records: Iterable[Record]) -> list[Heard]:
    return [
        Heard(origin, record.event.conversation, record.event.mid)
        for record in records
        if isinstance(record.event, Echo) and (origin := read_metadata(record.event.metadata)) is not None
    ]

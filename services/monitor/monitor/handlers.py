"""Takes in what the three topics tell of conversations: what is known changes in the transaction that stores the offset."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from monitor import metrics, repository
from monitor.repository import Found
from monitor.watch import Drift, Finding, LetGo, Silent, Stopped, TwoVoices, Watch, fold
from runtime.handler import BaseHandler
from runtime.logs import get_logger
from runtime.postgres import Connection
from runtime.records import Outgoing, Record
from schemas.commands import SendMessage, Silence
from schemas.conversations import CommandSuppressed, MessageRefused, MessageSent, SessionExpired
from schemas.envelope import type_names
from schemas.outcomes import AnswerSuppressed, DeliveryChanged, TakeoverAnswered, TakeoverEnded, TakeoverStarted
from schemas.topics import OUTCOMES

WANTED: Final = type_names(
    AnswerSuppressed,
    CommandSuppressed,
    DeliveryChanged,
    MessageRefused,
    MessageSent,
    SendMessage,
    SessionExpired,
    Silence,
    TakeoverAnswered,
    TakeoverEnded,
    TakeoverStarted,
)
"""What bears on who speaks: about a third of what the topics hold."""

log = get_logger(__name__)


class WatchHandler(BaseHandler):
    """Counts what was found only when it is committed. Of a partition's topics one is worked on at a time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], list[tuple[str, Finding]]] = {}
        self._told: set[str] = set()  # commands with two voices that this process has counted

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        topic = records[0].topic
        found: list[tuple[str, Finding]] = []
        self._found[topic, partition] = found
        await repository.move(tx, partition, topic, records[-1].at)
        before = await repository.load(tx, sorted({record.key for record in records}))
        after: dict[str, tuple[Watch, datetime]] = {}
        for record in records:
            watch = after[record.key][0] if record.key in after else before.get(record.key, Watch())
            watch, findings = fold(watch, record.event, offset=record.offset, at=record.at)
            after[record.key] = watch, record.at
            found.extend((record.key, finding) for finding in findings)
        await repository.store(tx, partition, before, after)
        await repository.enter(tx, partition, voices(found))
        return ()

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:
        """What another process found, or this one before it was killed, is told here too."""
        self._found.pop((topic, partition), None)
        await repository.make_place(tx, partition)
        if topic == OUTCOMES:
            for found in await repository.entered(tx, partition):
                self._tell(found)

    async def revoked(self, topic: str, partition: int) -> None:
        self._found.pop((topic, partition), None)

    def committed(self, topic: str, partition: int) -> None:
        found = self._found.pop((topic, partition), [])
        for each in voices(found):
            self._tell(each)
        for _, finding in found:
            count(finding)

    def _tell(self, found: Found) -> None:
        voices = found.voices
        if voices.command in self._told:
            return
        self._told.add(voices.command)
        metrics.TWO_VOICES.inc()
        log.critical(
            "two voices",
            conversation=found.conversation,
            command=voices.command,
            epoch=voices.epoch,
            seq=voices.seq,
            episode=voices.episode,
            reason=voices.reason,
        )


def voices(found: Iterable[tuple[str, Finding]]) -> list[Found]:
    return [Found(conversation, each) for conversation, each in found if isinstance(each, TwoVoices)]


def count(finding: Finding) -> None:
    """In the metrics, but for two voices."""
    match finding:
        case Stopped():
            metrics.STOPPED.labels(finding.by).inc()
        case Silent():
            metrics.TO_SILENCE.observe(finding.seconds)
        case Drift():
            metrics.DRIFT.observe(finding.seconds)
        case LetGo():
            metrics.LET_GO.inc(finding.count)
        case TwoVoices():
            pass

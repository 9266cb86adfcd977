"""From the broker's records to a handler's: decoding, without I/O."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from runtime import tracing
from runtime.letters import Raw, letter, text
from runtime.records import Outgoing, Record
from schemas import envelope

UnknownTypes = Literal["stop", "skip"]


@dataclass(slots=True)
class Intake:
    """A batch of one partition. `first` and `next` are offsets: what it begins with, and where the next one begins."""

    first: int
    next: int
    count: int = 0
    records: list[Record] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    letters: list[Outgoing] = field(default_factory=list)
    letters_after: list[int] = field(default_factory=list)
    """Of each letter, how many readable records stand before it."""
    duplicates: int = 0
    skipped: int = 0
    passed: int = 0
    """Records of types that the handler does not want: not even decoded."""
    unknown: envelope.UnknownType | None = None
    """A record of an unknown type that the partition has to stop before."""

    @property
    def readable(self) -> int:
        """Records that were read, second copies included."""
        return len(self.records) + self.duplicates

    @property
    def is_nothing(self) -> bool:
        """Nothing in it has to be decided or published."""
        return not self.records and not self.letters


def event_hash(event_id: str) -> bytes:
    """16 bytes that stand for an event's id in the database: ids are long, and there are many."""
    return hashlib.blake2b(event_id.encode(), digest_size=16).digest()


def read(raws: Sequence[Raw], unknown_types: UnknownTypes, types: frozenset[str] | None = None) -> Intake:
    """Decodes a batch, which must not be empty. Drops second copies inside it, and makes dead letters of what is unreadable.

    With `stop`, an unknown type ends the batch before it. Known types that are not among `types` are passed over.
    """
    intake = Intake(first=raws[0].offset, next=raws[0].offset)
    seen: set[bytes] = set()
    for raw in raws:
        if types is not None and _is_for_others(raw, types):
            intake.passed += 1
            intake.count += 1
            intake.next = raw.offset + 1
            continue
        try:
            record = _record(raw)
        except envelope.UnknownType as error:
            if unknown_types == "stop":
                intake.unknown = error
                return intake
            intake.skipped += 1
        except Exception as error:  # noqa: BLE001 - whatever is in a record, it cannot stop a partition
            intake.letters.append(_unreadable(raw, error))
            intake.letters_after.append(intake.readable)
        else:
            hashed = event_hash(record.event.id)
            if hashed in seen:
                intake.duplicates += 1
            else:
                seen.add(hashed)
                intake.hashes.append(hashed)
                intake.records.append(record)
        intake.count += 1
        intake.next = raw.offset + 1
    return intake


def _is_for_others(raw: Raw, types: frozenset[str]) -> bool:
    told = envelope.header(raw.headers, "ce_type")
    return told not in types and told in envelope.event_types(raw.topic)


def _record(raw: Raw) -> Record:
    headers = dict(raw.headers)  # of several with one name the last counts
    return Record(
        raw.topic,
        raw.partition,
        raw.offset,
        text(raw.key),
        datetime.fromtimestamp(raw.timestamp / 1000, UTC),
        envelope.decode(raw.topic, raw.value, headers),
        tracing.valid(envelope.traceparent(headers)),
        raw.value or b"",
        raw.headers,
    )


def _unreadable(raw: Raw, error: Exception) -> Outgoing:
    reason = error.reason if isinstance(error, envelope.BadRecord) else f"{type(error).__name__}: {error}"
    return letter(raw, text(raw.key), "undecodable", reason, None)

"""What `convoboss verify` does."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer

from convoboss import broker, gathering, ledger
from convoboss.errors import DIFFERENT, UNPROVEN, USAGE, CommandError
from convoboss.evidence import KINDS, Piece, Place, evidence
from convoboss.gathering import Partition
from convoboss.proof import Proof, prove
from convoboss.replaying import difference_facts, difference_text
from convoboss.spill import Spill
from convoboss.terminal import Look, escaped, visible
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.base import BadConversationId, ConversationId
from schemas.topics import CONVERSATIONS

TOGETHER: Final = 500  # pieces in memory on their way to disk
SHOWN: Final = 20  # conversations that differ, told one by one
PROGRESS: Final = 0.5  # seconds between two lines of progress


class NoPartition(CommandError):
    """The log has no such partition."""

    code = USAGE

    def __init__(self, number: int, partitions: int) -> None:
        super().__init__(f"--partition {number}: the log has the partitions 0 to {partitions - 1}.")


@dataclass(slots=True)
class Summary:
    """What was found in one partition. `events`: that were folded."""

    partition: int
    conversations: int = 0
    equal: int = 0
    different: int = 0
    unproven: int = 0
    events: int = 0
    published: int = 0
    gone: int = 0
    found: list[Proof] = field(default_factory=list)
    """The first that differ."""

    def add(self, proof: Proof) -> None:
        self.conversations += 1
        self.equal += proof.verdict == "equal"
        self.different += proof.verdict == "different"
        self.unproven += proof.verdict == "unproven"
        self.events += sum(proof.events.values())
        self.published += sum(proof.compared.values())
        self.gone += proof.gone
        if proof.verdict == "different" and len(self.found) < SHOWN:
            self.found.append(proof)


async def verify(partitions: Sequence[int] | None, *, as_json: bool) -> int:
    """`partitions` None: all. Prints the summary. Raises CommandError."""
    settings = load(ServiceSettings)
    present = await gathering.present(settings)
    count = present[CONVERSATIONS]
    for number in partitions or ():
        if number >= count:
            raise NoPartition(number, count)
    progress = _Progress()
    chosen = range(count) if partitions is None else partitions
    topics = [topic for topic in KINDS if topic in present]
    async with broker.reader(settings, wait=gathering.WAIT) as consumer:
        summaries = [await _partition(settings, consumer, topics, number, progress) for number in chosen]
    progress.done()
    if as_json:
        print(escaped(orjson.dumps([_facts(each) for each in summaries]).decode()))
    else:
        print("\n".join(text(summaries, Look.of(sys.stdout))))
    if any(each.different for each in summaries):
        return DIFFERENT
    return UNPROVEN if any(each.unproven for each in summaries) else 0


async def _partition(
    settings: ServiceSettings, consumer: AIOKafkaConsumer, topics: Sequence[str], number: int, progress: "_Progress"
) -> Summary:
    """The tables first: what they hold is in the topics' present ends, or in the outbox."""
    with Spill() as spill:
        async with ledger.reading(settings) as connection:
            stand = await ledger.stand(connection, number)
            waiting: list[Piece] = []
            async for piece in ledger.of_partition(connection, number):
                waiting.append(piece)
                if len(waiting) == TOGETHER:
                    spill.add(waiting)
                    waiting.clear()
            spill.add(waiting)
        parts = [Partition(topic, number) for topic in topics]
        for part in parts:
            await _read(consumer, settings, part, spill, progress)
        place = Place(number, *stand, {part.topic: part.reach for part in parts})
        return _proven(spill, place, progress)


async def _read(
    consumer: AIOKafkaConsumer, settings: ServiceSettings, part: Partition, spill: Spill, progress: "_Progress"
) -> None:
    read = 0
    async for records in gathering.pieces(consumer, settings, part):
        spill.add(records)
        read += len(records)
        progress.tell(f"partition {part.number}: {read} records of {part.topic}")


def _proven(spill: Spill, place: Place, progress: "_Progress") -> Summary:
    summary = Summary(place.partition)
    total = spill.count()
    for number, (conversation, pieces) in enumerate(spill.conversations(), start=1):
        if _is_customers(conversation):
            found = evidence(conversation, pieces)
            if not found.is_nothing:
                summary.add(prove(found, place))
        progress.tell(f"partition {place.partition}: {number} of {total} conversations, {summary.different} differ")
    return summary


def _is_customers(key: str) -> bool:
    with suppress(BadConversationId):
        return not ConversationId.parse(key).is_page
    return False


def text(summaries: Sequence[Summary], look: Look) -> Iterator[str]:
    heads = ("partition", "conversations", "equal", "different", "not proven", "events", "records compared", "of gone")
    rows = [_cells(str(each.partition), each) for each in summaries]
    if len(summaries) > 1:
        rows.append(_cells("all", _sum(summaries)))
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        line = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield look.paint(line, "bold") if row is heads else line
    total = _sum(summaries)
    for proof in [proof for each in summaries for proof in each.found][:SHOWN]:
        yield ""
        yield look.paint(visible(proof.conversation), "bold")
        if proof.difference is not None:
            yield from difference_text(proof.difference)
    yield ""
    yield look.paint(*_verdict(total))


def _verdict(total: Summary) -> tuple[str, str]:
    if total.different:
        more = f" The first {SHOWN} are above." if total.different > SHOWN else ""
        return f"{total.different} differ.{more} `convoboss replay CONVERSATION` shows one by itself.", "red"
    if total.unproven:
        return f"None differs; of {total.unproven} the log's beginning is gone, so that nothing is proven.", "yellow"
    return "All equal: the log leads to what the tables and the topics hold.", "green"


def _sum(summaries: Sequence[Summary]) -> Summary:
    total = Summary(-1)
    for name in ("conversations", "equal", "different", "unproven", "events", "published", "gone"):
        setattr(total, name, sum(getattr(each, name) for each in summaries))
    return total


def _cells(name: str, each: Summary) -> tuple[str, ...]:
    numbers = (
        each.conversations,
        each.equal,
        each.different,
        each.unproven,
        each.events,
        each.published,
        each.gone,
    )
    return (name, *map(str, numbers))


def _facts(each: Summary) -> dict[str, object]:
    return {
        "partition": each.partition,
        "conversations": each.conversations,
        "equal": each.equal,
        "different": each.different,
        "unproven": each.unproven,
        "events": each.events,
        "published_equal": each.published,
        "published_gone": each.gone,
        "differences": [
            {"conversation": proof.conversation, **difference_facts(proof.difference)}
            for proof in each.found
            if proof.difference is not None
        ],
    }


class _Progress:
    """One line on a terminal's standard error, written over and over; nothing elsewhere."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._told_at = 0.0

    def tell(self, words: str) -> None:
        if self._wanted and time.monotonic() - self._told_at >= PROGRESS:
            self._told_at = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{words}")
            sys.stderr.flush()

    def done(self) -> None:
        if self._wanted:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

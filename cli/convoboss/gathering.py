"""Partitions of topics from their first record to their present end, without a group and without commits."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from convoboss import broker
from convoboss.errors import BrokerAway, TopicsMissing
from convoboss.evidence import KINDS, Kind, Piece, Reach
from convoboss.merging import Raw
from runtime.settings import ServiceSettings
from schemas import envelope
from schemas.topics import CONVERSATIONS

POLL: Final = 500  # ms
WAIT: Final = 20  # ms; what is read is there already
STALLED: Final = 15.0  # seconds without a record, though some are to come


@dataclass(slots=True)
class Partition:
    """One partition of a topic while it is read; `reach` is whole once the reading began."""

    topic: str
    number: int
    reach: Reach = Reach()  # noqa: RUF009 - it is frozen


async def present(settings: ServiceSettings) -> Mapping[str, int]:
    """Topic → its partitions at the broker, the log's among them. Raises TopicsMissing, BrokerAway."""
    found = await broker.partitions(settings)
    if not found.get(CONVERSATIONS):
        raise TopicsMissing((CONVERSATIONS,), settings.kafka_bootstrap)
    return found


async def pieces(
    consumer: AIOKafkaConsumer, settings: ServiceSettings, part: Partition, key: bytes | None = None
) -> AsyncIterator[list[Piece]]:
    """The records with this key, or all. Empty lists tell that reading goes on. Sets `part.reach` as it begins."""
    place, kind = TopicPartition(part.topic, part.number), KINDS[part.topic]
    async with broker.told(settings):
        consumer.assign([place])
        consumer.pause(place)  # a fetch that waits for what comes would hold up the questions to the broker
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        part.reach = Reach(begin, end)
        if begin == end:
            return
        consumer.seek(place, begin)
        consumer.resume(place)
        first_at: datetime | None = None
        heard = time.monotonic()
        while await consumer.position(place) < end:
            raws = [raw for found in (await consumer.getmany(place, timeout_ms=POLL)).values() for raw in found]
            if raws:
                heard = time.monotonic()
                first_at = first_at or datetime.fromtimestamp(raws[0].timestamp / 1000, UTC)
                part.reach = Reach(begin, end, first_at)
            elif time.monotonic() - heard > STALLED:
                raise BrokerAway(settings.kafka_bootstrap, "it does not go on sending what it has")
            yield [
                Piece(
                    (raw.key or b"").decode(errors="backslashreplace"),
                    kind,
                    raw.offset,
                    raw.timestamp,
                    envelope.header(tuple(raw.headers), "ce_type") or "",
                    raw.value or b"",
                )
                for raw in raws
                if raw.offset < end
                and (key is None or raw.key == key)
                and (kind is not Kind.LETTER or _of_takeover(raw))
            ]


def _of_takeover(letter: Raw) -> bool:
    """Others read the log too, and put aside what they cannot take."""
    return envelope.header(tuple(letter.headers), "ce_source") == "takeover"

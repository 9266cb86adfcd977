"""Reads a stretch of a topic once, all its partitions, in each partition's order. Nothing is committed anywhere."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from runtime.broker import connection
from runtime.errors import Later
from runtime.partitions import partitions_of
from runtime.settings import ServiceSettings

POLL: Final = 1000  # ms
STILL: Final = 20  # polls without a record or progress, after which the broker is taken for away

Records = Sequence["ConsumerRecord[bytes, bytes]"]


class Scan:
    """One topic, by one connection. Offsets are by partition, from 0 on."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, partitions: int) -> None:
        self._consumer = consumer
        self._tps = [TopicPartition(topic, number) for number in range(partitions)]

    async def begins(self) -> list[int]:
        return _ordered(self._tps, await self._consumer.beginning_offsets(self._tps))

    async def ends(self) -> list[int]:
        return _ordered(self._tps, await self._consumer.end_offsets(self._tps))

    async def at(self, moment: datetime) -> list[int]:
        """Where the records from `moment` on begin."""
        asked = dict.fromkeys(self._tps, int(moment.timestamp() * 1000))
        found = await self._consumer.offsets_for_times(asked)
        ends = await self.ends()
        return [found[tp].offset if found.get(tp) is not None else end for tp, end in zip(self._tps, ends, strict=True)]

    async def read(self, starts: Sequence[int], ends: Sequence[int]) -> AsyncIterator[Records]:
        """Records of one partition at a time. Raises Later where the broker brings nothing for long."""
        begins = await self.begins()
        left = {}
        for tp, start, begin, end in zip(self._tps, starts, begins, ends, strict=True):
            self._consumer.seek(tp, max(start, begin))
            if max(start, begin) < end:
                left[tp] = end
        still = 0
        while left:
            found = await self._consumer.getmany(*left, timeout_ms=POLL)
            for tp, records in found.items():
                yield [record for record in records if record.offset < left[tp]]
            before = len(left)
            left = {tp: end for tp, end in left.items() if await self._consumer.position(tp) < end}
            still = still + 1 if not found and len(left) == before else 0
            if still == STILL:
                raise Later("the broker brings no records")


@asynccontextmanager
async def scan(settings: ServiceSettings, topic: str) -> AsyncIterator[Scan]:
    """Raises KafkaError, OSError."""
    consumer = AIOKafkaConsumer(
        **connection(settings, f"scan-{topic}"), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = partitions_of(topic, settings.partitions)
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        yield Scan(consumer, topic, partitions)
    finally:
        await consumer.stop()


def _ordered(tps: Sequence[TopicPartition], found: Mapping[TopicPartition, int]) -> list[int]:
    return [found[tp] for tp in tps]

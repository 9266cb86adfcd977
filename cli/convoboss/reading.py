"""Reads partitions from a start to their present end, and on from there if wanted. Nothing is committed anywhere."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from convoboss.merging import Merge, Raw
from convoboss.start import Start

POLL: Final = 500  # ms
STILL: Final = 5.0  # seconds without a record, after which the broker is asked whether it is there
STALLED: Final = 10.0  # seconds without a record of the past, after which none is expected: compaction removed the rest
ANSWER: Final = 5.0  # seconds


class Reading:
    """`topics` gives the order of records of the same time. `say` tells the person about a broker that went away."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        topics: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._partitions = list(partitions)
        self._topics = topics
        self._say = say
        self._away = False

    async def begin(self, start: Start) -> None:
        """Raises KafkaError, TimeoutError where the broker does not answer."""
        self._consumer.assign(self._partitions)
        ends = await self._consumer.end_offsets(self._partitions)
        begins = await self._starts(start, ends)
        for tp in self._partitions:
            self._consumer.seek(tp, begins[tp])
        self._ends: dict[TopicPartition, int] = ends
        self._merge = Merge(self._topics, {tp: begins[tp] < ends[tp] for tp in self._partitions})

    async def _starts(self, start: Start, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        if start == "end":
            return ends
        first: dict[TopicPartition, int] = await self._consumer.beginning_offsets(self._partitions)
        if not isinstance(start, datetime):
            return first
        moment = max(0, int(start.timestamp() * 1000))
        found = await self._consumer.offsets_for_times(dict.fromkeys(self._partitions, moment))
        return {tp: found[tp].offset if found.get(tp) is not None else ends[tp] for tp in self._partitions}

    async def records(self, *, follow: bool) -> AsyncIterator[list[Raw]]:
        """Lists of records in order; an empty list when nothing came for a while. Ends at the present end unless `follow`."""
        heard = time.monotonic()
        while follow or self._merge.ahead:
            found = await self._poll()
            if found:
                heard = time.monotonic()
            elif self._merge.ahead and time.monotonic() - heard > STALLED:
                for tp in self._merge.ahead:
                    self._merge.caught_up(tp)
            elif time.monotonic() - heard > STILL:
                heard = time.monotonic() if await self._is_there() and not self._merge.ahead else heard
            yield list(self._merge.ready())

    async def _poll(self) -> bool:
        """Whether anything came."""
        full = self._merge.full
        wanted = [tp for tp in self._partitions if tp not in full]
        found = await self._consumer.getmany(*wanted, timeout_ms=POLL)
        for tp, records in found.items():
            self._merge.add(tp, records)
        for tp in self._merge.ahead:
            # The position passes offsets that compaction emptied; the last record's offset does not.
            if await self._consumer.position(tp) >= self._ends[tp]:
                self._merge.caught_up(tp)
        return bool(found)

    async def _is_there(self) -> bool:
        """Asks the broker for something small. The client itself waits in silence for a broker that went away."""
        try:
            async with asyncio.timeout(ANSWER):
                await self._consumer.end_offsets(self._partitions[:1])
        except (KafkaError, TimeoutError):
            if not self._away:
                self._say("The broker does not answer; waiting for it.")
            self._away = True
            return False
        if self._away:
            self._say("The broker answers again.")
        self._away = False
        return True

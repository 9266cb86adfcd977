"""A compacted topic as a table in memory: read to its end at start, followed from then on."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from runtime import backoff, metrics
from runtime.broker import connection, why_unreached
from runtime.errors import Later, WrongPartitions, passes
from runtime.health import Health
from runtime.logs import get_logger
from runtime.partitions import partitions_of
from runtime.settings import ServiceSettings
from schemas import envelope
from schemas.base import BaseEvent

POLL: Final = 1000  # ms
POLL_RECORDS: Final = 1000
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds
STOP_TIMEOUT: Final = 5.0  # seconds

Apply = Callable[[str, BaseEvent | None], None]
log = get_logger(__name__)


class NotCaughtUp(Later):
    """The topic was not read to its end in time."""

    def __init__(self, topic: str, seconds: float, missing: int | None, reason: str) -> None:
        known = reason or (f"{missing} records are missing" if missing is not None else "no broker answered")
        super().__init__(f"{topic} was not read to its end in {seconds:g} s: {known}.")
        self.topic = topic
        self.missing = missing


class CompactedReader:
    """Calls `apply(key, event)` for every record of `topic`, all partitions, in order; `apply(key, None)` for a tombstone.

    A key may come again with the same event after a lost connection. Records that this version cannot read are passed
    over and counted. `await catch_up(…)` once, then run `run()` for the life of the process.
    """

    def __init__(self, settings: ServiceSettings, topic: str, apply: Apply, health: Health | None = None) -> None:
        self._settings = settings
        self._topic = topic
        self._apply = apply
        self._component = (health or Health()).component(f"topic {topic}")
        self._kafka: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}

    async def catch_up(self, deadline_s: float) -> None:
        """Reads to the end that the topic has now. Raises `NotCaughtUp`, `WrongPartitions`."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        missing: int | None = None
        until = time.monotonic() + deadline_s
        said = ""
        while (left := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    kafka = await self._connected()
                    ends: dict[TopicPartition, int] = await kafka.end_offsets(list(self._next))
                    while missing := sum(max(0, end - self._next[tp]) for tp, end in ends.items()):
                        await self._read(kafka)
            except (KafkaError, OSError, TimeoutError, Later) as error:
                await self.stop()
                reason = str(error) if isinstance(error, Later) else await why_unreached(self._settings, error)
                self._component.failing(f"not read yet: {reason}")
                if reason != said:
                    said = reason
                    log.warning("a topic cannot be read yet", topic=self._topic, error=reason)
                await asyncio.sleep(min(next(waits), max(0.0, until - time.monotonic())))
            else:
                self._component.ok()
                return
        raise NotCaughtUp(self._topic, deadline_s, missing, said)

    async def run(self) -> None:
        """Follows the topic until cancelled."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        try:
            while True:
                try:
                    await self._read(await self._connected())
                except Exception as error:
                    if not (passes(error) or isinstance(error, KafkaError)):
                        raise
                    self._component.failing(str(error))
                    log.warning("a topic is not followed, trying again", topic=self._topic, error=str(error))
                    await self._close()
                    await asyncio.sleep(next(waits))
                else:
                    self._component.ok()
                    waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        finally:
            await self.stop()

    async def stop(self) -> None:
        await self._close()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._kafka is None:
            kafka = AIOKafkaConsumer(
                **connection(self._settings, f"compacted-{self._topic}"),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            self._kafka = kafka
            await kafka.start()
            await self._assign(kafka)
        return self._kafka

    async def _assign(self, kafka: AIOKafkaConsumer) -> None:
        """All partitions, from where we are."""
        # aiokafka has no way to ask for the partitions of a topic that is not subscribed to but its client's metadata.
        await kafka._client.add_topic(self._topic)  # noqa: SLF001
        found = len(kafka.partitions_for_topic(self._topic) or ())
        expected = partitions_of(self._topic, self._settings.partitions)
        if found == 0:
            raise Later(f"topic {self._topic} is not there yet: `make topics` or `python -m runtime.topics` makes it")
        if found != expected:
            raise WrongPartitions(self._topic, found, expected)
        tps = [TopicPartition(self._topic, number) for number in range(found)]
        kafka.assign(tps)
        begins = await kafka.beginning_offsets(tps)
        for tp in tps:
            self._next[tp] = max(begins[tp], self._next.get(tp, 0))
            kafka.seek(tp, self._next[tp])

    async def _read(self, kafka: AIOKafkaConsumer) -> None:
        for tp, raws in (await kafka.getmany(timeout_ms=POLL, max_records=POLL_RECORDS)).items():
            for raw in raws:
                self._take(raw.key, raw.value, raw.headers)
            self._next[tp] = raws[-1].offset + 1
        for tp in self._next:
            # Compaction leaves gaps: the position passes them, the last record's offset does not.
            self._next[tp] = max(self._next[tp], await kafka.position(tp))

    def _take(self, key: bytes | None, value: bytes | None, headers: envelope.Headers) -> None:
        name = (key or b"").decode(errors="backslashreplace")
        if value is None:
            self._apply(name, None)
            return
        try:
            event = envelope.decode(self._topic, value, headers)
        except envelope.BadRecord as error:
            metrics.SKIPPED.labels("", self._topic).inc()
            log.error("a record cannot be read", topic=self._topic, key=name, error=str(error))  # noqa: TRY400 - no fault of ours
        else:
            self._apply(name, event)

    async def _close(self) -> None:
        kafka, self._kafka = self._kafka, None
        if kafka is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await kafka.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("a Kafka client did not end", error=str(error))

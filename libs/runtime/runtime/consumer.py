"""The ordered consumer: state, outbox and offset of a partition change in one transaction, then the outbox is published.

Where a partition stands is in PostgreSQL, guarded by a fence; Kafka's own offset is committed afterwards, for lag tools.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from runtime import backoff, metrics, repository
from runtime.broker import connection
from runtime.errors import Fenced, Later, NotOwned, WrongPartitions, passes
from runtime.handler import BaseHandler, Handler
from runtime.health import Health
from runtime.intake import UnknownTypes
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.partition import Partition
from runtime.partitions import partitions_of
from runtime.postgres import Pool
from runtime.settings import ServiceSettings
from runtime.tally import Limit
from runtime.wiring import Faults, Job, NoFaults, Wiring

__all__ = ["BaseHandler", "Fenced", "Handler", "Job", "Later", "NotOwned", "OrderedConsumer"]

POLL: Final = 1000  # ms that one wait for records lasts
POLL_RECORDS: Final = 4000  # decoded without a pause
FETCH_BYTES: Final = 2 * 1024 * 1024  # of one partition: some 2,000 events of a usual size, a whole batch
HEARTBEATS: Final = 3.0  # in a session time-out
REBALANCE_SLACK: Final = 10.0  # seconds beyond the drain that members have to come back
OFFSETS_EVERY: Final = 1.0  # seconds
OFFSETS_TIMEOUT: Final = 2.0  # seconds
BOUNDS_TIMEOUT: Final = 10.0  # seconds
CANCEL_TIMEOUT: Final = 2.0  # seconds for what is cancelled to roll back
STOP_TIMEOUT: Final = 5.0  # seconds to leave the group
SEGMENTS_EVERY: Final = 3600.0  # seconds
SILENT_AFTER: Final = 30.0  # seconds without an answer of the broker to a fetch
RETRY_FIRST: Final = 0.2  # seconds
RETRY_CAP: Final = 5.0  # seconds
TROUBLES_SHOWN: Final = 5

log = get_logger(__name__)


class OrderedConsumer:
    """Gives a group's share of `topics` to `handler`, batch by batch.

    The same event id within 7 days reaches a partition's handler once. `unknown_types`: what a type that this version
    does not know does to its partition: `stop` it with an alarm, or `skip` the record. Too many dead letters stop one too
    (`runtime.tally`). Of the known types only `types` are decoded and handled, where they are given;
    the place behind others is stored a little later. `gather`: seconds for which what was fetched waits for more, so that both
    are one batch: for a group that nobody waits for to the millisecond. Raises from `run`: `WrongPartitions`.
    """

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        pool: Pool,
        publisher: Publisher,
        group: str,
        topics: Sequence[str],
        handler: Handler,
        unknown_types: UnknownTypes,
        types: frozenset[str] | None = None,
        gather: float = 0.0,
        health: Health | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        faults: Faults | None = None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._group = group
        self._topics = tuple(topics)
        self._gather = gather
        self._now = now
        self._clock = clock
        self._component = (health or Health()).component(f"consumer {group}")
        self._component.watch(self._troubles)
        self._kafka: AIOKafkaConsumer | None = None
        self._partitions: dict[TopicPartition, Partition] = {}
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._fatal: WrongPartitions | None = None
        self._wiring = Wiring(
            group=group,
            pool=pool,
            publisher=publisher,
            handler=handler,
            feed=self,
            unknown_types=unknown_types,
            types=types,
            batch_records=settings.kafka_batch_records,
            lost_for=settings.kafka_session_timeout + 1.0,
            now=now,
            clock=clock,
            faults=faults or NoFaults(),
            limit=Limit(settings.dead_letters_in_a_row, settings.dead_letters_percent),
        )

    async def run(self) -> None:
        """Until cancelled; then finishes the batches under way, within the drain time-out, and leaves the group."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        said = ""
        while True:
            began = self._clock()
            try:
                await self._session()
            except Exception as error:
                if not (passes(error) or isinstance(error, KafkaError)):
                    raise
                reason = f"{type(error).__name__}: {error}"
                self._component.failing(reason)
                if reason != said:  # an outage is said once
                    said = reason
                    log.warning("consumer begins anew", group=self._group, error=reason)
                if self._clock() - began > 10 * RETRY_CAP:
                    waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
                await asyncio.sleep(next(waits))

    def owned(self) -> frozenset[tuple[str, int]]:
        """Topic and number of the partitions that this process owns now. Only a fence proves it."""
        return frozenset((tp.topic, tp.partition) for tp, each in self._partitions.items() if each.owned is not None)

    def fence(self, topic: str, partition: int) -> int | None:
        """The fence under which the partition is owned; None if it is not."""
        each = self._partitions.get(TopicPartition(topic, partition))
        return each.owned.fence if each is not None and each.owned is not None else None

    async def within(self, topic: str, partition: int, job: Job) -> None:
        """Runs `job(tx)` between two batches of the partition, in a transaction that holds its fence, and publishes in

        order what the job returns. For work that does not come from the log, such as timers. Not from inside a handler.
        Returns after the commit. Raises `NotOwned`, `Fenced`, or what the job raised; after an error of the connection, or a
        `NotOwned` that came while it ran, it is open whether it was done: jobs must bear being done again.
        """
        each = self._partitions.get(TopicPartition(topic, partition))
        if each is None:
            raise NotOwned(topic, partition)
        await each.within(job)

    # What a partition needs (runtime.wiring.Feed)

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        tp = TopicPartition(topic, partition)
        kafka = self._consumer()
        try:
            async with asyncio.timeout(BOUNDS_TIMEOUT):
                begin: int = (await kafka.beginning_offsets([tp]))[tp]
                end: int = (await kafka.end_offsets([tp]))[tp]
        except KafkaError as error:
            raise Later(f"the bounds of {topic}[{partition}] are unknown: {error}") from error
        return begin, end

    def seek(self, topic: str, partition: int, offset: int) -> None:
        with suppress(IllegalStateError):  # revoked meanwhile
            self._consumer().seek(TopicPartition(topic, partition), offset)

    def pause(self, topic: str, partition: int) -> None:
        with suppress(IllegalStateError):
            self._consumer().pause(TopicPartition(topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        with suppress(IllegalStateError):
            self._consumer().resume(TopicPartition(topic, partition))

    def _consumer(self) -> AIOKafkaConsumer:
        if self._kafka is None:
            raise Later("the consumer is being replaced")
        return self._kafka

    # A session: from joining the group to leaving it

    async def _session(self) -> None:
        await repository.label_segments(self._pool, self._now())
        kafka = self._kafka = self._make()
        background: asyncio.Task[None] | None = None
        try:
            kafka.subscribe(self._topics, listener=_Listener(self))
            await kafka.start()
            background = asyncio.create_task(self._keep(kafka))
            await self._fetch(kafka, background)
        finally:
            if background is not None:
                background.cancel()
                await asyncio.wait({background}, timeout=CANCEL_TIMEOUT)
            await self.drain()
            self._kafka = None
            await _stop(kafka)

    def _make(self) -> AIOKafkaConsumer:
        settings = self._settings
        session = round(settings.kafka_session_timeout * 1000)
        return AIOKafkaConsumer(
            **connection(settings, self._group),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",  # where to begin is ours to say, and a gap in the log is never jumped over
            session_timeout_ms=session,
            heartbeat_interval_ms=round(min(3000.0, session / HEARTBEATS)),
            rebalance_timeout_ms=round((settings.kafka_drain_timeout + REBALANCE_SLACK) * 1000),
            max_partition_fetch_bytes=FETCH_BYTES,
            # Partitions of one number go together: a conversation is in one process for all topics of the group.
            partition_assignment_strategy=(RangePartitionAssignor,),
        )

    async def _fetch(self, kafka: AIOKafkaConsumer, background: asyncio.Task[None]) -> None:
        while True:
            if self._fatal is not None:
                raise self._fatal
            if background.done():
                background.result()
            try:
                if await self._take_in(kafka, POLL, self._gather) and self._gather:
                    await self._take_in(kafka, 0, 0.0)  # what came meanwhile
            except OffsetOutOfRangeError as error:
                self._out_of_range(error)
            except NoOffsetForPartitionError:
                pass  # looked at before it was sought; the seek puts it right
            await asyncio.sleep(0)

    async def _take_in(self, kafka: AIOKafkaConsumer, wait: int, gather: float) -> bool:
        """Waits so many ms for records, and holds them for so many seconds. Returns whether there were any."""
        fetched = await kafka.getmany(timeout_ms=wait, max_records=POLL_RECORDS)
        # In the same step as getmany: what comes back belongs to the present assignment and position.
        held = [(tp, each, each.owned, raws) for tp, raws in fetched.items() if (each := self._partitions.get(tp))]
        if held and gather:
            await asyncio.sleep(gather)
        for tp, each, owned, raws in held:
            if self._partitions.get(tp) is each and each.owned is owned:  # else it is sought and fetched anew
                each.feed(raws, kafka.highwater(tp))
        return bool(held)

    def _out_of_range(self, error: OffsetOutOfRangeError) -> None:
        for tp, offset in error.args[0].items():
            if tp in self._partitions:
                self._partitions[tp].out_of_range(offset)

    async def assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Begins to take what the group gave us. Whoever raises here would be logged and passed over by aiokafka."""
        kafka = self._consumer()
        assigned = sorted(assigned)
        for tp in assigned:
            # Nothing is fetched before the partition is ours; where reading begins is said by its row.
            kafka.seek(tp, 0)
            kafka.pause(tp)
        self._fatal = self._wrong(kafka)
        if self._fatal is not None:
            return
        for tp in assigned:
            each = Partition(self._wiring, tp.topic, tp.partition)
            self._partitions[tp] = each
            self._tasks[tp] = asyncio.create_task(each.run(), name=f"{self._group} {tp.topic}[{tp.partition}]")
        self._component.ok(f"{len(assigned)} partitions")
        log.info("partitions assigned", group=self._group, count=len(assigned))

    def _wrong(self, kafka: AIOKafkaConsumer) -> WrongPartitions | None:
        for topic in self._topics:
            found = len(kafka.partitions_for_topic(topic) or ())
            expected = partitions_of(topic, self._settings.partitions)
            if found != expected:
                return WrongPartitions(topic, found, expected)
        return None

    async def drain(self) -> None:
        """Lets all partitions finish under one deadline, then cuts them off; their fences protect what is theirs no more."""
        partitions, tasks = self._partitions, list(self._tasks.values())
        self._partitions, self._tasks = {}, {}
        if not tasks:
            return
        for each in partitions.values():
            each.close()
        _, late = await asyncio.wait(tasks, timeout=self._settings.kafka_drain_timeout)
        if late:
            log.warning("partitions did not finish in time", group=self._group, partitions=[t.get_name() for t in late])
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=CANCEL_TIMEOUT)
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                log.error("a partition ended badly", group=self._group, exc_info=error)
        if self._kafka is not None:
            await self._commit(self._kafka, partitions)
        self._committed.clear()
        for tp in partitions:
            for gauge in (metrics.LAG, metrics.LAG_SECONDS):
                with suppress(KeyError):
                    gauge.remove(self._group, tp.topic, tp.partition)
        metrics.OWNED.labels(self._group).set(0)

    # Beside the log: Kafka's offsets, metrics, old segments

    async def _keep(self, kafka: AIOKafkaConsumer) -> None:
        labelled = self._clock()
        while True:
            await asyncio.sleep(OFFSETS_EVERY)
            await self._observe(kafka)
            await self._commit(kafka, self._partitions)
            if self._clock() - labelled > SEGMENTS_EVERY:
                labelled = self._clock()
                try:
                    await repository.label_segments(self._pool, self._now())
                except Exception as error:
                    if not passes(error):
                        raise
                    log.warning("old event ids could not be dropped yet", error=str(error))

    async def _observe(self, kafka: AIOKafkaConsumer) -> None:
        owned = 0
        for tp, each in list(self._partitions.items()):
            if each.owned is None:
                continue
            owned += 1
            with suppress(IllegalStateError, AssertionError):  # revoked meanwhile
                each.observe(kafka.highwater(tp), await kafka.position(tp))
            metrics.LAG.labels(self._group, tp.topic, tp.partition).set(each.lag)
            behind = (self._now() - each.last_at).total_seconds() if each.lag and each.last_at is not None else 0.0
            metrics.LAG_SECONDS.labels(self._group, tp.topic, tp.partition).set(max(0.0, behind))
        metrics.OWNED.labels(self._group).set(owned)

    async def _commit(self, kafka: AIOKafkaConsumer, partitions: dict[TopicPartition, Partition]) -> None:
        """Tells Kafka how far we are. Nothing of ours depends on it."""
        assigned = kafka.assignment()
        offsets = {
            tp: each.next_offset
            for tp, each in partitions.items()
            if tp in assigned and each.next_offset is not None and self._committed.get(tp) != each.next_offset
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(OFFSETS_TIMEOUT):
                await kafka.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            metrics.OFFSET_COMMITS_FAILED.labels(self._group).inc()
            log.info("Kafka's offsets were not committed", group=self._group, error=f"{type(error).__name__}: {error}")
        else:
            self._committed.update(offsets)

    # Health

    def _troubles(self) -> str | None:
        troubles = [
            f"{tp.topic}[{tp.partition}]: {trouble}"
            for tp, each in self._partitions.items()
            if (trouble := each.trouble or self._silence(tp) or self._end(tp)) is not None
        ]
        more = f"; and {len(troubles) - TROUBLES_SHOWN} more" if len(troubles) > TROUBLES_SHOWN else ""
        return "; ".join(troubles[:TROUBLES_SHOWN]) + more if troubles else None

    def _end(self, tp: TopicPartition) -> str | None:
        task = self._tasks.get(tp)
        return "ended by a fault" if task is not None and task.done() else None

    def _silence(self, tp: TopicPartition) -> str | None:
        """Why nothing may come: the broker has not answered for long."""
        kafka = self._kafka
        if kafka is None or tp not in kafka.assignment() or tp in kafka.paused():
            return None
        answered: int | None = kafka.last_poll_timestamp(tp)  # ms
        if not answered:
            return None
        silent = self._now().timestamp() - answered / 1000
        return f"no answer of the broker for {silent:.0f} s" if silent >= SILENT_AFTER else None


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Hands the group's changes to the consumer. aiokafka logs and swallows what is raised here."""

    def __init__(self, consumer: OrderedConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - always all
        await self._consumer.drain()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._consumer.assign(assigned)


async def _stop(kafka: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await kafka.stop()
    except (KafkaError, TimeoutError) as error:
        log.warning("the group was not left in order", error=f"{type(error).__name__}: {error}")

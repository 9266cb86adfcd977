"""The broker: how to reach it, and the publisher that every writer uses."""

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.structs import TopicPartition

from runtime import backoff, metrics
from runtime.broker import connection, why_unreached
from runtime.errors import Overloaded, PublishFailed, WrongPartitions
from runtime.health import Component, Health
from runtime.lanes import Call, Lane
from runtime.logs import get_logger
from runtime.packing import Packed, pack
from runtime.partitions import partition_of, partition_of_bytes, partitions_of
from runtime.records import Outgoing
from runtime.settings import ServiceSettings

__all__ = ["Publisher", "partition_of"]

START_TIMEOUT: Final = 15.0  # seconds for one attempt to reach the brokers
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds
STOP_TIMEOUT: Final = 3.0  # seconds
BATCH_BYTES: Final = 512 * 1024  # of one partition in one request; the broker takes 1 MiB
MAX_WAITING: Final = 50_000  # records that wait for the broker, all partitions together
# A batch that is under way for so many delivery time-outs belongs to a client that no longer works: it gets a new one.
STALLED: Final = 3.0
# Seconds that records wait for the answer to a request before they are handed over behind it. Long for a broker that is
# well; one that elects a leader for one partition does not hold up the others.
HELD: Final = 0.1
GATHER: Final = 0.002  # seconds at most for which records are gathered, while the loop brings more of them
STEPS: Final = 2  # turns of the loop from bytes on a socket to a record here
# Seconds for which a failure makes the process not ready: one without traffic would never find out that all is well again.
TROUBLE: Final = 10.0

log = get_logger(__name__)


class _Clients:
    """Makes idempotent producers, one at a time, and replaces one that a failure made useless."""

    def __init__(self, settings: ServiceSettings, source: str, component: Component) -> None:
        self._settings = settings
        self._source = source
        self._component = component
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def get(self) -> AIOKafkaProducer:
        """Waits, with back-off, until a broker answers; says in the log that none does, and why, once for each reason."""
        if self._producer is not None:
            return self._producer
        async with self._lock:
            said = ""
            for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
                if self._producer is not None:
                    break
                try:
                    self._producer = await self._start()
                except (KafkaError, OSError, TimeoutError) as error:
                    reason = await why_unreached(self._settings, error)
                    self._component.failing(f"no broker: {reason}")
                    if reason != said:
                        said = reason
                        log.warning("waiting for the broker", error=reason)
                    await asyncio.sleep(delay)
                else:
                    self._component.ok()
        assert self._producer is not None  # noqa: S101 - delays have no end
        return self._producer

    async def discard(self, producer: AIOKafkaProducer) -> None:
        """Drops a producer without waiting for what it holds."""
        if self._producer is producer:
            self._producer = None
            await _discard(producer)

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), STOP_TIMEOUT)
        except (TimeoutError, KafkaError):
            await _discard(producer)

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **connection(self._settings, self._source),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
        )
        try:
            await asyncio.wait_for(producer.start(), START_TIMEOUT)
        except BaseException:
            await _discard(producer)
            raise
        return producer


async def _discard(producer: AIOKafkaProducer) -> None:
    """Ends a producer that cannot flush: its connections first, so that its sender's requests fail at once.

    Uses private parts, for aiokafka has no stop without a flush, and a flush has no end while the broker is away.
    """
    producer._closed = True  # noqa: SLF001
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - whoever waits for it is told
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await producer.client.close()
            await producer._sender.close()  # noqa: SLF001
    except Exception as error:  # noqa: BLE001 - its sender trips over batches that were failed under it, by a KeyError
        log.warning("a Kafka client did not end", error=str(error) or type(error).__name__)


class Publisher:
    """Publishes events through one idempotent producer: acks=all, no lingering, the partition chosen by us.

    A broker has one request of ours at a time. What comes while none is under way goes out as soon as the loop brings no
    more of it, which is at once where nothing else happens; what comes meanwhile goes out together after the answer.

    Records of one key are in the log in the order of the calls, as long as a call is awaited before the next. A call
    that failed may have been written all the same; readers drop the second copy by its event's id.
    """

    def __init__(self, settings: ServiceSettings, source: str, health: Health) -> None:
        self.delivery_timeout = settings.kafka_delivery_timeout
        self._source = ("ce_source", source.encode())
        self._common = settings.partitions
        self._component = health.component("publisher")
        self._component.watch(self._in_trouble)
        self._trouble: tuple[str, float] | None = None
        self._clients = _Clients(settings, source, self._component)
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._ready: dict[Lane, None] = {}  # something waits, nothing is under way; in order
        self._open: dict[str, AIOKafkaProducer] = {}  # topic -> the client that knows it as it should be
        self._opening: set[str] = set()
        self._asked: dict[int | None, asyncio.TimerHandle] = {}  # brokers with a request under way
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = False
        self._load = 0

    @classmethod
    async def start(cls, settings: ServiceSettings, *, source: str, health: Health | None = None) -> Self:
        """Waits until a broker answers. `source` is the service's name, which goes into each event's `ce_source`."""
        publisher = cls(settings, source, health or Health())
        await publisher._clients.get()
        return publisher

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Returns when all are acknowledged. Raises `PublishFailed`, after the delivery time-out at the latest,

        `Overloaded` at once when too much waits already, `RecordTooLarge`, and `WrongPartitions` for a topic that was
        created otherwise.
        """
        await self.publish_packed(pack(outgoing))

    async def publish_packed(self, packed: Sequence[Packed], *, within: float | None = None) -> None:
        """As `publish`, for records that are packed already. `within`: seconds, instead of the delivery time-out."""
        if not packed:
            return
        count = len(packed)
        if self._load + count > MAX_WAITING and self._load > 0:
            metrics.PUBLISH_FAILED.labels("overloaded").inc()
            raise Overloaded("too many records wait for the broker", frozenset(each.topic for each in packed))
        began = time.monotonic()
        self._load += count
        try:
            await self._submit(packed, self.delivery_timeout if within is None else within)
        finally:
            self._load -= count
        metrics.PUBLISH_SECONDS.observe(time.monotonic() - began)
        self._trouble = None

    def give_up(self) -> None:
        """Whoever waits is told now that nothing was acknowledged in time, for each partition in the order of the calls."""
        for lane in self._lanes.values():
            lane.expire()

    async def stop(self) -> None:
        """Waits at most some seconds for what is under way."""
        if under_way := {done for lane in self._lanes.values() for done in lane.calls()}:
            await asyncio.wait(under_way, timeout=STOP_TIMEOUT)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes.values():
            lane.refuse(ProducerClosed())
        await self._clients.stop()  # waits for what is under way, or fails it
        for lane in self._lanes.values():
            lane.finish(ProducerClosed())
        for timer in self._asked.values():
            timer.cancel()

    async def producer(self, topic: str) -> AIOKafkaProducer:
        """The present client, once it is known that `topic` has as many partitions as it should."""
        producer = await self._clients.get()
        if self._open.get(topic) is not producer:
            found = len(await producer.partitions_for(topic))
            expected = partitions_of(topic, self._common)
            if found != expected:
                raise WrongPartitions(topic, found, expected)
            self._open[topic] = producer
        return producer

    async def _submit(self, packed: Sequence[Packed], within: float) -> None:
        loop = asyncio.get_running_loop()
        call = Call()
        for lane, records in self._by_lane(packed).items():
            call.submit(lane, records)
            self._stir(lane)
        timer = loop.call_later(within, call.expire)
        try:
            await call.done
        except asyncio.CancelledError:
            self._abandon(call)
            raise
        finally:
            timer.cancel()
        if call.late:
            self._abandon(call)
        if call.late or call.error is not None:
            self._refuse(call.error, within, frozenset(each.topic for each in packed))

    def _by_lane(self, packed: Sequence[Packed]) -> Mapping[Lane, Sequence[Packed]]:
        if len(packed) == 1:  # as from a webhook, or of a lone turn
            return {self._lane(packed[0]): packed}
        groups: dict[Lane, list[Packed]] = {}
        for each in packed:
            groups.setdefault(self._lane(each), []).append(each)
        return groups

    def _lane(self, packed: Packed) -> Lane:
        place = (packed.topic, partition_of_bytes(packed.key, partitions_of(packed.topic, self._common)))
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(*place)
        return lane

    def _stir(self, lane: Lane) -> None:
        """Something may wait in this lane: it goes out as soon as it can."""
        if lane.since is None and lane.waiting:
            self._ready[lane] = None
            if lane.leader not in self._asked:
                self._wake()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._begin(self._flush())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self) -> None:
        """Hands over all that waits for a broker that has no request of ours: one batch for each partition."""
        await self._gather()
        self._woken = False
        for lane, producer in self._going():
            try:
                builder = producer.create_batch()
                lane.fill(builder, self._source)
                answer = await producer.send_batch(builder, lane.topic, partition=lane.partition)
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                self._through(lane, producer, error)
            else:
                answer.add_done_callback(partial(self._answered, lane, producer))

    async def _gather(self) -> None:
        """Lets those hand over their records who are about to: a request costs more than a record. Idle, this is no wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + GATHER
        known = -1
        while known != self._load and loop.time() < until:
            known = self._load
            for _ in range(STEPS):
                await asyncio.sleep(0)

    def _going(self) -> list[tuple[Lane, AIOKafkaProducer]]:
        loop = asyncio.get_running_loop()
        going = []
        for lane in list(self._ready):
            producer = self._open.get(lane.topic)
            if not lane.waiting:  # all was withdrawn
                del self._ready[lane]
            elif producer is None:
                self._ask_for(lane.topic)
            else:
                lane.leader = producer.client.cluster.leader_for_partition(TopicPartition(lane.topic, lane.partition))
                if lane.leader not in self._asked:
                    del self._ready[lane]
                    lane.since = loop.time()
                    going.append((lane, producer))
        for leader in {lane.leader for lane, _ in going}:
            self._asked[leader] = loop.call_later(HELD, self._free, leader)
        return going

    def _ask_for(self, topic: str) -> None:
        if topic not in self._opening:
            self._opening.add(topic)
            self._begin(self._open_topic(topic))

    async def _open_topic(self, topic: str) -> None:
        try:
            await self.producer(topic)
        except Exception as error:  # noqa: BLE001 - the broker could not even be asked: whoever waits is told
            for lane in [lane for lane in self._ready if lane.topic == topic]:
                lane.refuse(error)
        finally:
            self._opening.discard(topic)
        self._wake()

    def _answered(self, lane: Lane, producer: AIOKafkaProducer, answer: "asyncio.Future[object]") -> None:
        self._through(lane, producer, answer.exception())

    def _through(self, lane: Lane, producer: AIOKafkaProducer, error: BaseException | None) -> None:
        lane.finish(error if error is None or isinstance(error, Exception) else ProducerClosed())
        # After a failure that is not repeated the sequence of an idempotent producer has a gap that never closes.
        if error is not None and not getattr(error, "retriable", False):
            self._renew(producer)
        self._stir(lane)
        self._free(lane.leader)

    def _free(self, leader: int | None) -> None:
        """The broker answered, or is not waited for any longer."""
        timer = self._asked.pop(leader, None)
        if timer is not None:
            timer.cancel()
        if self._ready:
            self._wake()

    def _abandon(self, call: Call) -> None:
        """Nobody waits for it any more: what is not yet under way is not sent, and a client that stands still is replaced."""
        now = asyncio.get_running_loop().time()
        for lane in call.withdraw():
            if lane.since is not None and now - lane.since > STALLED * self.delivery_timeout:
                self._renew(self._open.get(lane.topic))

    def _renew(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None:
            self._open = {topic: client for topic, client in self._open.items() if client is not producer}
            self._begin(self._clients.discard(producer))

    def _refuse(self, error: Exception | None, within: float, topics: frozenset[str]) -> None:
        if isinstance(error, WrongPartitions):
            raise error
        reason = f"no answer in {within:g} s" if error is None else str(error) or type(error).__name__
        self._trouble = (reason, time.monotonic())
        metrics.PUBLISH_FAILED.labels("timeout" if error is None else type(error).__name__).inc()
        raise PublishFailed(reason, topics) from error

    def _in_trouble(self) -> str | None:
        """What failed last, for some time, unless something was published since."""
        if self._trouble is None or time.monotonic() - self._trouble[1] > TROUBLE:
            return None
        return self._trouble[0]

"""The broker: how to reach it, and the publisher that every writer uses."""

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Self, TypedDict

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from runtime import backoff, metrics
from runtime.errors import Overloaded, PublishFailed, WrongPartitions
from runtime.health import Component, Health
from runtime.logs import get_logger
from runtime.packing import Packed, pack
from runtime.partitions import partition_of, partition_of_bytes, partitions_of
from runtime.records import Outgoing
from runtime.settings import ServiceSettings

__all__ = ["Publisher", "connection", "partition_of"]

REQUEST_TIMEOUT: Final = 10_000  # ms, of one request; the delivery time-out covers several
START_TIMEOUT: Final = 15.0  # seconds for one attempt to reach the brokers
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds
STOP_TIMEOUT: Final = 3.0  # seconds
BATCH_BYTES: Final = 512 * 1024  # of one partition in one request; the broker takes 1 MiB
MAX_WAITING: Final = 50_000  # records that wait for the broker, all partitions together
# A batch that is under way for so many delivery time-outs belongs to a client that no longer works: it gets a new one.
STALLED: Final = 3.0

log = get_logger(__name__)


class Connection(TypedDict):
    """Arguments that aiokafka's producer, consumer and admin client share."""

    bootstrap_servers: list[str]
    client_id: str
    request_timeout_ms: int
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None


def connection(settings: ServiceSettings, client: str) -> Connection:
    """How to reach the brokers; `client` is the name they see."""
    tls = settings.kafka_security.endswith("SSL")
    return Connection(
        bootstrap_servers=[server.strip() for server in settings.kafka_bootstrap.split(",") if server.strip()],
        client_id=client,
        request_timeout_ms=REQUEST_TIMEOUT,
        security_protocol=settings.kafka_security,
        ssl_context=ssl.create_default_context(cafile=settings.kafka_ca_file or None) if tls else None,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_plain_username=settings.kafka_username or None,
        sasl_plain_password=settings.kafka_password.get_secret_value() or None,
    )


class _Clients:
    """Makes idempotent producers, one at a time, and replaces one that a failure made useless."""

    def __init__(self, settings: ServiceSettings, source: str, component: Component) -> None:
        self._settings = settings
        self._source = source
        self._component = component
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def get(self) -> AIOKafkaProducer:
        """Waits, with back-off, until a broker answers; says once in the log that none does."""
        if self._producer is not None:
            return self._producer
        async with self._lock:
            said = False
            for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
                if self._producer is not None:
                    break
                try:
                    self._producer = await self._start()
                except (KafkaError, OSError, TimeoutError) as error:
                    self._component.failing(f"no broker: {error}")
                    if not said:
                        said = True
                        log.warning("waiting for the broker", bootstrap=self._settings.kafka_bootstrap)
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
    except (TimeoutError, KafkaError) as error:
        log.warning("a Kafka client did not end", error=str(error))


class _Waiting:
    """Records of one call for one partition. `done` is set when the broker has them all, or has failed."""

    __slots__ = ("done", "records", "taken")

    def __init__(self, records: list[Packed], done: "asyncio.Future[None]") -> None:
        self.records = records
        self.done = done
        self.taken = 0


class _Lane:
    """One partition: what waits for it goes out in order, one batch at a time, all that came meanwhile in the next."""

    def __init__(self, publisher: "Publisher", topic: str, partition: int) -> None:
        self._publisher = publisher
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    def submit(self, records: list[Packed]) -> "asyncio.Future[None]":
        waiting = _Waiting(records, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return waiting.done

    def withdraw(self, done: "asyncio.Future[None]") -> None:
        """Takes back what is not yet under way."""
        for waiting in [each for each in self._waiting if each.done is done]:
            self._waiting.remove(waiting)

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    def give_up(self) -> None:
        """The process stops: tells whoever waits that it did not work out."""
        self._fail([], ProducerClosed())

    async def _drain(self) -> None:
        while self._waiting:
            batch: list[_Waiting] = []
            try:
                await self._send(batch)
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                self._fail(batch, error)
            else:
                for waiting in batch:
                    if waiting.taken == len(waiting.records) and not waiting.done.done():
                        waiting.done.set_result(None)

    async def _send(self, batch: list[_Waiting]) -> None:
        producer = await self._publisher.producer(self._topic)
        builder = producer.create_batch()
        self._fill(builder, batch)
        if not batch:
            return
        stalled = STALLED * self._publisher.delivery_timeout
        try:
            async with asyncio.timeout(stalled):
                await (await producer.send_batch(builder, self._topic, partition=self._partition))
        except (KafkaError, TimeoutError) as error:
            # After a failure that is not repeated the sequence of an idempotent producer has a gap that never closes.
            if not getattr(error, "retriable", False) or isinstance(error, TimeoutError):
                await self._publisher.renew(producer)
            raise

    def _fill(self, builder: object, batch: list[_Waiting]) -> None:
        source = self._publisher.source
        append = builder.append  # type: ignore[attr-defined] # aiokafka has no types
        while self._waiting:
            waiting = self._waiting[0]
            batch.append(waiting)
            for each in waiting.records[waiting.taken :]:
                if append(key=each.key, value=each.value, headers=[*each.headers, source], timestamp=None) is None:
                    return  # full: the rest of this call goes into the next batch
                waiting.taken += 1
            self._waiting.popleft()

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        if not batch:  # the broker could not even be asked: nobody in the queue has better luck
            batch.extend(self._waiting)
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(error)
            if self._waiting and self._waiting[0] is waiting:
                self._waiting.popleft()


class Publisher:
    """Publishes events through one idempotent producer: acks=all, no lingering, the partition chosen by us.

    Records of one key are in the log in the order of the calls, as long as a call is awaited before the next. A call
    that failed may have been written all the same; readers drop the second copy by its event's id.
    """

    def __init__(self, settings: ServiceSettings, source: str, health: Health) -> None:
        self.delivery_timeout = settings.kafka_delivery_timeout
        self.source = ("ce_source", source.encode())
        self._common = settings.partitions
        self._component = health.component("publisher")
        self._clients = _Clients(settings, source, self._component)
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._checked: set[str] = set()
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

    async def publish_packed(self, packed: Sequence[Packed]) -> None:
        """As `publish`, for records that are packed already."""
        if not packed:
            return
        if self._load + len(packed) > MAX_WAITING and self._load > 0:
            metrics.PUBLISH_FAILED.labels("overloaded").inc()
            raise Overloaded("too many records wait for the broker", frozenset(each.topic for each in packed))
        began = time.monotonic()
        self._load += len(packed)
        try:
            await self._submit(packed)
        finally:
            self._load -= len(packed)
        metrics.PUBLISH_SECONDS.observe(time.monotonic() - began)
        self._component.ok()

    async def stop(self) -> None:
        """Waits at most some seconds for what is under way."""
        under_way = [lane.task for lane in self._lanes.values() if lane.task is not None and not lane.task.done()]
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for lane in self._lanes.values():
            lane.give_up()
        await self._clients.stop()

    async def producer(self, topic: str) -> AIOKafkaProducer:
        """The present client, once it is known that `topic` has as many partitions as it should."""
        producer = await self._clients.get()
        if topic not in self._checked:
            found = len(await producer.partitions_for(topic))
            expected = partitions_of(topic, self._common)
            if found != expected:
                raise WrongPartitions(topic, found, expected)
            self._checked.add(topic)
        return producer

    async def renew(self, producer: AIOKafkaProducer) -> None:
        await self._clients.discard(producer)

    async def _submit(self, packed: Sequence[Packed]) -> None:
        groups: dict[tuple[str, int], list[Packed]] = {}
        for each in packed:
            place = (each.topic, partition_of_bytes(each.key, partitions_of(each.topic, self._common)))
            groups.setdefault(place, []).append(each)
        waiting = {self._lane(place).submit(records): place for place, records in groups.items()}
        try:
            done, late = await asyncio.wait(waiting, timeout=self.delivery_timeout)
        except asyncio.CancelledError:
            for future, place in waiting.items():
                self._abandon(place, future)
            raise
        for future in late:
            self._abandon(waiting[future], future)
        errors = [error for error in (future.exception() for future in done) if error is not None]
        if errors or late:
            self._refuse(errors, frozenset(topic for topic, _ in groups))
        for (topic, _), records in groups.items():
            metrics.PUBLISHED.labels(topic).inc(len(records))

    def _lane(self, place: tuple[str, int]) -> _Lane:
        if place not in self._lanes:
            self._lanes[place] = _Lane(self, *place)
        return self._lanes[place]

    def _abandon(self, place: tuple[str, int], future: "asyncio.Future[None]") -> None:
        self._lanes[place].withdraw(future)
        future.cancel()

    def _refuse(self, errors: Sequence[BaseException], topics: frozenset[str]) -> None:
        for error in errors:
            if isinstance(error, WrongPartitions):
                raise error
        reason = str(errors[0]) or type(errors[0]).__name__ if errors else f"no answer in {self.delivery_timeout:g} s"
        self._component.failing(reason)
        metrics.PUBLISH_FAILED.labels(type(errors[0]).__name__ if errors else "timeout").inc()
        raise PublishFailed(reason, topics) from (errors[0] if errors else None)

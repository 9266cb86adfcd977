"""The bare broker hops of a reply, without work: what aiokafka and the broker take for them.

Four topics stand for `conversations`, `turns`, `conversations` again and `messenger.commands`. The relays are processes,
as takeover and flow-engine are: `python -m bench.hops BOOTSTRAP FROM TO [FROM TO …]` moves what comes until it is ended.
Everybody produces with acks=all and without lingering, and awaits nothing that a next hop does not need.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

TOPICS: Final = ("hop.0", "hop.1", "hop.2", "hop.3")
SWITCH: Final = (0, 2)
"""The hops behind which takeover stands; behind the other one stands flow-engine."""
PARTITIONS: Final = 8
SIZE: Final = 700  # bytes of a record, about what ours have
PATIENCE: Final = 30.0  # seconds


def relays() -> list[list[str]]:
    """The arguments of the relays: what each reads and writes."""
    hops = list(pairwise(TOPICS))
    switch = [name for number in SWITCH for name in hops[number]]
    engine = [name for number, hop in enumerate(hops) if number not in SWITCH for name in hop]
    return [switch, engine]


async def create(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in TOPICS])
    finally:
        await admin.close()


def _producer(bootstrap: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=0)


async def _consumer(bootstrap: str, topic: str) -> AIOKafkaConsumer:
    kafka = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await kafka.start()
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    kafka.assign(places)
    await kafka.seek_to_end(*places)
    await asyncio.gather(*(kafka.position(place) for place in places))
    return kafka


class Chain:
    """A record in at the first topic, out behind the last."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer
        self._expected: dict[bytes, asyncio.Future[float]] = {}
        self._number = 0

    @classmethod
    @asynccontextmanager
    async def running(cls, bootstrap: str) -> AsyncIterator["Chain"]:
        async with AsyncExitStack() as stack:
            producer = _producer(bootstrap)
            await producer.start()
            stack.push_async_callback(producer.stop)
            consumer = await _consumer(bootstrap, TOPICS[-1])
            stack.push_async_callback(consumer.stop)
            chain = cls(producer, consumer)
            reading = asyncio.create_task(chain._read())
            stack.callback(reading.cancel)
            await chain._until_through()
            yield chain

    async def take(self) -> float:
        """Seconds from the producer's call to the record's arrival behind the last hop. Raises TimeoutError."""
        self._number += 1
        key = b"%d" % self._number
        expected = self._expected[key] = asyncio.get_running_loop().create_future()
        began = time.time()
        await self._producer.send(TOPICS[0], b"x" * SIZE, key=key, partition=self._number % PARTITIONS)
        async with asyncio.timeout(PATIENCE):
            arrived: float = await expected
        return arrived - began

    async def _until_through(self) -> None:
        """Relays that have just started may have missed the first ones."""
        for _ in range(int(PATIENCE)):
            try:
                async with asyncio.timeout(1.0):
                    await self.take()
            except TimeoutError:
                continue
            return
        raise TimeoutError

    async def _read(self) -> None:
        async for record in self._consumer:
            expected = self._expected.pop(record.key, None)
            if expected is not None and not expected.done():
                expected.set_result(time.time())


async def relay(bootstrap: str, hops: Sequence[tuple[str, str]]) -> None:
    """Until cancelled."""
    producer = _producer(bootstrap)
    await producer.start()
    readers = [await _consumer(bootstrap, source) for source, _ in hops]
    await asyncio.gather(*(_move(reader, producer, target) for reader, (_, target) in zip(readers, hops, strict=True)))


async def _move(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, target: str) -> None:
    async for record in consumer:
        await producer.send(target, record.value, key=record.key, partition=record.partition)


if __name__ == "__main__":
    bootstrap, *names = sys.argv[1:]
    uvloop.run(relay(bootstrap, list(zip(names[::2], names[1::2], strict=True))))

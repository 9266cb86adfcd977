"""A small world for the tests of the runtime: two events, topics of its own, a handler that counts in PostgreSQL."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from runtime import letters
from runtime.consumer import BaseHandler, OrderedConsumer
from runtime.health import Health
from runtime.kafka import Publisher
from runtime.migrations import migrate
from runtime.partitions import partition_of
from runtime.postgres import Connection, Pool, close, connect
from runtime.records import Outgoing, Record
from runtime.settings import ServiceSettings
from schemas.base import BaseEvent
from schemas.topics import TOPICS, Topic

PARTITIONS = 2
DEADLINE = 30.0  # seconds: how long a fact may take that comes within a second on a quiet machine


class Said(BaseEvent):
    type: Literal["test.said.v1"] = "test.said.v1"
    who: str
    text: str = ""

    @property
    def key(self) -> str:
        return self.who


class Heard(BaseEvent):
    """`count`: how many of `who` were heard, this one included."""

    type: Literal["test.heard.v1"] = "test.heard.v1"
    who: str
    count: int
    text: str = ""

    @property
    def key(self) -> str:
        return self.who


class TestSettings(ServiceSettings):
    __test__ = False
    kafka_session_timeout: float = 6.0
    kafka_delivery_timeout: float = 5.0
    partitions: int = PARTITIONS


@dataclass
class Names:
    """The topics of one test, in the catalogue while it runs."""

    suffix: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def said(self) -> str:
        return f"said.{self.suffix}"

    @property
    def heard(self) -> str:
        return f"heard.{self.suffix}"

    @property
    def dead(self) -> str:
        return f"dead.{self.suffix}"

    @property
    def group(self) -> str:
        return f"group-{self.suffix}"

    def enter(self) -> None:
        original = TOPICS["dead-letters"].union
        for name, union in ((self.said, Said), (self.heard, Heard), (self.dead, original)):
            TOPICS[name] = Topic(name, "a test's", "who", union)
        letters.DEAD_LETTERS = self.dead

    def leave(self) -> None:
        letters.DEAD_LETTERS = "dead-letters"
        for name in (self.said, self.heard, self.dead):
            del TOPICS[name]


def settings_for(bootstrap: str, database_url: str, **others: object) -> TestSettings:
    return TestSettings(kafka_bootstrap=bootstrap, database_url=SecretStr(database_url), **others)


async def create_topics(
    bootstrap: str, *names: str, partitions: int = PARTITIONS, configs: dict[str, str] | None = None
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs) for name in names])
        assert all(each[1] == 0 for each in response.topic_errors), response
        await until(lambda: _visible(admin, names), "the broker knows them")
    finally:
        await admin.close()


async def send_raw(
    world: "World",
    value: bytes | None,
    *,
    key: str = "mia",
    headers: Sequence[tuple[str, bytes]] = (("ce_type", b"test.said.v1"),),
) -> None:
    """Bytes past the publisher, into the partition of `key`."""
    producer = await world.publisher.producer(world.names.said)
    await producer.send_and_wait(
        world.names.said,
        value,
        key=key.encode(),
        headers=list(headers),
        partition=partition_of(key, PARTITIONS),
    )


def at_most(world: "World", run: int, percent: int = 20) -> TestSettings:
    """The world's settings with these limits of dead letters."""
    return world.settings.model_copy(update={"dead_letters_in_a_row": run, "dead_letters_percent": percent})


async def _visible(admin: AIOKafkaAdminClient, names: Sequence[str]) -> bool:
    """The controller answers before the broker has heard."""
    return set(names) <= set(await admin.list_topics())


async def read_all(bootstrap: str, topic: str, partitions: int = PARTITIONS):
    """Every record that is in the topic now, by partition in order."""
    kafka = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await kafka.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        kafka.assign(tps)
        ends = await kafka.end_offsets(tps)
        records = []
        for tp in tps:
            await kafka.seek_to_beginning(tp)
        while any([await kafka.position(tp) < ends[tp] for tp in tps]):
            for fetched in (await kafka.getmany(timeout_ms=200)).values():
                records.extend(fetched)
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await kafka.stop()


async def until(fact: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Waits for a fact, and fails saying which did not come."""
    end = time.monotonic() + seconds
    while True:
        found = fact()
        if not isinstance(found, bool):
            found = await found
        if found:
            return
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)


COUNTS = "CREATE TABLE IF NOT EXISTS heard (who text PRIMARY KEY, count integer NOT NULL, texts text[] NOT NULL)"


class Counter(BaseHandler):
    """Counts what each person said, in PostgreSQL, and says so."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.batches: list[list[Record]] = []
        self.assigned_to: list[tuple[str, int]] = []
        self.revoked_from: list[tuple[str, int]] = []
        self.before: Callable[[Sequence[Record]], Awaitable[None]] | None = None

    async def assigned(self, tx: Connection, topic: str, partition: int) -> None:
        self.assigned_to.append((topic, partition))

    async def revoked(self, topic: str, partition: int) -> None:
        self.revoked_from.append((topic, partition))

    async def handle(self, tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
        self.batches.append(list(records))
        if self.before is not None:
            await self.before(records)
        return [await self._hear(tx, record) for record in records]

    async def _hear(self, tx: Connection, record: Record) -> Outgoing:
        said = record.event
        count = await tx.fetchval(
            "INSERT INTO heard VALUES ($1, 1, ARRAY[$2]) ON CONFLICT (who) DO UPDATE"
            " SET count = heard.count + 1, texts = heard.texts || $2 RETURNING count",
            said.who,
            said.text,
        )
        heard = Heard(id=f"heard:{said.id}", who=said.who, count=count, text=said.text)
        return Outgoing(self.topic, heard, record.traceparent)


class World:
    """What a test needs: topics, a schema, a publisher, and consumers to start and stop."""

    def __init__(self, settings: TestSettings, names: Names, pool: Pool, publisher: Publisher) -> None:
        self.settings = settings
        self.names = names
        self.pool = pool
        self.publisher = publisher
        self.health = Health()
        self.handler = Counter(names.heard)

    def say_event(self, text: str, who: str = "mia", prefix: str = "") -> Said:
        return Said(id=f"{prefix}{who}:{text[:100]}", who=who, text=text)

    async def say(self, *texts: str, who: str = "mia", prefix: str = "") -> None:
        """Publishes one event a text; the id is the text, unless `prefix`."""
        await self.publisher.publish([Outgoing(self.names.said, self.say_event(text, who, prefix)) for text in texts])

    async def texts(self, who: str = "mia") -> list[str]:
        found = await self.pool.fetchval("SELECT texts FROM heard WHERE who = $1", who)
        return found or []

    async def published(self, topic: str | None = None):
        return await read_all(self.settings.kafka_bootstrap, topic or self.names.heard)

    async def outbox(self) -> int:
        return await self.pool.fetchval("SELECT count(*) FROM outbox")

    async def outbox_is_empty(self) -> bool:
        return await self.outbox() == 0

    def make_consumer(self, **others: object) -> OrderedConsumer:
        wiring = {
            "settings": self.settings,
            "pool": self.pool,
            "publisher": self.publisher,
            "group": self.names.group,
            "topics": [self.names.said],
            "handler": self.handler,
            "unknown_types": "stop",
            "health": self.health,
        }
        return OrderedConsumer(**(wiring | others))

    @asynccontextmanager
    async def consuming(self, **others: object) -> AsyncIterator[OrderedConsumer]:
        async with self.running(self.make_consumer(**others)) as consumer:
            yield consumer

    @asynccontextmanager
    async def running(self, consumer: OrderedConsumer) -> AsyncIterator[OrderedConsumer]:
        async with running(consumer.run()):
            yield consumer


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[asyncio.Task]:
    """Runs beside a test; a failure of it is the test's."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=DEADLINE)
        assert done, "did not end when cancelled"
        if not task.cancelled():
            task.result()


@asynccontextmanager
async def a_world(bootstrap: str, database_url: str, **others: object) -> AsyncIterator[World]:
    names = Names()
    names.enter()
    settings = settings_for(bootstrap, database_url, **others)
    await create_topics(bootstrap, names.said, names.heard, names.dead)
    await migrate(settings, "testing", "runtime")
    pool = await connect(settings, "testing")
    await pool.execute(COUNTS)
    publisher = await Publisher.start(settings, source="test")
    try:
        yield World(settings, names, pool, publisher)
    finally:
        await publisher.stop()
        await close(pool)
        names.leave()

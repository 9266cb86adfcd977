"""takeover in a test, on a real broker and a real database: what goes into the log, what comes out."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr
from takeover_world import bot_settings

from runtime import topics
from runtime.health import Health
from runtime.kafka import Publisher
from runtime.migrations import migrate
from runtime.postgres import close, connect
from runtime.records import Outgoing
from schemas import envelope
from schemas.base import BaseEvent
from schemas.conversations import CustomerMessage, ProfileRead
from schemas.messages import Profile
from schemas.topics import BOTS, CONVERSATIONS
from takeover import decide as rules
from takeover.main import decide_and_fire
from takeover.settings import TakeoverServiceSettings

E = TypeVar("E", bound=BaseEvent)
PATIENCE = 20.0  # seconds
HERE = Path(__file__).parent


def break_on_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule for customers' messages raises on the text "poison"."""
    original = rules.RULES[CustomerMessage]

    def breaks(step: Any, event: CustomerMessage) -> None:
        if event.input.text == "poison":
            raise ZeroDivisionError("a fault of ours")
        original(step, event)

    monkeypatch.setitem(rules.RULES, CustomerMessage, breaks)


class Stack:
    def __init__(self, settings: TakeoverServiceSettings, publisher: Publisher) -> None:
        self.settings = settings
        self.publisher = publisher

    @classmethod
    @asynccontextmanager
    async def made(cls, bootstrap: str, database: str, **changes: Any) -> AsyncIterator["Stack"]:
        settings = TakeoverServiceSettings(
            kafka_bootstrap=bootstrap,
            database_url=SecretStr(database),
            http_port=0,
            kafka_session_timeout=6.0,
            **changes,
        )
        await topics.ensure(settings)
        publisher = await Publisher.start(settings, source="test")
        stack = cls(settings, publisher)
        await stack.publish(bot_settings(), topic=BOTS)
        try:
            yield stack
        finally:
            await publisher.stop()

    async def publish(self, *events: BaseEvent, topic: str = CONVERSATIONS) -> None:
        """A conversation's first message is followed by its customer's name, which takeover asks for first."""
        names = [named(event) for event in events if isinstance(event, CustomerMessage) and event.id.endswith(":m1")]
        await self.publisher.publish([Outgoing(topic, event) for event in (*events, *names)])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Health]:
        """Takeover in this process."""
        await migrate(self.settings, "takeover", "takeover")
        health = Health()
        pool = await connect(self.settings, "takeover", health)
        publisher = await Publisher.start(self.settings, source="takeover", health=health)
        task = asyncio.create_task(decide_and_fire(self.settings, health, pool, publisher))
        try:
            yield health
            if task.done():
                task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await publisher.stop()
            await close(pool)

    async def process(self, *, dies_at: str = "") -> asyncio.subprocess.Process:
        """Takeover as a process of its own; `dies_at`: the point at which it kills itself with SIGKILL."""
        env = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "CONVOBOSS_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "CONVOBOSS_HTTP_PORT": "0",
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": "6",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "mortal.py"), dies_at, env=env, stdout=asyncio.subprocess.DEVNULL
        )

    async def read(self, topic: str, until: Callable[[Sequence[BaseEvent]], bool]) -> list[BaseEvent]:
        """The events of a topic from its beginning, each once, in order within a partition, until they are as expected."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        found: dict[str, BaseEvent] = {}
        try:
            numbers = await consumer._client.fetch_all_metadata()
            places = [TopicPartition(topic, number) for number in numbers.partitions_for_topic(topic)]
            consumer.assign(places)
            async with asyncio.timeout(PATIENCE):
                while not until(list(found.values())):
                    for raws in (await consumer.getmany(timeout_ms=100)).values():
                        for event in (envelope.decode(topic, raw.value, raw.headers) for raw in raws):
                            found.setdefault(event.id, event)
        except TimeoutError:
            raise AssertionError(f"not what was expected on {topic}: {list(found.values())}") from None
        finally:
            await consumer.stop()
        return list(found.values())

    async def wait_for(self, topic: str, kind: type[E], count: int = 1, **fields: Any) -> list[E]:
        def matching(events: Sequence[BaseEvent]) -> list[E]:
            return [
                event
                for event in events
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
            ]

        return matching(await self.read(topic, lambda events: len(matching(events)) >= count))

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.settings.database_url.get_secret_value())
        try:
            await connection.execute("SET search_path = takeover")
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def row(self, query: str, *values: Any) -> asyncpg.Record:
        """Wait until the query has a row."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(asyncpg.UndefinedTableError):
                    if found := await self.rows(query, *values):
                        return found[0]
                await asyncio.sleep(0.05)


def named(event: CustomerMessage) -> ProfileRead:
    command = f"{event.conversation}!1"
    return ProfileRead(
        id=f"{command}:read",
        conversation=event.conversation,
        command=command,
        epoch=0,
        profile=Profile(first_name="Mia"),
    )


async def killed(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        code = await process.wait()
    assert code == -signal.SIGKILL


def now() -> datetime:
    return datetime.now(UTC)

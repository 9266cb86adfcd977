"""Wires the monitor: three topics, and what is kept of conversations in PostgreSQL."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from monitor.handlers import WANTED, WatchHandler
from monitor.keeper import Keeper
from monitor.settings import MonitorSettings
from runtime import migrations, postgres, service
from runtime.consumer import OrderedConsumer
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES

SCHEMA: Final = "monitor"
GROUP: Final = "monitor"
GATHER: Final = 2.0  # seconds: nobody waits for it, and a batch costs as much as dozens of records
CONNECTIONS: Final = (
    1  # its batches are small and may wait for each other; each more is a process of PostgreSQL with its memory
)


def _now() -> datetime:
    return datetime.now(UTC)


async def run(settings: MonitorSettings) -> None:
    health = Health()
    few = settings.model_copy(update={"database_pool": CONNECTIONS})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(HttpServer(settings, health))
        await migrations.migrate(settings, SCHEMA, "monitor", health)
        pool = await postgres.connect(few, SCHEMA, health)
        stack.push_async_callback(postgres.close, pool)
        publisher = await Publisher.start(settings, source="monitor", health=health)  # for dead letters
        stack.push_async_callback(publisher.stop)
        consumer = OrderedConsumer(
            settings=settings,
            pool=pool,
            publisher=publisher,
            group=GROUP,
            topics=[OUTCOMES, MESSENGER_COMMANDS, CONVERSATIONS],
            handler=WatchHandler(),
            unknown_types="skip",
            types=WANTED,
            gather=GATHER,
            health=health,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(consumer.run())
            tasks.create_task(Keeper(pool=pool, consumer=consumer, now=_now).run())


def start() -> None:
    service.main(run, MonitorSettings, "monitor")

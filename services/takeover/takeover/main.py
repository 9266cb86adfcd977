"""Wiring of takeover."""

import asyncio

from runtime.compacted import CompactedReader
from runtime.consumer import OrderedConsumer
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.migrations import migrate
from runtime.postgres import Pool, close, connect
from runtime.service import main as run_service
from schemas.topics import BOTS, CONVERSATIONS
from takeover.bots import Bots
from takeover.firing import Clockwork
from takeover.handlers import Switch
from takeover.settings import TakeoverServiceSettings

SCHEMA = "takeover"
CATCH_UP = 60.0  # seconds to read the bots' settings before the first event


async def run(settings: TakeoverServiceSettings) -> None:
    health = Health()
    health.component("start")  # not ready until every part is there to say so itself
    async with HttpServer(settings, health):
        await migrate(settings, SCHEMA, "takeover", health)
        pool = await connect(settings, SCHEMA, health)
        publisher = await Publisher.start(settings, source="takeover", health=health)
        try:
            await decide_and_fire(settings, health, pool, publisher)
        finally:
            await publisher.stop()
            await close(pool)


async def decide_and_fire(settings: TakeoverServiceSettings, health: Health, pool: Pool, publisher: Publisher) -> None:
    bots = Bots()
    reader = CompactedReader(settings, BOTS, bots.apply, health)
    await reader.catch_up(CATCH_UP)
    clockwork = Clockwork(pool, health.component("timers"), batch=settings.timer_batch, poll=settings.timer_poll)
    consumer = OrderedConsumer(
        settings=settings,
        pool=pool,
        publisher=publisher,
        group="takeover",
        topics=[CONVERSATIONS],
        handler=Switch(bots, clockwork),
        unknown_types="stop",
        health=health,
    )
    health.component("start").ok()
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        group.create_task(consumer.run())
        group.create_task(clockwork.run(consumer.within))


def main() -> None:
    run_service(run, TakeoverServiceSettings, "takeover")

"""Wiring of takeover."""


from runtime.compacted import CompactedReader

from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.postgres import close, connect, migrate
from runtime.service import main as run_service
from schemas.topics import BOTS
from takeover.bots import Bots
from takeover.settings import TakeoverServiceSettings

SCHEMA = "takeover"
CATCH_UP = 60.0  # seconds to read the bots' settings before the first event


async def run(settings: TakeoverServiceSettings) -> None:
    health = Health()
    async with HttpServer(settings, health):
        await migrate(settings, SCHEMA, "takeover")
        pool = await connect(settings, SCHEMA, health)
        publisher = await Publisher.start(settings, source="takeover")
        bots = Bots()
        reader = CompactedReader(settings, BOTS, bots.apply)
        try:
            await reader.catch_up(CATCH_UP)
            await switch(settings, health, pool, publisher, bots, reader)
        finally:
            await publisher.stop()
            await close(pool)


async def switch(settings, health, pool, publisher, bots, reader) -> None:  # type: ignore[no-untyped-def]
    ...


def main() -> None:
    run_service(run, TakeoverServiceSettings, "takeover")

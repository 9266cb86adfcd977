"""Wiring, nothing else."""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from console import application, command_line, janitor
from console.handlers import GROUP, TOPICS, WANTED, TranscriptHandler
from console.live import Live
from console.pages import PageBook
from console.passwords import Passwords
from console.publishing import FlowPublisher
from console.repository import bots as bots_repository
from console.routes import all_routes
from console.services import Door, Services
from console.settings import ConsoleSettings
from runtime import migrations, postgres, service
from runtime.compacted import CompactedReader
from runtime.consumer import OrderedConsumer
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.outbox import Relay
from runtime.secrets import SecretBox
from schemas.topics import PAGES

NAME: Final = "console"
GATHER: Final = 0.1  # seconds: what a person at a screen does not notice


def now() -> datetime:
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """The service, or one of the console's commands; see `python -m console --help`."""
    command = command_line.parse(sys.argv[1:] if arguments is None else arguments)
    if command is None:
        service.main(run, ConsoleSettings, NAME)
    sys.exit(command.execute())


async def run(settings: ConsoleSettings) -> None:
    """Until cancelled. `/readyz` tells from the first moment what is waited for."""
    health, door = Health(), Door()
    health.component(NAME).failing("starting")
    box = SecretBox(settings.secret_keys)
    app = application.make(all_routes(), door, secure=settings.secure_cookies)
    async with HttpServer(settings, health, app):
        await migrations.migrate(settings, NAME, NAME, health)
        pool = await postgres.connect(settings, NAME, health)
        try:
            publisher = await Publisher.start(settings, source=NAME, health=health)
            try:
                await serve(wire(settings, pool, publisher, health, box), health, door)
            finally:
                await publisher.stop()
        finally:
            await postgres.close(pool)


def wire(
    settings: ConsoleSettings, pool: postgres.Pool, publisher: Publisher, health: Health, box: SecretBox
) -> Services:
    relay = Relay(pool, publisher, health)
    return Services(
        settings=settings,
        pool=pool,
        publisher=publisher,
        relay=relay,
        box=box,
        passwords=Passwords(),
        flows=FlowPublisher(pool, publisher, relay, now, health),
        live=Live(pool, settings, now, health),
        pages=PageBook(),
        now=now,
        random=os.urandom,
    )


async def serve(services: Services, health: Health, door: Door) -> None:
    """Opens the door and does the console's work until cancelled."""
    consumer = OrderedConsumer(
        settings=services.settings,
        pool=services.pool,
        publisher=services.publisher,
        group=GROUP,
        topics=TOPICS,
        handler=TranscriptHandler(),
        unknown_types="skip",
        types=WANTED,
        gather=GATHER,
        health=health,
    )
    door.open(services)
    health.component(NAME).ok()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run())
            group.create_task(services.relay.run())
            group.create_task(services.flows.run())
            group.create_task(services.live.run())
            group.create_task(follow_pages(services, health))
            group.create_task(janitor.run(services.pool, services.settings, services.now))
    finally:
        health.component(NAME).failing("stopping")
        services.live.close_all()
        door.shut()


async def follow_pages(services: Services, health: Health) -> None:
    """Shows what is known of pages, and stores what of it bears on a bot's settings. Until cancelled."""

    async def adopt(page: str, way_back: bool) -> None:
        if await bots_repository.adopt_way_back(services.pool, page, way_back=way_back, at=services.now()):
            services.relay.wake()

    async with asyncio.TaskGroup() as group:
        group.create_task(CompactedReader(services.settings, PAGES, services.pages.apply, health).run())
        group.create_task(services.pages.run(adopt))

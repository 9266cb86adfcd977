"""Wires ingress: the channels from the topic `bots`, the webhook, the publisher, and what looks after the pages."""

import asyncio
import logging
import random
from asyncio import FIRST_COMPLETED

from aiohttp import web
from aiokafka.errors import KafkaError

from ingress.care import Care, now
from ingress.channels import Channels
from ingress.gate import Gate
from ingress.handlers import Webhook
from ingress.load import Load
from ingress.outages import Outages
from ingress.settings import IngressSettings
from ingress.spooling import Spooling
from runtime import backoff, service
from runtime.compacted import CompactedReader
from runtime.health import Component, Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.logs import Sparse
from runtime.secrets import SecretBox
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS, PAGES

RETRY_FIRST = 0.2  # seconds
RETRY_CAP = 3.0  # seconds
CATCH_UP = 60.0  # seconds for all bots' settings


async def run(settings: IngressSettings) -> None:
    health = Health()
    channels = Channels(SecretBox(settings.secret_keys))
    gate, outages = Gate(now), Outages(settings.missed_after, now)
    webhook = Webhook(
        channels=channels,
        gate=gate,
        outages=outages,
        load=Load(max_requests=settings.webhook_requests, max_bytes=settings.webhook_bytes),
        budget=settings.webhook_budget,
        now=now,
    )
    app = web.Application()
    app.add_routes(webhook.routes())
    logging.getLogger("aiohttp.server").addFilter(Sparse())  # whoever sends broken requests must not fill a disk
    server = HttpServer(settings, health, app)
    await server.start()
    spooling: Spooling | None = None
    # with a spool, a broker that is away is no reason to be sent no webhooks
    broker_health = Health() if settings.spool_directory else health
    publisher: Publisher | None = None
    following: set[asyncio.Task[None]] = set()
    try:
        if settings.spool_directory:
            spooling = Spooling(settings, health)
            spooling.open(webhook)
        publisher = await Publisher.start(settings, source="ingress", health=broker_health)
        await _checked(publisher, broker_health.component("topics"))
        reader = CompactedReader(
            settings, BOTS, spooling.both(channels.apply) if spooling else channels.apply, broker_health
        )
        await reader.catch_up(CATCH_UP)
        care = Care(settings, publisher, channels, gate, outages, broker_health)
        await care.read(CATCH_UP)
        if spooling is None:
            webhook.open(publisher)
        else:
            spooling.connect(publisher, webhook)
        following = {asyncio.create_task(reader.run()), asyncio.create_task(care.run())}
        # when this is cancelled, they go on until the server has stopped
        ended, _ = await asyncio.wait({*following, *(spooling.tasks if spooling else ())}, return_when=FIRST_COMPLETED)
        ended.pop().result()
    finally:
        await server.stop()  # requests under way still need the publisher
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        if spooling is not None:
            await spooling.close()
        if publisher is not None:
            await publisher.stop()


async def _checked(publisher: Publisher, component: Component) -> None:
    """Returns when the topics are there; raise WrongPartitions where another number of partitions would mix up the order."""
    for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
        try:
            for topic in (CONVERSATIONS, DEAD_LETTERS, PAGES):
                await publisher.producer(topic)
        except KafkaError as error:
            component.failing(f"not there yet: {error}")
            await asyncio.sleep(delay)
        else:
            component.ok()
            return


def start() -> None:
    service.main(run, IngressSettings, "ingress")

"""Wires ingress: the channels from the topic `bots`, the webhook, the publisher."""

import logging
from datetime import UTC, datetime

from aiohttp import web

from ingress.channels import Channels
from ingress.handlers import Webhook
from ingress.load import Load
from ingress.settings import IngressSettings
from runtime import service
from runtime.compacted import CompactedReader
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.logs import Sparse
from runtime.secrets import SecretBox
from schemas.topics import BOTS

CATCH_UP = 60.0  # seconds for all bots' settings


async def run(settings: IngressSettings) -> None:
    health = Health()
    channels = Channels(SecretBox(settings.secret_keys))
    webhook = Webhook(
        channels=channels,
        load=Load(max_requests=settings.webhook_requests, max_bytes=settings.webhook_bytes),
        budget=settings.webhook_budget,
        now=lambda: datetime.now(UTC),
    )
    app = web.Application()
    app.add_routes(webhook.routes())
    logging.getLogger("aiohttp.server").addFilter(Sparse())  # whoever sends broken requests must not fill a disk
    server = HttpServer(settings, health, app)
    await server.start()
    publisher: Publisher | None = None
    try:
        publisher = await Publisher.start(settings, source="ingress", health=health)
        reader = CompactedReader(settings, BOTS, channels.apply, health)
        await reader.catch_up(CATCH_UP)
        webhook.open(publisher)
        await reader.run()
    finally:
        await server.stop()  # requests under way still need the publisher
        if publisher is not None:
            await publisher.stop()


def start() -> None:
    service.main(run, IngressSettings, "ingress")

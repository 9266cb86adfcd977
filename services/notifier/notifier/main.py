"""Wires the notifier: outcomes from the log, the ledger in PostgreSQL, the mail server."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from notifier.bots import BotNames
from notifier.handlers import WANTED, OutcomesHandler
from notifier.sender import Config, Sender
from notifier.settings import NotifierSettings
from notifier.smtp import Mailer, server_of
from runtime import migrations, postgres, service
from runtime.compacted import CompactedReader
from runtime.consumer import OrderedConsumer
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from schemas.topics import BOTS, OUTCOMES

SCHEMA: Final = "notifier"
GROUP: Final = "notifier"
GATHER: Final = 0.1  # seconds: e-mails are in no such hurry
CATCH_UP: Final = 60.0  # seconds for all bots' settings


def _now() -> datetime:
    return datetime.now(UTC)


def hello(public_url: str) -> str:
    """What this process calls itself to the mail server; an address goes in brackets (RFC 5321, 4.1.3)."""
    host = urlsplit(public_url).hostname or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


async def run(settings: NotifierSettings) -> None:
    health = Health()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(HttpServer(settings, health))
        await migrations.migrate(settings, SCHEMA, "notifier", health)
        pool = await postgres.connect(settings, SCHEMA, health)
        stack.push_async_callback(postgres.close, pool)
        publisher = await Publisher.start(settings, source="notifier", health=health)
        stack.push_async_callback(publisher.stop)
        names = BotNames()
        reader = CompactedReader(settings, BOTS, names.apply, health)
        await reader.catch_up(CATCH_UP)
        news = asyncio.Event()
        consumer = OrderedConsumer(
            settings=settings,
            pool=pool,
            publisher=publisher,
            group=GROUP,
            topics=[OUTCOMES],
            handler=OutcomesHandler(public_url=settings.public_url, now=_now, taken_in=news.set),
            unknown_types="skip",
            types=WANTED,
            gather=GATHER,
            health=health,
        )
        sender = Sender(
            config=Config(
                group=GROUP,
                sender=settings.mail_from,
                public_url=settings.public_url,
                timeout=settings.mail_timeout,
                parallel=settings.mail_parallel,
                keep=timedelta(days=settings.mail_keep_days),
            ),
            pool=pool,
            consumer=consumer,
            mailer=Mailer(
                server_of(settings.smtp_url),
                sender=parseaddr(settings.mail_from)[1],
                hello=hello(settings.public_url),
                timeout=settings.mail_timeout,
                clock=time.monotonic,
            ),
            name_of=names.of,
            news=news,
            health=health.component("mail"),
            now=_now,
            new_id=uuid4,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reader.run())
            tasks.create_task(consumer.run())
            tasks.create_task(sender.run())


def start() -> None:
    service.main(run, NotifierSettings, "notifier")

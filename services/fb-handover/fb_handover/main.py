"""Wiring of fb-handover."""

import asyncio
import random
import secrets
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Final

from fb_handover.channels import Channels
from fb_handover.clock import DatabaseClock
from fb_handover.handlers import WANTED, Commands, Echoes
from fb_handover.hearing import ECHOES, Hearing
from fb_handover.housekeeping import Housekeeping
from fb_handover.pages import Pages
from fb_handover.repository import Outbound
from fb_handover.sender import Sender
from fb_handover.settings import Settings
from graphapi.client import Graph
from runtime.compacted import CompactedReader
from runtime.consumer import OrderedConsumer
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.migrations import migrate
from runtime.outbox import Relay
from runtime.postgres import close, connect
from runtime.secrets import SecretBox
from runtime.service import main as run_service
from schemas.topics import BOTS, CONVERSATIONS, MESSENGER_COMMANDS

SERVICE: Final = "fb-handover"
SCHEMA: Final = "fb_handover"
CATCH_UP: Final = 60.0  # seconds to read the channels before the first command
DRAIN: Final = 15.0  # seconds at most for requests under way; with closing what is left it stays below the 25 of a stop
STORE: Final = 2.0  # seconds to store the last answers
GATHER: Final = 0.05  # seconds: an echo only confirms what Facebook answered already, or ends a wait of seconds


async def run(settings: Settings) -> None:
    health = Health()
    health.component("start")  # not ready until every part is there to say so itself
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(HttpServer(settings, health))
        channels = Channels(SecretBox(settings.secret_keys), health.component("channels"))
        await migrate(settings, SCHEMA, "fb_handover", health)
        pool = await connect(settings, SCHEMA, health)
        stack.push_async_callback(close, pool)
        publisher = await Publisher.start(settings, source=SERVICE, health=health)
        stack.push_async_callback(publisher.stop)
        graph = await stack.enter_async_context(
            Graph(settings.graph_url, timeout=settings.graph_timeout, connections=settings.sends_at_once)
        )
        reader = CompactedReader(settings, BOTS, channels.apply, health)
        stack.push_async_callback(reader.stop)
        await reader.catch_up(CATCH_UP)

        clock = DatabaseClock(pool)
        await clock.read()
        relay = Relay(pool, publisher, health)
        outbound = Outbound(pool, owner=f"{socket.gethostname()}:{secrets.token_hex(4)}", lease=settings.limits.lease)
        pages = Pages(
            pool,
            channels,
            settings.budget,
            published=relay.wake,
            woken=lambda: sender.wake(),  # noqa: PLW0108 - made below
            rng=random,
        )
        await pages.look()
        sender = Sender(
            outbound,
            graph,
            channels,
            Hearing(pool, lambda topic, partition: echoes.bounds(topic, partition)),  # noqa: PLW0108 - made below
            pages,
            pool,
            rules=settings.rules,
            limits=settings.limits,
            component=health.component("sender"),
            published=relay.wake,
            now=clock.now,
            rng=random,
        )
        commands = OrderedConsumer(
            settings=settings,
            pool=pool,
            publisher=publisher,
            group=SERVICE,
            topics=[MESSENGER_COMMANDS],
            handler=Commands(sender, clock.now),
            unknown_types="stop",
            health=health,
        )
        echoes = OrderedConsumer(
            settings=settings,
            pool=pool,
            publisher=publisher,
            group=ECHOES,
            topics=[CONVERSATIONS],
            handler=Echoes(sender, sender.context),
            unknown_types="skip",
            types=WANTED,
            gather=GATHER,
            health=health,
        )
        housekeeping = Housekeeping(outbound, sender, keep=settings.keep_closed)
        health.component("start").ok()
        relaying = _task(relay.run(), "relay")
        work = [
            _task(commands.run(), "commands"),
            _task(echoes.run(), "echoes"),
            _task(sender.run(), "sender"),
            _task(reader.run(), "channels"),
            _task(housekeeping.run(), "housekeeping"),
            _task(clock.run(), "clock"),
            _task(pages.run(), "pages"),
        ]
        try:
            await _until_one_ends([relaying, *work])
        finally:
            await asyncio.gather(_cancel(work), sender.drain(min(settings.graph_timeout + STORE, DRAIN)))
            await sender.drain(STORE)  # a consumer's last batch may have claimed conversations: they are given back
            await _cancel([relaying])


def _task(work: Coroutine[None, None, None], name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(work, name=name)


async def _until_one_ends(tasks: "list[asyncio.Task[None]]") -> None:
    """They run until cancelled: one that ends has failed, and its error is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    run_service(run, Settings, SERVICE)

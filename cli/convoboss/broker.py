"""The broker, asked from outside: which topics it has, and records without a group and without commits."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from convoboss.errors import BrokerAway
from runtime.broker import connection, why_unreached
from runtime.settings import ServiceSettings

ANSWER: Final = 10.0  # seconds for the first answer, logging in included
STOP: Final = 3.0  # seconds
NAME: Final = "convoboss"


async def partitions(settings: ServiceSettings) -> Mapping[str, int]:
    """How many partitions each topic of the broker has. Asks for all of them, so that none is made by asking."""
    async with told(settings):
        async with asyncio.timeout(ANSWER):
            admin = AIOKafkaAdminClient(**connection(settings, NAME))
            try:
                await admin.start()
                return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
            finally:
                await admin.close()


@asynccontextmanager
async def reader(settings: ServiceSettings, *, wait: int = 500) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group. Where retention took records away meanwhile, it goes on at the first that is left.

    `wait`: ms that the broker waits for records to come, which it answers nothing else in.
    """
    consumer = AIOKafkaConsumer(
        **connection(settings, NAME),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=wait,
    )
    try:
        async with told(settings):
            async with asyncio.timeout(ANSWER):
                await consumer.start()
        yield consumer
    finally:
        try:
            async with asyncio.timeout(STOP):
                await consumer.stop()
        except (KafkaError, TimeoutError):
            pass


@asynccontextmanager
async def told(settings: ServiceSettings) -> AsyncIterator[None]:
    """Turns what the client raises while the broker is away, or refuses us, into one sentence."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        raise BrokerAway(settings.kafka_bootstrap, await why_unreached(settings, error)) from error

"""Emptying a broker between tests that use the product's own topic names."""

import asyncio
import time

from aiokafka.admin import AIOKafkaAdminClient

from local.kafka import READY_TOPIC

DELETED = 10.0  # seconds; a deletion takes some tens of milliseconds
POLL = 0.02  # seconds


async def delete_topics(bootstrap: str) -> None:
    """Deletes every topic but Kafka's own, and returns when the broker has forgotten them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        deadline = time.monotonic() + DELETED
        asked: set[str] = set()
        while topics := {name for name in await admin.list_topics() if not name.startswith("__")} - {READY_TOPIC}:
            if new := topics - asked:
                await admin.delete_topics(sorted(new))
                asked |= new
            if time.monotonic() > deadline:
                raise TimeoutError(f"topics that do not go away: {sorted(topics)}")
            await asyncio.sleep(POLL)
    finally:
        await admin.close()

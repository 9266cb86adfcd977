"""10,000 customers write to one page at the same moment: how long the slowest wait, and whether one is lost.

Each posts one webhook, as fast as the connections allow; then the log is read to its end, and holds each message once.
"""

import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.http_load import load_once
from bench.parts import Say
from bench.processes import Running
from bench.webhooks import webhook
from runtime.settings import ServiceSettings
from schemas.envelope import header
from schemas.topics import CONVERSATIONS

CUSTOMERS: Final = 10_000
FIRST: Final = 7_000_000  # none of them is the page itself
CONNECTIONS: Final = (32, 256)
WITHIN: Final = 60.0  # seconds for all of them


async def measure(ingress: Running, settings: ServiceSettings, page: str, secret: str, say: Say) -> Mapping[str, float]:
    """`intake_crowd_lost` and `_twice` over all rounds, `_p99_ms` and `_per_s` of the round with most connections."""
    lost = twice = 0
    figures: dict[str, float] = {}
    for connections in CONNECTIONS:
        crowd = secrets.token_hex(4)
        mids = [f"crowd-{crowd}-{number}" for number in range(CUSTOMERS)]
        prepared = [webhook(page, secret, psid=f"{FIRST + number}", mid=mid) for number, mid in enumerate(mids)]
        before = await _ends(settings)
        answers = await load_once(ingress.port, prepared, connections=connections, within=WITHIN)
        found = await _ids(settings, before)
        counts = [found[f"messenger:{page}:{mid}"] for mid in mids]
        lost += counts.count(0)
        twice += sum(count > 1 for count in counts)
        figures = {"intake_crowd_p99_ms": answers.percentile(0.99), "intake_crowd_per_s": answers.per_s}
        say(
            f"{CUSTOMERS:,} customers at once, {connections} connections: {answers.per_s:,.0f}/s,"
            f" p50 {answers.percentile(0.5):.0f} p99 {answers.percentile(0.99):.0f} ms, worst {answers.times[-1]:.0f} ms;"
            f" {counts.count(0)} lost"
        )
    return figures | {"intake_crowd_lost": float(lost), "intake_crowd_twice": float(twice)}


def _places(settings: ServiceSettings) -> list[TopicPartition]:
    return [TopicPartition(CONVERSATIONS, number) for number in range(settings.partitions)]


async def _ends(settings: ServiceSettings) -> Mapping[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        found: Mapping[TopicPartition, int] = await consumer.end_offsets(_places(settings))
        return found
    finally:
        await consumer.stop()


async def _ids(settings: ServiceSettings, begin: Mapping[TopicPartition, int]) -> Counter[str]:
    """How often each event's id stands in the log from there to its end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(begin))
        for place, offset in begin.items():
            consumer.seek(place, offset)
        ends = await consumer.end_offsets(list(begin))
        found: Counter[str] = Counter()
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update(header(record.headers, "ce_id") or "" for record in records)
        return found
    finally:
        await consumer.stop()

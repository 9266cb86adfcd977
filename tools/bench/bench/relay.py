"""The bare relay, a process of its own: what comes in goes out, as fast as aiokafka does it, and nothing is remembered.

`python -m bench.relay BOOTSTRAP FROM TO FIRST…` with the first offset of each partition; reads to the present
end, and prints `{"records", "seconds", "cpu"}`. Consumer and idempotent producer (acks=all) side by side: while one lot is
acknowledged the next is read.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.servers import cpu_seconds

LOT = 4000  # records read at once


async def relay(bootstrap: str, source: str, target: str, first: Sequence[int]) -> dict[str, float]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=5)
    await consumer.start()
    await producer.start()
    try:
        places = [TopicPartition(source, number) for number in range(len(first))]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await producer.partitions_for(target)
        left = sum(ends.values()) - sum(first)
        total = left
        began, cpu = time.monotonic(), cpu_seconds()
        for place, offset in zip(places, first, strict=True):
            consumer.seek(place, offset)
        under_way: Sequence[asyncio.Future[object]] = ()
        while left:
            lot = [
                record
                for found in (await consumer.getmany(timeout_ms=1000, max_records=LOT)).values()
                for record in found
            ]
            sent = [
                await producer.send(
                    target, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
                )
                for record in lot
            ]
            await asyncio.gather(*under_way)
            under_way = sent
            left -= len(lot)
        await asyncio.gather(*under_way)
        return {"records": total, "seconds": time.monotonic() - began, "cpu": cpu_seconds() - cpu}
    finally:
        await consumer.stop()
        await producer.stop()


if __name__ == "__main__":
    bootstrap, source, target, *first = sys.argv[1:]
    print(json.dumps(uvloop.run(relay(bootstrap, source, target, [int(offset) for offset in first]))))

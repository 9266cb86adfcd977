"""A consumer in a process of its own, for tests that kill or stop it: `runtime_child.py bootstrap url suffix fault`.

Says on standard output what it has reached. `fault`: `committed` or `published` kills it at that point; `hang` leaves it
in the middle of a transaction until a line arrives on standard input.
"""

import asyncio
import os
import signal
import sys

from runtime_world import Counter, Names, settings_for

from runtime.consumer import OrderedConsumer
from runtime.kafka import Publisher
from runtime.postgres import connect


def say(text: str) -> None:
    print(text, flush=True)


class Kill:
    def __init__(self, point: str) -> None:
        self.point = point

    async def reached(self, point, topic, partition):
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class Hanging(Counter):
    async def handle(self, tx, partition, records):
        outgoing = await super().handle(tx, partition, records)
        say("handling")
        await asyncio.to_thread(sys.stdin.readline)
        say("goes on")
        return outgoing


async def main(bootstrap: str, url: str, suffix: str, fault: str) -> None:
    names = Names(suffix)
    names.enter()
    settings = settings_for(bootstrap, url)
    pool = await connect(settings, "testing")
    handler = Hanging(names.heard) if fault == "hang" else Counter(names.heard)
    consumer = OrderedConsumer(
        settings=settings,
        pool=pool,
        publisher=await Publisher.start(settings, source="child"),
        group=names.group,
        topics=[names.said],
        handler=handler,
        unknown_types="stop",
        faults=Kill(fault),
    )
    await consumer.run()


asyncio.run(main(*sys.argv[1:]))

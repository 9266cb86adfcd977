"""The processes that ingress is measured beside: `python -m bench.intake_peers {bare,produce SECONDS}`."""

import asyncio
import gc
import itertools
import sys
import time

import uvloop
from aiohttp import web

from bench.servers import cpu_seconds
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.packing import Packed, pack
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas.conversations import CustomerMessage
from schemas.messages import CustomerInput
from schemas.topics import CONVERSATIONS

WRITERS = 32  # as many as there are connections
PREPARED = 20_000


async def bare(settings: ServiceSettings) -> None:
    """Reads the body and answers `ok`: what aiohttp costs by itself."""

    async def ok(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b"ok")

    health = Health()
    health.component("bare").ok()
    app = web.Application()
    app.router.add_post("/webhooks/messenger", ok)
    async with HttpServer(settings, health, app):
        await asyncio.Event().wait()


async def produce(settings: ServiceSettings, seconds: float) -> None:
    """Only the acknowledged publish, one record a call, 32 callers side by side. Prints records/s and µs of CPU each."""
    publisher = await Publisher.start(settings, source="bench")
    records = itertools.cycle(_records())
    count = 0

    async def write(until: float) -> None:
        nonlocal count
        while time.monotonic() < until:
            await publisher.publish_packed([next(records)])
            count += 1

    before = cpu_seconds()
    until = time.monotonic() + seconds
    await asyncio.gather(*(write(until) for _ in range(WRITERS)))
    print(count / seconds, (cpu_seconds() - before) / count * 1e6)
    await publisher.stop()


def _records() -> list[Packed]:
    return pack(
        [
            Outgoing(
                CONVERSATIONS,
                CustomerMessage(
                    id=f"messenger:1029:m_{number}",
                    conversation=f"messenger:1029:{number % 1000}",
                    channel="messaging",
                    input=CustomerInput(text="Hello, is my parcel there?"),
                ),
                f"00-{number:032x}-{number:016x}-00",
            )
            for number in range(1, PREPARED)
        ]
    )


def main(arguments: list[str]) -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # as a service does
    match arguments:
        case ["bare"]:
            uvloop.run(bare(ServiceSettings()))
        case ["produce", seconds]:
            uvloop.run(produce(ServiceSettings(), float(seconds)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

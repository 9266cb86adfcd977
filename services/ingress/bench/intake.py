# ruff: noqa: INP001 - a script, not a package
"""How many webhooks a second one process takes in, beside a bare aiohttp handler in the same run.

    python services/ingress/bench/intake.py [seconds of each round]

32 connections, keep-alive, one text message in each body. A real broker is started for it. Three servers take turns, two
rounds each: `bare` answers "ok"; `ingress` is the real handler; `single` is the same with one produce for each event.
Ratios mean something, absolute figures depend on the machine and on what else runs on it.
"""

import asyncio
import itertools
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

from ingress.channels import Channels
from ingress.handlers import Publishes, Webhook
from ingress.load import Load
from ingress.signature import HEADER, sign
from runtime.kafka import Publisher
from runtime.packing import Packed
from runtime.partitions import partition_of_bytes
from runtime.secrets import SecretBox
from runtime.settings import ServiceSettings
from runtime.topics import ensure
from schemas.bots import BotSettings, MessengerChannel

CONNECTIONS: Final = 32
KEY: Final = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="
PAGE: Final = "1029"
SECRET: Final = "bench-app-secret"  # noqa: S105 - nobody's
SERVERS: Final = ("bare", "single", "ingress")
ROUNDS: Final = 2


class OneByOne:
    """What the publisher is compared with: a produce of its own for each event."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int) -> None:
        self._producer = producer
        self._partitions = partitions

    async def publish_packed(self, packed: Sequence[Packed]) -> None:
        for each in packed:
            await self._producer.send_and_wait(
                each.topic,
                each.value,
                key=each.key,
                headers=each.headers,
                partition=partition_of_bytes(each.key, self._partitions),
            )


def bot() -> BotSettings:
    box = SecretBox(ServiceSettings(secret_keys=KEY).secret_keys)
    channel = MessengerChannel(
        page_id=PAGE,
        app_id="1",
        app_secret=box.encrypt(SECRET),
        verify_token=box.encrypt("token"),
        page_token=box.encrypt("token"),
    )
    return BotSettings(id="bench:1", bot="bench", version=1, name="Bench", messenger=(channel,))


async def publisher_of(kind: str, settings: ServiceSettings) -> Publishes:
    if kind == "ingress":
        return await Publisher.start(settings, source="ingress")
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True, linger_ms=0
    )
    await producer.start()
    return OneByOne(producer, settings.partitions)


async def serve(kind: str, port: int, bootstrap: str) -> None:
    app = web.Application()
    if kind == "bare":

        async def ok(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(body=b"ok")

        app.router.add_post("/webhooks/messenger", ok)
    else:
        settings = ServiceSettings(kafka_bootstrap=bootstrap, secret_keys=KEY)
        channels = Channels(SecretBox(settings.secret_keys))
        channels.apply("bench", bot())
        webhook = Webhook(
            channels=channels,
            load=Load(max_requests=500, max_bytes=2**26),
            budget=4.5,
            now=lambda: datetime.now(UTC),
        )
        webhook.open(await publisher_of(kind, settings))
        app.add_routes(webhook.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def requests() -> list[bytes]:
    """Bodies of a thousand customers, signed; as bytes on the wire, so that the client costs little."""
    made = []
    for number in range(20_000):
        body = (
            b'{"object":"page","entry":[{"id":"%s","time":1795500000000,"messaging":[{"sender":{"id":"%d"},'
            b'"recipient":{"id":"%s"},"timestamp":1795500000000,"message":{"mid":"m_%s%d","text":"Hello, is my parcel there?"}}]}]}'
            % (PAGE.encode(), number % 1000, PAGE.encode(), secrets.token_hex(8).encode(), number)
        )
        head = (
            f"POST /webhooks/messenger HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{HEADER}: {sign(body, SECRET.encode())}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def load(port: int, seconds: float, prepared: Sequence[bytes]) -> tuple[float, float]:
    """Answers a second, and the median of an answer's milliseconds."""
    wire = itertools.cycle(prepared)
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(next(wire))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return len(times) / seconds, statistics.median(times) * 1000


async def run(seconds: float) -> None:
    from local import ports
    from local.servers import Kafka

    prepared = requests()
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka")
        servers: dict[str, subprocess.Popen[bytes]] = {}
        try:
            await kafka.start()
            await ensure(ServiceSettings(kafka_bootstrap=kafka.bootstrap))
            listening = {kind: ports.reserve() for kind in SERVERS}
            for kind, port in listening.items():
                command = [sys.executable, __file__, "serve", kind, str(port), kafka.bootstrap]
                servers[kind] = subprocess.Popen(command, env=os.environ)  # noqa: ASYNC220, S603 - ours
            await asyncio.gather(*(_up(port) for port in listening.values()))
            for port in listening.values():
                await load(port, 1.0, prepared)
            bare = 0.0
            for _ in range(ROUNDS):
                for kind, port in listening.items():
                    before = _cpu(servers[kind])
                    rate, median = await load(port, seconds, prepared)
                    each = (_cpu(servers[kind]) - before) / (rate * seconds) * 1e6
                    bare = rate if kind == "bare" else bare
                    sys.stdout.write(
                        f"{kind:8} {rate:8.0f} requests/s   {rate / bare:5.2f} of bare   p50 {median:5.1f} ms"
                        f"   {each:6.0f} µs of processor each\n"
                    )
        finally:
            for server in servers.values():
                server.kill()
                server.wait()
            await kafka.stop()


def _cpu(server: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time so far: steadier than the rate where other work runs beside it."""
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


async def _up(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", kind, port, bootstrap]:
            uvloop.run(serve(kind, int(port), bootstrap))
        case [*arguments]:
            uvloop.run(run(float(arguments[0]) if arguments else 5.0))

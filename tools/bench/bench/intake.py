"""How many webhooks a second one process of ingress takes in, beside a bare aiohttp handler.

32 keep-alive connections, one text message in each signed body, 1,000 customers over 8 partitions. Both servers are
processes of their own and are loaded in turns. A round's ratio is ours over the bare one just before; the figure is the
median of the rounds.
"""

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.http_load import Answers, load
from bench.servers import KEYS, Servers, cpu_seconds
from ingress.signature import HEADER, sign
from local import ports
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from runtime.settings import ServiceSettings
from runtime.topics import ensure
from schemas.bots import BotSettings, MessengerChannel
from schemas.topics import BOTS

CONNECTIONS: Final = 32
ROUNDS: Final = 5
SECONDS: Final = 3.0  # of one server's turn
ALONE_SECONDS: Final = 1.5  # the same with one connection
PRODUCE_SECONDS: Final = 3.0
WARM_UP: Final = 1.0  # seconds
UP: Final = 30.0  # seconds for a server to be there
PAGE: Final = "1029"
CUSTOMERS: Final = 1000
BODIES: Final = 20_000
SECRET: Final = "bench-app-secret"  # noqa: S105 - nobody's


@dataclass(frozen=True, slots=True)
class Turn:
    """One server under load. `cpu`: its microseconds of processor for each request."""

    answers: Answers
    cpu: float


class Server:
    """A process that is loaded."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.port = port

    async def turn(self, prepared: list[bytes], *, connections: int, seconds: float) -> Turn:
        before = cpu_seconds(self._process.pid)
        answers = await load(self.port, prepared, connections=connections, seconds=seconds)
        return Turn(answers, (cpu_seconds(self._process.pid) - before) / len(answers.times) * 1e6)


async def measure(servers: Servers, say: Callable[[str], None]) -> Mapping[str, float]:
    settings = ServiceSettings(kafka_bootstrap=servers.bootstrap, secret_keys=KEYS)
    await ensure(settings)
    await _know(settings)
    prepared = bodies()
    async with (
        _started(servers, "-m", "bench.intake_peers", "bare") as bare,
        _started(servers, "-m", "ingress") as ours,
    ):
        for server in (bare, ours):
            await server.turn(prepared, connections=CONNECTIONS, seconds=WARM_UP)
        crowded = await _rounds(bare, ours, prepared, connections=CONNECTIONS, seconds=SECONDS, say=say)
        alone = await _rounds(bare, ours, prepared, connections=1, seconds=ALONE_SECONDS, say=say)
    per_s, each = await _produce(servers)
    say(f"an acknowledged publish alone, 32 at once: {per_s:,.0f}/s, {each:.0f} µs of processor each")
    return _figures(crowded, alone) | {"produce_per_s": per_s, "produce_cpu_us": each}


async def _rounds(
    bare: Server, ours: Server, prepared: list[bytes], *, connections: int, seconds: float, say: Callable[[str], None]
) -> list[tuple[Turn, Turn]]:
    done = []
    for _ in range(ROUNDS):
        peer = await bare.turn(prepared, connections=connections, seconds=seconds)
        own = await ours.turn(prepared, connections=connections, seconds=seconds)
        done.append((peer, own))
        say(f"{connections:2} connections: bare {_line(peer)} | ingress {_line(own)} | {_ratio(peer, own):.2f}")
    return done


def _line(turn: Turn) -> str:
    answers = turn.answers
    times = f"p50 {answers.percentile(0.5):.2f} p99 {answers.percentile(0.99):.2f} ms"
    return f"{answers.per_s:6,.0f}/s {times} {turn.cpu:4.0f} µs"


def _ratio(peer: Turn, own: Turn) -> float:
    return own.answers.per_s / peer.answers.per_s


def _figures(crowded: list[tuple[Turn, Turn]], alone: list[tuple[Turn, Turn]]) -> dict[str, float]:
    times = sorted(time for _, own in crowded for time in own.answers.times)
    pooled = Answers(sum(own.answers.seconds for _, own in crowded), times)
    return {
        "ingress_ratio": statistics.median(_ratio(peer, own) for peer, own in crowded),
        "ingress_requests_per_s": statistics.median(own.answers.per_s for _, own in crowded),
        "ingress_p50_ms": pooled.percentile(0.5),
        "ingress_p99_ms": pooled.percentile(0.99),
        "ingress_cpu_us": statistics.median(own.cpu for _, own in crowded),
        "bare_cpu_us": statistics.median(peer.cpu for peer, _ in crowded),
        "ingress_alone_p50_ms": statistics.median(own.answers.percentile(0.5) for _, own in alone),
        "bare_alone_p50_ms": statistics.median(peer.answers.percentile(0.5) for peer, _ in alone),
    }


async def _know(settings: ServiceSettings) -> None:
    """Publishes the bot whose page the webhooks are about."""
    box = SecretBox(settings.secret_keys)
    channel = MessengerChannel(
        page_id=PAGE,
        app_id="1",
        app_secret=box.encrypt(SECRET),
        verify_token=box.encrypt("token"),
        page_token=box.encrypt("token"),
    )
    publisher = await Publisher.start(settings, source="bench")
    try:
        bot = BotSettings(id="bench:1", bot="bench", version=1, name="Bench", messenger=(channel,))
        await publisher.publish([Outgoing(BOTS, bot)])
    finally:
        await publisher.stop()


def bodies(count: int = BODIES) -> list[bytes]:
    """Signed webhooks of a thousand customers, head and all, as they go over the wire."""
    made = []
    for number in range(count):
        body = (
            b'{"object":"page","entry":[{"id":"%s","time":1795500000000,"messaging":[{"sender":{"id":"%d"},'
            b'"recipient":{"id":"%s"},"timestamp":1795500000000,"message":{"mid":"m_%s%d","text":"Hello, is my parcel there?"}}]}]}'
            % (PAGE.encode(), number % CUSTOMERS, PAGE.encode(), secrets.token_hex(8).encode(), number)
        )
        head = (
            f"POST /webhooks/messenger HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{HEADER}: {sign(body, SECRET.encode())}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


@asynccontextmanager
async def _started(servers: Servers, *command: str) -> AsyncIterator[Server]:
    port = ports.reserve()
    arguments = [*command, str(port)] if command[-1] == "bare" else list(command)
    log = servers.folder / f"{Path(command[-1]).name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - ours
            [sys.executable, *arguments], env=_environment(servers, port), stdout=out, stderr=out
        )
    try:
        await _up(port, process, log)
        yield Server(process, port)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
        ports.release(port)


def _environment(servers: Servers, port: int = 0) -> dict[str, str]:
    return os.environ | {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap,
        "CONVOBOSS_SECRET_KEYS": KEYS,
        "CONVOBOSS_HTTP_PORT": str(port),
        "CONVOBOSS_LOG_LEVEL": "warning",
    }


async def _up(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns when the server answers a webhook with 200, which ingress does once it knows the page."""
    probe = bodies(1)[0]
    async with asyncio.timeout(UP):
        while process.poll() is None:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.write(probe)
            head = await reader.readline()
            writer.close()
            if b" 200 " in head:
                return
            await asyncio.sleep(0.05)
    raise RuntimeError(await asyncio.to_thread(log.read_text))


async def _produce(servers: Servers) -> tuple[float, float]:
    """Records/s and microseconds of processor for each, where nothing is done but the acknowledged publish."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.intake_peers", "produce", str(PRODUCE_SECONDS)),
        env=_environment(servers),
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    per_s, each = map(float, output.split())
    return per_s, each

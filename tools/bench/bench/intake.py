"""How many webhooks a second one process of ingress takes in, beside a bare aiohttp handler.

32 keep-alive connections, one text message in each signed body, 1,000 customers over 8 partitions. Both servers are
processes of their own and are loaded in turns. A round's ratio is ours over the bare one just before; the figure is the
median of the rounds.
"""

import secrets
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.http_load import Answers, load
from bench.processes import Running, running
from bench.servers import KEYS, Servers, cpu_seconds
from ingress.signature import HEADER, sign
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
PAGE: Final = "1029"
CUSTOMERS: Final = 1000
BODIES: Final = 20_000
SECRET: Final = "bench-app-secret"  # noqa: S105 - nobody's


@dataclass(frozen=True, slots=True)
class Turn:
    """One server under load. `cpu`: its microseconds of processor for each request."""

    answers: Answers
    cpu: float


async def _turn(server: Running, prepared: list[bytes], *, connections: int, seconds: float) -> Turn:
    before = cpu_seconds(server.pid)
    answers = await load(server.port, prepared, connections=connections, seconds=seconds)
    return Turn(answers, (cpu_seconds(server.pid) - before) / len(answers.times) * 1e6)


async def measure(servers: Servers, say: Callable[[str], None]) -> Mapping[str, float]:
    settings = ServiceSettings(kafka_bootstrap=servers.bootstrap, secret_keys=KEYS)
    await ensure(settings)
    await _know(settings)
    prepared = bodies()
    environment = _environment(servers)
    async with (
        running("bare", "bench.intake_peers", environment, servers.folder, ["bare"]) as bare,
        running("ingress", "ingress", environment, servers.folder) as ours,
    ):
        for server in (bare, ours):
            await server.ready()
            await _turn(server, prepared, connections=CONNECTIONS, seconds=WARM_UP)
        crowded = await _rounds(bare, ours, prepared, connections=CONNECTIONS, seconds=SECONDS, say=say)
        alone = await _rounds(bare, ours, prepared, connections=1, seconds=ALONE_SECONDS, say=say)
    per_s, each = await _produce(servers)
    say(f"an acknowledged publish alone, 32 at once: {per_s:,.0f}/s, {each:.0f} µs of processor each")
    return _figures(crowded, alone) | {"produce_per_s": per_s, "produce_cpu_us": each}


async def _rounds(
    bare: Running, ours: Running, prepared: list[bytes], *, connections: int, seconds: float, say: Callable[[str], None]
) -> list[tuple[Turn, Turn]]:
    done = []
    for _ in range(ROUNDS):
        peer = await _turn(bare, prepared, connections=connections, seconds=seconds)
        own = await _turn(ours, prepared, connections=connections, seconds=seconds)
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


def bodies() -> list[bytes]:
    """Signed webhooks of a thousand customers, head and all, as they go over the wire."""
    made = []
    for number in range(BODIES):
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


def _environment(servers: Servers) -> dict[str, str]:
    return {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap,
        "CONVOBOSS_SECRET_KEYS": KEYS,
        "CONVOBOSS_LOG_LEVEL": "warning",
    }


async def _produce(servers: Servers) -> tuple[float, float]:
    """Records/s and microseconds of processor for each, where nothing is done but the acknowledged publish."""
    arguments = ["produce", str(PRODUCE_SECONDS)]
    async with running("produce", "bench.intake_peers", _environment(servers), servers.folder, arguments) as process:
        await process.process.wait()
    per_s, each = map(float, process.log.read_text().splitlines()[-1].split())
    return per_s, each

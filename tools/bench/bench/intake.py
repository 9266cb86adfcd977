"""How many webhooks a second one process of ingress takes in, beside a bare aiohttp handler and beside one in Node.

32 keep-alive connections, one text message in each signed body, 1,000 customers over 8 partitions. The servers are
processes of their own and are loaded in turns. A round's ratio is ours over the peer's just before; the figure is the
median of the rounds. Then 10,000 customers write once each, all at the same time, and the log is searched for all of them.
"""

import secrets
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench import crowds, node
from bench.http_load import Answers, load
from bench.processes import Running, running
from bench.servers import KEYS, Servers, cpu_seconds
from bench.webhooks import webhook
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


@dataclass(frozen=True, slots=True)
class Round:
    """The servers in turns. `node`: None where there is no Node."""

    bare: Turn
    own: Turn
    node: Turn | None


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
        node.running(environment | {"BENCH_SECRET": SECRET}, servers.folder, say) as peer,
    ):
        for server in (bare, ours, peer):
            if server is not None:
                await server.ready()
                await _turn(server, prepared, connections=CONNECTIONS, seconds=WARM_UP)
        crowded = await _rounds(bare, ours, peer, prepared, connections=CONNECTIONS, seconds=SECONDS, say=say)
        alone = await _rounds(bare, ours, None, prepared, connections=1, seconds=ALONE_SECONDS, say=say)
        crowd = await crowds.measure(ours, settings, PAGE, SECRET, say)
    per_s, each = await _produce(servers)
    say(f"an acknowledged publish alone, 32 at once: {per_s:,.0f}/s, {each:.0f} µs of processor each")
    return _figures(crowded, alone) | dict(crowd) | {"produce_per_s": per_s, "produce_cpu_us": each}


async def _rounds(
    bare: Running,
    ours: Running,
    peer: Running | None,
    prepared: list[bytes],
    *,
    connections: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Round]:
    done = []
    for _ in range(ROUNDS):
        first = await _turn(bare, prepared, connections=connections, seconds=seconds)
        own = await _turn(ours, prepared, connections=connections, seconds=seconds)
        other = None if peer is None else await _turn(peer, prepared, connections=connections, seconds=seconds)
        done.append(Round(first, own, other))
        beside = "" if other is None else f" | Node {_line(other)} | {_ratio(other, own):.2f}"
        say(
            f"{connections:2} connections: bare {_line(first)} | ingress {_line(own)} | {_ratio(first, own):.2f}{beside}"
        )
    return done


def _line(turn: Turn) -> str:
    answers = turn.answers
    times = f"p50 {answers.percentile(0.5):.2f} p99 {answers.percentile(0.99):.2f} ms"
    return f"{answers.per_s:6,.0f}/s {times} {turn.cpu:4.0f} µs"


def _ratio(peer: Turn, own: Turn) -> float:
    return own.answers.per_s / peer.answers.per_s


def _figures(crowded: list[Round], alone: list[Round]) -> dict[str, float]:
    times = sorted(time for each in crowded for time in each.own.answers.times)
    pooled = Answers(sum(each.own.answers.seconds for each in crowded), times)
    return {
        "ingress_ratio": statistics.median(_ratio(each.bare, each.own) for each in crowded),
        "ingress_requests_per_s": statistics.median(each.own.answers.per_s for each in crowded),
        "ingress_p50_ms": pooled.percentile(0.5),
        "ingress_p99_ms": pooled.percentile(0.99),
        "ingress_cpu_us": statistics.median(each.own.cpu for each in crowded),
        "bare_cpu_us": statistics.median(each.bare.cpu for each in crowded),
        "ingress_alone_p50_ms": statistics.median(each.own.answers.percentile(0.5) for each in alone),
        "bare_alone_p50_ms": statistics.median(each.bare.answers.percentile(0.5) for each in alone),
    } | _beside_node(crowded)


def _beside_node(crowded: list[Round]) -> dict[str, float]:
    pairs = [(each.node, each.own) for each in crowded if each.node is not None]
    if not pairs:
        return {}
    return {
        "ingress_over_node": statistics.median(_ratio(peer, own) for peer, own in pairs),
        "node_requests_per_s": statistics.median(peer.answers.per_s for peer, _ in pairs),
        "node_cpu_us": statistics.median(peer.cpu for peer, _ in pairs),
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
    return [
        webhook(PAGE, SECRET, psid=str(number % CUSTOMERS), mid=f"m_{secrets.token_hex(8)}{number}")
        for number in range(BODIES)
    ]


def _environment(servers: Servers) -> dict[str, str]:
    return {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap,
        "CONVOBOSS_SECRET_KEYS": KEYS,
        "CONVOBOSS_LOG_LEVEL": "warning",
        "CONVOBOSS_WATCH_EVERY": "0",
    }


async def _produce(servers: Servers) -> tuple[float, float]:
    """Records/s and microseconds of processor for each, where nothing is done but the acknowledged publish."""
    arguments = ["produce", str(PRODUCE_SECONDS)]
    async with running("produce", "bench.intake_peers", _environment(servers), servers.folder, arguments) as process:
        await process.process.wait()
    per_s, each = map(float, process.log.read_text().splitlines()[-1].split())
    return per_s, each

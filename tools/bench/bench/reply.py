"""A customer's message to the bot's answer: a signed webhook into ingress, until the Graph API has the message.

All services run as processes. A reply goes through four topics; beside it, message by message in turn with ours, a record
goes through four bare ones (`bench.hops`).
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from statistics import median
from typing import Final

from aiohttp import ClientSession, TCPConnector
from pydantic import SecretStr

from bench import hops, processes
from bench.graph import Graph, Waiting
from bench.parts import Say
from bench.servers import KEYS, Servers
from bench.turns import REF, example_flow
from facebook.signing import serialise, signature
from runtime import topics
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from runtime.settings import ServiceSettings
from schemas.bots import BotSettings, FlowPublished, MessengerChannel
from schemas.topics import BOTS, FLOWS

PAGE: Final = "104821769032215"
APP: Final = "640571102938471"
SECRET: Final = SecretStr("secret-of-the-bench")
SERVICES: Final = {
    "ingress": "ingress",
    "takeover": "takeover",
    "flow-engine": "flow_engine",
    "fb-handover": "fb_handover",
    "console": "console",
    "notifier": "notifier",
}
ALONE: Final = 320  # replies, one at a time
WARM: Final = 20  # of them before the first that counts
KNOWN: Final = 40  # conversations of these
NEW: Final = 60  # first contacts
CROWD: Final = 1000  # conversations with many at once
RATE: Final = 100.0  # messages a second
CROWD_SECONDS: Final = 20.0
MEETING: Final = 40.0  # first contacts a second, before that
SETTLED: Final = 0.04  # seconds after an answer for what comes after it, such as the echo
PATIENCE: Final = 60.0  # seconds
QUESTION: Final = "When are your opening hours?"  # a keyword of the example flow, answered without typing first


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """Seconds are told in ms. Raises TimeoutError where an answer does not come, Ended where a service ends."""
    async with _product(servers, say) as page, _hops(servers) as chain:
        first = [await page.asks(f"8{number:015}") for number in range(NEW)]
        say(f"first contacts: {_told(first)}")
        known = [f"7{number:015}" for number in range(KNOWN)]
        for customer in known:
            await page.asks(customer)
        ours, bare = await _alone(page, chain, known)
        say(f"one at a time: {_told(ours)}; bare hops: {_told(bare)}")
        crowd = [f"6{number:015}" for number in range(CROWD)]
        await _many(page, crowd, CROWD, rate=MEETING)
        many = await _many(page, crowd, int(RATE * CROWD_SECONDS))
        say(f"{RATE:.0f} a second: {_told(many)}")
        bare_many = await _paced(chain.take, int(RATE * CROWD_SECONDS / 2))
        say(f"bare hops, {RATE:.0f} a second: {_told(bare_many)}")
    return {
        "reply_p50_over_hops": median(ours) / median(bare),
        "reply_p50_ms": milliseconds(ours, 0.5),
        "reply_p99_ms": milliseconds(ours, 0.99),
        "reply_hops_p50_ms": milliseconds(bare, 0.5),
        "reply_hops_p99_ms": milliseconds(bare, 0.99),
        "reply_first_p50_ms": milliseconds(first, 0.5),
        "reply_100_per_s_p50_ms": milliseconds(many, 0.5),
        "reply_100_per_s_p99_ms": milliseconds(many, 0.99),
        "reply_100_per_s_hops_p50_ms": milliseconds(bare_many, 0.5),
        "reply_100_per_s_hops_p99_ms": milliseconds(bare_many, 0.99),
    }


async def _alone(page: "Page", chain: hops.Chain, customers: Sequence[str]) -> tuple[list[float], list[float]]:
    """Ours and the bare hops in turn: what slows the machine down for a while slows both."""
    ours: list[float] = []
    bare: list[float] = []
    for number in range(WARM + ALONE):
        ours.append(await page.asks(customers[number % len(customers)]))
        await asyncio.sleep(SETTLED)
        bare.append(await chain.take())
    return ours[WARM:], bare[WARM:]


async def _many(page: "Page", customers: Sequence[str], count: int, rate: float = RATE) -> list[float]:
    """Each customer in turn, in an order by chance."""
    order = random.Random(1).sample(customers, len(customers))
    numbers = iter(range(count))
    return await _paced(lambda: page.asks(order[next(numbers) % len(order)]), count, rate)


async def _paced(begin: Callable[[], Awaitable[float]], count: int, rate: float = RATE) -> list[float]:
    """`rate` a second, whether or not those before have ended."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    under_way = []
    for number in range(count):
        await asyncio.sleep(start + number / rate - loop.time())
        under_way.append(asyncio.ensure_future(begin()))
    return list(await asyncio.gather(*under_way))


class Page:
    """The customers of a page, and Facebook's webhooks about them."""

    def __init__(self, http: ClientSession, ingress: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{ingress}/webhooks/messenger"
        self._waiting = Waiting()
        self._numbers = count(1)
        self._echoes: set[asyncio.Task[None]] = set()

    async def asks(self, customer: str) -> float:
        """Seconds from the webhook's first byte to the answer's arrival at the Graph API. Raises TimeoutError."""
        answered = self._waiting.expect(customer)
        began = time.time()
        mid = f"m_{next(self._numbers)}"
        await self._post(customer, PAGE, began, {"mid": mid, "text": QUESTION})
        async with asyncio.timeout(PATIENCE):
            return await answered - began

    def accepted(self, customer: str, mid: str, metadata: str, at: float) -> None:
        """The Graph API has a message of ours: whoever waits is told, and the echo goes out as Facebook's would."""
        self._waiting.came(customer, at)
        message: dict[str, object] = {"mid": mid, "is_echo": True, "app_id": int(APP), "text": "", "metadata": metadata}
        echo = asyncio.create_task(self._post(PAGE, customer, at, message))
        self._echoes.add(echo)
        echo.add_done_callback(self._echoes.discard)

    def leave(self) -> None:
        """Echoes that are still on their way are nobody's any more."""
        for echo in self._echoes:
            echo.cancel()

    async def _post(self, sender: str, recipient: str, at: float, message: Mapping[str, object]) -> None:
        event = {
            "sender": {"id": sender},
            "recipient": {"id": recipient},
            "timestamp": round(at * 1000),
            "message": message,
        }
        entry = {"id": PAGE, "time": round(at * 1000), "messaging": [event]}
        body = serialise(json.loads(json.dumps({"object": "page", "entry": [entry]})))
        headers = {"X-Hub-Signature-256": signature(SECRET, body), "Content-Type": "application/json"}
        async with self._http.post(self._url, data=body, headers=headers) as answer:
            answer.raise_for_status()


@asynccontextmanager
async def _product(servers: Servers, say: Say) -> AsyncIterator[Page]:
    settings = ServiceSettings(kafka_bootstrap=servers.bootstrap)
    await topics.ensure(settings)
    await _publish(settings)
    graph = Graph()
    environment = {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap,
        "CONVOBOSS_DATABASE_URL": await servers.database("reply"),
        "CONVOBOSS_SECRET_KEYS": KEYS,
        "CONVOBOSS_GRAPH_URL": graph.url,
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(graph.running())
        started = {
            name: await stack.enter_async_context(processes.running(name, module, environment, servers.folder))
            for name, module in SERVICES.items()
        }
        say(f"starting {', '.join(started)}")
        await asyncio.gather(*(service.ready() for service in started.values()))
        http = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        page = Page(http, started["ingress"].port)
        graph.accepted = page.accepted
        stack.callback(page.leave)
        yield page


async def _publish(settings: ServiceSettings) -> None:
    """The bot of the example flow, with its page."""
    box = SecretBox(SecretStr(KEYS))
    channel = MessengerChannel(
        page_id=PAGE,
        app_id=APP,
        app_secret=box.encrypt(SECRET.get_secret_value()),
        verify_token=box.encrypt("verify"),
        page_token=box.encrypt("token"),
        messenger_inbox_notification=True,
    )
    bot = BotSettings(id="salon:1", bot="salon", version=1, name="Salon", flow=REF, messenger=(channel,))
    publisher = await Publisher.start(settings, source="bench")
    try:
        flow = FlowPublished(id=REF, ref=REF, bot="salon", document=example_flow())
        await publisher.publish([Outgoing(FLOWS, flow)])
        await publisher.publish([Outgoing(BOTS, bot)])
    finally:
        await publisher.stop()


@asynccontextmanager
async def _hops(servers: Servers) -> AsyncIterator[hops.Chain]:
    await hops.create(servers.bootstrap)
    async with AsyncExitStack() as stack:
        for number, names in enumerate(hops.relays()):
            arguments = [servers.bootstrap, *names]
            await stack.enter_async_context(
                processes.running(f"hops-{number}", "bench.hops", {}, servers.folder, arguments)
            )
        yield await stack.enter_async_context(hops.Chain.running(servers.bootstrap))


def milliseconds(seconds: Sequence[float], share: float) -> float:
    """The `share` of `seconds` is not longer than this many ms."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000


def _told(seconds: Sequence[float]) -> str:
    return f"p50 {milliseconds(seconds, 0.5):.1f} ms, p99 {milliseconds(seconds, 0.99):.1f} ms of {len(seconds)}"

"""The whole product as processes between the bench's customers and the bench's Facebook."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

from aiohttp import ClientSession, TCPConnector
from pydantic import SecretStr

from bench import processes
from bench.graph import Graph, Sent, Waiting
from bench.parts import Say
from bench.servers import KEYS, Servers
from bench.turns import REF, example_flow
from facebook.signing import serialise, signature
from runtime import topics
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from runtime.settings import ServiceSettings
from schemas.bots import BotSettings, FlowPublished, MessengerChannel, TakeoverSettings
from schemas.topics import BOTS, FLOWS

PAGE: Final = "104821769032215"
APP: Final = "640571102938471"
SECRET: Final = SecretStr("secret-of-the-bench")
ENGINE: Final = "flow-engine"
SERVICES: Final = {
    "ingress": "ingress",
    "takeover": "takeover",
    ENGINE: "flow_engine",
    "fb-handover": "fb_handover",
    "console": "console",
    "notifier": "notifier",
    "monitor": "monitor",
}
PATIENCE: Final = 60.0  # seconds
QUESTION: Final = "When are your opening hours?"  # a keyword of the example flow, answered without typing first


class Page:
    """The customers of a page, and Facebook's webhooks about them."""

    def __init__(self, http: ClientSession, ingress: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{ingress}/webhooks/messenger"
        self._waiting = Waiting()
        self._numbers = count(1)
        self._echoes: set[asyncio.Task[None]] = set()
        self._texts: dict[tuple[str, str], asyncio.Future[None]] = {}
        self.sent: list[Sent] = []
        """What the Graph API accepted, in order."""

    async def says(self, customer: str, text: str = QUESTION) -> None:
        """Returns when ingress has it."""
        await self._write(customer, text, time.time())

    async def asks(self, customer: str) -> float:
        """Seconds from the webhook's first byte to the answer's arrival at the Graph API. Raises TimeoutError."""
        answered = self._waiting.expect(customer)
        began = time.time()
        await self._write(customer, QUESTION, began)
        async with asyncio.timeout(PATIENCE):
            return await answered - began

    def until_left(self, customer: str, text: str) -> "asyncio.Future[None]":
        """Done when the Graph API has this text for the customer."""
        return self._texts.setdefault((customer, text), asyncio.get_running_loop().create_future())

    def accepted(self, sent: Sent) -> None:
        """The Graph API has a message of ours: whoever waits is told, and the echo goes out as Facebook's would."""
        self.sent.append(sent)
        self._waiting.came(sent.customer, sent.at)
        waiting = self._texts.get((sent.customer, sent.text))
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        message: dict[str, object] = {
            "mid": sent.mid,
            "is_echo": True,
            "app_id": int(APP),
            "text": "",
            "metadata": sent.metadata,
        }
        echo = asyncio.create_task(self._post(PAGE, sent.customer, sent.at, message))
        self._echoes.add(echo)
        echo.add_done_callback(self._echoes.discard)

    def leave(self) -> None:
        """Echoes that are still on their way are nobody's any more."""
        for echo in self._echoes:
            echo.cancel()

    async def _write(self, customer: str, text: str, at: float) -> None:
        await self._post(customer, PAGE, at, {"mid": f"m_{next(self._numbers)}", "text": text})

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


@dataclass(frozen=True, slots=True)
class Product:
    """`database`: its URL. `services`: by name."""

    page: Page
    http: ClientSession
    database: str
    services: Mapping[str, processes.Running]


@asynccontextmanager
async def running(
    servers: Servers, name: str, say: Say, *, engine: str = SERVICES[ENGINE], takeover: TakeoverSettings | None = None
) -> AsyncIterator[Product]:
    """All services, ready. `name`: of the database. `engine`: the module that is started as flow-engine.

    Raises Ended where a service ends, TimeoutError where one is not ready.
    """
    settings = ServiceSettings(kafka_bootstrap=servers.bootstrap)
    await topics.ensure(settings)
    await _publish(settings, takeover or TakeoverSettings())
    graph = Graph()
    database = await servers.database(name)
    environment = {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap,
        "CONVOBOSS_DATABASE_URL": database,
        "CONVOBOSS_SECRET_KEYS": KEYS,
        "CONVOBOSS_GRAPH_URL": graph.url,
        "CONVOBOSS_WATCH_EVERY": "0",
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(graph.running())
        started = {
            each: await stack.enter_async_context(processes.running(each, module, environment, servers.folder))
            for each, module in (SERVICES | {ENGINE: engine}).items()
        }
        say(f"starting {', '.join(started)}")
        await asyncio.gather(*(service.ready() for service in started.values()))
        http = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        page = Page(http, started["ingress"].port)
        graph.accepted = page.accepted
        stack.callback(page.leave)
        yield Product(page, http, database, started)


async def _publish(settings: ServiceSettings, takeover: TakeoverSettings) -> None:
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
    bot = BotSettings(
        id="salon:1", bot="salon", version=1, name="Salon", flow=REF, takeover=takeover, messenger=(channel,)
    )
    publisher = await Publisher.start(settings, source="bench")
    try:
        flow = FlowPublished(id=REF, ref=REF, bot="salon", document=example_flow())
        await publisher.publish([Outgoing(FLOWS, flow)])
        await publisher.publish([Outgoing(BOTS, bot)])
    finally:
        await publisher.stop()

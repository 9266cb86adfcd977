"""The service against a real broker, a real database and Facebook in a box, over HTTP.

What ingress does is here a few lines: echoes that the box sends as webhooks become events of the log.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaConsumer, TopicPartition
from fb_commands import APP, INBOX, PAGE
from infra.plugin import FERNET_KEY
from pydantic import SecretStr

from facebook.main import WORLD, build
from facebook.pages import BoxFile
from facebook.settings import Settings as BoxSettings
from fb_handover import main
from fb_handover.settings import Settings
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from runtime.topics import ensure
from schemas import envelope
from schemas.base import BaseEvent, ConversationEvent
from schemas.bots import BotSettings, MessengerChannel
from schemas.commands import Command
from schemas.conversations import CommandReport, Echo
from schemas.pages import PageStatus
from schemas.topics import BOTS, CONVERSATIONS, MESSENGER_COMMANDS, PAGES

OTHER_PAGE = "204821769032216"
TOKEN, SECRET = "page-token-of-the-tests", "app-secret-of-the-tests"
PARTITIONS = 3
# Seconds. A fact comes within one on a quiet machine; after a process stood still it may take the sum of its session's
# end (10), the group's wait for it (15), and the wait for an echo (30).
DEADLINE = 90.0
POLL = 0.02  # seconds
PSIDS = [str(number) for number in range(7001, 7081)]


async def until(
    fact: Callable[[], Awaitable[bool]] | Callable[[], bool],
    what: str,
    seconds: float = DEADLINE,
    *,
    instead: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Waits for a fact, and fails saying which did not come, and what was there instead."""
    end = time.monotonic() + seconds
    while True:
        found = fact()
        if not isinstance(found, bool):
            found = await found
        if found:
            return
        if time.monotonic() > end:
            there = "" if instead is None else f"; there is {await instead()}"
            raise AssertionError(f"not within {seconds} s: {what}{there}")
        await asyncio.sleep(POLL)


@dataclass
class Box:
    """Facebook in a box, as its users see it."""

    server: TestServer
    session: ClientSession

    @property
    def graph_url(self) -> str:
        return str(self.server.make_url("/v26.0"))

    async def _call(self, method: str, path: str, body=None, **query):
        address = self.server.make_url(f"/box/{path}")
        async with self.session.request(method, address, json=body, params=query) as response:
            assert response.status in {200, 201}, await response.text()
            return await response.json()

    async def faults(self, page: str | None = None, **faults) -> None:
        await self._call("PUT", "faults", faults, **({"page": page} if page else {}))

    async def rule(self, refusal: str, *psids: str, **more) -> None:
        """The next call for each of these customers is refused so; without any, the next call."""
        for psid in psids or (None,):
            await self._call("POST", "rules", {"refusal": refusal, "psid": psid, "calls": ["messages"]} | more)

    async def no_rules(self) -> None:
        await self._call("DELETE", "rules")

    async def change_page(self, page: str = PAGE, **change) -> None:
        await self._call("PATCH", f"pages/{page}", change)

    async def write(self, *psids: str, page: str = PAGE) -> None:
        """Customers write, which opens their window."""
        for psid in psids:
            await self._call("POST", f"customers/{psid}/say", {"text": "hi"}, page=page)

    async def move_to_main(self, psid: str) -> None:
        await self._call("POST", f"inbox/{psid}/move_to_main", {}, page=PAGE)

    async def record(self, kind: str, psid: str | None = None):
        query = {"kind": kind, "limit": "100000"} | ({"psid": psid} if psid else {})
        return (await self._call("GET", "record", **query))["entries"]

    async def texts(self, psid: str | None = None) -> list[str]:
        """What Facebook accepted, in order."""
        return [sent["text"] for sent in await self.record("send", psid) if sent["mid"]]

    async def owner(self, psid: str) -> str | None:
        conversation = (await self._call("GET", f"conversations/{PAGE}/{psid}"))["conversation"]
        return conversation["owner"]


@dataclass
class World:
    settings: Settings
    box: Box
    publisher: Publisher
    database: asyncpg.Connection
    log: Path
    events: list[BaseEvent] = field(default_factory=list)
    pages: list[PageStatus] = field(default_factory=list)
    bot: BotSettings | None = None
    """As it was published last."""
    hear_echoes: bool = True
    echoes: int = 0
    """Heard so far."""
    _running: list["asyncio.Task[None]"] = field(default_factory=list)

    # Driving

    async def command(self, *commands: Command) -> None:
        await self.publisher.publish([Outgoing(MESSENGER_COMMANDS, command) for command in commands])

    async def connect(self, *pages: str, version: int = 1) -> None:
        """Publishes the bot that these pages belong to."""
        box = SecretBox(SecretStr(FERNET_KEY))
        channels = tuple(
            MessengerChannel(
                page_id=page,
                app_id=APP,
                app_secret=box.encrypt(SECRET),
                verify_token=box.encrypt("v"),
                page_token=box.encrypt(TOKEN if page == PAGE else TOKEN + page),
            )
            for page in pages
        )
        self.bot = BotSettings(
            id=f"bot:lamps:{version}", bot="lamps", version=version, name="Lamps", messenger=channels
        )
        await self.publisher.publish([Outgoing(BOTS, self.bot)])

    async def connect_as_before(self, *, version: int) -> None:
        """Another version of the settings, with the same secrets."""
        bot = self.bot.model_copy(update={"id": f"bot:lamps:{version}", "version": version, "name": "Other lamps"})
        await self.publisher.publish([Outgoing(BOTS, bot)])

    def start(self, **changes) -> "asyncio.Task[None]":
        """The service in this process."""
        task = asyncio.create_task(main.run(self.settings.model_copy(update=changes)))
        self._running.append(task)
        return task

    async def stop(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await self.stopped(task)

    async def stopped(self, task: "asyncio.Task[None]") -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self._running.remove(task)

    async def stop_all(self) -> None:
        for task in list(self._running):
            await self.stop(task)

    @asynccontextmanager
    async def process(self) -> AsyncIterator["Process"]:
        """The service as a process of its own, gone afterwards."""
        with self.log.open("ab") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "fb_handover", env=self._environment(), stdout=log, stderr=log
            )
        started = Process(child, self.log)
        try:
            yield started
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            await child.wait()

    def _environment(self) -> dict[str, str]:
        settings = {
            f"CONVOBOSS_{name.upper()}": str(value)
            for name, value in self.settings.model_dump(mode="json").items()
            if name not in {"database_url", "secret_keys", "kafka_password"}
        }
        return (
            os.environ
            | settings
            | {
                "CONVOBOSS_DATABASE_URL": self.settings.database_url.get_secret_value(),
                "CONVOBOSS_SECRET_KEYS": FERNET_KEY,
            }
        )

    # Watching

    def reports(self, psid: str | None = None) -> list[CommandReport]:
        wanted = None if psid is None else f":{psid}"
        return [
            event
            for event in self.events
            if isinstance(event, CommandReport) and (wanted is None or event.conversation.endswith(wanted))
        ]

    async def told(self, *ids: str) -> list[CommandReport]:
        """Waits until these reports are in the log; returns them in the order asked for."""
        await until(lambda: set(ids) <= {event.id for event in self.events}, f"reports {ids[:8]} of {len(ids)}")
        by_id = {event.id: event for event in self.reports()}
        return [by_id[each] for each in ids]

    def told_ids(self) -> list[str]:
        return [event.id for event in self.reports()]

    async def state_of(self, command: str) -> str | None:
        return await self.database.fetchval("SELECT state FROM fb_handover.outgoing WHERE command = $1", command)

    def told_of_pages(self, page: str = PAGE) -> list[tuple[str, str, str]]:
        """Aspect, state and code of each fact about the page, in order."""
        return [(fact.aspect, fact.state, fact.code) for fact in self.pages if fact.page == page]

    async def told_of_page(self, *facts: tuple[str, str, str], page: str = PAGE) -> None:
        """Waits until exactly these were told."""

        async def told() -> list[tuple[str, str, str]]:
            return self.told_of_pages(page)

        await until(lambda: self.told_of_pages(page) == list(facts), f"{facts} of page {page}", instead=told)

    async def in_state(self, command: str, state: str) -> None:
        async def is_there() -> bool:
            with contextlib.suppress(asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                return await self.state_of(command) == state
            return False

        await until(is_there, f"{command} is {state}")

    async def accepted(self, psid: str, *texts: str) -> None:
        """Waits until Facebook accepted exactly these."""

        async def are_there() -> bool:
            return await self.box.texts(psid) == list(texts)

        await until(are_there, f"Facebook accepted {texts}", instead=lambda: self.box.texts(psid))


@dataclass
class Process:
    child: asyncio.subprocess.Process
    log: Path

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    async def ended(self, seconds: float = DEADLINE) -> int:
        async with asyncio.timeout(seconds):
            return await self.child.wait()


def _box_file(webhook_url: str) -> BoxFile:
    customers = [{"psid": psid, "first_name": "Mia", "last_name": "Winter"} for psid in PSIDS]
    return BoxFile.model_validate(
        {
            "apps": [
                {
                    "id": APP,
                    "name": "Bot app",
                    "secret": SECRET,
                    "verify_token": "v",
                    "webhook_url": webhook_url,
                }
            ],
            "pages": [
                {
                    "id": page,
                    "name": f"Page {page}",
                    "tokens": {APP: TOKEN if page == PAGE else TOKEN + page},
                    "default_app": APP,
                    "takers": [APP, INBOX],
                    "customers": customers,
                }
                for page in (PAGE, OTHER_PAGE)
            ],
        }
    )


class _Hook:
    """Ingress in a few lines: echoes go into the log."""

    world: World | None = None

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/hook", self._shake)
        app.router.add_post("/hook", self._take)
        return app

    async def _shake(self, request: web.Request) -> web.Response:
        return web.Response(text=request.query["hub.challenge"])

    async def _take(self, request: web.Request) -> web.Response:
        if self.world is None or not self.world.hear_echoes:
            return web.Response()
        echoes = []
        for entry in (await request.json())["entry"]:
            for channel in ("messaging", "standby"):
                for event in entry.get(channel, []):
                    message = event.get("message", {})
                    if message.get("is_echo"):
                        echoes.append(
                            Echo(
                                id=f"echo:{entry['id']}:{message['mid']}",
                                conversation=f"messenger:{entry['id']}:{event['recipient']['id']}",
                                occurred_at=datetime.now(UTC),
                                mid=message["mid"],
                                channel=channel,
                                app_id=str(message["app_id"]),
                                metadata=message.get("metadata"),
                                text=message.get("text", ""),
                            )
                        )
        await self.world.publisher.publish([Outgoing(CONVERSATIONS, echo) for echo in echoes])
        self.world.echoes += len(echoes)
        return web.Response()


async def _follow(bootstrap: str, events: list[BaseEvent], pages: list[PageStatus]) -> None:
    """Collects what is written to the log, and what is told of pages."""
    kafka = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await kafka.start()
    try:
        logs = [TopicPartition(CONVERSATIONS, number) for number in range(PARTITIONS)]
        kafka.assign([*logs, TopicPartition(PAGES, 0)])
        while True:
            for partition, records in (await kafka.getmany(timeout_ms=50)).items():
                for record in records:
                    event = envelope.decode(partition.topic, record.value, record.headers)
                    if isinstance(event, ConversationEvent):
                        events.append(event)
                    elif isinstance(event, PageStatus):
                        pages.append(event)
    finally:
        await kafka.stop()


@asynccontextmanager
async def a_world(bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[World]:
    settings = Settings(
        kafka_bootstrap=bootstrap,
        database_url=SecretStr(database_url),
        secret_keys=SecretStr(FERNET_KEY),
        partitions=PARTITIONS,
        http_port=0,
        kafka_session_timeout=6.0,
        graph_timeout=3.0,
        graph_read_timeout=1.0,
        echo_wait=4.0,
        retry_first=0.2,
        retry_cap=1.0,
        page_pause=0.5,
    )
    await ensure(settings)
    hook = _Hook()
    async with contextlib.AsyncExitStack() as stack:
        hook_server = TestServer(hook.app())
        await hook_server.start_server()
        stack.push_async_callback(hook_server.close)
        box_settings = BoxSettings(facebook_retry_first_s=0.05)
        box_app = build(box_settings, _box_file(str(hook_server.make_url("/hook"))))
        box_server = TestServer(box_app)
        await box_server.start_server()
        stack.push_async_callback(box_server.close)
        assert box_app[WORLD] is not None
        session = await stack.enter_async_context(ClientSession())
        publisher = await Publisher.start(settings, source="test")
        stack.push_async_callback(publisher.stop)
        database = await asyncpg.connect(database_url)
        stack.push_async_callback(database.close)
        box = Box(box_server, session)
        world = World(
            settings.model_copy(update={"graph_url": box.graph_url}),
            box,
            publisher,
            database,
            folder / "service.log",
        )
        hook.world = world
        follower = asyncio.create_task(_follow(bootstrap, world.events, world.pages))
        try:
            await world.connect(PAGE, OTHER_PAGE)
            yield world
        finally:
            await world.stop_all()
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
            _bury_cut_connections()


def _bury_cut_connections() -> None:
    """Aiokafka leaves a connection behind when its opening is cut off, as by a killed broker: none of our leaks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def numbered(texts: Sequence[str]) -> list[int]:
    return [int(text.rpartition(" ")[2]) for text in texts]

"""A console to test: real HTTP, real database, real broker; and the records that the other services would send."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from argon2 import PasswordHasher
from pydantic import SecretStr

from console import application, main, openapi
from console.handlers import TranscriptHandler
from console.passwords import Passwords
from console.repository import accounts
from console.repository.accounts import NewOperator
from console.routes import all_routes
from console.services import Door, Services
from console.settings import ConsoleSettings
from runtime import topics
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.migrations import migrate
from runtime.postgres import close, connect, transaction
from runtime.records import Record
from runtime.secrets import SecretBox
from schemas import envelope
from schemas.base import BaseEvent
from schemas.commands import SendMessage
from schemas.handover import Cause
from schemas.messages import CustomerInput, OutMessage, Person, Profile, Speaker
from schemas.outcomes import (
    AnswerSuppressed,
    AssignmentChanged,
    BotPosition,
    CommandAccepted,
    CommandRefused,
    CustomerKnown,
    CustomerSaid,
    DeliveryChanged,
    Outcome,
    StaffSaid,
    TakeoverAnswered,
    TakeoverChanged,
    TakeoverEnded,
    TakeoverStarted,
    ThreadChanged,
)
from schemas.topics import MESSENGER_COMMANDS, OUTCOMES

KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
PASSWORD = "a good long password"
DEADLINE = 20.0  # seconds: how long a fact may take that comes within a second on a quiet machine
BEGAN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
"""Brokers that have the topics."""
QUICK = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


class Clock:
    """The console's time, which a test may move on."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def forward(self, seconds: float) -> None:
        self.offset += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return self.body["code"]


def check_described(method: str, path: str, answer: Answer) -> None:
    """Every answer of a route is one that the OpenAPI description knows."""
    for route in all_routes():
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path)
        if route.method == method and re.fullmatch(pattern, path):
            known = {*route.responses, *openapi.statuses(route)}
            assert answer.status in known, f"{route.operation_id} answered {answer.status}, not one of {known}"


class Browser:
    """A client with cookies, as a browser or a script would have them."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http
        self.csrf: str | None = None
        self.operator: dict[str, Any] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        **parameters: Any,
    ) -> Answer:
        sent = dict(headers or {})
        if self.csrf is not None:
            sent.setdefault("X-CSRF-Token", self.csrf)
        content = {"data": raw} if raw is not None else ({"json": body} if body is not None else {})
        async with self.http.request(
            method, self.url + "/api/v1" + path, headers=sent, params=parameters, **content
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type
            cookies = {name: morsel.OutputString() for name, morsel in response.cookies.items()}
            found = Answer(
                response.status, await response.json(content_type=None) if is_json else text, response.headers, cookies
            )
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        check_described(method, path, found)
        return found

    async def get(self, path: str, **parameters: Any) -> Answer:
        return await self.ask("GET", path, **parameters)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, {} if body is None and "raw" not in more else body, **more)

    async def put(self, path: str, body: Any = None, *, version: int | str = "*", **more: Any) -> Answer:
        headers = {"If-Match": "*" if version == "*" else f'"{version}"', **more.pop("headers", {})}
        return await self.ask("PUT", path, body, headers=headers, **more)

    async def sign_in(self, email: str, password: str = PASSWORD) -> Answer:
        self.csrf = None
        answer = await self.ask("POST", "/session", {"email": email, "password": password})
        if answer.status == 200:
            self.csrf = answer.body["csrf_token"]
            self.operator = answer.body["operator"]
        return answer

    @asynccontextmanager
    async def socket(self, **headers: str) -> AsyncIterator["Socket"]:
        async with self.http.ws_connect(self.url + "/api/v1/live", headers=headers) as opened:
            yield Socket(opened)


class Socket:
    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self.opened = opened

    async def send(self, **frame: Any) -> None:
        await self.opened.send_json(frame)

    async def frame(self, *types: str) -> dict[str, Any]:
        """The next frame, or the next of these types."""
        async with asyncio.timeout(DEADLINE):
            while True:
                found = await self.opened.receive_json()
                if not types or found["type"] in types:
                    return found

    async def subscribe(self, stream: str, after: int | None = None) -> dict[str, Any]:
        await self.send(type="subscribe", stream=stream, **({} if after is None else {"after": after}))
        return await self.frame("subscribed", "gap", "problem")

    async def closed(self) -> int:
        """The code with which the console closes it."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.opened.receive()
                if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}:
                    assert self.opened.close_code is not None
                    return self.opened.close_code


class Console:
    def __init__(self, services: Services, url: str, clock: Clock) -> None:
        self.services = services
        self.url = url
        self.clock = clock
        self._clients: list[aiohttp.ClientSession] = []

    def browser(self) -> Browser:
        client = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._clients.append(client)
        return Browser(self.url, client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        self._clients.clear()

    async def empty(self) -> None:
        """As new: what was to be published is, nobody is signed in, and no table holds anything."""
        await self.close()
        self.services.live.close_all()
        self.clock.offset = timedelta()
        pool = self.services.pool

        async def published() -> bool:
            return await pool.fetchval("SELECT count(*) FROM outbox") == 0

        await eventually(published)
        tables = await pool.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'console' AND tablename !~ '^(schema|seen)_'"
        )
        await pool.execute(f"TRUNCATE {', '.join(row['tablename'] for row in tables)} RESTART IDENTITY")

    async def account(self, name: str, role: str = "operator", bots: Sequence[str] = ()) -> str:
        """The e-mail address of a new account; its bots are made."""
        for bot in bots:
            await self.bot(bot)
        new = NewOperator(
            id=(name * 32).encode().hex()[:32],
            email=f"{name}@example.com",
            name=name.capitalize(),
            role=role,  # type: ignore[arg-type]
            bots=tuple(bots),
            password_hash=QUICK.hash(PASSWORD),
            created_at=self.clock(),
        )
        await accounts.add_operator(self.services.pool, new)
        return new.email

    async def signed_in(self, name: str, role: str = "operator", bots: Sequence[str] = ()) -> Browser:
        browser = self.browser()
        answer = await browser.sign_in(await self.account(name, role, bots))
        assert answer.status == 200, answer
        return browser

    async def bot(self, bot: str) -> None:
        from console.bots import Bot
        from console.problems import Refusal
        from console.repository import bots
        from schemas.bots import FALLBACK, TakeoverSettings

        new = Bot(bot, bot.capitalize(), FALLBACK, TakeoverSettings(), 1, None, 0, (), self.clock())
        with suppress(Refusal):
            await bots.add_bot(self.services.pool, new)

    async def feed(self, *events: BaseEvent) -> None:
        """Records of the broker, one batch for each run of one topic."""
        handler = TranscriptHandler()
        for batch in runs(events):
            async with transaction(self.services.pool) as tx:
                await handler.handle(tx, 0, [record(event) for event in batch])


def runs(events: Iterable[BaseEvent]) -> list[list[BaseEvent]]:
    """The events in batches of one topic."""
    found: list[list[BaseEvent]] = []
    for event in events:
        if found and topic_of(found[-1][0]) == topic_of(event):
            found[-1].append(event)
        else:
            found.append([event])
    return found


def topic_of(event: BaseEvent) -> str:
    return OUTCOMES if isinstance(event, Outcome) else MESSENGER_COMMANDS


def record(event: BaseEvent) -> Record:
    return Record(topic_of(event), 0, 0, event.key, BEGAN, event, None, event.model_dump_json().encode())


@asynccontextmanager
async def a_console(
    kafka_bootstrap: str, database_url: str, *, whole: bool = False, **settings: Any
) -> AsyncIterator[Console]:
    loaded = ConsoleSettings(
        kafka_bootstrap=kafka_bootstrap,
        database_url=SecretStr(database_url),
        secret_keys=SecretStr(KEY),
        http_port=0,
        partitions=2,
        **{"live_poll": 0.02, "live_session_check": 0.1, "command_timeout": 5.0, **settings},
    )
    health, door, clock = Health(), Door(), Clock()
    await topics.ensure(loaded)
    await migrate(loaded, "console", "console")
    pool = await connect(loaded, "console", health)
    publisher = await Publisher.start(loaded, source="console", health=health)
    services = main.wire(loaded, pool, publisher, health, SecretBox(loaded.secret_keys))
    services = with_clock(replace(services, passwords=Passwords(QUICK), now=clock), clock)
    app = application.make(all_routes(), door, secure=loaded.secure_cookies)
    async with HttpServer(loaded, health, app) as server, asyncio.TaskGroup() as group:
        door.open(services)
        work = group.create_task(main.serve(services, health, door) if whole else _light(services))
        made = Console(services, f"http://127.0.0.1:{server.port}", clock)
        try:
            yield made
        finally:
            await made.close()
            services.live.close_all()
            work.cancel()
    await publisher.stop()
    await close(pool)


async def _light(services: Services) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(services.live.run())
        group.create_task(services.relay.run())
        group.create_task(main.follow_pages(services, Health()))


def with_clock(services: Services, clock: Clock) -> Services:
    services.live._now = clock
    services.flows._now = clock
    return services


class Reader:
    """Reads what is published to one partition of a topic from now on."""

    def __init__(self, bootstrap: str, topic: str, partition: int = 0) -> None:
        self.consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self.place = TopicPartition(topic, partition)
        self.raw: list[bytes] = []

    async def __aenter__(self) -> Self:
        await self.consumer.start()
        self.consumer.assign([self.place])
        await self.consumer.seek_to_end(self.place)
        await self.consumer.position(self.place)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.stop()

    async def next(self) -> Any:
        async with asyncio.timeout(DEADLINE):
            record = await self.consumer.getone()
        self.raw.append(record.value)
        event = envelope.decode(self.place.topic, record.value, record.headers)
        assert record.key.decode() == event.key
        return event

    async def until(self, fact: Callable[[Any], bool]) -> list[Any]:
        """All events up to the one of which `fact` holds."""
        found = [await self.next()]
        while not fact(found[-1]):
            found.append(await self.next())
        return found


async def eventually(fact: Callable[[], Awaitable[Any]]) -> Any:
    """What `fact` returns as soon as it is true."""
    deadline = time.monotonic() + DEADLINE
    while True:
        found = await fact()
        if found:
            return found
        assert time.monotonic() < deadline, f"did not come true: {found!r}"
        await asyncio.sleep(0.02)


# --- what the other services tell


class Story:
    """The records of one conversation, as takeover would write them."""

    def __init__(self, conversation: str = "messenger:1029:7733", bot: str = "shop") -> None:
        self.conversation = conversation
        self.bot = bot
        self.seq = 0
        self.epoch = 0
        self.episode: str | None = None
        self.at = BEGAN
        self.count = 0
        self.events: list[BaseEvent] = []

    def _common(self) -> dict[str, Any]:
        self.count += 1
        self.at += timedelta(seconds=1)
        return {
            "id": f"{self.conversation}!{self.count}",
            "conversation": self.conversation,
            "epoch": self.epoch,
        }

    def tell(self, outcome: type[Outcome], *, entry: bool = False, **fields: Any) -> Self:
        self.seq += entry
        common = self._common()
        self.events.append(
            outcome(
                **{
                    **common,
                    "bot": self.bot,
                    "episode": self.episode,
                    "seq": self.seq,
                    "at": self.at,
                    "cause_id": f"cause-{self.count}",
                    **fields,
                }
            )
        )
        return self

    def customer(self, text: str, addressed: str = "bot") -> Self:
        return self.tell(CustomerSaid, entry=True, input=CustomerInput(text=text), addressed=addressed)

    def said(self, text: str, operator: Person | None = None, **fields: Any) -> Self:
        self.seq += 1
        common = self._common()
        self.events.append(
            SendMessage(
                **common,
                seq=self.seq,
                at=self.at,
                speaker=Speaker.OPERATOR if operator else Speaker.BOT,
                operator=operator,
                episode=self.episode,
                message=OutMessage(text=text),
                **fields,
            )
        )
        return self

    def delivered(self, seq: int, state: str = "sent", mid: str = "m.1", reason: str = "") -> Self:
        return self.tell(DeliveryChanged, command="c", state=state, message_seq=seq, mid=mid, reason=reason)

    def staff(self, text: str, *, automatic: bool = False) -> Self:
        return self.tell(StaffSaid, entry=True, text=text, automatic=automatic)

    def started(self, cause: Cause = Cause.FLOW, **fields: Any) -> Self:
        self.epoch += 1
        self.episode = f"{self.conversation}/{self.epoch}"
        defaults: dict[str, Any] = {"attended": False, "venue": "inbox", "cause": cause}
        return self.tell(TakeoverStarted, entry=True, **{**defaults, **fields})

    def answered(self, holder: Person, by: str = "switch", deadline: datetime | None = None) -> Self:
        return self.tell(
            TakeoverAnswered, entry=True, attended=True, venue="inbox", holder=holder, by=by, deadline=deadline
        )

    def changed(self, holder: Person | None, deadline: datetime | None = None) -> Self:
        return self.tell(TakeoverChanged, entry=True, attended=True, venue="inbox", holder=holder, deadline=deadline)

    def assigned(self, to: Person | None) -> Self:
        return self.tell(AssignmentChanged, assigned=to)

    def ended(self, cause: Cause = Cause.OPERATOR, by: Person | None = None, note: str = "") -> Self:
        self.epoch += 1
        episode, self.episode = self.episode, None
        return self.tell(TakeoverEnded, entry=True, episode=episode, cause=cause, by=by, note=note, answered=True)

    def suppressed(self, *texts: str) -> Self:
        messages = tuple(OutMessage(text=text) for text in texts)
        return self.tell(AnswerSuppressed, entry=True, turn="t1", turn_epoch=self.epoch - 1, messages=messages)

    def known(self, first: str, last: str = "") -> Self:
        return self.tell(CustomerKnown, profile=Profile(first_name=first, last_name=last))

    def position(self, block: str, **attributes: str) -> Self:
        return self.tell(BotPosition, flow="shop@1", block=block, waits_for="answer", attributes=attributes)

    def thread(self, owner: str, app: str | None = None) -> Self:
        return self.tell(ThreadChanged, owner=owner, app_id=app)

    def accepted(self, command: str) -> Self:
        return self.tell(CommandAccepted, command=command)

    def refused(self, command: str, code: str = "held", **fields: Any) -> Self:
        return self.tell(
            CommandRefused, command=command, code=code, reason="Ana has it.", **{"owner": "human", **fields}
        )


ANA = Person(id="a" * 32, name="Ana")
BEN = Person(id="b" * 32, name="Ben")


def whole_story() -> Story:
    """One of everything."""
    story = Story()
    story.known("Mia", "Moss").position("start")
    story.customer("hi").said("Hello Mia!").delivered(2)
    story.customer("a person please").said("One moment", turn="t1").started(
        block="b7", block_name="Ask", emails=("ops@example.com",), taken=(3,)
    )
    story.thread("page_inbox", "263902037430900").customer("anybody?", "person").delivered(4, "uncertain")
    story.answered(ANA, deadline=story.at + timedelta(hours=1)).said("Ana here", ANA, reply="r1", client_id="k1")
    story.delivered(4).suppressed("late answer").staff("I am here too").changed(BEN)
    story.delivered(8, "not_delivered", mid="", reason="blocked").ended(by=BEN, note="done").thread("us", "77")
    story.assigned(ANA)
    return story.said("I am the bot again").position("b9", email="mia@example.com").customer("bye")

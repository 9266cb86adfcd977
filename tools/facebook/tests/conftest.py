"""A box over real HTTP, and two webhooks that receive what it sends and check every signature."""

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from facebook.main import WORLD, build
from facebook.pages import BoxFile
from facebook.settings import Settings
from facebook.world import World

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"
SECRETS = {OURS: "secret-of-ours", OTHER: "secret-of-other"}
TOKENS = {OURS: "token-of-ours", OTHER: "token-of-other"}


@dataclass
class Received:
    """An event as it came: on which channel, and the whole event."""

    channel: str
    event: dict[str, Any]

    @property
    def name(self) -> str:
        return next(key for key in self.event if key not in {"sender", "recipient", "timestamp"})


@dataclass
class Webhook:
    """An app's webhook. `answers`: statuses to give before it goes back to 200; None: no answer in time."""

    app_id: str
    url: str = ""
    events: list[Received] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: deque[int | None] = field(default_factory=deque)
    handshakes: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def shake(self, request: web.Request) -> web.Response:
        self.handshakes += 1
        if request.query.get("hub.verify_token") != f"verify-{self.app_id}":
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = hmac.new(SECRETS[self.app_id].encode(), body, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == f"sha256={expected}"
        self.bodies.append(body)
        status = self.answers.popleft() if self.answers else 200
        if status is None:
            await asyncio.sleep(30)
        if status == 200:
            for entry in json.loads(body)["entry"]:
                for channel in ("messaging", "standby"):
                    self.events += [Received(channel, event) for event in entry.get(channel, [])]
        self.changed.set()
        return web.Response(status=status or 200)

    async def until(self, fact: Callable[[list[Received]], bool], seconds: float = 10) -> list[Received]:
        async with asyncio.timeout(seconds):
            while not fact(self.events):
                self.changed.clear()
                await self.changed.wait()
        return self.events

    async def count(self, number: int) -> list[Received]:
        return await self.until(lambda events: len(events) >= number)

    def names(self) -> list[tuple[str, str]]:
        return [(received.channel, received.name) for received in self.events]


@dataclass
class Box:
    """The box as its users see it: Graph API calls of two apps, and the control API."""

    client: TestClient[web.Request, web.Application]
    world: World

    async def graph(self, path: str, body: dict[str, Any] | None = None, app: str = OURS) -> tuple[int, dict[str, Any]]:
        query = {"access_token": TOKENS[app]}
        if body is None:
            response = await self.client.get(f"/v26.0/{path}", params=query)
        else:
            response = await self.client.post(f"/v26.0/{path}", params=query, json=body)
        return response.status, await response.json()

    async def app_graph(self, method: str, path: str, app: str = OURS, **params: Any) -> tuple[int, dict[str, Any]]:
        """A call with the app's own token."""
        query = {"access_token": f"{app}|{SECRETS[app]}"} | {name: str(value) for name, value in params.items()}
        response = await self.client.request(method, f"/v26.0/{path}", params=query)
        return response.status, await response.json()

    async def send(self, text: str, app: str = OURS, **more: Any) -> tuple[int, dict[str, Any]]:
        message = {"text": text, **more.pop("message", {})}
        body = {"recipient": {"id": MIA}, "messaging_type": "RESPONSE", "message": message, **more}
        return await self.graph("me/messages", body, app)

    async def control(self, action: str, app: str = OURS, **more: Any) -> tuple[int, dict[str, Any]]:
        return await self.graph(f"me/{action}_thread_control", {"recipient": {"id": MIA}, **more}, app)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = await self.client.post(f"/box/{path}", json=body or {})
        assert response.status in {200, 201}, await response.text()
        return await response.json()

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self.client.put(f"/box/{path}", json=body)
        assert response.status == 200, await response.text()
        return await response.json()

    async def act(self, name: str, psid: str = MIA, **body: Any) -> dict[str, Any]:
        return await self.post(f"customers/{psid}/{name}", body)

    async def regime(self, regime: str, **more: Any) -> None:
        await self.put(f"pages/{PAGE}/regime", {"regime": regime, **more})

    async def rule(self, **rule: Any) -> None:
        await self.post("rules", rule)

    async def refused(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        response = await self.client.request(method, f"/box/{path}", json=body)
        return response.status, (await response.json())["error"]

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = await self.client.get(f"/box/{path}", params=query)
        assert response.status == 200, await response.text()
        return await response.json()

    async def say(self, text: str = "hi", psid: str = MIA) -> dict[str, Any]:
        return await self.post(f"customers/{psid}/say", {"text": text})

    async def faults(self, **faults: Any) -> None:
        response = await self.client.put("/box/faults", json=faults)
        assert response.status == 200, await response.text()

    async def page(self, **change: Any) -> None:
        response = await self.client.patch(f"/box/pages/{PAGE}", json=change)
        assert response.status == 200, await response.text()

    async def conversation(self, psid: str = MIA) -> dict[str, Any]:
        return (await self.get(f"conversations/{PAGE}/{psid}"))["conversation"]

    async def record(self, kind: str) -> list[dict[str, Any]]:
        return (await self.get("record", kind=kind))["entries"]

    async def fact(self, kind: str, after: int = 0, **wanted: Any) -> dict[str, Any]:
        """Waits for the first entry of the kind that has these values."""
        async with asyncio.timeout(10):
            while True:
                found = await self.get("events", kind=kind, after=after, wait=5)
                for entry in found["entries"]:
                    if all(entry.get(key) == value for key, value in wanted.items()):
                        return entry
                after = found["last"]


async def _serve(webhook: Webhook) -> TestServer:
    app = web.Application()
    app.router.add_get("/hook", webhook.shake)
    app.router.add_post("/hook", webhook.take)
    server = TestServer(app)
    await server.start_server()
    webhook.url = str(server.make_url("/hook"))
    return server


@pytest.fixture
async def ours() -> AsyncIterator[Webhook]:
    webhook = Webhook(OURS)
    server = await _serve(webhook)
    yield webhook
    await server.close()


@pytest.fixture
async def other() -> AsyncIterator[Webhook]:
    webhook = Webhook(OTHER)
    server = await _serve(webhook)
    yield webhook
    await server.close()


@pytest.fixture
def box_file(ours: Webhook, other: Webhook) -> BoxFile:
    return BoxFile.model_validate(
        {
            "apps": [
                {
                    "id": hook.app_id,
                    "name": f"app {hook.app_id}",
                    "secret": SECRETS[hook.app_id],
                    "verify_token": f"verify-{hook.app_id}",
                    "webhook_url": hook.url,
                }
                for hook in (ours, other)
            ],
            "pages": [
                {
                    "id": PAGE,
                    "name": "Test page",
                    "tokens": TOKENS,
                    "default_app": OURS,
                    "takers": [OURS],
                    "customers": [
                        {"psid": MIA, "first_name": "Mia", "last_name": "Łuk"},
                        {"psid": JONAS, "first_name": "Jonas"},
                    ],
                }
            ],
        }
    )


@pytest.fixture
def settings() -> Settings:
    return Settings(facebook_webhook_timeout_s=0.5, facebook_retry_first_s=0.02, facebook_retry_cap_s=0.1)


@pytest.fixture
def make_box() -> Callable[[TestClient[web.Request, web.Application], web.Application], Box]:
    return lambda client, app: Box(client, app[WORLD])


@pytest.fixture
async def box(box_file: BoxFile, settings: Settings) -> AsyncIterator[Box]:
    app = build(settings, box_file)
    async with TestClient(TestServer(app)) as client:
        yield Box(client, app[WORLD])

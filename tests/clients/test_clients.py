"""Facebook in a box speaks Facebook's language, not ours: libraries that others wrote for Facebook work with it."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from facebook.main import build
from facebook.pages import BoxFile
from facebook.settings import Settings

HERE = Path(__file__).parent
APP, SECRET, TOKEN, VERIFY = "111", "secret-of-the-app", "token-of-the-page", "verify-me"
INBOX = "263902037430900"
PAGE, MIA = "900", "73001"
PATIENCE = 60.0  # seconds for all calls of one library

installed = module_from_spec(spec := spec_from_file_location("installed", HERE / "installed.py"))
spec.loader.exec_module(installed)


@dataclass
class Webhook:
    """Keeps what came, as it came."""

    url: str = ""
    handshake: dict[str, str] = field(default_factory=dict)
    posts: list[dict[str, str]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def shake(self, request: web.Request) -> web.Response:
        self.handshake = dict(request.query)
        return web.Response(text=request.query["hub.challenge"])

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.posts.append({"body": body, "signature": request.headers["X-Hub-Signature-256"]})
        self.came.set()
        return web.Response()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(20):
            while len(self.posts) < number:
                self.came.clear()
                await self.came.wait()


@dataclass
class World:
    url: str
    hook: Webhook
    session: ClientSession

    async def act(self, name: str, **body: object) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/box/customers/{MIA}/{name}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def lines(self) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/box/conversations/{PAGE}/{MIA}") as response:
            return [line for line in (await response.json())["lines"] if line["side"] == "app"]

    async def refusals(self) -> list[tuple[str, int, int | None]]:
        async with self.session.get(f"{self.url}/box/record?kind=refused") as response:
            return [(one["call"], one["code"], one["subcode"]) for one in (await response.json())["entries"]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    hook = Webhook()
    app = web.Application()
    app.router.add_get("/hook", hook.shake)
    app.router.add_post("/hook", hook.take)
    async with TestServer(app) as hooks, ClientSession() as session:
        hook.url = str(hooks.make_url("/hook"))
        async with TestServer(build(Settings(), _box_file(hook.url))) as box:
            yield World(str(box.make_url("")).rstrip("/"), hook, session)


def _box_file(hook: str) -> BoxFile:
    app = {
        "id": APP,
        "name": "App",
        "secret": SECRET,
        "verify_token": VERIFY,
        "webhook_url": hook,
        "require_proof": False,
    }
    page = {
        "id": PAGE,
        "name": "Lumen Lamps",
        "tokens": {APP: TOKEN},
        "default_app": APP,
        "takers": [APP],
        "limits": {"conversations_per_s": 100},
        "customers": [{"psid": MIA, "first_name": "Mia", "last_name": "Łuk"}],
    }
    return BoxFile.model_validate({"apps": [app], "pages": [page]})


def _had(find: Any) -> Path:
    try:
        return find()
    except installed.NotToBeHad as error:
        pytest.skip(str(error))


async def _run(command: Sequence[str], asked: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, Any]:
    """What the program printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        json.dumps(asked),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()
    return json.loads(out)


async def test_messaging_api_messenger_sends_passes_control_and_subscribes(world) -> None:
    modules = _had(installed.node_modules)
    await world.act("say", text="hi")
    asked = {
        "origin": world.url,
        "token": TOKEN,
        "appId": APP,
        "appSecret": SECRET,
        "callback": world.hook.url,
        "verifyToken": VERIFY,
        "psid": MIA,
    }
    node = shutil.which("node")
    done = await _run((node, str(HERE / "messaging_api_messenger.cjs")), asked, {"NODE_PATH": str(modules)})
    assert done["page"] == {"id": PAGE, "name": "Lumen Lamps"}
    assert (done["profile"]["firstName"], done["profile"]["lastName"]) == ("Mia", "Łuk")
    for step in ("text", "choices", "buttons", "cards", "image", "named", "again"):
        assert done[step] == {"recipientId": MIA, "messageId": done[step]["messageId"]}
    assert done["upload"]["attachmentId"].isdecimal()
    assert done["typing"] == done["seen"] == {"recipientId": MIA}
    assert done["owner"]["appId"] == APP
    assert [one["name"] for one in done["receivers"]] == ["Page Inbox"]
    assert done["pass"] == done["take"] == done["deleted"] == done["subscribe"] == {"success": True}
    assert done["notOwner"]["message"].startswith("Messenger API - 10 OAuthException (#10)")
    assert done["notOwner"]["error"]["errorSubcode"] == 2018300
    assert done["request"]["error"]["code"] == 100
    assert "must be less than or equal to 2000" in done["tooLong"]["message"]
    assert done["subscription"]["callbackUrl"] == world.hook.url
    assert [one["name"] for one in done["subscription"]["fields"]] == ["messages", "standby"]
    assert [one["name"] for one in done["personas"]] == ["Noor"]
    lines = await world.lines()
    assert [line["text"] for line in lines] == [
        "Hello from messaging-api-messenger",
        "Choose",
        "What now?",
        "Lamp\nbright",
        None,
        "It is me",
        "Here I am again",
    ]
    assert [choice["title"] for choice in lines[1]["quick_replies"]] == ["Lamp", "user_email"]
    assert [choice["title"] for choice in lines[2]["buttons"]] == ["Yes", "Shop"]
    assert lines[5]["persona"] == "Noor"
    assert await world.refusals() == [
        ("messages", 10, 2018300),
        ("request_thread_control", 100, None),
        ("messages", 100, None),
    ]


async def test_messenger_sdk_sends_reads_conversations_and_verifies_what_it_is_told(world) -> None:
    modules = _had(installed.node_modules)
    said = await world.act("say", text="Grüße 😀 http://x/y")
    await world.act("edit", mid=said["mid"], text="Grüße!")
    await world.act("react", mid=said["mid"], emoji="😍", reaction="love")
    await world.act("read")
    await world.act("postback", payload="GET_STARTED", title="Get started")
    await world.hook.until(5)
    asked = {
        "baseUrl": world.url,
        "token": TOKEN,
        "appSecret": SECRET,
        "verifyToken": VERIFY,
        "page": PAGE,
        "psid": MIA,
        "handshake": world.hook.handshake,
        "webhooks": world.hook.posts[:5],
    }
    node = shutil.which("node")
    done = await _run((node, str(HERE / "messenger_sdk.mjs")), asked, {"NODE_PATH": str(modules)})
    for step in ("text", "choices", "buttons", "cards", "picture"):
        assert done[step] == {"recipient_id": MIA, "message_id": done[step]["message_id"]}
    assert done["typing"] == done["reaction"] == {"recipient_id": MIA}
    assert (done["profile"]["name"], done["profile"]["id"]) == ("Mia Łuk", MIA)
    assert done["conversation"].startswith("t_")
    read = {message["id"]: message for message in done["recent"]}
    assert read[said["mid"]]["message"] == "Grüße!"
    assert read[said["mid"]]["reactions"]["data"][0]["reaction"] == "😍"
    assert read[done["text"]["message_id"]]["from"] == {
        "name": "Lumen Lamps",
        "email": f"{PAGE}@facebook.com",
        "id": PAGE,
    }
    assert done["error"] == {"name": "MessengerAPIError", "code": 100, "subcode": 2018001, "status": 400}
    assert done["challenge"] == world.hook.handshake["hub.challenge"]
    assert done["signatures"] == [[True, False]] * 5
    assert done["seen"] == [
        ["message", "Grüße 😀 http://x/y"],
        ["edit", "Grüße!"],
        ["reaction", "😍"],
        ["read", "number"],
        ["postback", "GET_STARTED"],
    ]


async def test_fbmessenger_sends_and_understands_what_it_is_told(world) -> None:
    library = _had(installed.python_path)
    await world.act("say", text="Grüße 😀")
    await world.act("postback", payload="GET_STARTED", title="Get started")
    await world.act("read")
    await world.act("account_linking", authorization_code="abc")
    await world.act("deliver", mids=["m_1"])
    await world.act("optin", ref="newsletter")
    await world.hook.until(6)
    webhooks = [post["body"] for post in world.hook.posts[:6]]
    asked = {"origin": world.url, "token": TOKEN, "app_secret": SECRET, "psid": MIA, "webhooks": webhooks}
    command = (sys.executable, "-W", "ignore", str(HERE / "fbmessenger_client.py"))
    done = await _run(command, asked, {"PYTHONPATH": str(library)})
    assert done["seen"] == [
        ["message", "Grüße 😀"],
        ["postback", "GET_STARTED"],
        ["read", "int"],
        ["account_linking", "linked"],
        ["delivery", "1"],
        ["optin", "newsletter"],
    ]
    for step in ("text", "choices", "buttons", "cards", "image"):
        assert done[step] == {"recipient_id": MIA, "message_id": done[step]["message_id"]}
    assert done["typing"] == {"recipient_id": MIA}
    assert done["upload"]["attachment_id"].isdecimal()
    assert (done["profile"]["first_name"], done["profile"]["last_name"]) == ("Mia", "Łuk")
    assert done["nobody"]["error"]["error_subcode"] == 2018001
    assert "subscribed_fields" in done["no_fields"]["error"]["message"]
    assert [line["text"] for line in await world.lines()] == ["Hello", "Choose", "What now?", "Lamp\nbright", None]

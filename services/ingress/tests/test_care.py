"""Pages are looked after: a real ingress, a real broker, and Facebook in a box."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from ingress_world import Ingress, Page, seen, settings_for

from facebook.main import build
from facebook.pages import BoxFile
from facebook.settings import Settings as BoxSettings
from ingress.subscriptions import NEEDED
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.topics import ensure
from schemas.base import BaseEvent
from schemas.conversations import CustomerMessage, Echo, MessageSent
from schemas.deadletters import DeadLetter
from schemas.pages import PageCatchUp, PageOpened, PageStatus
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, PAGES

INBOX = "263902037430900"
SOON = 60.0  # seconds; a fact comes within two on a quiet machine
POLL = 0.1  # seconds
MIA, NOAH = "7001", "7002"


@dataclass
class World:
    ingress: Ingress
    server: TestServer
    session: ClientSession
    page: Page
    texts: list[str] = field(default_factory=list)

    async def box(self, method: str, path: str, body: object = None, **query: str) -> dict:
        address = self.server.make_url(f"/box/{path}")
        async with self.session.request(method, address, json=body, params=query) as answer:
            assert answer.status in {200, 201}, await answer.text()
            return await answer.json()

    async def says(self, text: str, psid: str = MIA) -> None:
        await self.box("POST", f"customers/{psid}/say", {"text": text}, page=self.page.id)

    async def subscribed(self) -> set[str]:
        shown = await self.graph("GET", f"{self.page.id}/subscribed_apps")
        return {name for app in shown["data"] for name in app["subscribed_fields"]}

    async def graph(self, method: str, path: str, body: object = None, token: str = "page-token") -> dict:
        address = self.server.make_url(f"/v26.0/{path}")
        async with self.session.request(
            method, address, json=body, headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def facts(self) -> list[BaseEvent]:
        return [record.event for record in await seen(self.ingress.bootstrap, PAGES, f"{self.page.id}:")]

    async def status(self, aspect: str, fits: Callable[[PageStatus], bool]) -> PageStatus:
        """The first status from now on that fits."""

        def found(facts: list[BaseEvent]) -> PageStatus | None:
            told = [fact for fact in facts if isinstance(fact, PageStatus) and fact.aspect == aspect]
            return next((fact for fact in reversed(told) if fits(fact)), None)

        return await self.until(self.facts, found, aspect)

    async def until(self, look: Callable, found: Callable, what: str):
        deadline = time.monotonic() + SOON
        while (it := found(await look())) is None:
            assert time.monotonic() < deadline, f"{what}: {self.ingress.log[-3000:]}"
            await asyncio.sleep(POLL)
        return it

    async def log(self, psid: str = "") -> list[BaseEvent]:
        return [
            record.event
            for record in await seen(self.ingress.bootstrap, CONVERSATIONS, f"messenger:{self.page.id}:{psid}")
        ]

    async def said(self, *texts: str, psid: str = MIA) -> list[CustomerMessage]:
        """Waits until the log has these texts of a customer, and nothing but them and their copies, in this order."""

        async def look() -> list[CustomerMessage]:
            told = [event for event in await self.log(psid) if isinstance(event, CustomerMessage)]
            return list({event.id: event for event in reversed(told)}.values())[::-1]

        return await self.until(
            look, lambda told: told if [event.input.text for event in told] == list(texts) else None, f"{texts}"
        )

    async def publish(self, topic: str, *events: BaseEvent) -> None:
        publisher = await Publisher.start(settings_for(self.ingress.bootstrap), source="test")
        try:
            await publisher.publish([Outgoing(topic, event) for event in events])
        finally:
            await publisher.stop()


@pytest.fixture(scope="module")
def facts_made(kafka_bootstrap: str) -> str:
    asyncio.run(ensure(settings_for(kafka_bootstrap)))
    return kafka_bootstrap


def box_file(page: Page, url: str) -> BoxFile:
    customers = [{"psid": psid, "first_name": "Mia", "last_name": "Winter"} for psid in (MIA, NOAH)]
    app = {"id": page.app, "name": "Bot app", "secret": page.app_secret, "verify_token": page.verify_token}
    return BoxFile.model_validate(
        {
            "apps": [{**app, "webhook_url": f"{url}/webhooks/messenger"}],
            "pages": [
                {"id": page.id, "name": "Salon", "tokens": {page.app: "page-token"}, "default_app": page.app,
                 "takers": [page.app, INBOX], "customers": customers}
            ],
        }
    )  # fmt: skip


@pytest.fixture
async def world(facts_made: str, tmp_path: Path):
    page = Page()
    server = TestServer(
        build(
            BoxSettings(facebook_app_secret="x", facebook_verify_token="x", facebook_page_token="x"),
            box_file(page, "http://127.0.0.1:1"),
        )
    )
    await server.start_server()
    ingress = Ingress(
        facts_made,
        tmp_path,
        CONVOBOSS_GRAPH_URL=str(server.make_url("/v26.0")),
        CONVOBOSS_WATCH_EVERY="0.5",
        CONVOBOSS_CATCH_UP_AFTER="0",
    )
    await asyncio.to_thread(ingress.start)
    async with ClientSession() as session:
        world = World(ingress, server, session, page)
        app = {"name": "Bot app", "secret": page.app_secret, "verify_token": page.verify_token}
        try:
            yield world, {**app, "webhook_url": f"{ingress.url}/webhooks/messenger"}
        finally:
            assert await asyncio.to_thread(ingress.stop) == 0, ingress.log
    await server.close()


@pytest.fixture
async def watched(world) -> World:
    """A page that a bot has, and that was seen to be well."""
    found, app = world
    await found.ingress.knows(found.page)
    shown = await found.box("PUT", f"apps/{found.page.app}", app)
    assert shown["verified"], shown
    await found.status("webhooks", lambda told: told.state == "ok")
    return found


async def test_a_page_that_lost_its_webhooks_is_alarmed_repaired_with_the_merged_list_and_caught_up(
    watched: World,
) -> None:
    page = watched.page
    await watched.says("before")
    await watched.said("before")
    await watched.box("PUT", f"pages/{page.id}/subscriptions", {"app": page.app, "fields": ["feed"]})
    for text in ("missed one", "missed two"):
        await watched.says(text)
    ours = (await watched.graph("POST", "me/messages", {"recipient": {"id": MIA}, "message": {"text": "ours"}}))[
        "message_id"
    ]
    await watched.publish(
        CONVERSATIONS,
        MessageSent(
            id=f"sent:{ours}", conversation=f"messenger:{page.id}:{MIA}", command="c", epoch=0, seq=1, mid=ours
        ),
    )
    await watched.box("POST", f"inbox/{MIA}/reply", {"text": "staff"}, page=page.id)

    told = await watched.status("webhooks", lambda status: status.state == "ok" and "repaired" in status.details)
    assert "standby" in told.details["repaired"]
    assert await watched.subscribed() == {*NEEDED, "feed"}
    await watched.said("before", "missed one", "missed two")
    alarm = await watched.status("webhooks", lambda status: status.state == "failing")
    assert alarm.code in {"unsubscribed", "fields_missing"}
    assert alarm.steps
    log = await watched.until(
        watched.log, lambda log: log if sum(isinstance(one, Echo) for one in log) >= 2 else None, "echoes"
    )
    echoes = {event.text: event for event in log if isinstance(event, Echo)}
    assert (echoes["ours"].app_id, echoes["staff"].app_id) == (page.app, None)
    assert all(echo.caught_up for echo in echoes.values())
    missed = {event.input.text: event.caught_up for event in log if isinstance(event, CustomerMessage)}
    assert missed == {"before": missed["before"], "missed one": True, "missed two": True}
    assert len({event.id for event in log}) == len({(type(event), event.id) for event in log})
    done = await watched.until(
        watched.facts,
        lambda facts: next(
            (fact for fact in reversed(facts) if isinstance(fact, PageCatchUp) and fact.state == "done"), None
        ),
        "done",
    )
    assert done.messages >= 4


async def test_an_apps_own_list_is_repaired_and_fields_that_others_need_stay(watched: World) -> None:
    page = watched.page
    await watched.box("PATCH", f"apps/{page.app}", {"fields": ["feed", "messages"]})
    await watched.status("webhooks", lambda status: status.state == "failing")
    await watched.status("webhooks", lambda status: status.state == "ok" and "repaired" in status.details)
    token = f"{page.app}|{page.app_secret}"
    shown = (await watched.graph("GET", f"{page.app}/subscriptions", token=token))["data"][0]
    assert {one["name"] for one in shown["fields"]} == {*NEEDED, "feed"}
    assert shown["callback_url"] == f"{watched.ingress.url}/webhooks/messenger"
    await watched.says("hi")
    await watched.said("hi")


async def test_ops_may_demand_that_a_page_is_caught_up(watched: World) -> None:
    await watched.box("PUT", "faults", {"hold_webhooks": True})
    await watched.says("held back")
    now = datetime.now(UTC)
    demand = PageCatchUp(
        id="ops",
        page=watched.page.id,
        state="due",
        missed_since=now - timedelta(minutes=1),
        asked_at=now + timedelta(seconds=1),
    )
    await watched.publish(PAGES, demand)
    (message,) = await watched.said("held back")
    assert message.caught_up
    await watched.box("PUT", "faults", {})
    await watched.until(
        watched.log,
        lambda log: log if len([one for one in log if one.id == message.id]) == 2 else None,
        "the webhook's copy",
    )


async def test_a_dead_token_is_told_with_what_to_do_and_is_well_again_by_itself(watched: World) -> None:
    await watched.box("PUT", "faults", {"refuse_token": True})
    told = await watched.status("token", lambda status: status.state == "failing")
    assert (told.code, bool(told.steps)) == ("dead_token", True)
    await watched.box("PUT", "faults", {})
    again = await watched.status("token", lambda status: status.state == "ok" and status.since > told.since)
    assert again.check_at > again.checked_at


async def test_the_pages_mode_is_detected_as_its_admin_changes_it(watched: World) -> None:
    ours = watched.page.app
    for change, default, way_back, set_up in (
        ({}, "ours", True, "done_and_main"),
        ({"inbox_is_receiver": False}, "ours", True, "main_only"),
        ({"default_app": None}, "none", False, "main_only"),
        ({"primary": ours, "takers": [], "inbox_is_receiver": True}, "ours", True, "done_and_main"),
    ):
        if change:
            await watched.box("PATCH", f"pages/{watched.page.id}", change)
        expected = (default, way_back, set_up)

        def fits(status: PageStatus, expected=expected) -> bool:
            told = status.routing
            return told is not None and (told.default_app, told.has_default_app, told.set_up) == expected

        told = await watched.status("routing", fits)
        assert (told.state == "ok") is way_back
        assert way_back or "Main only" in told.reason


# --- a page that no bot has


async def test_what_came_for_an_unknown_page_is_taken_in_in_order_before_what_comes_then(world) -> None:
    found, _ = world
    helper = Page(app=found.page.app, app_secret=found.page.app_secret)
    await found.ingress.knows(helper)  # the app is known by another page
    page = found.page
    count = 0

    async def comes() -> None:
        nonlocal count
        body = page.body(page.message(str(count), psid=str(count % 3), mid=f"m_{page.id}_{count}"))
        assert (await found.ingress.post(body, page.signed(body)))[0] == 200
        count += 1

    for _ in range(30):
        await comes()
    told = await found.status("webhooks", lambda status: status.code == "unknown_page")
    assert (told.state, bool(told.steps), told.details["apps"]) == ("failing", True, page.app)
    forged = DeadLetter(
        id="forged",
        origin_topic="webhooks/messenger",
        origin_key=f"messenger:{page.id}:0",
        reason="unknown_page",
        value_base64=base64.b64encode(orjson.dumps(page.message("forged", psid="0"))).decode(),
        headers={"page": page.id, "array": "messaging", "apps": "666"},
    )
    await found.publish(DEAD_LETTERS, forged)
    await found.ingress.knows(page)

    async def opened() -> PageOpened | None:
        return next((fact for fact in await found.facts() if isinstance(fact, PageOpened)), None)

    deadline = time.monotonic() + SOON
    while await opened() is None or count < 120:
        await comes()
        assert time.monotonic() < deadline
    expected = {psid: [str(number) for number in range(int(psid), count, 3)] for psid in "012"}
    for psid, texts in expected.items():
        await found.said(*texts, psid=psid)
    letters = [
        record
        for record in await seen(found.ingress.bootstrap, DEAD_LETTERS, f"messenger:{page.id}:")
        if record.event.id != "forged"
    ]
    assert 30 <= len(letters) < count, "some went to the log straight away"
    late = forged.model_copy(
        update={
            "id": "late",
            "headers": {**forged.headers, "apps": page.app},
            "value_base64": base64.b64encode(orjson.dumps(page.message("late", psid="0"))).decode(),
        }
    )
    await found.publish(DEAD_LETTERS, late)
    await found.said(*expected["0"], "late", psid="0")


async def test_another_process_goes_on_where_the_one_that_looked_after_the_pages_stopped(
    watched: World, tmp_path: Path
) -> None:
    second = Ingress(
        watched.ingress.bootstrap,
        tmp_path,
        CONVOBOSS_GRAPH_URL=str(watched.server.make_url("/v26.0")),
        CONVOBOSS_WATCH_EVERY="0.5",
    )
    await asyncio.to_thread(second.start)
    try:
        assert await asyncio.to_thread(watched.ingress.stop) == 0
        before = datetime.now(UTC)
        told = await watched.status("webhooks", lambda status: status.checked_at > before)
        assert told.since < before, "the same state goes on"
    finally:
        assert await asyncio.to_thread(second.stop) == 0
        await asyncio.to_thread(watched.ingress.start)

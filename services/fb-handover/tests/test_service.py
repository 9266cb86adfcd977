"""The process as those see it who watch over it."""

import pytest
from aiohttp import ClientConnectionError
from fb_commands import PAGE, says
from fb_world import OTHER_PAGE, PSIDS, until
from pydantic import ValidationError

from fb_handover.housekeeping import Housekeeping
from fb_handover.repository import Outbound
from fb_handover.settings import Settings
from local import ports

MIA = PSIDS[0]


@pytest.fixture
def port():
    reserved = ports.reserve()
    yield reserved
    ports.release(reserved)


class Pages:
    def __init__(self, world, port):
        self._session = world.box.session
        self._address = f"http://127.0.0.1:{port}"

    async def ready(self):
        async with self._session.get(f"{self._address}/readyz") as response:
            return response.status, (await response.json())["components"]

    async def is_ready(self) -> bool:
        try:
            return (await self.ready())[0] == 200
        except ClientConnectionError:
            return False

    async def metric(self, name):
        async with self._session.get(f"{self._address}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"convoboss_{name}"))


async def test_a_service_that_works_is_ready_and_counts_what_it_does(world, port):
    world.start(http_port=port)
    pages = Pages(world, port)
    await until(pages.is_ready, "ready")
    before = await pages.metric("messenger_requests_total")
    await world.box.write(MIA)
    await world.command(says(name="a", psid=MIA))
    await world.told("a:sent")
    assert await pages.metric("messenger_requests_total") == before + 1


async def test_a_page_that_is_not_connected_is_named_and_what_waits_for_it_has_an_age(world, port):
    await world.connect(OTHER_PAGE, version=2)
    world.start(http_port=port)
    pages = Pages(world, port)
    await world.command(says(name="a", psid=MIA))
    await until(lambda: _names(pages, "channels", PAGE), "the page is named")
    await until(lambda: _is_stored(world), "the command is stored")
    await world.database.execute("UPDATE fb_handover.outgoing SET created_at = created_at - interval '1 hour'")
    await until(lambda: _at_least(pages, "messenger_backlog_age_seconds", 3600.0), "the age of the backlog is shown")
    await world.connect(PAGE, OTHER_PAGE, version=3)
    await world.box.write(MIA)
    await world.told("a:sent")
    await until(pages.is_ready, "ready again")


async def test_old_rows_are_swept_in_batches(world):
    world.start()
    await world.box.write(MIA)
    await world.command(says(name="a", psid=MIA))
    await world.told("a:sent")
    await world.database.execute("SET search_path = fb_handover")
    await world.database.execute(
        "INSERT INTO outgoing (conversation, partition, page, command, epoch, kind, body, state, step, updated_at)"
        " SELECT 'messenger:1:2', 0, '1', 'old-' || n, 1, 'message.send.v1', '{}', 'done', 'send', now() - interval '8 days'"
        " FROM generate_series(1, 2500) AS n"
    )
    from runtime.postgres import close, connect

    pool = await connect(world.settings, "fb_handover")
    try:
        await Housekeeping(Outbound(pool, owner="x", lease=1.0), Nobody(), keep=7 * 24 * 3600.0).sweep()
    finally:
        await close(pool)
    assert await world.database.fetchval("SELECT array_agg(command) FROM outgoing") == ["a"]


class Nobody:
    owned = ()


@pytest.mark.parametrize("url", ["graph.facebook.com", "https://graph.example/v26.0?access_token=x", "ftp://x/"])
def test_a_wrong_graph_address_is_refused_at_the_start(url):
    with pytest.raises(ValidationError):
        Settings(graph_url=url)


def test_every_setting_of_this_service_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())


async def _names(pages, component, text) -> bool:
    try:
        status, components = await pages.ready()
    except ClientConnectionError:
        return False
    return status == 503 and component in components and text in components[component]["detail"]


async def _at_least(pages, metric, number) -> bool:
    return await pages.metric(metric) >= number


async def _is_stored(world) -> bool:
    return await world.database.fetchval("SELECT count(*) FROM fb_handover.outgoing") == 1

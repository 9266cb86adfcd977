"""The client that loads servers, on a real one."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.http_load import Answers, BadAnswer, load

REQUEST = b"POST /%s HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\n{}"


class Door:
    """Counts what comes, by the connection it comes on."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    async def open(self, request: web.Request) -> web.Response:
        assert await request.read() == b"{}"
        peer = str(request.transport.get_extra_info("peername"))
        self.seen[peer] = self.seen.get(peer, 0) + 1
        return web.Response(body=b"x" * 100_000)  # comes in several pieces

    async def shut(self, _request: web.Request) -> web.Response:
        return web.Response(status=503)


@pytest.fixture
async def door():
    door = Door()
    app = web.Application()
    app.add_routes([web.post("/open", door.open), web.post("/shut", door.shut)])
    async with TestServer(app) as server:
        door.port = server.port
        yield door


async def test_each_answer_is_counted_once_it_is_complete_and_connections_are_kept(door):
    answers = await load(door.port, [REQUEST % b"open"], connections=3, seconds=0.3)
    assert len(answers.times) == sum(door.seen.values()) > 3
    assert len(door.seen) == 3
    assert answers.times == sorted(answers.times)
    assert answers.per_s == pytest.approx(len(answers.times) / answers.seconds)


async def test_server_that_does_not_answer_200_is_not_measured(door):
    with pytest.raises(BadAnswer, match="503"):
        await load(door.port, [REQUEST % b"shut"], connections=1, seconds=0.3)


def test_percentile_is_a_time_that_was_measured():
    answers = Answers(1.0, [float(number) for number in range(1, 101)])
    assert (answers.percentile(0.5), answers.percentile(0.99), answers.percentile(1.0)) == (51.0, 100.0, 100.0)

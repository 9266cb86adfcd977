"""Facebook's side of a reply and nothing else: notes when a message is accepted, answers at once, says who a customer is."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import orjson
from aiohttp import web

from local import ports


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted, and `time.time()` of when."""

    customer: str
    mid: str
    metadata: str
    text: str
    at: float


Accepted = Callable[[Sent], None]


class Graph:
    """`accepted` is called for every message; nothing is called for typing and thread control."""

    def __init__(self) -> None:
        self.accepted: Accepted = lambda _sent: None
        self._numbers = count(1)
        self._port = ports.reserve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v26.0"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Graph"]:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v26.0/{page}/messages", self._messages),
                web.post("/v26.0/{page}/{action}", _done),
                web.get("/v26.0/{page}/thread_owner", _nobody),
                web.get("/v26.0/{customer}", _profile),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        try:
            yield self
        finally:
            await runner.cleanup()
            ports.release(self._port)

    async def _messages(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        at = time.time()
        customer = body["recipient"]["id"]
        if "message" not in body:
            return web.json_response({"recipient_id": customer})
        mid = f"m_sent{next(self._numbers)}"
        message = body["message"]
        self.accepted(Sent(customer, mid, message.get("metadata", ""), message.get("text", ""), at))
        return web.json_response({"recipient_id": customer, "message_id": mid})


async def _done(_request: web.Request) -> web.Response:
    return web.json_response({"success": True})


async def _nobody(_request: web.Request) -> web.Response:
    return web.json_response({"data": [{"thread_owner": {}}]})


async def _profile(_request: web.Request) -> web.Response:
    return web.json_response({"first_name": "Mia", "last_name": "Winter"})


class Waiting:
    """Who waits for answers to a customer. Each message is answered once, in order."""

    def __init__(self) -> None:
        self._answers: defaultdict[str, deque[asyncio.Future[float]]] = defaultdict(deque)

    def expect(self, customer: str) -> "asyncio.Future[float]":
        """`time.time()` of the customer's next answer that nobody waits for yet."""
        found: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._answers[customer].append(found)
        return found

    def came(self, customer: str, at: float) -> None:
        if self._answers[customer]:
            expected = self._answers[customer].popleft()
            if not expected.done():
                expected.set_result(at)

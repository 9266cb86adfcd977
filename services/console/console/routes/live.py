"""The live socket: a tab subscribes to conversations and inboxes, and is told what changes."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from console import access, sessions
from console.access import Rule
from console.frames import CLIENT_FRAMES, Gap, Hello, Ping, Pong, Refused, Subscribe, Subscribed, Unsubscribed
from console.live import MAX_OF_SESSION, MAX_SOCKETS, MAX_STREAMS, STOPPING, Socket, Subscription
from console.problems import Problem, Refusal, from_validation, refuse, unavailable
from console.registry import Call, Nothing, Routes
from console.repository import conversations
from console.services import Services
from runtime.errors import passes
from runtime.logs import get_logger

routes = Routes("Live")

HEARTBEAT: Final = 20.0  # seconds between pings of the protocol
MAX_FRAME: Final = 64 * 1024  # bytes
MAX_BAD: Final = 20  # frames of a socket that cannot be read, before it is closed
CLOSE_WAIT: Final = 2.0  # seconds for a browser to agree to closing
POLICY: Final = 1008  # close code
FAULT: Final = 1011  # close code

log = get_logger(__name__)


@routes.route("GET", "/live", "live", responses={101: None}, problems=(400, 403, 429))
async def live(call: Call[Nothing, Nothing, Nothing]) -> web.StreamResponse:
    """A WebSocket. It sends ServerFrame and takes ClientFrame, both JSON; code 4401 closes it when the session is over."""
    services, operator = call.services, call.operator
    hashed = sessions.token_hash(call.session.token)
    if services.live.of_session(hashed) >= MAX_OF_SESSION:
        raise refuse(429, "too_many_sockets", "This browser has too many live views open.")
    if services.live.sockets >= MAX_SOCKETS:
        raise unavailable("busy", "Too many live views are open.")
    response = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME)
    if not response.can_prepare(call.request):
        raise refuse(400, "not_a_socket", "This address takes WebSockets only.")
    await response.prepare(call.request)
    await _Tab(services, call.request, response, Socket(operator, hashed, lambda *_: None)).run()
    return response


class _Tab:
    """One browser tab: a task that sends what waits, and the loop that reads what it asks."""

    def __init__(
        self, services: Services, request: web.Request, response: web.WebSocketResponse, socket: Socket
    ) -> None:
        self._services = services
        self._request = request
        self._response = response
        self._socket = socket
        self._socket.close = self._close
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._bad = 0

    async def run(self) -> None:
        """Until the browser goes, or the console closes it."""
        self._services.live.add(self._socket)
        self._socket.offer(Hello(server_time=self._services.now(), operator=self._socket.operator))
        tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write())]
        waiting: list[asyncio.Future[Any]] = [*tasks, self._closing]  # Any: each has a result of its own kind
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._services.live.remove(self._socket)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception) and not passes(result):
                    log.error("a live view failed", exc_info=result)
                    self._close(FAULT, "a fault of ours")
            await self._end()

    def _close(self, code: int, reason: str) -> None:
        if not self._closing.done():
            self._closing.set_result((code, reason))

    async def _end(self) -> None:
        code, reason = self._closing.result() if self._closing.done() else (1000, "")
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_WAIT):
                await self._response.close(code=code, message=reason.encode())
                return
        if self._request.transport is not None:
            self._request.transport.abort()  # it does not read: the close frame never left

    async def _write(self) -> None:
        while True:
            await self._response.send_str(await self._socket.queue.get())

    async def _read(self) -> None:
        async for message in self._response:
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            else:
                self._refused(None, refuse(400, "bad_frame", "Frames are JSON texts."))

    async def _take(self, text: str) -> None:
        try:
            frame = CLIENT_FRAMES.validate_json(text).root
        except ValidationError as error:
            self._refused(None, from_validation(error))
            return
        if isinstance(frame, Ping):
            self._socket.offer(Pong(server_time=self._services.now()))
            return
        try:
            if isinstance(frame, Subscribe):
                await self._subscribe(frame)
            else:
                self._socket.unsubscribe(frame.stream)
                self._socket.offer(Unsubscribed(stream=frame.stream))
        except Refusal as refusal:
            self._refused(frame.stream, refusal)
        except Exception as error:
            if not passes(error):
                raise
            self._close(STOPPING, "the database does not answer")

    async def _subscribe(self, frame: Subscribe) -> None:
        """Raises `Refusal` (404) for what is not the operator's to see."""
        socket = self._socket
        if frame.stream not in socket.subscriptions and len(socket.subscriptions) >= MAX_STREAMS:
            raise refuse(409, "too_many_streams", "The socket follows as many streams as it can.", field="stream")
        bot = await authorised(self._services, socket, frame.stream)
        last = (await conversations.last_of_streams(self._services.pool, [frame.stream]))[frame.stream]
        after = last if frame.after is None else frame.after
        socket.unsubscribe(frame.stream)
        if after > last:  # a number of another database: nothing can follow it
            socket.offer(Gap(stream=frame.stream, after=after, last=last))
            return
        socket.offer(Subscribed(stream=frame.stream, after=after, last=last))
        socket.subscribe(Subscription(frame.stream, bot, after))

    def _refused(self, stream: str | None, refusal: Refusal) -> None:
        self._bad += 1
        if self._bad > MAX_BAD:
            self._close(POLICY, "too many frames that cannot be read")
            return
        problem: Problem = refusal.problem
        self._socket.offer(Refused(stream=stream, problem=problem))


async def authorised(services: Services, socket: Socket, stream: str) -> str:
    """The bot whose operators may follow the stream. Raises `Refusal` (404) where the socket's is none of them."""
    prefix, _, name = stream.partition(":")
    match access.STREAMS[f"{prefix}:"]:
        case Rule.CONVERSATION:
            bot = await conversations.bot_of(services.pool, name)
            access.check_bot(socket.operator, bot, what="conversation")
        case _:
            bot = name
            access.check_bot(socket.operator, bot)
    return bot or ""

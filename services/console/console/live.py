"""The live view of one process: its sockets, what they subscribe to, and the loop that brings them new events.

Events are in the database, numbered within their stream in the order of their commits. So every process reads on from
the last number it has sent, whichever process wrote them, and misses none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from pydantic import BaseModel

from console import metrics
from console.frames import Gap, Unsubscribed, event_text
from console.operators import Operator
from console.repository import live as repository
from console.repository.accounts import Window, find_sessions
from console.settings import ConsoleSettings
from runtime.errors import passes
from runtime.health import Component, Health
from runtime.logs import get_logger
from runtime.postgres import Pool

PAGE: Final = 200  # events of a stream that are read together
QUEUE: Final = 1000  # frames that wait for a socket
MAX_STREAMS: Final = 200  # of one socket
MAX_SOCKETS: Final = 5000  # of one process
MAX_OF_SESSION: Final = 30  # sockets: tabs of one browser
LOST: Final = 4401  # close code: sign in again
SLOW: Final = 1013  # close code: try again later
STOPPING: Final = 1012  # close code: the service restarts
PAUSE: Final = 1.0  # seconds after a failure of the database

log = get_logger(__name__)


class Closing(Protocol):
    """How a socket is closed; must not wait."""

    def __call__(self, code: int, reason: str) -> None: ...


@dataclass(slots=True, eq=False)
class Subscription:
    """`after`: the number of the last event that was handed to the socket. `bot`: whose operators may see the stream."""

    stream: str
    bot: str
    after: int


@dataclass(slots=True, eq=False)
class Socket:
    """One browser tab. Frames wait in `queue`, which its own task sends."""

    operator: Operator
    token_hash: bytes
    close: Closing
    queue: "asyncio.Queue[str]" = field(default_factory=lambda: asyncio.Queue(QUEUE))
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    full_since: float | None = None

    def offer(self, frame: BaseModel) -> None:
        """An answer to the browser; one that leaves no place for it reads nothing and is closed."""
        try:
            self.queue.put_nowait(frame.model_dump_json())
        except asyncio.QueueFull:
            self.close(SLOW, "too slow")

    @property
    def has_place(self) -> bool:
        """Whether a page of events fits in."""
        return self.queue.qsize() + PAGE <= QUEUE

    def subscribe(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.stream] = subscription

    def unsubscribe(self, stream: str) -> None:
        self.subscriptions.pop(stream, None)


class Live:
    def __init__(
        self, pool: Pool, settings: ConsoleSettings, now: Callable[[], datetime], health: Health | None = None
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._now = now
        self._sockets: set[Socket] = set()
        self._some = asyncio.Event()
        self._component: Component = (health or Health()).component("live")
        self._component.ok()

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    def of_session(self, token_hash: bytes) -> int:
        return sum(socket.token_hash == token_hash for socket in self._sockets)

    def add(self, socket: Socket) -> None:
        self._sockets.add(socket)
        self._some.set()
        metrics.LIVE_SOCKETS.set(len(self._sockets))

    def remove(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if not self._sockets:
            self._some.clear()
        metrics.LIVE_SOCKETS.set(len(self._sockets))

    def close_all(self) -> None:
        self._close(list(self._sockets), STOPPING, "the console restarts")

    def session_ended(self, token_hash: bytes) -> None:
        """The operator signed out here; other processes notice by themselves."""
        self._close([socket for socket in self._sockets if socket.token_hash == token_hash], LOST, "signed out")

    def window(self) -> Window:
        now = self._now()
        return Window(
            seen_after=now - timedelta(seconds=self._settings.session_idle),
            begun_after=now - timedelta(seconds=self._settings.session_lifetime),
        )

    async def run(self) -> None:
        """Brings events to sockets and watches their sessions, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self.deliver, self._settings.live_poll))
            group.create_task(self._again(self.check_sessions, self._settings.live_session_check))

    async def _again(self, step: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            await self._some.wait()
            try:
                await step()
            except Exception as error:
                if not passes(error):
                    raise
                self._component.failing(str(error))
                log.warning("live events wait for the database", error=str(error))
                await asyncio.sleep(PAUSE)
            else:
                self._component.ok()
                await asyncio.sleep(pause)

    # --- events

    async def deliver(self) -> None:
        """One look for new events of all streams that sockets subscribe to."""
        self._close_slow()
        more = True
        while more:
            ready = [
                (socket, subscription)
                for socket in self._sockets
                if socket.has_place
                for subscription in socket.subscriptions.values()
            ]
            wants = list({(subscription.stream, subscription.after) for _, subscription in ready})
            if not wants:
                return
            found = await repository.read(self._pool, wants, PAGE)
            texts: dict[tuple[str, int], str] = {}
            for socket, subscription in ready:
                news = found.get((subscription.stream, subscription.after))
                if news is not None and socket.subscriptions.get(subscription.stream) is subscription:
                    self._hand_over(socket, subscription, news, texts)
            more = any(len(news.events) == PAGE for news in found.values())

    def _hand_over(
        self,
        socket: Socket,
        subscription: Subscription,
        news: repository.News,
        texts: dict[tuple[str, int], str],
    ) -> None:
        if not socket.has_place:
            return  # another stream has filled it; this one's turn comes
        for event in news.events:
            if event.seq != subscription.after + 1:
                break
            place = (subscription.stream, event.seq)
            if place not in texts:
                texts[place] = event_text(event.type, subscription.stream, event.seq, event.at, event.body)
            socket.queue.put_nowait(texts[place])
            subscription.after = event.seq
            metrics.LIVE_SENT.inc()
        else:
            if news.events:
                return
        self._tell_gap(socket, subscription, news.last)

    def _tell_gap(self, socket: Socket, subscription: Subscription, last: int) -> None:
        """What comes next was trimmed: the client reads by REST and subscribes anew."""
        socket.unsubscribe(subscription.stream)
        socket.offer(Gap(stream=subscription.stream, after=subscription.after, last=last))
        metrics.LIVE_GAPS.inc()

    def _close_slow(self) -> None:
        now = asyncio.get_running_loop().time()
        slow = []
        for socket in self._sockets:
            if socket.has_place:
                socket.full_since = None
            elif socket.full_since is None:
                socket.full_since = now
            elif now - socket.full_since > self._settings.live_slow:
                slow.append(socket)
        self._close(slow, SLOW, "too slow")

    # --- sessions

    async def check_sessions(self) -> None:
        """Closes sockets whose session is over, and ends subscriptions to what their operator may not see any more."""
        checked = list(self._sockets)
        if not checked:
            return
        hashes = {socket.token_hash for socket in checked}
        standing = await find_sessions(self._pool, hashes, self.window())
        self._close([each for each in checked if each.token_hash not in standing], LOST, "the session is over")
        for socket in checked:
            if socket.token_hash in standing:
                socket.operator = standing[socket.token_hash]
                _end_foreign(socket)

    def _close(self, sockets: Iterable[Socket], code: int, reason: str) -> None:
        for socket in sockets:
            metrics.LIVE_CLOSED.labels(reason).inc()
            self.remove(socket)
            socket.close(code, reason)


def _end_foreign(socket: Socket) -> None:
    for subscription in list(socket.subscriptions.values()):
        if not socket.operator.sees(subscription.bot):
            socket.unsubscribe(subscription.stream)
            socket.offer(Unsubscribed(stream=subscription.stream))

"""Carries webhooks to the apps: signed, in order for each page and app, again until they are taken.

An answer other than 200 within five seconds is a failure. The schedule of Facebook's retries is not published; here it
is exponential back-off with full jitter. After a quarter of an hour of failures Facebook warns, after an hour it
unsubscribes the app from the page and what waited is lost: so it is here, by the box's clock. Sources: "Webhooks" of the
Messenger Platform (answer, retries, the hour).
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal

import aiohttp

from facebook import events, signing
from facebook.bell import Bell
from facebook.pages import App
from facebook.record import AppTold, Outcome, WebhookTried
from facebook.shapes import Event, shaped
from facebook.world import Webhook, World

QUEUE = 10_000  # webhooks that may wait for one app of one page
WARNING = timedelta(minutes=15)  # of failures
INTRODUCTION = 300.0  # seconds in which an app that does not answer the handshake is asked again

logger = logging.getLogger("facebook.courier")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """All in seconds."""

    timeout: float = 5.0
    first: float = 0.5
    cap: float = 10.0
    disable_after: float = 3600.0

    def delay(self, attempt: int, rng: random.Random) -> float:
        """The wait after failed attempt number `attempt` (from 1)."""
        return rng.uniform(0, min(self.cap, self.first * 2.0 ** min(attempt - 1, 16)))


@dataclass(frozen=True, slots=True)
class Verification:
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Attempt:
    status: int | None
    error: str | None
    took: float


@dataclass(eq=False, slots=True)
class Delivery:
    """A webhook on its way. `over` is set when it was taken or given up."""

    webhook: Webhook
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Line:
    """What waits for one app of one page. `busy`: the app's other page carries it along."""

    page_id: str
    app_id: str
    waiting: deque[Delivery] = field(default_factory=deque)
    bell: Bell = field(default_factory=Bell)
    hurry: Bell = field(default_factory=Bell)
    failing_since: datetime | None = None
    warned: bool = False
    attempts: int = 0
    on_its_way: bool = False
    busy: bool = False
    task: asyncio.Task[None] | None = None


class Courier:
    def __init__(self, world: World, policy: RetryPolicy, rng: random.Random) -> None:
        self._world = world
        self._policy = policy
        self._rng = rng
        self._lines: dict[tuple[str, str], Line] = {}
        self._introductions: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.verified: dict[str, Verification] = {}

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self._policy.timeout)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "facebookexternalua"})

    async def stop(self) -> None:
        tasks = [line.task for line in self._lines.values() if line.task] + list(self._introductions)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def post(self, webhooks: Iterable[Webhook]) -> list[Delivery]:
        """Puts webhooks into their queues and returns at once."""
        deliveries = [Delivery(webhook) for webhook in webhooks]
        for delivery in deliveries:
            self._enqueue(delivery)
        return deliveries

    def waiting(self, app_id: str) -> int:
        return sum(len(line.waiting) for line in self._lines.values() if line.app_id == app_id)

    def failing(self, app_id: str) -> bool:
        return any(line.failing_since is not None for line in self._lines.values() if line.app_id == app_id)

    def wake(self) -> None:
        """Faults, subscriptions or the clock have changed: nothing waits for its next try any longer."""
        for line in self._lines.values():
            line.bell.ring()
            line.hurry.ring()

    def forget(self) -> None:
        """Drops everything that waits."""
        for line in self._lines.values():
            _give_up(line)

    def introduce(self, app: App) -> None:
        """Verifies the app's webhook in the background, again while it is not up."""
        task = asyncio.create_task(self._introduce(app))
        self._introductions.add(task)
        task.add_done_callback(self._introductions.discard)

    async def verify(self, app: App) -> Verification:
        """Facebook's handshake: the webhook has to return the challenge. The outcome is recorded when it changes."""
        result = await self.shake_hands(app.webhook_url, app.verify_token.get_secret_value())
        if self.verified.get(app.id) != result:
            what = "verified" if result.ok else "not_verified"
            self._world.record.add(AppTold(app_id=app.id, what=what, detail=result.detail))
        self.verified[app.id] = result
        return result

    async def shake_hands(self, url: str, verify_token: str) -> Verification:
        challenge = self._world.ids.challenge()
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        try:
            async with self._http().get(url, params=query, allow_redirects=False) as response:
                body = await response.content.read(1024)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Verification(ok=False, detail=f"no answer: {type(error).__name__}")
        if response.status != 200:
            return Verification(ok=False, detail=f"answered {response.status}")
        if body.decode(errors="replace") != challenge:
            return Verification(ok=False, detail="answered 200, but not with the challenge alone")
        return Verification(ok=True, detail="the challenge came back")

    def _enqueue(self, delivery: Delivery) -> None:
        webhook = delivery.webhook
        line = self._line(webhook.page_id, webhook.app_id)
        if len(line.waiting) >= QUEUE:
            detail = f"{QUEUE} webhooks wait already: {webhook.kind} of {webhook.psid} was dropped"
            self._world.record.add(
                AppTold(page_id=webhook.page_id, app_id=webhook.app_id, what="queue_full", detail=detail)
            )
            delivery.over.set()
            return
        line.waiting.append(delivery)
        line.bell.ring()

    def _line(self, page_id: str, app_id: str) -> Line:
        key = (page_id, app_id)
        if key not in self._lines:
            line = Line(page_id, app_id)
            line.task = asyncio.create_task(self._carry(line))
            line.task.add_done_callback(_report_death)
            self._lines[key] = line
        return self._lines[key]

    async def _carry(self, line: Line) -> None:
        while True:
            if not line.waiting or line.busy or self._world.faults.of(line.page_id).hold_webhooks:
                await line.bell.hear()
                continue
            await self._carry_next(line)

    async def _carry_next(self, line: Line) -> None:
        line.on_its_way = True
        try:
            await self._carry_batch(line)
        finally:
            line.on_its_way = False

    async def _carry_batch(self, line: Line) -> None:
        faults = self._world.faults.of(line.page_id)
        batch = self._ready(line, faults.batch)
        if not batch:
            line.waiting.popleft().over.set()
            return
        guests = self._guests(line) if faults.mix_pages else []
        for guest in guests:
            guest.busy = True
            batch += self._ready(guest, faults.batch)
        try:
            await asyncio.sleep(faults.delay_webhooks_s)
            taken = await self._try(line, batch)
            if taken and faults.redeliver:
                await self._try(line, batch)
        finally:
            for guest in guests:
                guest.busy = False
                guest.bell.ring()
        if taken:
            for each in (line, *guests):
                _taken(each, batch)
        else:
            await self._failed(line)

    def _ready(self, line: Line, most: int) -> list[Delivery]:
        return list(islice(takewhile(lambda one: self._goes_out(line, one), line.waiting), most))

    def _guests(self, line: Line) -> list[Line]:
        """The app's other pages, as far as nothing of theirs is on its way."""
        return [
            other
            for other in self._lines.values()
            if other is not line
            and other.app_id == line.app_id
            and other.waiting
            and not other.busy
            and not other.on_its_way
        ]

    def _goes_out(self, line: Line, delivery: Delivery) -> bool:
        silenced = delivery.webhook.channel == "standby" and self._world.faults.of(line.page_id).standby_off
        subscribed = self._world.registry.subscriptions.get((line.page_id, line.app_id))
        return bool(subscribed) and not silenced

    async def _try(self, line: Line, batch: Sequence[Delivery]) -> bool:
        line.attempts += 1
        app = self._world.registry.apps[line.app_id]
        attempt = await self._post(app, signing.serialise(self._envelope(batch)))
        outcome: Outcome = "delivered" if attempt.status == 200 else "retry"
        for one in batch:
            self._world.record.add(_tried(one.webhook, line.attempts, attempt, outcome))
        return outcome == "delivered"

    def _envelope(self, batch: Sequence[Delivery]) -> Event:
        hooks = [one.webhook for one in batch]
        shapes = {hook.page_id: self._world.registry.pages[hook.page_id].shapes for hook in hooks}
        shown = [
            (hook.page_id, hook.channel, hook.event if hook.as_it_is else shaped(hook.event, shapes[hook.page_id]))
            for hook in hooks
        ]
        return events.envelope(self._world.now(), shown, shapes)

    async def post_body(self, app: App, body: bytes) -> Attempt:
        """One POST of exactly these bytes, signed; it is not tried again."""
        return await self._post(app, body)

    async def _post(self, app: App, body: bytes) -> Attempt:
        loop = asyncio.get_running_loop()
        began = loop.time()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signing.signature(app.secret, body),
            "X-Hub-Signature": signing.old_signature(app.secret, body),
        }
        try:
            async with self._http().post(
                app.webhook_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Attempt(None, type(error).__name__, loop.time() - began)
        return Attempt(response.status, None, loop.time() - began)

    async def _failed(self, line: Line) -> None:
        now = self._world.now()
        line.failing_since = line.failing_since or now
        failing = now - line.failing_since
        if failing >= timedelta(seconds=self._policy.disable_after):
            self._disable(line)
            return
        if failing >= WARNING and not line.warned:
            line.warned = True
            self._note(line, "webhooks_failing", f"failing for {failing.total_seconds():.0f} s")
        await line.hurry.hear(self._policy.delay(line.attempts, self._rng))

    def _disable(self, line: Line) -> None:
        detail = f"unsubscribed after {self._policy.disable_after:.0f} s of failures; {len(line.waiting)} events lost"
        self._world.registry.subscribe(line.page_id, line.app_id, frozenset())
        self._note(line, "webhooks_disabled", detail)
        logger.warning("app %s: %s", line.app_id, detail)
        _give_up(line)

    def _note(self, line: Line, what: Literal["webhooks_failing", "webhooks_disabled"], detail: str) -> None:
        self._world.record.add(AppTold(page_id=line.page_id, app_id=line.app_id, what=what, detail=detail))

    async def _introduce(self, app: App) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + INTRODUCTION
        attempt = 0
        while not (await self.verify(app)).ok and loop.time() < deadline:
            attempt += 1
            await asyncio.sleep(0.1 + self._policy.delay(attempt, self._rng))

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the courier was not started")
        return self._session


def _report_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a delivery queue died", exc_info=task.exception())


def _taken(line: Line, batch: Sequence[Delivery]) -> None:
    """Takes those of the batch out that are the line's."""
    for one in batch:
        # A reset may have emptied the queue while the post was under way.
        if line.waiting and line.waiting[0] is one:
            line.waiting.popleft()
        one.over.set()
    line.failing_since = None
    line.warned = False
    line.attempts = 0


def _give_up(line: Line) -> None:
    while line.waiting:
        line.waiting.popleft().over.set()
    line.failing_since = None
    line.warned = False
    line.attempts = 0


def _tried(webhook: Webhook, number: int, attempt: Attempt, outcome: Outcome) -> WebhookTried:
    return WebhookTried(
        page_id=webhook.page_id,
        psid=webhook.psid,
        app_id=webhook.app_id,
        channel=webhook.channel,
        event=webhook.kind,
        mid=webhook.mid,
        attempt=number,
        outcome=outcome,
        status=attempt.status,
        error=attempt.error,
        took_ms=round(attempt.took * 1000),
        body=webhook.event,
    )

"""Whether anything may be asked of Facebook for a page, and how fast: what all processes share in the table `page`.

Each process remembers what is the matter with which page, looks every second, and asks the table again before each
request (see begin.sql), so that nobody asks for a page that another process has paused. Tokens are taken out of a page's
bucket some at a time, before they are needed, so that most requests cost nothing extra.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import asyncpg

from fb_handover import metrics
from fb_handover.channels import Channels, Connected
from fb_handover.order import Shut
from graphapi.answers import Accepted, Later, Permanent, Verdict
from graphapi.errors import Consequence
from graphapi.usage import Usage
from runtime.backoff import Rng
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.outbox import enqueue
from runtime.postgres import ACQUIRE_TIMEOUT, Connection, Pool, statements, transaction
from runtime.records import Outgoing
from schemas.pages import Health, PageStatus, Step
from schemas.topics import PAGES

LOOK_EVERY: Final = 1.0  # seconds
FULL: Final = 95.0  # percent of a limit of Facebook's from which on a page sends slowly
SLOW_FOR: Final = 60.0  # seconds after a header said so
SLOW_AFTER_PAUSE: Final = 10.0  # seconds
SLOWLY: Final = 0.1  # of the ordinary rate
LONGEST_PAUSE: Final = 3600.0  # seconds, where Facebook named none
RESTRICTED_PAUSE: Final = 3600.0  # seconds until a page that Facebook restricted is tried again
TAGS_STOP: Final = 24 * 3600.0  # seconds
STOPPED_REST: Final = 600.0  # seconds: conversations of a page without a good token are woken when it has another
TOLD_AGAIN: Final = 30.0  # seconds by which the end of a pause has moved before it is told anew
LONGEST_TURN: Final = 0.5  # seconds that a conversation waits for a token with its claim; else it rests
LEAST: Final = 0.001  # seconds between two questions for a token
SPREAD: Final = 2.0  # seconds over which the conversations of a page come back
RESTRICTED_CODE: Final = 1893063

_SQL: Final = statements("fb_handover")
log = get_logger(__name__)


class Kind(StrEnum):
    """Which of Facebook's limits a request counts for."""

    TEXT = "text"
    MEDIA = "media"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests a second for each page, by all processes together, below Facebook's limits: 300, 10 and 2.

    `bunch`: tokens that a process takes at once; what each holds unused comes on top of the rate. `waiting`: conversations
    of one page that wait for a token at the same time with their claims; the others rest, so that no page has all.
    `pause`: seconds of a first pause for which Facebook named no time; each that follows is twice as long.
    """

    text: float = 240.0
    media: float = 8.0
    look: float = 1.0
    bunch: int = 10
    waiting: int = 16
    pause: float = 60.0

    def rate(self, kind: Kind) -> float:
        return {Kind.TEXT: self.text, Kind.MEDIA: self.media, Kind.LOOK: self.look}[kind]

    def holds(self, kind: Kind) -> int:
        """Tokens at once: of what is slow, one."""
        return max(1, min(self.bunch, int(self.rate(kind) / 20.0)))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a page does not send: a word for programs, a sentence and steps for its admin."""

    code: str
    reason: str
    steps: tuple[str, ...] = ()


TOKEN_STEPS: Final = (
    "Open Publishing Configuration, Messenger, and connect the page again.",
    "What waits is sent then, in order, unless it is older than a day or a person has taken over.",
)


def trouble_of(verdict: Later | Permanent) -> Trouble:
    if isinstance(verdict, Permanent):
        return Trouble("permission", verdict.reason)
    if verdict.subcode == RESTRICTED_CODE:
        return Trouble("restricted", verdict.reason, ("Open Page Quality in Facebook and see what it asks for.",))
    return Trouble("app_rate_limited" if verdict.pauses == "app" else "rate_limited", verdict.reason)


def pause_length(named: float, first: float, *, paused: float, before: float) -> tuple[float, float]:
    """How long to pause from now on, and what the next pause is twice as long as. All in seconds.

    `named`: by Facebook, 0: nothing. `paused`: how long the present pause still lasts, negative: how long it is over.
    `before`: the last pause for which nothing was named. Calls that were under way when a pause began do not lengthen it.
    """
    if named > 0.0:
        return max(named, paused), 0.0
    if paused > 0.0:
        return paused, before
    length = min(2.0 * before, LONGEST_PAUSE) if before > 0.0 and -paused < before else first
    return length, length


def fingerprint(connected: Connected) -> str:
    """Tells one encrypted token from another, and nothing of the token."""
    return hashlib.sha256(connected.channel.page_token.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Known:
    """What is the matter with a page. `until`: monotonic seconds."""

    until: float = 0.0
    stopped: bool = False
    tags_until: float = 0.0
    slow: bool = False
    trouble: str = ""
    reason: str = ""


@dataclass(slots=True)
class _Lease:
    """Tokens of a bucket that this process holds."""

    tokens: int = 0
    asking: bool = False
    waiting: int = 0
    rests: float = 0.0
    """Monotonic seconds at which the next conversation that found no token may come back."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Pages:
    """`published` is called after each commit that stored something to tell, `woken` when conversations were woken."""

    def __init__(
        self,
        pool: Pool,
        channels: Channels,
        budget: Budget,
        *,
        published: Callable[[], None],
        woken: Callable[[], None],
        rng: Rng,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._channels = channels
        self._budget = budget
        self._published = published
        self._woken = woken
        self._rng = rng
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        """Pages that something is the matter with."""
        self._leases: defaultdict[tuple[str, Kind], _Lease] = defaultdict(_Lease)  # three for each connected page
        self._asking: set[asyncio.Task[None]] = set()

    # Before a request

    def shut(self, page: str) -> Shut | None:
        known = self._known.get(page)
        if known is None:
            return None
        if known.stopped:
            return Shut(self._rng.uniform(0.5, 1.0) * STOPPED_REST, "Facebook refuses the page's token")
        left = known.until - self._monotonic()
        return Shut(left + self._rng.uniform(0.0, min(SPREAD, left)), known.reason) if left > 0.0 else None

    def tags_stopped(self, page: str) -> bool:
        """Whether Facebook takes no message under a tag of the page at the moment."""
        known = self._known.get(page)
        return known is not None and known.tags_until > self._monotonic()

    def take(self, page: str, kind: Kind) -> bool:
        """A token, if this process holds one. Asks for more before they run out."""
        lease = self._leases[page, kind]
        if lease.tokens < 1:
            return False
        lease.tokens -= 1
        if lease.tokens < self._budget.holds(kind) // 3 and not lease.asking:
            lease.asking = True
            task = asyncio.create_task(self._ask_ahead(page, kind, lease))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        return True

    async def turn(self, page: str, kind: Kind) -> float:
        """Waits for a token; 0.0: it was taken. Else the seconds after which to come back for one."""
        if self.take(page, kind):
            return 0.0
        metrics.HELD.labels(kind).inc()
        lease = self._leases[page, kind]
        if lease.waiting >= self._budget.waiting:
            return self._rest(kind, lease)
        lease.waiting += 1
        try:
            async with lease.lock:
                until = self._monotonic() + LONGEST_TURN
                while not self.take(page, kind):
                    wait = await self._lease(page, kind, lease, min(lease.waiting, self._budget.holds(kind)))
                    if self.take(page, kind):
                        break
                    if self.shut(page) is not None or self._monotonic() + wait > until:
                        return self._rest(kind, lease)
                    await asyncio.sleep(max(wait, LEAST))
                return 0.0
        finally:
            lease.waiting -= 1

    def _rest(self, kind: Kind, lease: _Lease) -> float:
        """Each conversation that rests comes back a token later than the one before."""
        now = self._monotonic()
        lease.rests = min(max(lease.rests, now) + 1.0 / self._budget.rate(kind), now + 60.0)
        return lease.rests - now

    async def _ask_ahead(self, page: str, kind: Kind, lease: _Lease) -> None:
        try:
            await self._lease(page, kind, lease, self._budget.holds(kind) - lease.tokens)
        except Exception as error:
            if not passes(error):
                raise
        finally:
            lease.asking = False

    async def _lease(self, page: str, kind: Kind, lease: _Lease, most: int) -> float:
        """Takes tokens from the table; returns the seconds until there are `most`."""
        told = await self._fetch("lease", page, kind, most, self._budget.rate(kind), self._budget.holds(kind), SLOWLY)
        if not told:
            await self._fetch("make_page", [page])
            return 0.0
        lease.tokens += told[0]["count"]
        if told[0]["shut"] and self.shut(page) is None:
            await self.look()
        wait: float = told[0]["wait"]
        return wait

    # After an answer

    async def learn(self, connected: Connected, verdict: Verdict, *, sent: bool = True) -> None:
        """Keeps what an answer means for the page, or for all pages of the app. What cannot be stored is kept here alone.

        `sent`: it is the answer to a message; a permission to ask something else says nothing of sending.
        """
        page = connected.channel.page_id
        known = self._known.get(page)
        match verdict:
            case Accepted() if known is None and not _presses(verdict.usage):
                return
            case Accepted() | Later(pauses=None) if verdict.usage.regain_after > 0.0:
                fast = Trouble("rate_limited", "Facebook says that the page's limit is reached.")
                work = self._pause([page], fast, verdict.usage.regain_after)
            case Accepted() | Later(pauses=None) if _presses(verdict.usage) and (known is None or not known.slow):
                work = self._slow(page)
            case Accepted() if sent and known is not None and known.trouble:
                work = self._well(page)
            case Later(pauses="page" | "app" as whose):
                pages = self._channels.pages_of(connected.channel.app_id) if whose == "app" else [page]
                work = self._pause(pages, trouble_of(verdict), _named(verdict))
            case Permanent(does=Consequence.STOP_PAGE):
                work = self._stop(connected, verdict.reason)
            case Permanent(does=Consequence.STOP_TAGS):
                work = self._stop_tags(page)
            case Permanent(does=Consequence.CONFIGURATION) if sent and verdict.code in SENDING_PERMISSIONS:
                work = self._fail(page, trouble_of(verdict))
            case _:
                return
        try:
            await work
        except Exception as error:
            if not passes(error):
                raise
            log.warning(
                "what Facebook said of a page was not stored", page=page, error=f"{type(error).__name__}: {error}"
            )

    async def _pause(self, pages: Sequence[str], trouble: Trouble, named: float) -> None:
        for page in pages:
            known = self._known.setdefault(page, _Known())
            known.until = max(known.until, self._monotonic() + (named or self._budget.pause))
            known.reason, known.trouble = trouble.reason, trouble.code
        metrics.PAUSES.labels(trouble.code).inc()
        async with transaction(self._pool) as tx:
            for row in await _hold(tx, pages):
                seconds, doubles = pause_length(
                    named, self._budget.pause, paused=row["paused"], before=row["paused_for"]
                )
                await tx.execute(
                    _SQL["pause"], row["page"], seconds, doubles, trouble.code, trouble.reason, SLOW_AFTER_PAUSE
                )
                if row["trouble"] != trouble.code or seconds > max(row["paused"], 0.0) + TOLD_AGAIN:
                    until = row["at"] + timedelta(seconds=seconds)
                    await _tell(tx, row["page"], "sending", "failing", trouble, at=row["at"], until=until)
                self._known.setdefault(row["page"], _Known()).until = self._monotonic() + seconds
                log.warning("page paused", page=row["page"], reason=trouble.reason, seconds=round(seconds, 1))
        self._published()

    async def _stop(self, connected: Connected, reason: str) -> None:
        page, token = connected.channel.page_id, fingerprint(connected)
        async with transaction(self._pool) as tx:
            [row] = await _hold(tx, [page])
            newer = row["stopped_version"] is not None and row["stopped_version"] > connected.version
            if newer or row["stopped_token"] == token:
                return
            await tx.execute(_SQL["stop"], page, token, connected.version)
            trouble = Trouble("token_refused", reason, TOKEN_STEPS)
            await _tell(tx, page, "token", "failing", trouble, at=row["at"])
        self._known.setdefault(page, _Known()).stopped = True
        metrics.DEAD_TOKENS.labels(page).inc()
        log.error("Facebook refuses the page's token: nothing is sent for it until it is connected again", page=page)
        self._published()

    async def _start(self, page: str, refused: str) -> None:
        """The page has another token than the one that was refused: what waits goes on."""
        async with transaction(self._pool) as tx:
            [row] = await _hold(tx, [page])
            if row["stopped_token"] != refused:
                return
            await tx.execute(_SQL["stop"], page, None, None)
            await tx.execute(_SQL["wake_page"], page)
            await _tell(tx, page, "token", "ok", Trouble("", ""), at=row["at"])
        if (known := self._known.get(page)) is not None:
            known.stopped = False
        log.info("the page has another token: sending goes on", page=page)
        self._published()
        self._woken()

    async def _stop_tags(self, page: str) -> None:
        self._known.setdefault(page, _Known()).tags_until = self._monotonic() + TAGS_STOP
        await self._fetch("make_page", [page])
        await self._fetch("stop_tags", page, TAGS_STOP)

    async def _slow(self, page: str) -> None:
        self._known.setdefault(page, _Known()).slow = True
        await self._fetch("make_page", [page])
        await self._fetch("slow", page, SLOW_FOR)
        log.warning("the page is near Facebook's limit: it sends slowly for a while", page=page, seconds=SLOW_FOR)

    async def _fail(self, page: str, trouble: Trouble) -> None:
        async with transaction(self._pool) as tx:
            [row] = await _hold(tx, [page])
            if row["trouble"] == trouble.code:
                return
            await tx.execute(_SQL["trouble"], page, trouble.code, trouble.reason)
            await _tell(tx, page, "sending", "failing", trouble, at=row["at"])
        self._known.setdefault(page, _Known()).trouble = trouble.code
        self._published()

    async def _well(self, page: str) -> None:
        async with transaction(self._pool) as tx:
            [row] = await _hold(tx, [page])
            if row["trouble"] and row["paused"] <= 0.0:
                await tx.execute(_SQL["trouble"], page, "", "")
                await _tell(tx, page, "sending", "ok", Trouble("", ""), at=row["at"])
        if row["paused"] <= 0.0:
            self._known.pop(page, None)
        self._published()

    # What the other processes know

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("cannot look at the pages, trying again", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Reads what is the matter with which page, and lets those go on that have another token."""
        rows = await self._fetch("unwell")
        now = self._monotonic()
        self._known = {row["page"]: _known(row, now) for row in rows}
        metrics.PAUSED.set(sum(row["paused"] > 0.0 for row in rows))
        metrics.STOPPED.set(sum(row["stopped_token"] is not None for row in rows))
        for row in rows:
            if row["stopped_token"] is not None and self._has_another_token(row):
                await self._start(row["page"], row["stopped_token"])
            if row["over"] and row["trouble"] in ENDS_BY_ITSELF:
                await self._well(row["page"])

    def _has_another_token(self, row: asyncpg.Record) -> bool:
        """By settings later than those that held the one that was refused: another process may have older ones."""
        page: str = row["page"]
        connected = self._channels.connected(page) if self._channels.has(page) else None
        if connected is None:
            return False
        return bool(connected.version > row["stopped_version"] and fingerprint(connected) != row["stopped_token"])

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(_SQL[statement], *arguments)
            return rows


SENDING_PERMISSIONS: Final = frozenset({3, 10, 200})
"""Codes of a missing permission for messages; others are about thread control."""
ENDS_BY_ITSELF: Final = frozenset({"rate_limited", "app_rate_limited"})


def _known(row: asyncpg.Record, now: float) -> _Known:
    return _Known(
        until=now + row["paused"] if row["paused"] > 0.0 else 0.0,
        stopped=row["stopped_token"] is not None,
        tags_until=now + row["tags_stopped"] if row["tags_stopped"] > 0.0 else 0.0,
        slow=row["slow"],
        trouble=row["trouble"],
        reason=row["reason"],
    )


def _presses(usage: Usage) -> bool:
    return usage.percent >= FULL or usage.regain_after > 0.0


def _named(verdict: Later) -> float:
    """Seconds, by what Facebook names. 0: nothing."""
    if verdict.subcode == RESTRICTED_CODE:
        return RESTRICTED_PAUSE
    return max(verdict.usage.regain_after, verdict.wait)


async def _hold(tx: Connection, pages: Collection[str]) -> list[asyncpg.Record]:
    await tx.execute(_SQL["make_page"], sorted(pages))
    rows: list[asyncpg.Record] = await tx.fetch(_SQL["hold_pages"], list(pages))
    return rows


async def _tell(
    tx: Connection,
    page: str,
    aspect: str,
    state: Health,
    trouble: Trouble,
    *,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """In the transaction that makes it true, under the page's lock: once for each change, and in order."""
    status = PageStatus(
        id=f"page-status:{page}:{aspect}:{int(at.timestamp() * 1_000_000)}",
        occurred_at=at,
        page=page,
        aspect="token" if aspect == "token" else "sending",
        state=state,
        code=trouble.code,
        reason=trouble.reason,
        steps=tuple(Step(text=text) for text in trouble.steps),
        since=at,
        checked_at=at,
        ok_at=at if state == "ok" else None,
        until=until,
    )
    await enqueue(tx, [Outgoing(PAGES, status)])

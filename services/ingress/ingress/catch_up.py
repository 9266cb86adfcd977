"""What webhooks did not bring: read from Facebook's Conversations API, and published as the events they would have brought.

A demand is a record in the topic `pages`, so that it outlives the process: `due` until what was missed is in the log. It is
waited a little before, for Facebook tries again by itself what it could not deliver, and such a webhook tells more.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import orjson
from aiokafka.errors import KafkaError

from graphapi.answers import Accepted, Later, Permanent, Unknown, Verdict
from graphapi.request import Credentials, GraphRequest
from ingress import history, metrics
from ingress.channels import Channel, Channels
from ingress.history import Conversation
from ingress.leader import Leader
from ingress.scanning import scan
from runtime import backoff
from runtime import errors as runtime_errors
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas import envelope
from schemas.base import BaseEvent
from schemas.conversations import MessageSent
from schemas.pages import PageCatchUp
from schemas.topics import CONVERSATIONS, PAGES

LOOK_EVERY: Final = 1.0  # seconds
SETTLE: Final = timedelta(seconds=60)  # for webhooks that Facebook delivers again by itself
MARGIN: Final = timedelta(minutes=5)  # before what is known to be missed: clocks differ, and copies do no harm
OLDEST: Final = timedelta(days=7)  # what is older changes nothing any more
CALL_EVERY: Final = 0.55  # seconds between calls for a page: Facebook lets two a second pass
LISTED: Final = 10  # conversations of one answer, with up to 20 messages each
AT_ONCE: Final = 4  # pages
MOST: Final = 100_000  # conversations of a page: a bound, beyond which something is wrong
TRIES: Final = 8  # of one call
RETRY_FIRST: Final = 2.0  # seconds
RETRY_CAP: Final = 120.0  # seconds
SENT: Final = next(iter(envelope.type_names(MessageSent)))

log = get_logger(__name__)


class Asks(Protocol):
    """What of the Graph API's client is needed."""

    async def ask(self, request: GraphRequest, credentials: Credentials, *, within: float | None = None) -> Verdict: ...


class NotTold(Exception):
    """Facebook does not tell the page's conversations."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Demands:
    """What is to be caught up, by page, as of the topic `pages`."""

    def __init__(self, publisher: Publisher, now: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._now = now
        self._last: dict[str, PageCatchUp] = {}

    def apply(self, _key: str, event: BaseEvent | None) -> None:
        """A record of `pages`."""
        if isinstance(event, PageCatchUp):
            self._last[event.page] = event

    def due(self) -> list[PageCatchUp]:
        return [demand for demand in self._last.values() if demand.state == "due"]

    def last(self, page: str) -> PageCatchUp | None:
        return self._last.get(page)

    async def demand(self, page: str, missed_since: datetime, reason: str) -> None:
        """Returns when the broker has it. Where there is one already, it begins at the earlier of both times."""
        before, now = self._last.get(page), self._now()
        if before is not None and before.state == "due":
            missed_since = min(missed_since, before.missed_since)
        asked = PageCatchUp(
            id=f"page-catch-up:{page}:{int(now.timestamp() * 1000)}",
            occurred_at=now,
            page=page,
            state="due",
            missed_since=missed_since,
            asked_at=now,
            reason=reason,
        )
        await self._tell(asked)
        log.warning("webhooks of a page were missed: its conversations are read", page=page, why=reason)

    async def done(self, demand: PageCatchUp, conversations: int, messages: int) -> None:
        """Unless another demand came meanwhile: that one is still due."""
        if self._last.get(demand.page) == demand:
            now = self._now()
            changes = {"state": "done", "done_at": now, "conversations": conversations, "messages": messages}
            await self._tell(demand.model_copy(update={**changes, "id": f"{demand.id}:done", "occurred_at": now}))

    async def _tell(self, record: PageCatchUp) -> None:
        await self._publisher.publish([Outgoing(PAGES, record)])
        self._last[record.page] = record


class CatchUp:
    """Runs in every pod and works in the one that leads."""

    def __init__(
        self,
        settings: ServiceSettings,
        publisher: Publisher,
        graph: Asks,
        channels: Channels,
        demands: Demands,
        *,
        now: Callable[[], datetime],
        settle: timedelta = SETTLE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._graph = graph
        self._channels = channels
        self._demands = demands
        self._now = now
        self._settle = settle
        self._sleep = sleep
        self._later: dict[str, datetime] = {}
        """Pages that failed → when they are tried again."""

    async def run(self, leader: Leader) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(LOOK_EVERY)
            if leader.leads:
                await self.look()

    async def look(self) -> None:
        """Catches up what is due. What fails stays due, and is tried again minutes later."""
        now = self._now()
        serving = {channel.page: channel for channel in self._channels.known.channels}
        ready = [
            demand
            for demand in self._demands.due()
            if demand.page in serving
            and now >= demand.asked_at + self._settle
            and self._later.get(demand.page, now) <= now
        ]
        if not ready:
            return
        try:
            since = min(self._since(demand) for demand in ready)
            ours = await self._sent({demand.page for demand in ready}, since)
        except (KafkaError, OSError, TimeoutError, runtime_errors.Later) as error:
            log.warning("the log could not be read for what we sent", error=str(error))
            self._put_off(ready)
            return
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(demand: PageCatchUp) -> None:
            async with gate:
                await self._guarded(demand, serving[demand.page], ours)

        await asyncio.gather(*(one(demand) for demand in ready))

    def _put_off(self, demands: Collection[PageCatchUp]) -> None:
        for demand in demands:
            self._later[demand.page] = self._now() + timedelta(seconds=RETRY_CAP)

    def _since(self, demand: PageCatchUp) -> datetime:
        return max(demand.missed_since - MARGIN, self._now() - OLDEST)

    async def _guarded(self, demand: PageCatchUp, channel: Channel, ours: Collection[str]) -> None:
        try:
            await self._page(demand, channel, ours)
        except NotTold as error:
            log.warning("a page's conversations cannot be read", page=demand.page, why=error.reason)
            self._put_off([demand])
        except runtime_errors.Later as error:
            log.warning("what was missed is not in the log yet", page=demand.page, error=str(error))
            self._put_off([demand])

    async def _page(self, demand: PageCatchUp, channel: Channel, ours: Collection[str]) -> None:
        since, until = self._since(demand), demand.asked_at + self._settle
        conversations = messages = cut = 0
        async for found in self._conversations(channel, since):
            events = list(history.events(found, channel.page, channel.app, since=since, until=until, ours=ours))
            conversations += bool(events)
            messages += len(events)
            cut += found.cut and found.messages[:1] != () and found.messages[0].at > since
            await self._publisher.publish([Outgoing(CONVERSATIONS, event) for event in events])
        metrics.CAUGHT_UP.inc(messages)
        if cut:
            metrics.CUT.inc(cut)
            log.error("more was said in some conversations than Facebook keeps to be read", page=demand.page, count=cut)
        await self._demands.done(demand, conversations, messages)
        log.info("what a page missed is in the log", page=demand.page, events=messages)

    async def _conversations(self, channel: Channel, since: datetime) -> AsyncIterator[Conversation]:
        """Newest first, until one that nothing was said in since then. Raises NotTold."""
        after: str | None = None
        seen, limit = 0, LISTED
        while seen < MOST:
            answer, limit = await self._part(channel, after, limit)
            part = history.part(answer, channel.page)
            for found in part.conversations:
                if found.updated_at is not None and found.updated_at < since:
                    return
                yield found
            seen += len(part.conversations)
            after = part.after
            if after is None:
                return
            await self._sleep(CALL_EVERY)

    async def _part(self, channel: Channel, after: str | None, limit: int) -> tuple[object, int]:
        """The answer, and how many conversations to ask for from then on: one at a time where answers are too long."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        reason = ""
        for _ in range(TRIES):
            query = [("fields", history.FIELDS), ("limit", str(limit)), ("platform", "messenger")]
            if after is not None:
                query.append(("after", after))
            request = GraphRequest(f"{channel.page}/conversations", query=tuple(query))
            verdict = await self._graph.ask(request, channel.page_credentials())
            match verdict:
                case Accepted(body=body):
                    return body, limit
                case Permanent(reason=reason):
                    raise NotTold(reason)
                case Unknown(reason=reason):
                    limit = 1
                case Later(reason=reason):
                    pass
                case _:
                    raise NotTold("Another app has the conversations.")
            await self._sleep(max(CALL_EVERY, next(waits)))
        raise NotTold(reason)

    async def _sent(self, pages: Collection[str], since: datetime) -> Collection[str]:
        """Mids of what our app sent for these pages since then, as the log has it."""
        prefixes = tuple(f"messenger:{page}:".encode() for page in pages)
        mids: set[str] = set()
        async with scan(self._settings, CONVERSATIONS) as recorded:
            starts, ends = await recorded.at(since), await recorded.ends()
            async for records in recorded.read(starts, ends):
                for record in records:
                    headers: Mapping[str, bytes] = dict(record.headers)
                    if record.key and record.key.startswith(prefixes) and envelope.header(headers, "ce_type") == SENT:
                        mids.add(_mid(record.value))
        return mids


def _mid(value: bytes | None) -> str:
    try:
        told = orjson.loads(value or b"{}")
    except ValueError:
        return ""
    mid = told.get("mid") if isinstance(told, dict) else None
    return mid if isinstance(mid, str) else ""

"""What came for a page before a bot had it: taken from the dead letters into the log, in order, once a bot has the page.

Until then, and while it is being taken in, the page's new events go to the dead letters too (see `gate`). When nothing more
waits, `page.opened.v1` lets them go to the log; what comes in the seconds of the change is held by whoever takes it until
the last letters are in. Letters that come later still, from a pod that was cut off or its spool, are taken in for an hour.
Dying at any point costs nothing but reading again: events keep their ids.
"""

import asyncio
import base64
import binascii
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from aiokafka.errors import KafkaError

from ingress import metrics
from ingress.channels import Channels
from ingress.gate import HOLD, Gate
from ingress.leader import Leader
from ingress.messenger import Parsed, parse
from ingress.scanning import Scan, scan
from runtime import backoff
from runtime.errors import Later, RecordTooLarge
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.packing import Packed, pack_one
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas import envelope
from schemas.base import BaseEvent
from schemas.deadletters import DeadLetter
from schemas.pages import PageOpened
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, PAGES

LOOK_EVERY: Final = 1.0  # seconds between looks whether a page became known
LATE_EVERY: Final = 5.0  # seconds between looks for letters that came late
LATE: Final = timedelta(hours=1)
FEW: Final = 100  # letters of a pass, after which the page can open: the next pass is quick
SEEN: Final = HOLD / 4  # seconds in which all pods read that the page opens
RETRY_FIRST: Final = 1.0  # seconds
RETRY_CAP: Final = 60.0  # seconds

log = get_logger(__name__)


class Backlog:
    """Runs in every pod and works in the one that leads."""

    def __init__(
        self,
        settings: ServiceSettings,
        publisher: Publisher,
        channels: Channels,
        gate: Gate,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._channels = channels
        self._gate = gate
        self._now = now
        self._sleep = sleep
        self._late: dict[str, Sequence[int]] = {}
        """Page → offsets up to which letters that came late were looked for."""

    async def run(self, leader: Leader) -> None:
        """Until cancelled."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        turns = 0
        while True:
            await self._sleep(LOOK_EVERY)
            if not leader.leads:
                self._late.clear()
                continue
            turns += 1
            try:
                await self.look(late=turns % int(LATE_EVERY / LOOK_EVERY) == 0)
            except (KafkaError, OSError, TimeoutError, Later) as error:
                log.warning("what waits for a page is not taken in yet", error=str(error))
                await self._sleep(next(waits))
            else:
                waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)

    async def look(self, *, late: bool = True) -> None:
        """Opens the pages that became known. Raises Later, KafkaError."""
        known = self._channels.known.pages
        metrics.UNKNOWN_PAGES.set(len(self._gate.waiting.keys() - known.keys()))
        ready = [page for page in self._gate.waiting if page in known]
        opened = [fact for fact in self._gate.openings if self._now() - fact.opens_at < LATE]
        if not ready and not (late and opened):
            return
        async with scan(self._settings, DEAD_LETTERS) as letters:
            for page in ready:
                await self._open(letters, page)
            for fact in opened:
                if fact.page in known and fact.page not in ready:
                    await self._take_late(letters, fact)

    async def _open(self, letters: Scan, page: str) -> None:
        before = self._gate.opened(page)
        at: Sequence[int] = before.taken if before is not None else await letters.begins()
        if len(at) != len(await letters.ends()):
            at = await letters.begins()
        found, total = FEW + 1, 0
        while found > FEW:
            found, at = await self._pass(letters, page, at)
            total += found
        now = self._now()
        opening = PageOpened(
            id=f"page-opened:{page}:{int(now.timestamp() * 1000)}",
            occurred_at=now,
            page=page,
            opens_at=now + timedelta(seconds=HOLD),
            taken=tuple(at),
        )
        await self._publisher.publish([Outgoing(PAGES, opening)])
        await self._sleep(SEEN)
        last, self._late[page] = await self._pass(letters, page, at)
        log.info("what waited for a page is in the log", page=page, count=total + last)

    async def _take_late(self, letters: Scan, fact: PageOpened) -> None:
        at = self._late.get(fact.page, fact.taken)
        if list(at) != await letters.ends():
            _, self._late[fact.page] = await self._pass(letters, fact.page, at)

    async def _pass(self, letters: Scan, page: str, at: Sequence[int]) -> tuple[int, Sequence[int]]:
        """Takes in the page's letters from `at` to the present end: how many, and that end."""
        ends = await letters.ends()
        apps = self._channels.known.pages.get(page, frozenset())
        prefix = f"messenger:{page}:".encode()
        count = 0
        async for records in letters.read(at, ends):
            packed: list[Packed] = []
            for record in records:
                if record.key is not None and record.key.startswith(prefix):
                    letter = _letter(record.value, record.headers)
                    if letter is not None:
                        written = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                        packed += _packed(letter, page, apps, written, envelope.traceparent(tuple(record.headers)))
            if packed:
                await self._publisher.publish_packed(packed)
                metrics.TAKEN_IN.inc(len(packed))
                count += len(packed)
        return count, ends


def _letter(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> DeadLetter | None:
    try:
        event = envelope.decode(DEAD_LETTERS, value, tuple(headers))
    except envelope.BadRecord:
        return None
    return event if isinstance(event, DeadLetter) and event.reason == "unknown_page" else None


def _packed(
    letter: DeadLetter, page: str, apps: frozenset[str], written: datetime, traceparent: str | None
) -> Iterator[Packed]:
    """The log's records that the letter comes to. One signed by an app that does not serve the page stays a letter."""
    if not apps.intersection(letter.headers.get("apps", "").split(",")):
        return
    for event in events(letter, page, written):
        try:
            yield pack_one(CONVERSATIONS, event, traceparent)
        except RecordTooLarge:
            log.warning("a dead letter is too large for the log", page=page, key=letter.key)


def events(letter: DeadLetter, page: str, written: datetime) -> Iterator[BaseEvent]:
    """What the letter tells, as if it had come for a known page. `written`: when it was; where Facebook told no time, then."""
    try:
        original = orjson.loads(base64.b64decode(letter.value_base64, validate=True))
        told = json.loads(letter.headers["entry_time"]) if "entry_time" in letter.headers else None
    except (ValueError, binascii.Error):
        log.warning("a dead letter cannot be read again", page=page, key=letter.key)
        return
    entry = {"id": page, "time": told, letter.headers.get("array", "messaging"): [original]}
    for part in parse({"object": "page", "entry": [entry]}, received=written):
        if isinstance(part, Parsed):
            event = part.event
            yield event if event.occurred_at is not None else event.model_copy(update={"occurred_at": written})

"""Where a webhook's records go: to the broker, or, while it does not acknowledge in time, into the spool and behind it.

Records of a conversation are in the log in the order in which their webhooks were answered. What was handed to the broker
without an answer goes into the spool too, so it may be in the log twice: event ids are derived from what Facebook sent, and
every reader passes over an id that it has seen within 7 days.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from ingress import metrics
from ingress.refusals import DiskFailed, NotStored, SpoolFull
from ingress.spool import Frame, Spool, framed
from runtime import backoff
from runtime.errors import Later, WrongPartitions
from runtime.health import Component
from runtime.logs import get_logger
from runtime.packing import Packed, dump, load

SPARE: Final = 1.5  # seconds of a webhook's budget that are kept for the disk
MAX_QUEUED: Final = 32 * 1024 * 1024  # bytes that wait for the disk
BATCH: Final = 500  # records replayed at once, or one webhook's if that has more
NEAR: Final = (
    256 * 1024
)  # bytes that are left when new webhooks wait for the end of the replay instead of prolonging it
HOLD: Final = 0.5  # seconds for which they do
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds
DRAIN: Final = 3.0  # seconds that a stop gives the replay; the next start does the rest

log = get_logger(__name__)
T = TypeVar("T")


class Publishes(Protocol):
    """What of the publisher is needed."""

    async def publish_packed(self, packed: Sequence[Packed], /, *, within: float | None = None) -> None: ...
    def give_up(self) -> None: ...


@dataclass(slots=True)
class _Queued:
    """A frame that waits for the disk, and who waits for it."""

    data: bytes
    records: int
    at: int
    stored: "asyncio.Future[None]"


class Delivery:
    """Takes the publisher's place for the webhooks. `run` must run beside it."""

    def __init__(
        self, spool: Spool, *, limit: int, component: Component, clock: Callable[[], float] = time.time
    ) -> None:
        self._spool = spool
        self._limit = limit
        self._component = component
        self._clock = clock
        self._publisher: Publishes | None = None
        self._connected = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._behind = spool.records > 0  # the spool holds something, or is about to: nothing new overtakes it
        self._trouble = asyncio.Event()
        self._queue: deque[_Queued] = deque()
        self._queued = 0  # bytes
        self._writer: asyncio.Task[None] | None = None
        self._written = asyncio.Event()
        self._held: deque[asyncio.Future[None]] | None = None  # webhooks that wait for the end of the replay
        self._empty = asyncio.Event()
        if self._behind:
            self._trouble.set()
            log.warning("webhooks of before wait in the spool", records=spool.records, bytes=spool.size)
        else:
            self._empty.set()
        metrics.SPOOL_BYTES.set_function(lambda: spool.size)
        metrics.SPOOL_RECORDS.set_function(lambda: spool.records)
        metrics.SPOOL_AGE.set_function(self._age)
        component.watch(self._full)
        self._tell()

    def connect(self, publisher: Publishes) -> None:
        """The broker was reached. Until then everything goes into the spool."""
        self._publisher = publisher
        self._connected.set()

    async def publish_packed(self, packed: Sequence[Packed], *, within: float) -> None:
        """Returns when the broker, or the disk, has all of them. Raises NotStored, SpoolFull, DiskFailed, WrongPartitions."""
        if not packed:
            return
        publisher = self._publisher
        if publisher is not None and not self._behind:
            began = time.monotonic()
            try:
                await publisher.publish_packed(packed, within=max(within - SPARE, within / 2))
            except Later as error:
                self._turn_to_disk(str(error))
            else:
                return
            within -= time.monotonic() - began
        await self._behind_all(packed, within)

    async def run(self) -> None:
        """Replays the spool whenever it holds something. Until cancelled."""
        await self._connected.wait()
        while True:
            await self._trouble.wait()
            await self._replay()

    async def close(self, replay: "asyncio.Task[None]") -> None:
        """Once no webhook is under way: a short replay of what is left, and the spool is put away."""
        with suppress(TimeoutError):
            if self._publisher is not None:
                async with asyncio.timeout(DRAIN):
                    await self._empty.wait()
        replay.cancel()
        await asyncio.wait({replay})
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=DRAIN)
        if self._spool.records:
            log.warning("webhooks are left in the spool for the next start", records=self._spool.records)
        await self._in_thread(self._spool.close)
        self._thread.shutdown(wait=False)

    async def _behind_all(self, packed: Sequence[Packed], within: float) -> None:
        until = time.monotonic() + within
        if self._held is not None:
            await self._hold(self._held)
            if not self._behind and self._publisher is not None:
                await self.publish_packed(packed, within=until - time.monotonic())
                return
        await self._keep(packed, until - time.monotonic())

    async def _hold(self, held: "deque[asyncio.Future[None]]") -> None:
        """The replay is near its end: behind it there will be the broker, not the disk."""
        turn = asyncio.get_running_loop().create_future()
        held.append(turn)
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD):
                await turn

    def _turn_to_disk(self, reason: str) -> None:
        """Whoever waits for the broker comes along, in order, lest one of them overtakes what is in the spool."""
        if self._behind:
            return
        self._behind = True
        self._empty.clear()
        self._trouble.set()
        log.warning("the broker does not acknowledge: webhooks go to the spool", error=reason)
        if self._publisher is not None:
            self._publisher.give_up()

    async def _keep(self, packed: Sequence[Packed], within: float) -> None:
        if not self._behind:
            self._turn_to_disk("not reached yet")
        at = int(self._clock() * 1000)
        data = framed(dump(packed), records=len(packed), at=at)
        if self._spool.size + self._queued + len(data) > self._limit or self._queued + len(data) > MAX_QUEUED:
            self._tell()
            raise SpoolFull
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Queued(data, len(packed), at, stored))
        self._queued += len(data)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(within):
                await stored
        except TimeoutError:
            raise NotStored from None
        metrics.SPOOLED.inc(len(packed))

    async def _write(self) -> None:
        """All that came while the disk was at work is its next work: one flush for many webhooks."""
        while self._queue:
            group = list(self._queue)
            self._queue.clear()
            failed: OSError | None = None
            try:
                await self._in_thread(self._append, group)
            except OSError as error:
                failed = error
                self._disk_failed(error)
            self._queued -= sum(len(each.data) for each in group)
            for each in group:
                if not each.stored.done():
                    _settle(each.stored, failed)
            if failed is None:
                self._tell()
            self._written.set()

    def _append(self, group: list[_Queued]) -> None:
        records = sum(each.records for each in group)
        self._spool.append([each.data for each in group], records=records, at=group[0].at)

    async def _replay(self) -> None:
        """Until nothing waits, in the spool or for the disk."""
        while True:
            self._written.clear()
            found = await self._read()
            for batch, following in _batches(found):
                await self._publish([each for frame in batch for each in load(frame.payload)])
                records = sum(frame.records for frame in batch)
                await self._in_thread(self._spool.release, batch[-1], records, following)
                metrics.REPLAYED.inc(records)
            if found:
                self._near()
            elif self._queue or (self._writer is not None and not self._writer.done()):
                await self._written.wait()
            elif not self._spool.records:  # the disk may have got more since we looked
                break
        self._behind = False
        self._trouble.clear()
        self._empty.set()
        self._tell()
        log.info("the spool is empty again")
        self._let_go()

    async def _read(self) -> list[Frame]:
        for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
            try:
                return await self._in_thread(self._spool.read)
            except OSError as error:
                self._disk_failed(error)
                self._let_go()
            await asyncio.sleep(delay)
        raise AssertionError  # delays have no end

    def _disk_failed(self, error: OSError) -> None:
        log.error("the spool's disk failed", error=str(error))
        self._component.failing(f"the disk failed: {error}")

    async def _publish(self, packed: Sequence[Packed]) -> None:
        """Until the broker has them."""
        assert self._publisher is not None  # noqa: S101 - `run` waits for it
        for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
            try:
                await self._publisher.publish_packed(packed)
            except (Later, WrongPartitions) as error:
                self._tell(str(error))
                self._let_go()
            else:
                return
            await asyncio.sleep(delay)

    def _near(self) -> None:
        """Webhooks that come while the last of the spool goes out wait for that; else a busy spool would never be empty."""
        if self._held is None and self._queued + self._spool.left <= NEAR:
            self._held = deque()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        for turn in held or ():
            if not turn.done():
                turn.set_result(None)

    def _age(self) -> float:
        oldest = self._spool.oldest
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest / 1000)

    def _full(self) -> str | None:
        if self._spool.size + self._queued < self._limit - NEAR:
            return None
        return f"the spool is full: {self._spool.records} records, the oldest {self._age():.0f} s old"

    def _tell(self, reason: str = "") -> None:
        if not self._behind:
            self._component.ok("empty")
            return
        since = f", {reason}" if reason else ""
        self._component.ok(f"{self._spool.records} records wait on disk, the oldest {self._age():.0f} s{since}")

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _settle(stored: "asyncio.Future[None]", failed: OSError | None) -> None:
    if failed is None:
        stored.set_result(None)
    else:
        stored.set_exception(DiskFailed())


def _batches(found: Sequence[Frame]) -> Iterator[tuple[Sequence[Frame], Frame | None]]:
    """Frames that go out together, each with the frame that comes after them."""
    batch: list[Frame] = []
    records = 0
    for number, frame in enumerate(found):
        batch.append(frame)
        records += frame.records
        if records >= BATCH:
            yield batch, next(iter(found[number + 1 : number + 2]), None)
            batch, records = [], 0
    if batch:
        yield batch, None

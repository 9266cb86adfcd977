"""One partition in one process: owning it, deciding batch after batch, publishing in order after each commit."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Final

from runtime import backoff, metrics, repository, tracing
from runtime.errors import Fenced, NotOwned, passes
from runtime.handler import Decided, poison_letter
from runtime.health import STUCK_AFTER, Patience
from runtime.intake import Intake, read
from runtime.letters import Raw
from runtime.logs import get_logger
from runtime.packing import pack
from runtime.postgres import Connection, transaction
from runtime.publication import Committed, Publication
from runtime.records import Outgoing, Record
from runtime.repository import Ownership
from runtime.stops import STOP_REASONS, Stopped
from runtime.tally import Tally
from runtime.wiring import Handle, Job, Wiring

RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 5.0  # seconds
IDLE_CLEAR: Final = 1.0  # seconds without work after which the last published outbox row is deleted by itself
# The place behind records that nobody here wants is stored after so many seconds without work, or of nothing but such.
KEEP_PLACE: Final = 0.25
KEEP_PLACE_BUSY: Final = 1.0
# While so many batches wait in memory nothing more is fetched; what one fetch brings comes on top. Half as many: again.
BUFFERED_BATCHES: Final = 2

log = get_logger(__name__)


class Partition:
    """Run by one task, from assignment to revocation. All failures but `Stopped` lead to taking the partition anew."""

    def __init__(self, wiring: Wiring, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self._wiring = wiring
        self._owned: Ownership | None = None
        self._buffer: deque[Raw] = deque()
        self._jobs: deque[tuple[Job, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._paused = True
        self._stale = False  # the handler may remember what was rolled back
        self._trouble: str | None = "not taken yet"
        self._publication = Publication(wiring, topic, partition, self._wake.set)
        self._progress_at = wiring.clock()
        self._patience = Patience(wiring.clock)
        self._retries = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        self._in_hand = 0  # records that are being decided
        self._position = 0
        self._end = 0
        self._known = False  # the handler was told that the partition is ours
        self._tally = Tally()
        self._passed_since: float | None = None  # since when the stored place is behind, by records that nobody wants
        self.next_offset: int | None = None
        """Where the next batch begins; what is stored may be a little before it."""
        self.last_at: datetime | None = None
        """Broker's time of the last record that was taken in."""

    # What the consumer sees

    @property
    def owned(self) -> Ownership | None:
        return self._owned

    @property
    def trouble(self) -> str | None:
        """Why the partition does not work, for `/readyz`."""
        if self._trouble is not None:
            return self._trouble
        waiting = self.lag > 0 or self._publication.under_way
        idle = self._patience.idle(waiting=waiting, progress_at=self._progress_at)
        return f"{self.lag} records behind and no progress for {idle:.0f} s" if idle >= STUCK_AFTER else None

    @property
    def lag(self) -> int:
        """Records behind the end of the log, as far as it is known."""
        return len(self._buffer) + self._in_hand + max(0, self._end - self._position)

    def observe(self, end: int | None, position: int) -> None:
        """Where the log ends, and up to where it was fetched."""
        if self._owned is not None:
            self._end, self._position = end or position, position

    def feed(self, raws: Sequence[Raw], end: int | None) -> None:
        """Takes in what was fetched; asks for a pause where much is waiting."""
        if self._owned is None or self._closing:
            return  # what was fetched before the seek: it will be fetched again
        self._buffer.extend(raws)
        self.observe(end, raws[-1].offset + 1)
        if len(self._buffer) >= BUFFERED_BATCHES * self._wiring.batch_records:
            self._pause()
        self._wake.set()

    def out_of_range(self, offset: int) -> None:
        """The broker does not have `offset`."""
        if self._owned is not None and self._trouble is None:
            self._stop(Stopped("out_of_range", f"offset {offset} is not in the log; what was there is lost"))

    async def within(self, job: Job) -> None:
        """Runs `job` in the partition's order, in a transaction of its own that holds the fence; publishes what it returns.

        Returns after the commit. Raises `NotOwned`, `Fenced`, or what the job raised; after an error of the connection, or a
        `NotOwned` that came while it ran, it is open whether it was done.
        """
        if self._owned is None or self._closing:
            raise NotOwned(self.topic, self.partition)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, done))
        self._wake.set()
        await done

    def close(self) -> None:
        """Finish the batch under way, publish it, and end."""
        self._closing = True
        self._wake.set()

    # The task

    async def run(self) -> None:
        """Until `close`."""
        try:
            while not self._closing:
                try:
                    await self._take()
                    await self._work()
                except Stopped as error:
                    self._stop(error)
                    await self._rest_until_closed()
                except Fenced as error:
                    await self._lose(error)
                except Exception as error:  # noqa: BLE001 - a partition never dies in silence
                    await self._recover(error)
        finally:
            await self._leave()

    async def _take(self) -> None:
        """Makes the partition ours: fence, leftover outbox, seek; in this order."""
        wiring = self._wiring
        async with transaction(wiring.pool) as tx:
            owned = await repository.take(tx, wiring.group, self.topic, self.partition)
            self._known = True
            await wiring.handler.assigned(tx, self.topic, self.partition)
        self._stale = False
        await self._publication.leftovers(owned)
        begin, end = await wiring.feed.bounds(self.topic, self.partition)
        start = begin if owned.next_offset < 0 else owned.next_offset
        if not begin <= start <= end:
            raise Stopped(
                "out_of_range", f"stored offset {start}, but the log has {begin} to {end}; what was there is lost"
            )
        self._owned, self.next_offset, self._passed_since = owned, start, None
        self._position, self._end = start, end
        self._trouble = None
        self._made_progress()
        if not self._closing:
            wiring.feed.seek(self.topic, self.partition, start)
            self._resume()
        log.info("partition taken", **self._labels(), fence=owned.fence, offset=start)

    async def _work(self) -> None:
        while await self._something_to_do():
            if self._publication.failing:
                await self._publication.finish()  # nothing more is decided while nothing can be published
            if self._jobs:
                await self._do_job()
            if self._buffer:
                await self._do_batch()
                self._in_hand = 0
        await self._publication.finish()
        if self._owned is not None:
            await self._tidy(self._owned)

    async def _something_to_do(self) -> bool:
        """False when the partition is to be closed."""
        while not self._closing:
            if self._buffer or self._jobs:
                return True
            if self._publication.ended:
                await self._publication.finish()
            self._wake.clear()
            if not await self._rest(self._untidy_for()) and self._owned is not None:
                await self._tidy(self._owned)
        return False

    def _untidy_for(self) -> float | None:
        """Seconds without work until something is tidied up; None: nothing is to be."""
        if self._owned is None:
            return None
        if self._passed_since is not None:
            return KEEP_PLACE
        return IDLE_CLEAR if self._publication.to_clear else None

    async def _tidy(self, owned: Ownership) -> None:
        """Stores the place behind what was passed over, and deletes the outbox rows that are published."""
        if self._passed_since is not None:
            async with transaction(self._wiring.pool) as tx:
                cleared = await self._keep_place(tx, owned)
            self._place_kept(cleared)
        elif self._publication.to_clear:
            await self._publication.clear(owned)

    async def _keep_place(self, tx: Connection, owned: Ownership) -> int:
        """Holds the fence too. Returns up to which outbox row was deleted."""
        cleared, place = self._publication.published, self.next_offset or 0
        await repository.advance(
            tx,
            owned,
            first=place,
            following=place,
            published=cleared,
            week=repository.week_of(self._wiring.now()),
            hashes=(),
        )
        return cleared

    def _place_kept(self, cleared: int) -> None:
        self._publication.cleared(cleared)
        self._passed_since = None

    async def _rest(self, seconds: float | None) -> bool:
        """Waits to be woken; False if nobody did."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    # Deciding

    async def _do_batch(self) -> None:
        size = min(len(self._buffer), self._wiring.batch_records)
        raws = [self._buffer.popleft() for _ in range(size)]
        self._in_hand = size
        self._resume()
        intake = read(raws, self._wiring.unknown_types, self._wiring.types)
        if intake.passed and intake.is_nothing:
            await self._pass_over(intake)
        elif intake.count:
            await self._do_intake(intake, raws)
        if intake.unknown is not None:
            await self._publication.finish()
            raise Stopped(
                "unknown_type", f"{intake.unknown} at offset {raws[intake.count].offset}; a newer version is needed"
            )

    async def _pass_over(self, intake: Intake) -> None:
        """Nothing here is wanted: a transaction for it can wait until there is one anyway, or nothing else to do."""
        now = self._wiring.clock()
        self.next_offset = intake.next
        self._count(intake, 0, 0.0)
        self._made_progress()
        if self._passed_since is None:
            self._passed_since = now
        elif now - self._passed_since >= KEEP_PLACE_BUSY:
            await self._tidy(self._ownership())

    async def _do_intake(self, intake: Intake, raws: Sequence[Raw]) -> None:
        try:
            await self._do_all(intake)
        except Exception as error:
            if not self._is_events_fault(error):
                raise
            log.exception("a batch failed, redoing it event by event", **self._labels(), records=intake.count)
            for raw in raws[: intake.count]:
                if self._closing:
                    return  # each event has moved the offset: the next owner goes on here
                await self._do_one(read([raw], self._wiring.unknown_types, self._wiring.types))

    async def _do_one(self, intake: Intake) -> None:
        try:
            await self._do_all(intake)
        except Exception as error:
            if not self._is_events_fault(error):
                raise
            await self._after_commit(await self._put_aside(intake, error))

    async def _do_all(self, intake: Intake) -> None:
        """Raises `Stopped`, with nothing done, before a batch with too many dead letters."""
        if not intake.letters:
            await self._handle(intake)
            self._tally.taken(intake.readable)
            return
        tally, why = self._tally.with_letters(intake.letters_after, intake.readable, self._wiring.limit)
        if why is not None:
            await self._publication.finish()
            raise Stopped("undecodable", f"{why} would be dead letters; it stands before offset {intake.first}")
        await self._handle(intake)
        self._tally = tally

    def _is_events_fault(self, error: Exception) -> bool:
        """Whether the handler raised for what is in an event; then what it remembers of the partition is stale."""
        if isinstance(error, Fenced | NotOwned | Stopped) or passes(error):
            return False
        self._stale = True
        return True

    async def _put_aside(self, intake: Intake, error: Exception) -> Committed:
        """The handler's last word on an event it raised for; a handler that raises here too gets the dead letter."""
        tally, why = self._tally.with_letters([0], 0, self._wiring.limit)
        if why is not None:
            await self._publication.finish()
            raise Stopped("poisoned", f"{why} put aside, the last by {error!r}") from error
        log.error("an event was put aside", **self._labels(), offset=intake.first, exc_info=error)
        metrics.POISONED.labels(self._wiring.group, self.topic).inc()

        async def poisoned(tx: Connection, partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
            return [
                outgoing
                for record in records
                for outgoing in await self._wiring.handler.poisoned(tx, partition, record, error)
            ]

        async def letter(_tx: Connection, _partition: int, records: Sequence[Record]) -> Sequence[Outgoing]:
            return [poison_letter(record, error) for record in records]

        try:
            committed = await self._decide(intake, poisoned)
        except Exception as second:
            if not self._is_events_fault(second):
                raise
            log.exception("an event could not be put aside by its handler", **self._labels(), offset=intake.first)
            committed = await self._decide(intake, letter)
        self._tally = tally
        return committed

    async def _handle(self, intake: Intake) -> None:
        handler = self._wiring.handler
        if handler.writes and intake.records and not self._stale:
            decided = await handler.decide(self._wiring.pool, self.partition, intake.records)
            if decided is not None and await self._wrote_in_one(intake, decided):
                return
        await self._after_commit(await self._decide(intake, handler.handle))

    async def _wrote_in_one(self, intake: Intake, decided: Decided) -> bool:
        """One statement. False: nothing was written, and a transaction is to find out why."""
        wiring, owned = self._wiring, self._ownership()
        began = wiring.clock()
        cleared = self._publication.published
        with self._traced(intake):
            packed = pack([*decided.outgoing, *intake.letters])
            written = await repository.write_in_one(
                wiring.pool,
                owned,
                first=intake.first,
                following=intake.next,
                published=cleared,
                week=repository.week_of(wiring.now()),
                hashes=intake.hashes,
                packed=packed,
                writes=wiring.handler.writes,
                arguments=decided.arguments,
            )
        if written is None:
            return False
        self._place_moved(intake, cleared, len(intake.records), wiring.clock() - began)
        await self._publish(Committed(written.outbox, packed), lambda: decided.done(written.told))
        return True

    def _traced(self, intake: Intake) -> AbstractContextManager[None]:
        name = f"{self._wiring.group} {self.topic}"
        return tracing.batch(name, (record.traceparent for record in intake.records))

    def _place_moved(self, intake: Intake, cleared: int, fresh: int, seconds: float) -> None:
        """A batch is committed."""
        self._place_kept(cleared)
        self.next_offset = intake.next
        if intake.records:
            self.last_at = intake.records[-1].at
        self._count(intake, fresh, seconds)

    async def _decide(self, intake: Intake, handle: Handle) -> Committed:
        """One transaction: offset, deduplication, the handler's work, the outbox."""
        wiring, owned = self._wiring, self._ownership()
        began = wiring.clock()
        cleared = self._publication.published
        with self._traced(intake):
            async with transaction(wiring.pool) as tx:
                await self._freshen(tx)
                fresh = await repository.advance(
                    tx,
                    owned,
                    first=intake.first,
                    following=intake.next,
                    published=cleared,
                    week=repository.week_of(wiring.now()),
                    hashes=intake.hashes,
                )
                records = [
                    record for record, hashed in zip(intake.records, intake.hashes, strict=True) if hashed in fresh
                ]
                outgoing = [*await handle(tx, self.partition, records)] if records else []
                committed = await self._store(tx, owned, [*outgoing, *intake.letters])
        self._place_moved(intake, cleared, len(records), wiring.clock() - began)
        return committed

    async def _do_job(self) -> None:
        job, done = self._jobs.popleft()
        if done.cancelled():
            return
        owned = self._ownership()
        try:
            async with transaction(self._wiring.pool) as tx:
                await self._freshen(tx)
                cleared = None
                if self._passed_since is None:
                    await repository.hold(tx, owned)
                else:  # a job may ask how far the partition is
                    cleared = await self._keep_place(tx, owned)
                committed = await self._store(tx, owned, await job(tx))
        except BaseException as error:
            if not done.done():
                done.set_exception(error if isinstance(error, Exception) else NotOwned(self.topic, self.partition))
            if isinstance(error, Exception) and not isinstance(error, Fenced) and not passes(error):
                self._stale = True  # a fault of the job's: the partition goes on
                return
            raise
        if cleared is not None:
            self._place_kept(cleared)
        if not done.done():
            done.set_result(None)
        await self._after_commit(committed)

    async def _freshen(self, tx: Connection) -> None:
        if self._stale:
            await self._wiring.handler.revoked(self.topic, self.partition)
            await self._wiring.handler.assigned(tx, self.topic, self.partition)
            self._stale = False

    async def _store(self, tx: Connection, owned: Ownership, outgoing: Sequence[Outgoing]) -> Committed:
        packed = pack(outgoing)
        return Committed(await repository.store(tx, owned, packed) if packed else None, packed)

    def _ownership(self) -> Ownership:
        if self._owned is None:
            raise NotOwned(self.topic, self.partition)
        return self._owned

    async def _after_commit(self, committed: Committed) -> None:
        await self._publish(committed, lambda: self._wiring.handler.committed(self.topic, self.partition))

    async def _publish(self, committed: Committed, tell: Callable[[], None]) -> None:
        tell()
        await self._wiring.faults.reached("committed", self.topic, self.partition)
        self._made_progress()
        await self._publication.begin(committed)

    # Losing, failing, leaving

    def _stop(self, error: Stopped) -> None:
        self._owned = None
        self._trouble = str(error)
        self._pause()
        self._drop_work()
        metrics.STOPPED.labels(self._wiring.group, self.topic, self.partition, error.reason).set(1)
        log.critical("partition stopped, a person is needed", **self._labels(), error=str(error), advice=error.advice)

    async def _lose(self, error: Fenced) -> None:
        metrics.FENCED.labels(self._wiring.group, self.topic).inc()
        log.error("partition lost to another owner", **self._labels(), fence=error.fence)
        self._publication.cancel()  # the new owner does it
        await self._give_back("lost to another owner")
        await self._rest_unless_closed(self._wiring.lost_for)

    async def _recover(self, error: Exception) -> None:
        """A transaction failed, perhaps with an unknown outcome: what the database says next is what happened."""
        trouble = f"{type(error).__name__}: {error}"
        if not passes(error):
            log.error("a partition failed, trying again", **self._labels(), exc_info=error)
        elif trouble != self._trouble:  # an outage is said once
            log.warning("a batch is put off", **self._labels(), error=trouble)
        metrics.BATCH_RETRIES.labels(self._wiring.group, self.topic, type(error).__name__).inc()
        await self._give_back(trouble)
        await self._rest_unless_closed(next(self._retries))

    async def _rest_until_closed(self) -> None:
        while not self._closing:
            self._wake.clear()
            await self._rest(None)

    async def _rest_unless_closed(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rest_until_closed()

    async def _give_back(self, trouble: str) -> None:
        self._owned = None
        self._trouble = trouble
        self._pause()
        self._drop_work()
        await self._forget()

    async def _forget(self) -> None:
        if self._known:
            self._known = False
            try:
                await self._wiring.handler.revoked(self.topic, self.partition)
            except Exception:
                log.exception("a handler failed in revoked", **self._labels())

    def _drop_work(self) -> None:
        self._buffer.clear()
        self._in_hand = 0
        while self._jobs:
            _, done = self._jobs.popleft()
            if not done.done():
                done.set_exception(NotOwned(self.topic, self.partition))

    async def _leave(self) -> None:
        self._closing = True
        self._owned = None
        self._publication.cancel()
        self._drop_work()
        for reason in STOP_REASONS:
            with suppress(KeyError):
                metrics.STOPPED.remove(self._wiring.group, self.topic, self.partition, reason)
        await self._forget()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._wiring.feed.pause(self.topic, self.partition)

    def _resume(self) -> None:
        room = len(self._buffer) <= BUFFERED_BATCHES * self._wiring.batch_records // 2
        if self._paused and room and not self._closing:
            self._paused = False
            self._wiring.feed.resume(self.topic, self.partition)

    def _made_progress(self) -> None:
        self._progress_at = self._wiring.clock()

    def _count(self, intake: Intake, fresh: int, seconds: float) -> None:
        labels = (self._wiring.group, self.topic)
        self._retries = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        metrics.BATCH_SECONDS.labels(*labels).observe(seconds)
        metrics.CONSUMED.labels(*labels).inc(intake.count)
        duplicates = intake.duplicates + len(intake.records) - fresh
        for metric, amount in (
            (metrics.DUPLICATES, duplicates),
            (metrics.SKIPPED, intake.skipped),
            (metrics.UNDECODABLE, len(intake.letters)),
        ):
            if amount:
                metric.labels(*labels).inc(amount)

    def _labels(self) -> dict[str, str | int]:
        return self._wiring.labels(self.topic, self.partition)

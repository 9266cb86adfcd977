"""Timers fire through the log: a due one is appended to `conversations` and takes effect when it comes up there.

Only a partition's owner looks at its timers, under the partition's fence and between two of its batches: what is due leaves
the table and enters the outbox in one transaction. The database's clock decides what is due; ours only says when to ask.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Final, Protocol

from runtime import backoff
from runtime.consumer import Fenced, Job, NotOwned
from runtime.errors import passes
from runtime.health import Component
from runtime.logs import get_logger
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing
from schemas.topics import CONVERSATIONS
from takeover import metrics, repository

TOGETHER: Final = (
    0.04  # seconds from one firing of a partition to the next: what comes due meanwhile goes in one transaction
)
AHEAD: Final = 1  # batches of a partition's timers that are in the log undecided, before it waits for the decisions
BEHIND_AFTER: Final = 2.0  # seconds that a timer is late before it is said; they fire within 0.25 s
BEHIND_COUNTED: Final = 10_000  # of a partition: counting a million would hold up those that are waited for
BEHIND_POLL: Final = 1.0  # seconds from one look to the next while timers are behind
NOT_YET: Final = 0.1  # seconds until a partition that is assigned and not yet taken is asked again
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 5.0  # seconds

log = get_logger(__name__)

Within = Callable[[str, int, Job], Awaitable[None]]
"""`OrderedConsumer.within`."""


class Told(Protocol):
    """What the switch tells of a partition. Called inside its transactions, so before it is known that they commit."""

    def assigned(self, partition: int) -> None:
        """The partition is ours: what is in its table is unknown."""
        ...

    def revoked(self, partition: int) -> None: ...

    def stored(self, partition: int, due_at: datetime) -> None:
        """A timer was stored, the soonest of a batch."""
        ...

    def decided(self, partition: int, count: int) -> None:
        """So many fired timers came up in the log."""
        ...


@dataclass(slots=True)
class Watch:
    """One partition from its assignment to its revocation. Times are the loop's."""

    look_at: float = inf
    """When its next timer is due, as far as it is known."""
    rest_until: float = 0.0
    ahead: int = 0
    """Fired and not yet decided."""
    looking: bool = False

    @property
    def at(self) -> float:
        return inf if self.looking else max(self.look_at, self.rest_until)


class Backlog:
    """Says how many timers are behind, and how late the oldest is: in the metrics, in the readiness, and once in the log."""

    def __init__(self) -> None:
        self._since: float | None = None
        self.detail = ""

    @property
    def is_there(self) -> bool:
        return self._since is not None

    def seen(self, due: int, late: float) -> None:
        """`late`: seconds since the oldest was due."""
        behind = late >= BEHIND_AFTER
        metrics.OLDEST_DUE.set(late)
        metrics.TIMERS_BEHIND.set(due if behind else 0)
        self.detail = f"{due} timers are behind, the oldest by {late:.0f} s" if behind else ""
        now = asyncio.get_running_loop().time()
        if behind and self._since is None:
            self._since = now
            log.warning("timers are behind", timers=due, seconds=round(late, 1))
        elif not behind and self._since is not None:
            log.info("timers have caught up", seconds=round(now - self._since, 1))
            self._since = None


class Clockwork:
    """Sleeps until the next timer of the owned partitions is due, and is woken when a nearer one is stored.

    `poll`: seconds between looks for what nobody announced; they also follow the database's clock. `batch`: timers of a
    partition that fire in one transaction. A backlog goes out in batches, in turns with the partition's events, and no
    further ahead of the decisions than `AHEAD`: what a customer writes meanwhile has no more than that before it.
    """

    def __init__(self, pool: Pool, health: Component, *, batch: int, poll: float) -> None:
        self._pool = pool
        self._health = health
        self._batch = batch
        self._poll = poll
        self._watched: dict[int, Watch] = {}
        self._woken = asyncio.Event()
        self._unknown = asyncio.Event()  # there are partitions whose next timer was never asked for
        self._offset: float | None = None  # the database's time minus the loop's
        self._retries = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        self._backlog = Backlog()

    # What the switch tells (Told)

    def assigned(self, partition: int) -> None:
        self._watched[partition] = Watch()
        self._unknown.set()

    def revoked(self, partition: int) -> None:
        self._watched.pop(partition, None)

    def stored(self, partition: int, due_at: datetime) -> None:
        if partition in self._watched:
            self._sooner(self._watched[partition], due_at.timestamp())

    def decided(self, partition: int, count: int) -> None:
        watch = self._watched.get(partition)
        if watch is None:
            return
        held = self._is_held(watch)
        watch.ahead = max(0, watch.ahead - count)
        if held and not self._is_held(watch):
            watch.rest_until = 0.0
            self._woken.set()

    # The loop

    async def run(self, within: Within) -> None:
        """Until cancelled. What passes (broker or database away, a partition lost) is tried again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_polling())
            while True:
                self._woken.clear()
                now = asyncio.get_running_loop().time()
                for partition, watch in self._watched.items():
                    if watch.at <= now:
                        watch.looking = True
                        group.create_task(self._look(partition, watch, within))
                await self._rest(now)

    async def _rest(self, now: float) -> None:
        soonest = min((watch.at for watch in self._watched.values()), default=inf)
        metrics.NEXT_TIMER.set(min(soonest - now, self._poll))
        try:
            async with asyncio.timeout(None if soonest == inf else max(soonest - now, 0.0)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _look(self, partition: int, watch: Watch, within: Within) -> None:
        try:
            await self._fire(partition, watch, within)
        except (NotOwned, Fenced):
            self._put_off(watch, NOT_YET)
        except Exception as error:
            if not passes(error):
                raise
            self._put_off(watch, self._failed(error))
        finally:
            watch.looking = False
            self._woken.set()

    async def _fire(self, partition: int, watch: Watch, within: Within) -> None:
        """Fires one batch."""
        if self._is_held(watch):
            # Nothing was heard for a whole poll: what was counted came up as duplicates, or will come late.
            watch.ahead = 0
        fired = 0

        async def job(tx: Connection) -> Sequence[Outgoing]:
            nonlocal fired
            # Whoever told of a timer before this is committed, or is undone; whoever tells of one from here on comes after.
            watch.look_at = inf
            events = await repository.fire_timers(tx, partition, self._batch)
            self._follow({partition: watch}, await repository.next_timers(tx, [partition]))
            fired = len(events)
            return [Outgoing(CONVERSATIONS, event) for event in events]

        await within(CONVERSATIONS, partition, job)
        now = asyncio.get_running_loop().time()
        watch.ahead += fired
        watch.rest_until = now if fired in (0, self._batch) else now + TOGETHER
        if self._is_held(watch):
            watch.rest_until = now + self._poll  # or until it is decided
        metrics.TIMERS_FIRED.inc(fired)
        self._worked()

    def _is_held(self, watch: Watch) -> bool:
        return watch.ahead >= AHEAD * self._batch

    # Clocks

    async def _keep_polling(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._poll, BEHIND_POLL) if self._backlog.is_there else self._poll):
                    await self._unknown.wait()
            self._unknown.clear()
            watched = dict(self._watched)
            try:
                found = await repository.next_timers(self._pool, list(watched))
                await self._say_how_late(found)
            except Exception as error:
                if not passes(error):
                    raise
                self._unknown.set()
                await asyncio.sleep(self._failed(error))
            else:
                self._follow(watched, found)
                self._worked()

    async def _say_how_late(self, found: Sequence[repository.NextTimer]) -> None:
        """Before they fire. What has fired and is not decided yet is in the log: the consumer's lag tells of it."""
        late = max((each.now - each.due_at for each in found if each.due_at is not None), default=0.0)
        due = 0
        if late >= BEHIND_AFTER:
            late_ones = [each.partition for each in found if each.due_at is not None and each.due_at <= each.now]
            due = await repository.timers_behind(self._pool, late_ones, BEHIND_COUNTED)
        self._backlog.seen(due, max(0.0, late))

    def _follow(self, watched: dict[int, Watch], found: Sequence[repository.NextTimer]) -> None:
        """Takes in what the database said just now. Only lowers what is known: a batch that is under way is not in it."""
        for each in found:
            self._offset = each.now - asyncio.get_running_loop().time()
            if each.due_at is not None:
                self._sooner(watched[each.partition], each.due_at)

    def _sooner(self, watch: Watch, due_at: float) -> None:
        """`due_at`: the database's time, in seconds since 1970."""
        look_at = 0.0 if self._offset is None else due_at - self._offset
        if look_at < watch.look_at:
            watch.look_at = look_at
            self._woken.set()

    # Failures

    def _put_off(self, watch: Watch, seconds: float) -> None:
        """Nothing is known of what was to be fired, nor of what comes next."""
        watch.look_at = 0.0
        watch.rest_until = asyncio.get_running_loop().time() + seconds

    def _failed(self, error: Exception) -> float:
        """Seconds to wait."""
        self._health.failing(f"timers wait: {error}")
        log.warning("timers wait", error=str(error))
        return next(self._retries)

    def _worked(self) -> None:
        self._health.ok(self._backlog.detail)
        self._retries = backoff.delays(RETRY_FIRST, RETRY_CAP, random)

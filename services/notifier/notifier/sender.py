"""Sends what is due: claims it, looks once more whether it is needed, enters that it leaves, sends, enters what became of it."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from notifier import metrics, repository
from notifier.letter import Letter, compose, link
from notifier.notice import UNKNOWNS, Rng, State, next_attempt
from notifier.repository import Claimed, Settlement
from notifier.smtp import Later, Mailer, Refused, Unknown, envelope_address, reason
from runtime import backoff
from runtime.consumer import Job, NotOwned
from runtime.errors import Fenced, passes
from runtime.health import Component
from runtime.logs import bind, get_logger
from runtime.postgres import Connection, Pool
from runtime.records import Outgoing
from schemas.outcomes import TakeoverStarted
from schemas.topics import OUTCOMES

POLL: Final = 0.25  # seconds, while e-mails wait
QUIET: Final = 1.0  # seconds, while none does: who takes one in says so, and others come from processes that ended
CLAIM_SLACK: Final = 5.0  # seconds that a claim outlasts the longest attempt
PURGE_EVERY: Final = timedelta(hours=1)
RETRY_CAP: Final = 5.0  # seconds
SETTLE_FIRST: Final = 0.1  # seconds
SETTLE_CAP: Final = 2.0  # seconds
CLAIM_ENDS: Final = 2.0  # seconds for a claim that was being made when the process stops
DRAIN: Final = 10.0  # seconds for what is under way when the process stops

log = get_logger(__name__)


class Log(Protocol):
    """What of the consumer is needed: whose a partition is, how long it is, and work between its batches."""

    def owned(self) -> frozenset[tuple[str, int]]: ...
    async def bounds(self, topic: str, partition: int, /) -> tuple[int, int]: ...
    async def within(self, topic: str, partition: int, job: Job, /) -> None: ...


class Unwritable(Exception):
    """The e-mail could not be made from what is stored."""


@dataclass(frozen=True, slots=True)
class Config:
    """How e-mails are sent. `timeout` in seconds, for one attempt from connecting on."""

    group: str
    sender: str
    public_url: str
    timeout: float
    parallel: int
    keep: timedelta


class Sender:
    """Sends the e-mails of the partitions that this process owns. `news` is set when some were taken in."""

    def __init__(
        self,
        *,
        config: Config,
        pool: Pool,
        consumer: Log,
        mailer: Mailer,
        name_of: Callable[[str], str],
        news: asyncio.Event,
        health: Component,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        rng: Rng = random,
    ) -> None:
        self._config = config
        self._pool = pool
        self._log = consumer
        self._mailer = mailer
        self._name_of = name_of
        self._news = news
        self._health = health
        self._now = now
        self._new_id = new_id
        self._rng = rng
        self._under_way: set[asyncio.Task[None]] = set()
        self._ends: dict[int, int] = {}
        self._claiming: asyncio.Future[None] | None = None
        self._claims: deque[tuple[datetime, UUID]] = deque()  # with their ends, oldest first
        self._purged = now()
        self._waiting = 0

    async def run(self) -> None:
        """Until cancelled; then lets what is under way finish, within a bound."""
        self._health.ok("nothing sent yet")
        try:
            while True:
                await self._round_or_wait()
                await self._pause()
        finally:
            await self._drain()

    async def _round_or_wait(self) -> None:
        """One look at what is due. While the database or the broker is away, an ever longer wait."""
        waits = backoff.delays(POLL, RETRY_CAP, self._rng)
        said = False
        while True:
            try:
                await self._round()
            except Exception as error:
                if not passes(error):
                    raise
                if not said:
                    said = True
                    log.warning("e-mails cannot be looked for, trying again", error=reason(error))
                await asyncio.sleep(next(waits))
            else:
                return

    async def _pause(self) -> None:
        """Until the next look; when all places are taken, until one becomes free."""
        if len(self._under_way) < self._config.parallel:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL if self._waiting else QUIET):
                    await self._news.wait()
            self._news.clear()
        else:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _drain(self) -> None:
        if self._claiming is not None:
            await asyncio.wait({self._claiming}, timeout=CLAIM_ENDS)
            self._claiming.cancel()
            await asyncio.gather(self._claiming, return_exceptions=True)
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=DRAIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._mailer.close()
        await self._give_back()

    async def _give_back(self) -> None:
        """What was claimed and not begun is due for the next process at once, not when the claim runs out."""
        try:
            async with asyncio.timeout(CLAIM_ENDS):
                await repository.give_back(self._pool, [claim for _, claim in self._claims], now=self._now())
        except Exception as error:
            if not passes(error):
                raise
            log.warning("e-mails could not be given back, they wait for their claims to end", error=reason(error))

    async def _round(self) -> None:
        owned = {partition for topic, partition in self._log.owned() if topic == OUTCOMES}
        self._ends = {partition: end for partition, end in self._ends.items() if partition in owned}
        due, self._waiting = await repository.look(self._pool, now=self._now())
        for partition in sorted(due & owned, key=lambda _: self._rng.uniform(0.0, 1.0)):
            free = self._config.parallel - len(self._under_way)
            if free <= 0:
                break
            for mail in await self._claim(partition, free):
                self._start(mail)
        metrics.WAITING.set(self._waiting)
        if not self._waiting:
            self._health.ok("nothing waits")
        await self._mailer.close_idle()
        await self._purge()

    async def _purge(self) -> None:
        now = self._now()
        if now - self._purged >= PURGE_EVERY:
            self._purged = now
            await repository.purge(self._pool, before=now - self._config.keep)

    # Claiming

    async def _claim(self, partition: int, limit: int) -> Sequence[Claimed]:
        """Due e-mails of the partition, unless something is in the log that may tell that they are not needed."""
        if partition not in self._ends:
            self._ends[partition] = (await self._log.bounds(OUTCOMES, partition))[1]
        claimed: list[Claimed] = []

        async def job(tx: Connection) -> Sequence[Outgoing]:
            claimed.clear()
            claimed.extend(await self._claim_in(tx, partition, limit))
            return ()

        self._claiming = asyncio.ensure_future(self._log.within(OUTCOMES, partition, job))
        try:
            await asyncio.shield(self._claiming)  # a stop that comes meanwhile must know what was claimed
        except (NotOwned, Fenced):
            return ()
        return claimed

    async def _claim_in(self, tx: Connection, partition: int, limit: int) -> Sequence[Claimed]:
        read = await repository.next_offset(tx, group=self._config.group, topic=OUTCOMES, partition=partition)
        if read < self._ends[partition]:
            return ()
        del self._ends[partition]  # the next claim asks anew
        now = self._now()
        for state in await repository.settle_unknown(tx, partition, now=now):
            log.warning("an e-mail's sender ended while sending", state=state)
            if state is not State.DUE:
                metrics.SETTLED.labels(state).inc()
        until = now + timedelta(seconds=self._config.timeout + CLAIM_SLACK)
        token = self._new_id()
        while self._claims and self._claims[0][0] <= now:
            self._claims.popleft()
        self._claims.append((until, token))
        return await repository.claim(tx, partition, now=now, limit=limit, until=until, token=token)

    # Sending

    def _start(self, mail: Claimed) -> None:
        task = asyncio.create_task(self._deliver(mail))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sending an e-mail failed", exc_info=error)

    async def _deliver(self, mail: Claimed) -> None:
        with bind(conversation=mail.conversation):
            settlement = await self._attempt(mail)
            if settlement is not None:
                await self._settle(mail, settlement)

    async def _attempt(self, mail: Claimed) -> Settlement | None:
        """What one attempt came to; None where the e-mail was not to be sent any more."""
        began = False
        try:
            recipient = envelope_address(mail.address)
            message = self._message(mail, recipient)
            async with asyncio.timeout(self._config.timeout), self._mailer.connection() as connection:
                await connection.offer(recipient)
                if not await repository.begin_sending(self._pool, mail, now=self._now()):
                    return None
                began = True
                answer = await connection.transmit(message)
        except Refused as error:
            return Settlement(State.REFUSED, str(error), mail.unknowns)
        except Unwritable as error:
            return Settlement(State.GIVEN_UP, str(error), mail.unknowns)
        except Later as error:
            self._health.failing(f"the mail server: {error}")
            return self._again(mail, str(error), mail.unknowns)
        except (Unknown, TimeoutError) as error:
            note = str(error) or "no answer in time"
            self._health.failing(f"the mail server: {note}")
            return self._again(mail, note, mail.unknowns + began)
        self._health.ok()
        return Settlement(State.SENT, answer, mail.unknowns)

    def _message(self, mail: Claimed, recipient: str) -> bytes:
        try:
            started = TakeoverStarted.model_validate_json(mail.started)
            letter = Letter(
                started=started,
                bot_name=self._name_of(started.bot),
                link=link(self._config.public_url, mail.conversation),
                message_id=mail.message_id,
                written=mail.created_at,
            )
            return compose(letter, sender=self._config.sender, recipient=recipient).as_bytes()
        except ValueError as error:  # a fault of ours must not hold up the other e-mails
            log.exception("an e-mail could not be written", message_id=mail.message_id)
            raise Unwritable(f"could not be written: {type(error).__name__}") from error

    def _again(self, mail: Claimed, note: str, unknowns: int) -> Settlement:
        if unknowns >= UNKNOWNS:
            return Settlement(State.UNCERTAIN, note, unknowns)
        at = next_attempt(attempts=mail.attempts, started=mail.started_at, now=self._now(), rng=self._rng)
        if at is None:
            return Settlement(State.UNCERTAIN if unknowns else State.GIVEN_UP, note, unknowns)
        return Settlement(State.DUE, note, unknowns, due_at=at)

    async def _settle(self, mail: Claimed, settlement: Settlement) -> None:
        """Enters the outcome; keeps trying while the database is away, as long as the claim lasts."""
        waits = backoff.delays(SETTLE_FIRST, SETTLE_CAP, self._rng)
        async with asyncio.timeout(CLAIM_SLACK):
            while True:
                try:
                    state = await repository.settle(self._pool, mail, settlement, now=self._now())
                except Exception as error:
                    if not passes(error):
                        raise
                    log.warning("what became of an e-mail could not be entered yet", error=reason(error))
                    await asyncio.sleep(next(waits))
                else:
                    break
        self._count(mail, state, settlement)

    def _count(self, mail: Claimed, state: State | None, settlement: Settlement) -> None:
        if state is State.DUE:
            metrics.ATTEMPTS_FAILED.inc()
            log.warning("an e-mail was not sent, trying again", note=settlement.note, at=str(settlement.due_at))
        elif state is not None:
            metrics.SETTLED.labels(state).inc()
            say = log.info if state in {State.SENT, State.NOT_NEEDED} else log.warning
            say("an e-mail is settled", state=state, message_id=mail.message_id, note=settlement.note)
        if state is State.SENT:
            metrics.SECONDS.observe((self._now() - mail.started_at).total_seconds())

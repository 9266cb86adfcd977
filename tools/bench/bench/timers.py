"""takeover's timers, a million pending: how fast many fire that are due at once, and how late those of a busy minute are.

The process is the real one, deciding what it fires. The broker's append times say when an event was in the log.
"""

import asyncio
import io
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from bench.processes import running
from bench.servers import Servers, cpu_seconds
from runtime import topics
from runtime.kafka import Publisher, partition_of
from runtime.migrations import migrate
from runtime.records import Outgoing
from schemas.bots import BotSettings, MessengerChannel, TakeoverSettings
from schemas.conversations import SessionExpired
from schemas.handover import Cause, RequestedBy
from schemas.messages import Profile
from schemas.sessions import Session
from schemas.topics import BOTS, CONVERSATIONS
from takeover.repository import SQL
from takeover.settings import TakeoverServiceSettings
from takeover.state import Conversation, Episode
from takeover.timers import timers

PENDING: Final = 1_000_000
DUE: Final = 50_000  # of each round, and of the minute
ROUNDS: Final = 2
IDLE: Final = 14.0  # seconds for the process to start and then to idle
SPARE: Final = 1.5  # times what loading the pending ones took: that long, at most, takes loading those that fire
BETWEEN: Final = 20.0  # seconds from round to round
MINUTE: Final = 60.0  # seconds
PATIENCE: Final = 60.0  # seconds that a round may take
LOOK: Final = 0.05  # seconds between two looks at how far it is
PAGE: Final = "102938475610293"
POLLS: Final = 200
KEY: Final = f"messenger:{PAGE}:a-customer"
FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)


class Busy(Exception):
    """The machine has too much else to do for the plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When what is due. `rounds`: moments at which `due` timers each come due; then as many over a minute."""

    rounds: Sequence[datetime]
    minute: datetime
    due: int
    pending: int
    seconds: float

    @classmethod
    def made(
        cls, first: float, *, due: int = DUE, pending: int = PENDING, rounds: int = ROUNDS, seconds: float = MINUTE
    ) -> "Plan":
        """`first`: seconds from now to the first round."""
        begin = datetime.now(UTC) + timedelta(seconds=first)
        moments = [begin + timedelta(seconds=BETWEEN * number) for number in range(rounds)]
        return cls(moments, begin + timedelta(seconds=BETWEEN * rounds), due, pending, seconds)

    def deadlines(self) -> Iterator[datetime]:
        """Of those that fire: one for each conversation."""
        for moment in self.rounds:
            yield from (moment for _ in range(self.due))
        step = self.seconds / self.due
        yield from (self.minute + timedelta(seconds=step * number) for number in range(self.due))


async def measure(servers: Servers, say: Callable[[str], None]) -> Mapping[str, float]:
    """`timers_fired_per_s` is the best of the rounds, from the due time to the broker's time of the last event."""
    return await Bench(servers, say).measure()


class Bench:
    """One run: a database full of timers, a process, and looks from outside."""

    def __init__(self, servers: Servers, say: Callable[[str], None], **plan: Any) -> None:
        self._servers = servers
        self._say = say
        self._plan = plan
        self._figures: dict[str, float] = {}

    async def measure(self) -> Mapping[str, float]:
        url = await self._servers.database("timers")
        settings = TakeoverServiceSettings(kafka_bootstrap=self._servers.bootstrap, database_url=SecretStr(url))
        await topics.ensure(settings)
        await migrate(settings, "takeover", "takeover")
        publisher = await Publisher.start(settings, source="bench")
        await publisher.publish([Outgoing(BOTS, bot())])
        await publisher.stop()
        database = await asyncpg.connect(url, server_settings={"search_path": "takeover", "jit": "off"})
        try:
            began = time.monotonic()
            pending = await preload_pending(database, Plan.made(0.0, **self._plan))
            plan = Plan.made(IDLE + SPARE * (time.monotonic() - began), **self._plan)
            await preload_due(database, plan)
            await database.execute("VACUUM ANALYZE timer")
            await database.execute("CHECKPOINT")
            self._say(
                f"{pending + plan.due * (len(plan.rounds) + 1):,} timers in the table after {time.monotonic() - began:.0f} s"
            )
            environment = {"CONVOBOSS_KAFKA_BOOTSTRAP": self._servers.bootstrap, "CONVOBOSS_DATABASE_URL": url}
            async with (
                running("takeover", "takeover", environment, self._servers.folder) as takeover,
                self._log() as log,
            ):
                await takeover.ready()
                await takeover.alive_until(self._observe(plan, takeover.pid, database, log))
        finally:
            await database.close()
        return self._figures

    @asynccontextmanager
    async def _log(self) -> Any:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(CONVERSATIONS, number) for number in range(8)])
            yield Log(consumer)
        finally:
            await consumer.stop()

    async def _observe(self, plan: Plan, pid: int, database: asyncpg.Connection, log: "Log") -> None:
        await self._idle(plan, pid, database)
        found = [await self._round(moment, plan, pid, database, log) for moment in plan.rounds]
        self._figures["timers_fired_per_s"] = max(fired for fired, _ in found)
        self._figures["timers_decided_per_s"] = max(decided for _, decided in found)
        await self._minute(plan, pid, database, log)

    async def _idle(self, plan: Plan, pid: int, database: asyncpg.Connection) -> None:
        """Nothing is due: what it costs to have a million timers."""
        took = []
        for number in range(POLLS):
            began = time.perf_counter()
            await database.fetchval(SQL["next_timers"], [number % 8])
            took.append((time.perf_counter() - began) * 1000)
        poll = statistics.median(took)
        await until(plan.rounds[0] - timedelta(seconds=6))
        ours, theirs, began = cpu_seconds(pid), self._servers.postgres_cpu(), time.monotonic()
        await until(plan.rounds[0] - timedelta(seconds=1))
        seconds = time.monotonic() - began
        cpu, database_cpu = (cpu_seconds(pid) - ours) / seconds, (self._servers.postgres_cpu() - theirs) / seconds
        self._figures |= {"timers_idle_poll_ms": poll, "timers_idle_cpu": cpu, "timers_idle_database_cpu": database_cpu}
        self._say(
            f"idle: a poll takes {poll:.2f} ms; takeover uses {cpu * 1000:.1f} ms of a core a second,"
            f" PostgreSQL {database_cpu * 1000:.1f}"
        )

    async def _round(
        self, moment: datetime, plan: Plan, pid: int, database: asyncpg.Connection, log: "Log"
    ) -> tuple[float, float]:
        """Fired and decided, each a second."""
        if datetime.now(UTC) > moment:
            raise Busy("what was to happen before a round took until after it")
        begin = await log.ends()
        await until(moment - timedelta(seconds=0.2))
        before = cpu_seconds(pid)
        await log.wait(begin, plan.due)
        spent = cpu_seconds(pid) - before
        decided = await decided_at(database, await log.ends())
        left = await database.fetchval("SELECT count(*) FROM timer WHERE due_at <= $1", moment)
        if left:
            raise AssertionError(f"{left} timers are due and not removed")
        events = await log.read(begin)
        fired_at = [at for at, due in events if due == moment]
        if len(fired_at) != plan.due:
            raise AssertionError(f"{len(fired_at)} events for {plan.due} timers")
        last = max(fired_at)
        fired = plan.due / (last - moment).total_seconds()
        folded = plan.due / (decided - moment).total_seconds()
        self._say(
            f"{len(fired_at):,} events: fired {fired:,.0f}/s, decided {folded:,.0f}/s;"
            f" takeover's processor time until the last was in the log {spent:.2f} s, until it was decided {cpu_seconds(pid) - before:.2f} s"
        )
        return fired, folded

    async def _minute(self, plan: Plan, pid: int, database: asyncpg.Connection, log: "Log") -> None:
        begin = await log.ends()
        await until(plan.minute - timedelta(seconds=0.2))
        before, theirs = cpu_seconds(pid), self._servers.postgres_cpu()
        await until(plan.minute + timedelta(seconds=plan.seconds))
        await log.wait(begin, plan.due)
        await decided_at(database, await log.ends())
        spent, database_spent = cpu_seconds(pid) - before, self._servers.postgres_cpu() - theirs
        drift = sorted((at - due).total_seconds() * 1000 for at, due in await log.read(begin) if due >= plan.minute)
        p50, p99 = statistics.median(drift), drift[len(drift) * 99 // 100]
        self._figures |= {
            "timer_drift_p50_ms": p50,
            "timer_drift_p99_ms": p99,
            "timers_spread_cpu": spent / plan.seconds,
            "timers_spread_database_cpu": database_spent / plan.seconds,
        }
        self._say(
            f"{len(drift):,} over {plan.seconds:.0f} s: drift p50 {p50:.0f} ms, p99 {p99:.0f}, worst {drift[-1]:.0f}, best {drift[0]:.0f};"
            f" takeover uses {100 * spent / plan.seconds:.0f} % of a core, firing and deciding,"
            f" PostgreSQL {100 * database_spent / plan.seconds:.0f} %"
        )


class Log:
    """The topic `conversations` from outside."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def ends(self) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(list(self._consumer.assignment()))
        return found

    async def wait(self, begin: Mapping[TopicPartition, int], count: int) -> None:
        """Until so many records are there since `begin`."""
        async with asyncio.timeout(PATIENCE):
            while sum((await self.ends()).values()) - sum(begin.values()) < count:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(LOOK)

    async def read(self, begin: Mapping[TopicPartition, int]) -> list[tuple[datetime, datetime]]:
        """Of each record since `begin`: the broker's time, and the deadline in it."""
        ends = await self.ends()
        for partition, offset in begin.items():
            self._consumer.seek(partition, offset)
        found: list[tuple[datetime, datetime]] = []
        while len(found) < sum(ends.values()) - sum(begin.values()):
            for records in (await self._consumer.getmany(timeout_ms=1000)).values():
                found += [
                    (
                        datetime.fromtimestamp(record.timestamp / 1000, UTC),
                        datetime.fromisoformat(orjson.loads(record.value)["deadline"]),
                    )
                    for record in records
                ]
        return found


async def decided_at(database: asyncpg.Connection, ends: Mapping[TopicPartition, int]) -> datetime:
    """When takeover has taken in what is in the log."""
    async with asyncio.timeout(PATIENCE):
        while (  # noqa: ASYNC110 - of another process
            await database.fetchval(
                "SELECT coalesce(sum(next_offset) FILTER (WHERE next_offset > 0), 0) FROM consumer_offset"
            )
        ) < sum(ends.values()):
            await asyncio.sleep(LOOK)
    return datetime.now(UTC)


async def until(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


# What is in the tables


def bot() -> BotSettings:
    channel = MessengerChannel(
        page_id=PAGE,
        app_id="555000111222333",
        app_secret="x",  # noqa: S106 - nobody's
        verify_token="x",  # noqa: S106 - nobody's
        page_token="x",  # noqa: S106 - nobody's
        messenger_inbox_notification=True,
        has_default_app=True,
    )
    return BotSettings(
        id="bot:1",
        bot="salon",
        version=1,
        name="Salon",
        flow="salon@1",
        takeover=TakeoverSettings(),
        messenger=(channel,),
    )


def waiting(key: str, deadline: datetime) -> Conversation:
    """A customer whom nobody answered: the request expires at `deadline`."""
    block = RequestedBy(
        block="ask-person",
        auto_return=300,
        goodbye_message="A colleague will be with you.",
        back_to_bot_button="Back to bot",
    )
    began = deadline - timedelta(seconds=300)
    return Conversation(
        id=key,
        bot="salon",
        owner="human",
        epoch=1,
        seq=3,
        count=5,
        last_at=began,
        episode=Episode(id=f"{key}:1", cause=Cause.FLOW, started_at=began, deadline=deadline, length=300, block=block),
        session=Session(flow="salon@1", at="ask-person", waits_for="person"),
        profile=Profile(first_name="Mia", last_name="Schmidt"),
    )


async def preload_pending(database: asyncpg.Connection, plan: Plan) -> int:
    """Those that are far in the future."""
    count = plan.pending - plan.due * (len(plan.rounds) + 1)
    far = plan.minute + timedelta(hours=1)

    def lines() -> Iterator[str]:
        for number in range(count):
            key = f"messenger:{PAGE}:{9_000_000_000 + number}"
            due = far + timedelta(seconds=(number * 7919) % 600_000)
            event = SessionExpired.model_construct(
                id=f"{key}:1:expired:{due.isoformat()}", conversation=key, epoch=1, deadline=due
            )
            yield f"{key}\texpiry\t{number % 8}\t{due.isoformat()}\t{event.model_dump_json()}\n"

    await copy(database, "timer", ("conversation", "kind", "partition", "due_at", "event"), lines())
    return count


async def preload_due(database: asyncpg.Connection, plan: Plan) -> None:
    """Those that fire, each with the conversation that it is of: one is made as takeover does, the others after it."""
    model = waiting(KEY, FAR)
    (timer,) = timers(model).values()
    state, event = model.to_json(), timer.event.model_dump_json()
    dues = [(f"messenger:{PAGE}:{number}", due.isoformat()) for number, due in enumerate(plan.deadlines())]
    stamp, stamp_json = FAR.isoformat(), FAR.isoformat().replace("+00:00", "Z")

    def fill(text: str, key: str, due: str) -> str:
        return text.replace(KEY, key).replace(stamp_json, due).replace(stamp, due)

    await copy(
        database,
        "conversation",
        ("id", "partition", "bot", "owner", "epoch", "seq", "state", "updated_at"),
        (f"{key}\t{partition_of(key, 8)}\tsalon\thuman\t1\t3\t{fill(state, key, due)}\t{due}\n" for key, due in dues),
    )
    await copy(
        database,
        "timer",
        ("conversation", "kind", "partition", "due_at", "event"),
        (f"{key}\texpiry\t{partition_of(key, 8)}\t{due}\t{fill(event, key, due)}\n" for key, due in dues),
    )


async def copy(database: asyncpg.Connection, table: str, columns: Sequence[str], lines: Iterator[str]) -> None:
    """COPY of lines in PostgreSQL's text format; what they hold needs no escape."""
    await database.copy_to_table(table, source=chunks(lines), columns=columns, format="text")


async def chunks(lines: Iterator[str]) -> Any:
    buffer = io.StringIO()
    for line in lines:
        buffer.write(line)
        if buffer.tell() > 1 << 20:
            yield buffer.getvalue().encode()
            buffer = io.StringIO()
    yield buffer.getvalue().encode()

"""Timers on a real broker and a real database: over the index, in order, by the partition's owner only."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
import takeover_stack
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs
from takeover_stack import PATIENCE, Stack, killed, now
from takeover_world import ANA, START, block

from runtime.health import Health
from runtime.migrations import migrate
from runtime.partitions import partition_of
from runtime.postgres import Pool, close, connect, transaction
from runtime.wiring import Job
from schemas import envelope
from schemas.conversations import (
    CustomerMessage,
    DelayElapsed,
    OperatorReplies,
    ReadOverdue,
    SessionExpired,
    TurnOverdue,
)
from schemas.handover import Cause
from schemas.messages import CustomerInput, Profile
from schemas.outcomes import TakeoverEnded
from schemas.sessions import Session
from schemas.topics import CONVERSATIONS, OUTCOMES
from schemas.turns import TurnInput
from takeover import metrics, repository
from takeover.firing import AHEAD, BEHIND_AFTER, Clockwork
from takeover.repository import SQL
from takeover.state import Conversation, Delay, Episode, OpenTurn, Question, QueuedInput
from takeover.timers import Lateness, lateness, timers

PAGE_CUSTOMERS = "messenger:1001:"
HOUR = timedelta(hours=1)


def waiting(key: str, deadline: datetime) -> Conversation:
    """A customer waits for a person, until `deadline`."""
    episode = Episode(id=f"{key}:1", cause=Cause.FLOW, started_at=deadline - HOUR, deadline=deadline, block=block())
    return Conversation(
        id=key,
        bot="salon",
        owner="human",
        epoch=1,
        seq=1,
        last_at=deadline - HOUR,
        episode=episode,
        session=Session(flow="salon@1", at="ask-person", waits_for="person"),
        profile=Profile(first_name="Mia"),
    )


@pytest.fixture
async def stack(empty_kafka, database_url):
    async with Stack.made(empty_kafka, database_url, timer_batch=50, timer_poll=60.0) as made:
        await migrate(made.settings, "takeover", "takeover")
        yield made


@pytest.fixture
async def pool(stack) -> AsyncIterator[Pool]:
    made = await connect(stack.settings, "takeover")
    yield made
    await close(made)


async def keep(pool: Pool, states: Sequence[Conversation]) -> None:
    """The conversations and their timers, as takeover stores them."""
    by_partition: dict[int, list[Conversation]] = {}
    for state in states:
        by_partition.setdefault(partition_of(state.id, 8), []).append(state)
    async with transaction(pool) as tx:
        for partition, each in by_partition.items():
            await repository.write(tx, repository.writes(partition, {}, {state.id: state for state in each}))


async def in_the_log(stack: Stack, count: int) -> dict[int, list[SessionExpired]]:
    """All records of `conversations` by partition, copies included, as soon as there are so many."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: dict[int, list[SessionExpired]] = {}
    try:
        consumer.assign([TopicPartition(CONVERSATIONS, number) for number in range(8)])
        async with asyncio.timeout(PATIENCE):
            while sum(map(len, found.values())) < count:
                for place, raws in (await consumer.getmany(timeout_ms=100)).items():
                    events = (envelope.decode(CONVERSATIONS, raw.value, raw.headers) for raw in raws)
                    found.setdefault(place.partition, []).extend(
                        event for event in events if isinstance(event, SessionExpired)
                    )
    finally:
        await consumer.stop()
    return found


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if fact():
                return
            await asyncio.sleep(0.02)


async def gone(stack: Stack) -> None:
    """Until no timer is due and all that fired was decided."""
    await stack.row("SELECT 1 WHERE NOT EXISTS (SELECT FROM timer WHERE due_at <= now())")
    await stack.row("SELECT 1 WHERE NOT EXISTS (SELECT FROM conversation WHERE owner = 'human')")


# Through the log


@pytest.mark.infra
async def test_a_backlog_fires_in_order_once_each_in_batches_and_is_told_of_until_it_is_gone(stack, pool):
    begin = now() - HOUR
    await keep(pool, [waiting(f"{PAGE_CUSTOMERS}{n}", begin + timedelta(seconds=n * 7 % 1000)) for n in range(1500)])
    with capture_logs() as logs:
        async with stack.running():
            await gone(stack)
            await until(lambda: "timers have caught up" in {each["event"] for each in logs})
            assert metrics.TIMERS_BEHIND._value.get() == 0
            assert metrics.OLDEST_DUE._value.get() < BEHIND_AFTER
    (said,) = [each for each in logs if each["event"] == "timers are behind"]
    assert 0 < said["timers"] <= 1500, "those of the partitions that are taken by then"
    assert 2600 <= said["seconds"] < 3700
    async with stack.running():
        fired = await in_the_log(stack, 1500)
        for events in fired.values():
            deadlines = [event.deadline for event in events]
            assert deadlines == sorted(deadlines)
        assert Counter(Counter(event.id for events in fired.values() for event in events).values()) == {1: 1500}
        assert len(await stack.wait_for(OUTCOMES, TakeoverEnded, count=1500, cause="expired")) == 1500


@pytest.mark.infra
async def test_a_nearer_timer_wakes_it_so_that_nothing_is_late_though_it_polls_once_a_minute(stack, pool):
    near = now() + timedelta(seconds=8)
    await keep(pool, [waiting(f"{PAGE_CUSTOMERS}{n}", near + HOUR) for n in range(20)])
    await keep(pool, [waiting(f"{PAGE_CUSTOMERS}near", near)])
    async with stack.running():
        ended = (await stack.wait_for(OUTCOMES, TakeoverEnded))[0]
        assert ended.conversation == f"{PAGE_CUSTOMERS}near"
        assert near <= ended.at < near + timedelta(seconds=2)  # milliseconds on a machine that has time


@pytest.mark.infra
async def test_killed_between_taking_timers_and_publishing_the_next_owner_publishes_them(stack, pool):
    await keep(pool, [waiting(f"{PAGE_CUSTOMERS}1", now() - HOUR)])
    first = await stack.process(dies_at="committed")
    await killed(first)
    assert await stack.rows("SELECT 1 FROM timer") == []
    assert len(await stack.rows("SELECT 1 FROM outbox")) == 1
    async with stack.running():
        assert (await stack.wait_for(OUTCOMES, TakeoverEnded))[0].cause == "expired"


@pytest.mark.infra
async def test_a_zombie_fires_nothing(stack, pool, monkeypatch):
    """It sleeps beyond its session while timers come due, another fires them, and it wakes with its plans."""
    monkeypatch.setattr(takeover_stack, "PATIENCE", 60.0)  # the group notices after 6 s and shares anew, twice
    zombie = await stack.process()
    try:
        await stack.row("SELECT 1 FROM consumer_offset HAVING count(*) = 8")
        due = now() + timedelta(seconds=3)
        await keep(pool, [waiting(f"{PAGE_CUSTOMERS}{n}", due) for n in range(40)])
        zombie.send_signal(signal.SIGSTOP)
        async with stack.running():
            await gone(stack)
            zombie.send_signal(signal.SIGCONT)
            await keep(pool, [waiting(f"{PAGE_CUSTOMERS}late", now())])
            await stack.row("SELECT 1 FROM consumer_offset WHERE fence > 2")  # the group shares anew
            zombie.kill()
            await gone(stack)
            fired = await in_the_log(stack, 41)
            assert Counter(Counter(event.id for events in fired.values() for event in events).values()) == {1: 41}
    finally:
        with suppress(ProcessLookupError):
            zombie.kill()
        await zombie.wait()


@pytest.mark.infra
async def test_after_an_outage_beyond_the_expiry_who_was_answered_in_time_keeps_the_person_and_the_others_expire_late_in_order(
    stack, pool
):
    """Deadlines pass while takeover is away; half of the customers have an operator's answer in the log before theirs."""
    first = now() + timedelta(seconds=5)
    deadlines = {f"{PAGE_CUSTOMERS}{n}": first + timedelta(milliseconds=n * 13 % 1000) for n in range(80)}
    answered, silent = list(deadlines)[::2], list(deadlines)[1::2]
    await keep(pool, [waiting(key, deadline) for key, deadline in deadlines.items()])
    await stack.publish(
        *(
            OperatorReplies(id=f"{key}:c1", conversation=key, operator=ANA, epoch=1, seq=1, text="Ana here")
            for key in answered
        )
    )
    assert now() < first, "the answers are in the log before the deadlines"
    await until(lambda: now() > max(deadlines.values()))
    async with stack.running():
        ended = await stack.wait_for(OUTCOMES, TakeoverEnded, count=len(silent))
        await stack.row("SELECT 1 WHERE NOT EXISTS (SELECT FROM timer WHERE due_at <= now())")
        await stack.row("SELECT 1 FROM conversation WHERE owner = 'human' HAVING count(*) = $1", len(answered))
        fired = [event for events in (await in_the_log(stack, len(silent))).values() for event in events]
        at_the_end = {event.conversation for event in fired} & set(answered)
        # whoever writes now is behind every timer in the log: if one of an answered conversation took effect, it has by now
        marks = [CustomerMessage(id=f"{key}:m2", conversation=key, input=CustomerInput(text="hi")) for key in answered]
        await stack.publish(*marks)
        await stack.row(
            "SELECT 1 FROM conversation WHERE owner = 'human' AND seq >= 3 HAVING count(*) = $1", len(answered)
        )
        ended = await stack.wait_for(OUTCOMES, TakeoverEnded, count=len(silent))
    assert Counter(event.conversation for event in ended) == dict.fromkeys(silent, 1), f"fired in vain: {at_the_end}"
    for event in ended:
        assert (event.cause, event.at >= deadlines[event.conversation]) == ("expired", True)
    for number in range(8):
        mine = [deadlines[e.conversation] for e in ended if partition_of(e.conversation, 8) == number]
        assert mine == sorted(mine), "the soonest first"


# Clockwork over the database, its partition's lane in the hands of the test


class Lane:
    """Runs jobs as the consumer does, in a transaction, but one after the other; counts what they publish."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.published: list[int] = []
        self.ran = asyncio.Event()
        self._turn = asyncio.Lock()

    async def within(self, _topic: str, _partition: int, job: Job) -> None:
        async with self._turn, transaction(self._pool) as tx:
            self.published.append(len(await job(tx)))
        self.ran.set()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Nothing fires."""
        async with self._turn:
            yield

    async def total(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while sum(self.published) < count:
                self.ran.clear()
                await self.ran.wait()


@asynccontextmanager
async def ticking(
    pool: Pool, lane: Lane, *, batch: int = 10, poll: float = 60.0, health: Health | None = None
) -> AsyncIterator[Clockwork]:
    clockwork = Clockwork(pool, (health or Health()).component("timers"), batch=batch, poll=poll)
    task = asyncio.create_task(clockwork.run(lane.within))
    try:
        yield clockwork
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def of_partition(partition: int, count: int, due: datetime) -> list[Conversation]:
    keys = (f"{PAGE_CUSTOMERS}{number}" for number in range(100_000))
    mine = (key for key in keys if partition_of(key, 8) == partition)
    return [waiting(next(mine), due) for _ in range(count)]


@pytest.mark.infra
async def test_firing_waits_for_decisions_so_that_what_customers_write_is_not_behind_the_whole_backlog(pool):
    await keep(pool, of_partition(3, 100, now() - HOUR))
    lane = Lane(pool)
    async with ticking(pool, lane) as clockwork:
        clockwork.assigned(3)
        await lane.total(10 * AHEAD)
        clockwork.assigned(4)  # another partition goes on meanwhile
        await keep(pool, of_partition(4, 1, now() - HOUR))
        clockwork.stored(4, now() - HOUR)
        await lane.total(10 * AHEAD + 1)
        assert await pool.fetchval("SELECT count(*) FROM timer WHERE partition = 3") == 100 - 10 * AHEAD
        clockwork.decided(3, 5)
        await lane.total(10 * AHEAD + 1 + 10)
        clockwork.decided(3, 1000)
        await lane.total(10 * AHEAD + 1 + 10 + 10 * AHEAD)
        assert max(lane.published) == 10


@pytest.mark.infra
async def test_what_is_behind_is_counted_before_it_fires_in_metrics_and_readiness_until_it_is_not(pool):
    await keep(pool, of_partition(3, 100, now() - HOUR))
    await keep(pool, of_partition(4, 7, now() - 2 * HOUR))
    await keep(pool, of_partition(6, 5, now() + HOUR))
    await keep(pool, of_partition(5, 9, now() - 9 * HOUR))  # another process's
    lane, health = Lane(pool), Health()
    async with ticking(pool, lane, poll=0.1, health=health) as clockwork:
        async with lane.held():
            clockwork.assigned(3)
            clockwork.assigned(4)
            clockwork.assigned(6)
            await until(lambda: metrics.TIMERS_BEHIND._value.get() == 107)
            assert 7200 <= metrics.OLDEST_DUE._value.get() < 7300
            await until(
                lambda: health.report().components["timers"].detail.startswith("107 timers are behind, the oldest")
            )
            assert health.report().ready, "it catches up by itself"
        await lane.total(107)
        await until(lambda: metrics.TIMERS_BEHIND._value.get() == 0)
        assert metrics.OLDEST_DUE._value.get() == 0
        await until(lambda: health.report().components["timers"].detail == "")


@pytest.mark.infra
async def test_where_decisions_are_never_heard_of_the_backlog_goes_on_poll_by_poll(pool):
    await keep(pool, of_partition(3, 50, now() - HOUR))
    lane = Lane(pool)
    async with ticking(pool, lane, poll=0.05) as clockwork:
        clockwork.assigned(3)
        await lane.total(50)


@pytest.mark.infra
async def test_a_timer_that_was_stored_while_another_look_was_under_way_is_not_overlooked(pool):
    """The transaction that stores it is told of before it commits, so what is told must outlive a look that cannot see it."""
    lane = Lane(pool)
    async with ticking(pool, lane, batch=100) as clockwork:
        clockwork.assigned(3)
        for state in of_partition(3, 20, now()):
            await keep(pool, [state])
            clockwork.stored(3, now())
        await lane.total(20)


@pytest.mark.infra
async def test_a_partition_of_another_is_left_alone(pool):
    await keep(pool, [*of_partition(3, 5, now() - HOUR), *of_partition(4, 5, now() - HOUR)])
    lane = Lane(pool)
    async with ticking(pool, lane, poll=0.05) as clockwork:
        clockwork.assigned(4)
        clockwork.assigned(3)
        clockwork.revoked(4)
        await lane.total(5)
        clockwork.revoked(3)
        await keep(pool, of_partition(3, 6, now() - HOUR))
        clockwork.stored(3, now() - HOUR)
        clockwork.assigned(5)
        await keep(pool, of_partition(5, 1, now() - HOUR))
        await lane.total(6)
        counts = await pool.fetch("SELECT partition, count(*) FROM timer GROUP BY partition ORDER BY partition")
        assert [(row["partition"], row["count"]) for row in counts] == [(3, 6), (4, 5)]


# The statements


MANY = 80_000


@pytest.fixture
async def many(pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with many timers, all far away."""
    async with pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")  # the one that knows the values least
        await connection.execute(
            "INSERT INTO timer SELECT 'c' || n, 'expiry', n % 8, now() + interval '1 hour' + n * interval '1 s', '{}'"
            " FROM generate_series(1, $1::integer) AS n",
            MANY,
        )
        await connection.execute("VACUUM ANALYZE timer")
        yield connection
        await connection.execute("RESET plan_cache_mode")


async def explained(connection: asyncpg.Connection, statement: str, values: str) -> tuple[set[str], int]:
    """The ways in which the plan gets at the table, and the pages that it touched."""
    types = {
        "fire_timers": "integer, integer",
        "next_timers": "integer[]",
        "timers_behind": "integer[], integer",
    }[statement]
    await connection.execute(f"PREPARE looked_at ({types}) AS {SQL[statement]}")
    try:
        text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) EXECUTE looked_at ({values})")
    finally:
        await connection.execute("DEALLOCATE looked_at")
    plan = json.loads(text)[0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return {way for node in nodes(plan) if (way := way_of(node))}, pages


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(below for each in plan.get("Plans", []) for below in nodes(each))]


def way_of(node: dict[str, Any]) -> str:
    return f"{node['Node Type']} {node.get('Index Name', '')}".strip() if "Scan" in node["Node Type"] else ""


OVER_THE_INDEX = {"Index Scan timer_due", "Index Only Scan timer_due", "Tid Scan", "Function Scan", "CTE Scan"}


@pytest.mark.infra
async def test_an_idle_look_reads_a_few_pages_however_many_timers_are_pending(many):
    for statement, values in (("next_timers", "'{3}'"), ("fire_timers", "3, 500")):
        ways, pages = await explained(many, statement, values)
        assert ways <= OVER_THE_INDEX
        assert pages <= 12  # the index is three pages deep
    ways, pages = await explained(many, "next_timers", "'{0,1,2,3,4,5,6,7}'")
    assert ways <= OVER_THE_INDEX
    assert pages <= 8 * 6


@pytest.mark.infra
async def test_counting_what_is_behind_goes_over_the_index_and_reads_no_more_than_is_counted(many):
    await many.execute("UPDATE timer SET due_at = due_at - interval '1 year'")
    await many.execute("VACUUM ANALYZE timer")
    ways, pages = await explained(many, "timers_behind", "'{3,4}', 1000")
    assert ways <= OVER_THE_INDEX | {"Subquery Scan"}
    assert pages <= 300, "2,000 rows and their entries, not 20,000 or 80,000"
    assert await many.fetchval(SQL["timers_behind"], [3, 4], 1000) == 2000
    assert await many.fetchval(SQL["timers_behind"], [3, 99], 100_000) == MANY // 8


@pytest.mark.infra
@pytest.mark.parametrize("fresh", [False, True], ids=["statistics of before", "fresh statistics"])
@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan"])
async def test_a_batch_of_a_large_backlog_reads_no_more_than_itself(many, fresh, plan):
    await many.execute("UPDATE timer SET due_at = due_at - interval '1 year'")
    if fresh:
        await many.execute("VACUUM ANALYZE timer")
    await many.execute(f"SET plan_cache_mode = {plan}")
    async with many.transaction():
        ways, pages = await explained(many, "fire_timers", "3, 500")
    assert ways <= OVER_THE_INDEX
    assert pages <= 500 * 8  # for each: its index entry and row, found and deleted; none for the others' ten thousands


# Pure


def test_lateness_is_told_of_each_kind_of_timer_as_long_as_it_counts():
    state = waiting(f"{PAGE_CUSTOMERS}1", START)
    asked = QueuedInput(seqs=(1,), input=TurnInput(reason="message", message=CustomerInput(text="hi")))
    state.turn = OpenTurn(id="t1", asked=asked, attempt=1, overdue_at=START)
    state.delay = Delay(turn="t0", due_at=START)
    state.reading = Question(command="r1", due_at=START)
    state.naming = Question(command="n1", due_at=START)
    late = START + timedelta(seconds=2)
    for kind, timer in timers(state).items():
        assert lateness(state, timer.event, late) == Lateness(kind, 2.0)
    assert len(timers(state)) == 5


def test_a_timer_that_no_longer_counts_has_no_lateness_unless_it_says_itself_when_it_was_due():
    state = waiting(f"{PAGE_CUSTOMERS}1", START)
    key = state.id
    for event in (
        TurnOverdue(id="a", conversation=key, turn="t1", attempt=1),
        DelayElapsed(id="b", conversation=key, epoch=1, turn="t1"),
        ReadOverdue(id="c", conversation=key, command="r1"),
    ):
        assert lateness(state, event, START) is None
    expired = SessionExpired(id="d", conversation=key, epoch=0, deadline=START - HOUR)
    assert lateness(state, expired, START) == Lateness("expiry", 3600.0)

"""Overload: too many dead letters stop a partition and lose nothing; a slow database makes lag and nothing else."""

import asyncio
import gc
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from infra.proxy import Proxy, through
from runtime_world import PARTITIONS, BaseHandler, Counter, a_world, at_most, send_raw, until
from structlog.testing import capture_logs

from runtime import consumer as consumer_module
from runtime import metrics
from runtime.partitions import partition_of
from runtime.postgres import close, connect
from runtime.tally import LEAST
from schemas import envelope

pytestmark = pytest.mark.infra

PLACE = partition_of("mia", PARTITIONS)
ELSEWHERE = next(f"p{n}" for n in range(100) if partition_of(f"p{n}", PARTITIONS) != PLACE)


async def has(world, *texts, who="mia"):
    async def fact():
        return await world.texts(who) == list(texts)

    await until(fact, f"{who} said {texts}")


async def letters(world):
    """Each once: what a stopped partition published last is published again by the next owner, under the same id."""
    found = (envelope.decode(r.topic, r.value, r.headers) for r in await world.published(world.names.dead))
    return list({letter.id: letter for letter in found}.values())


async def stored_place(world):
    return await world.pool.fetchval(
        "SELECT next_offset FROM consumer_offset WHERE group_name = $1 AND partition = $2", world.names.group, PLACE
    )


def stopped(world, reason):
    return metrics.STOPPED.labels(world.names.group, world.names.said, PLACE, reason)


async def test_too_many_undecodable_records_in_a_row_stop_their_partition_until_they_are_let_pass(world):
    await world.say("a")
    with capture_logs() as logs:
        async with world.consuming(settings=at_most(world, 5)):
            await has(world, "a")
            for _ in range(6):
                await send_raw(world, b"not what this version reads")
            await world.say("b")
            await until(lambda: stopped(world, "undecodable")._value.get() == 1, "an alarm")
            report = world.health.report()
            assert not report.ready
            assert "undecodable: 6 records in a row" in report.model_dump_json()
            await world.say("x", who=ELSEWHERE)
            await has(world, "x", who=ELSEWHERE)
            before = await letters(world)
            assert 1 + len(before) == await stored_place(world) <= 6, "what is not a letter yet is still before us"
            assert await world.texts() == ["a"]
    (said,) = [each for each in logs if each["log_level"] == "critical"]
    assert (said["topic"], said["partition"]) == (world.names.said, PLACE)
    assert "CONVOBOSS_DEAD_LETTERS_IN_A_ROW" in said["advice"]
    async with world.consuming(settings=at_most(world, 0)):
        await has(world, "a", "b")
    assert [letter.origin_offset for letter in await letters(world)] == [1, 2, 3, 4, 5, 6]


async def test_undecodable_share_stops_the_partition_and_a_version_that_reads_them_takes_all_behind_the_letters(
    world, monkeypatch
):
    """As after a roll-back, where each second record is of a later version."""
    texts = [f"{number}" for number in range(LEAST + 10)]
    for number, each in enumerate(texts):
        await world.say(each)
        _, value, headers = envelope.encode(world.say_event(f"new {number}"), source="test", traceparent=None)
        await send_raw(world, b"later" + value, headers=headers)
    settings = at_most(world, 100).model_copy(update={"kafka_batch_records": 7})
    async with world.consuming(settings=settings):
        await until(lambda: stopped(world, "undecodable")._value.get() == 1, "an alarm")
        assert f"{LEAST} of the last {2 * LEAST} records" in world.health.report().model_dump_json()
        count, place = len(await letters(world)), await stored_place(world)
        assert place % 7 == 0, "before a batch"
        assert count == place // 2 < LEAST
        assert len(await world.texts()) == place - count
    original = envelope.decode
    monkeypatch.setattr(
        envelope, "decode", lambda topic, value, headers: original(topic, value.removeprefix(b"later"), headers)
    )
    async with world.consuming(settings=settings):
        await until(lambda: all_heard(world, 2 * len(texts) - count), "the rest is taken by the mended version")
    assert len(await letters(world)) == count
    assert (await world.texts())[-1] == f"new {len(texts) - 1}"


async def test_events_for_which_the_handler_raises_now_and_then_stop_a_partition_by_their_share(world):
    class Picky(Counter):
        async def handle(self, tx, partition, records):
            if any(record.event.text.startswith("poison") for record in records):
                raise ValueError(records[0].event.text)
            return await super().handle(tx, partition, records)

    for number in range(LEAST):
        await world.say(f"{number}", f"poison {number}")
    async with world.consuming(handler=Picky(world.names.heard), settings=at_most(world, 100, 49)):
        await until(lambda: stopped(world, "poisoned")._value.get() == 1, "an alarm")
        assert len(await letters(world)) == LEAST - 1
        assert await stored_place(world) == 2 * LEAST - 1, "before the event that was one too many"
    async with world.consuming():
        await has(world, *(f"{number}" for number in range(LEAST)), f"poison {LEAST - 1}")


async def all_heard(world, count):
    return len(await world.texts()) == count


class Slow(Proxy):
    """Every answer of the server takes `delay` seconds longer."""

    delay = 0.0

    async def _answers(self, reader, writer):
        while data := await reader.read(65536):
            await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def slow_pool(world):
    parts = urlsplit(world.settings.database_url.get_secret_value())
    proxy = Slow(parts.hostname, parts.port or 5432)
    await proxy.start()
    url = through(parts.geturl(), proxy.port)
    pool = await connect(
        world.settings.model_copy(update={"database_url": type(world.settings.database_url)(url)}), "testing"
    )
    try:
        yield proxy, pool
    finally:
        await close(pool)
        await proxy.close()


class Tallying(BaseHandler):
    """Remembers nothing but how often each event was committed."""

    async def handle(self, tx, partition, records):
        for record in records:
            await tx.execute(
                "INSERT INTO heard VALUES ($1, 1, '{}') ON CONFLICT (who) DO UPDATE SET count = heard.count + 1",
                record.event.id,
            )
        return []


def held():
    """Records that are in memory, the client's and ours."""
    return sum(type(each).__name__ in {"ConsumerRecord", "Record"} for each in gc.get_objects())


@pytest.fixture
async def small_batches(kafka_bootstrap, database_url):
    async with a_world(kafka_bootstrap, database_url, kafka_batch_records=20) as world:
        yield world


async def test_slow_database_makes_lag_and_neither_loss_nor_memory(small_batches, monkeypatch):
    world, fetch, rounds, wave = small_batches, 100, 4, 500
    bound = 2 * 20 + fetch  # two batches, and what one fetch brings
    monkeypatch.setattr(consumer_module, "POLL_RECORDS", fetch)
    lag = metrics.LAG.labels(world.names.group, world.names.said, PLACE)
    most, in_memory, lags = 0, [], []
    async with slow_pool(world) as (proxy, pool), world.consuming(pool=pool, handler=Tallying()) as consumer:
        await until(lambda: world.health.report().ready, "ready")
        proxy.delay = 0.01  # 20 events are some 25 answers one after the other: 80 events a second
        for number in range(rounds):
            await world.say(*(f"{number}-{each}" for each in range(wave)))
            done = await taken(world)

            async def goes_on(done=done):
                nonlocal most
                most = max(most, *(len(each._buffer) for each in consumer._partitions.values()))
                return await taken(world) >= done + 40

            await until(goes_on, "it is slow and goes on")
            in_memory.append(held())
            before = lags[-1] if lags else 0
            await until(lambda before=before: lag._value.get() > before + wave / 4, "the lag rises")
            lags.append(lag._value.get())
            assert world.health.report().ready, "slow is not stuck"
        assert most <= bound
        assert max(in_memory) <= 2 * bound + 2 * fetch, in_memory
        assert lags[-1] > 1000, lags
        proxy.delay = 0.0
        await until(lambda: all_taken(world, rounds * wave), "all is taken when it is fast again", 60)
        await until(lambda: lag._value.get() == 0, "no lag is left")
    assert await world.pool.fetchval("SELECT max(count) FROM heard") == 1, "nothing twice"


async def taken(world):
    return await world.pool.fetchval("SELECT count(*) FROM heard")


async def all_taken(world, count):
    return await taken(world) == count

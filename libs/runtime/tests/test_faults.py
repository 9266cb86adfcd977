"""The ordered consumer when processes die, connections break and partitions move: nothing lost, nothing decided twice."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from infra.proxy import proxied
from runtime_world import PARTITIONS, Counter, a_world, running, settings_for, until

from runtime import metrics
from runtime.kafka import Publisher
from runtime.postgres import close, connect
from schemas import envelope

pytestmark = pytest.mark.infra

CHILD = Path(__file__).with_name("runtime_child.py")
COMPLETE = 60.0  # seconds: a session time-out of 6 s, a transaction's idle time-out of 5 s, and a busy machine


@asynccontextmanager
async def child(world, fault):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        world.settings.kafka_bootstrap,
        world.settings.database_url.get_secret_value(),
        world.names.suffix,
        fault,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_with(process, text):
    async with asyncio.timeout(COMPLETE):
        while text not in (line := (await process.stdout.readline()).decode()):
            assert line, f"ended before {text!r}"


async def answers(world):
    return [envelope.decode(r.topic, r.value, r.headers).text for r in await world.published()]


async def has(world, *texts):
    async def fact():
        return await world.texts() == list(texts)

    await until(fact, f"mia said {texts}", COMPLETE)


async def test_kill_between_commit_and_publish_leaves_the_outbox_and_the_new_owner_publishes_it_first(world):
    await world.say("a", "b")
    async with child(world, "committed") as process:
        assert await asyncio.wait_for(process.wait(), COMPLETE) == -signal.SIGKILL
    assert await world.texts() == ["a", "b"]
    assert await answers(world) == []
    assert await world.outbox() == 1, "one row for the batch"
    await world.say("c")
    async with world.consuming():
        await has(world, "a", "b", "c")
    assert await answers(world) == ["a", "b", "c"]
    assert await world.outbox() == 0


async def test_kill_between_publish_and_delete_publishes_again_under_the_same_ids_and_decides_nothing_twice(world):
    await world.say("a", "b")
    async with child(world, "published") as process:
        assert await asyncio.wait_for(process.wait(), COMPLETE) == -signal.SIGKILL
    async with world.consuming():
        await world.say("c")
        await has(world, "a", "b", "c")
    assert await answers(world) == ["a", "b", "a", "b", "c"]


async def test_stopped_process_that_wakes_after_its_partition_moved_writes_nothing(world):
    await world.say("a", "b")
    async with child(world, "hang") as zombie:
        await line_with(zombie, "handling")
        zombie.send_signal(signal.SIGSTOP)
        async with world.consuming():
            await has(world, "a", "b")
            zombie.send_signal(signal.SIGCONT)
            zombie.stdin.write(b"\n")
            await line_with(zombie, "goes on")
            await line_with(zombie, "a batch is put off")  # its transaction is gone
            zombie.kill()
            await world.say("c")
            await has(world, "a", "b", "c")
    assert await answers(world) == ["a", "b", "c"]


@pytest.mark.parametrize("gather", [0.0, 0.5])
async def test_owner_whose_fence_was_raised_writes_nothing_and_takes_the_partition_anew_only_if_it_is_still_its(
    world, gather
):
    fenced = metrics.FENCED.labels(world.names.group, world.names.said)
    async with world.consuming(gather=gather):
        await world.say("a")
        await has(world, "a")
        await until(
            world.outbox_is_empty, "the broker has acknowledged it: else the next owner rightly publishes it again"
        )
        await world.pool.execute("UPDATE consumer_offset SET fence = fence + 1")
        await world.say("b")
        await until(lambda: fenced._value.get() > 0, "fenced off")
        assert await world.texts() == ["a"]
        assert not world.health.report().ready
        await has(world, "a", "b")  # after the time in which a real loss would have been told
        await until(lambda: world.health.report().ready, "ready again")
    assert await answers(world) == ["a", "b"]


class Gate:
    """Holds a handler in the middle of its batch."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _records):
        self.reached.set()
        await self.open.wait()


@pytest.fixture
async def short_drain(kafka_bootstrap, database_url):
    async with a_world(kafka_bootstrap, database_url, kafka_drain_timeout=1.0, kafka_batch_records=5) as world:
        yield world


async def test_rebalance_in_mid_batch_waits_for_the_batch_and_loses_nothing(world):
    texts = [str(number) for number in range(40)]
    gate = world.handler.before = Gate()
    second = Counter(world.names.heard)
    first = world.make_consumer()
    async with world.running(first):
        await world.say(*texts[:20])
        await gate.reached.wait()
        async with world.consuming(handler=second):
            await until(lambda: first.owned() == frozenset(), "the first one was asked to give its partitions back")
            gate.open.set()
            await world.say(*texts[20:])
            await has(world, *texts)
    assert await answers(world) == texts


async def test_batch_that_does_not_finish_in_time_is_cut_off_and_redone_by_the_new_owner(short_drain):
    world = short_drain
    texts = [str(number) for number in range(20)]
    gate = world.handler.before = Gate()
    second = Counter(world.names.heard)
    first = world.make_consumer()
    async with world.running(first):
        await world.say(*texts)
        await gate.reached.wait()
        async with world.consuming(handler=second):
            await until(lambda: first.owned() == frozenset(), "the first one gave up")
            world.handler.before = None
            await has(world, *texts)
    assert await answers(world) == texts


@pytest.mark.parametrize("gather", [0.0, 0.2])
async def test_two_consumers_share_the_partitions_and_a_leaver_gives_its_back(world, gather):
    people = [f"p{number}" for number in range(20)]
    async with world.consuming(gather=gather) as one:
        async with world.consuming(handler=Counter(world.names.heard), gather=gather) as two:
            await until(lambda: len(one.owned()) == len(two.owned()) == PARTITIONS // 2, "shared", COMPLETE)
            assert one.owned().isdisjoint(two.owned())
            for person in people:
                await world.say("a", who=person)
            await until(lambda: _all(world, people, ["a"]), "all heard", COMPLETE)
        await until(lambda: len(one.owned()) == PARTITIONS, "all come back", COMPLETE)
        for person in people:
            await world.say("b", who=person)
        await until(lambda: _all(world, people, ["a", "b"]), "all heard again", COMPLETE)


async def _all(world, people, texts):
    return all([await world.texts(person) == texts for person in people])


@pytest.mark.parametrize(("verdict", "times"), [("cut before", 2), ("cut after", 1)])
async def test_commit_of_unknown_outcome_is_looked_up_and_not_done_twice(world, verdict, times):
    url = world.settings.database_url.get_secret_value()
    async with proxied(url) as (proxy, through):
        pool = await connect(settings_for(world.settings.kafka_bootstrap, through), "testing")
        armed = []

        async def arm(_records):
            if not armed:
                armed.append(True)
                proxy.on_request = cut

        def cut(data):
            if b"COMMIT" not in data:
                return "pass"
            proxy.on_request = lambda _data: "pass"
            return verdict

        world.handler.before = arm
        await world.say("a", "b")
        async with world.consuming(pool=pool):
            await has(world, "a", "b")
            await world.say("c")
            await has(world, "a", "b", "c")
        await close(pool)
    handled = [[record.event.text for record in batch] for batch in world.handler.batches]
    assert handled == [["a", "b"]] * times + [["c"]]
    assert await answers(world) == ["a", "b", "c"]


async def test_database_that_dies_and_comes_back_stops_nothing_for_good(kafka_bootstrap, durable_postgres):
    url = await durable_postgres.create_database("faults")
    async with a_world(kafka_bootstrap, url) as world:
        async with world.consuming():
            await world.say("a")
            await has(world, "a")
            await durable_postgres.kill()
            await world.say("b")
            await until(lambda: not world.health.report().ready, "not ready", COMPLETE)
            await durable_postgres.start()
            await has(world, "a", "b")
            await until(lambda: world.health.report().ready, "ready again", COMPLETE)
        assert await answers(world) == ["a", "b"]


async def test_broker_that_dies_and_comes_back_loses_nothing(world, kafka):
    async with world.consuming():
        await world.say("a")
        await has(world, "a")
        await until(world.outbox_is_empty, "the broker has acknowledged it: else it may rightly be there twice")
        await kafka.kill()
        saying = asyncio.ensure_future(_insist(world, "b"))
        await kafka.start()
        await saying
        await has(world, "a", "b")
    assert await answers(world) == ["a", "b"]


async def _insist(world, text):
    from runtime.errors import PublishFailed

    while True:
        try:
            return await world.say(text)
        except PublishFailed:
            pass  # tried again; its id keeps it from counting twice


async def test_nothing_is_decided_while_nothing_can_be_published(kafka_bootstrap, database_url, kafka):
    async with a_world(kafka_bootstrap, database_url, kafka_batch_records=10, kafka_delivery_timeout=0.5) as world:
        texts = [str(number) for number in range(100)]
        await world.say(*texts)

        async def pause(_records):
            world.handler.before = None
            await kafka.pause()

        world.handler.before = pause
        failed = metrics.PUBLISH_FAILED.labels("timeout")
        before = failed._value.get()
        async with world.consuming():
            await until(lambda: failed._value.get() >= before + 3, "publishing failed again and again")
            assert len(world.handler.batches) <= 2, "at most the batch that was under way meanwhile"
            await kafka.resume()
            await has(world, *texts)
        assert list(dict.fromkeys(await answers(world))) == texts


async def test_broker_that_is_not_there_at_start_is_waited_for_and_said(world, kafka, capsys):
    await kafka.stop()
    starting = asyncio.ensure_future(Publisher.start(world.settings, source="late", health=world.health))
    await until(lambda: "no broker" in world.health.report().model_dump_json(), "readiness names the broker")
    async with running(world.make_consumer().run()):
        await until(
            lambda: "KafkaConnectionError" in world.health.report().model_dump_json(), "the consumer says it too"
        )
        await kafka.start()
        publisher = await asyncio.wait_for(starting, COMPLETE)
        await world.say("a")
        await has(world, "a")
        await until(lambda: world.health.report().ready, "ready")
    await publisher.stop()
    assert capsys.readouterr().out.count("waiting for the broker") == 1

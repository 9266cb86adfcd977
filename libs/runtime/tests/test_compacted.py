import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from runtime_world import PARTITIONS, running, until

from runtime.compacted import CompactedReader, NotCaughtUp
from runtime.errors import WrongPartitions
from runtime.partitions import partition_of

pytestmark = pytest.mark.infra


@pytest.fixture
def table():
    return {}


def reader(world, table, **others):
    def apply(key, event):
        if event is None:
            table.pop(key, None)
        else:
            table[key] = event.text

    settings = world.settings.model_copy(update=others)
    return CompactedReader(settings, world.names.said, apply, world.health)


async def bury(world, who):
    producer = await world.publisher.producer(world.names.said)
    await producer.send_and_wait(world.names.said, None, key=who.encode(), partition=partition_of(who, PARTITIONS))


async def test_topic_is_read_to_its_end_before_catch_up_returns_and_followed_after(world, table):
    for number in range(50):
        await world.say(f"{number}", who=f"p{number % 5}")
    await bury(world, "p0")
    made = reader(world, table)
    await made.catch_up(20)
    assert table == {f"p{n}": f"{45 + n}" for n in range(1, 5)}
    async with running(made.run()):
        await world.say("new", who="p9")
        await bury(world, "p1")
        await until(lambda: table.get("p9") == "new" and "p1" not in table, "followed")


async def test_empty_topic_is_caught_up_with_at_once(world, table):
    made = reader(world, table)
    await made.catch_up(20)
    assert table == {}
    assert world.health.report().ready
    await made.stop()


async def test_record_that_cannot_be_read_is_passed_over(world, table):
    producer = await world.publisher.producer(world.names.said)
    await producer.send_and_wait(
        world.names.said, b"{", key=b"bad", headers=[("ce_type", b"test.said.v1")], partition=0
    )
    await world.say("fine", who="p1")
    made = reader(world, table)
    await made.catch_up(20)
    assert table == {"p1": "fine"}
    await made.stop()


async def test_missing_broker_is_not_caught_up_with_in_time(world, table):
    made = reader(world, table, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(NotCaughtUp, match="CONVOBOSS_KAFKA_BOOTSTRAP"):
        await made.catch_up(0.5)
    assert not world.health.report().ready


async def test_topic_that_is_not_there_yet_is_waited_for_and_said(world, table):
    said = world.names.said
    async with admin(world) as kafka:
        await kafka.delete_topics([said])
        await until(lambda: topic_is(kafka, said, there=False), "the topic is gone")
        made = reader(world, table)
        waiting = asyncio.ensure_future(made.catch_up(30))
        await until(lambda: "is not there yet" in world.health.report().model_dump_json(), "readiness says it")
        await kafka.create_topics([NewTopic(said, PARTITIONS, 1)])
        await waiting
        assert table == {}
        await made.stop()


@asynccontextmanager
async def admin(world):
    kafka = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka_bootstrap)
    await kafka.start()
    try:
        yield kafka
    finally:
        await kafka.close()


async def topic_is(kafka, name, *, there):
    return (name in await kafka.list_topics()) == there


async def test_other_number_of_partitions_is_refused(world, table):
    made = reader(world, table, partitions=PARTITIONS + 1)
    with pytest.raises(WrongPartitions):
        await made.catch_up(20)
    await made.stop()


async def test_broker_that_restarts_is_followed_on(world, table, kafka):
    made = reader(world, table)
    await made.catch_up(20)
    async with running(made.run()):
        await world.say("before", who="p1")
        await until(lambda: "p1" in table, "followed")
        await kafka.kill()
        await kafka.start()
        await world.say("after", who="p2")
        await until(lambda: table.get("p2") == "after", "followed on")


async def test_gap_that_compaction_leaves_at_the_end_does_not_keep_it_from_catching_up(world, table):
    """Records up to the end may be gone: the position passes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka_bootstrap)
    await admin.start()
    try:
        from aiokafka import TopicPartition
        from aiokafka.admin import RecordsToDelete

        await world.say("gone", "gone too")
        tp = TopicPartition(world.names.said, partition_of("mia", PARTITIONS))
        await admin.delete_records({tp: RecordsToDelete(before_offset=2)})
    finally:
        await admin.close()
    made = reader(world, table)
    await made.catch_up(20)
    assert table == {}
    await made.stop()

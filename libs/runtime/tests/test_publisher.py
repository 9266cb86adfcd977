"""The publisher on a real broker."""

import asyncio
import itertools

import pytest
from runtime_world import DEADLINE, PARTITIONS, create_topics, until

from runtime import kafka as runtime_kafka
from runtime.errors import Overloaded, PublishFailed, WrongPartitions
from runtime.kafka import MAX_WAITING, Publisher
from runtime.packing import Packed
from runtime.partitions import partition_of
from runtime.records import Outgoing
from schemas import envelope

pytestmark = pytest.mark.infra


async def test_records_of_one_key_keep_the_order_of_calls_whatever_their_number(world):
    for start in range(0, 3000, 500):
        await world.say(*(str(number) for number in range(start, start + 500)))
    records = [record for record in await world.published(world.names.said) if record.key == b"mia"]
    assert [dict(record.headers)["ce_id"] for record in records] == [f"mia:{number}".encode() for number in range(3000)]
    assert {record.partition for record in records} == {partition_of("mia", PARTITIONS)}


async def test_calls_side_by_side_share_requests_and_each_is_acknowledged(world):
    await asyncio.gather(*(world.say("x", who=f"p{number}") for number in range(500)))
    records = await world.published(world.names.said)
    assert len(records) == 500
    assert all(record.partition == partition_of(record.key.decode(), PARTITIONS) for record in records)


async def test_callers_side_by_side_keep_the_order_of_each_key_and_lose_nothing(world):
    async def talk(who: str) -> None:
        for number in range(20):
            await world.say(str(number), who=who)

    # not awaited one by one: the order of the calls is that of the log all the same
    hasty = [asyncio.ensure_future(world.say(str(number), who="hasty")) for number in range(200)]
    await asyncio.gather(*(talk(f"p{number}") for number in range(40)), *hasty)
    said: dict[bytes, list[bytes]] = {}
    for record in await world.published(world.names.said):
        said.setdefault(record.key, []).append(dict(record.headers)["ce_id"])
    assert said.pop(b"hasty") == [f"hasty:{number}".encode() for number in range(200)]
    assert len(said) == 40
    for key, ids in said.items():
        assert ids == [key + f":{number}".encode() for number in range(20)]


async def test_batch_that_the_broker_refuses_fails_its_own_call_and_no_other(world):
    from schemas.topics import TOPICS, Topic

    name = f"small.{world.names.suffix}"
    await create_topics(world.settings.kafka_bootstrap, name, configs={"max.message.bytes": "2000"})
    TOPICS[name] = Topic(name, "", "who", TOPICS[world.names.said].union)
    there, elsewhere = (
        next(who for who in map(str, itertools.count()) if partition_of(who, PARTITIONS) == partition)
        for partition in range(2)
    )

    def publish(text: str, who: str) -> "asyncio.Future[None]":
        return asyncio.ensure_future(world.publisher.publish([Outgoing(name, world.say_event(text, who))]))

    try:
        await publish("first", there)
        beside = [publish("beside", elsewhere), asyncio.ensure_future(world.say("another topic"))]
        large = publish("x" * 5000, there)
        lane = world.publisher._lanes[name, 0]
        async with asyncio.timeout(DEADLINE):
            while lane.since is None:  # noqa: ASYNC110 - it is under way for less than a poll
                await asyncio.sleep(0)
        behind = publish("behind", there)
        results = await asyncio.gather(large, *beside, behind, return_exceptions=True)
        assert [type(result) for result in results] == [PublishFailed, type(None), type(None), type(None)]
        texts = [envelope.decode(r.topic, r.value, r.headers).text for r in await world.published(name)]
        assert sorted(texts) == ["behind", "beside", "first"]
    finally:
        del TOPICS[name]


async def test_call_that_is_cancelled_takes_back_its_own_records_only(world, kafka):
    await world.say("before")
    await kafka.pause()
    under_way = [asyncio.ensure_future(world.say(text)) for text in ("a", "b")]
    lane = world.publisher._lanes[world.names.said, partition_of("mia", PARTITIONS)]
    await until(lambda: lane.since is not None and not lane.waiting, "a and b are under way")
    waiting = [asyncio.ensure_future(world.say(text)) for text in ("c", "d", "e")]
    await until(lambda: len(lane.waiting) == 3, "the others wait")
    under_way[0].cancel()
    waiting[1].cancel()
    await kafka.resume()
    results = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
    assert [type(result) for result in results] == [
        asyncio.CancelledError,
        type(None),
        type(None),
        asyncio.CancelledError,
        type(None),
    ]
    ids = [dict(record.headers)["ce_id"].decode() for record in await world.published(world.names.said)]
    assert ids == ["mia:before", "mia:a", "mia:b", "mia:c", "mia:e"], "what was under way went on, d was taken back"


async def test_caller_may_be_less_patient_than_the_publisher_and_a_failure_does_not_keep_the_process_from_traffic(
    world, kafka, monkeypatch
):
    packed = [Packed(world.names.said, b"mia", b"{}", [])]
    await world.publisher.publish_packed(packed)
    await kafka.pause()
    with pytest.raises(PublishFailed, match=r"no answer in 0\.2 s"):
        await world.publisher.publish_packed(packed, within=0.2)
    await kafka.resume()
    publisher = world.publisher._component
    assert not publisher.report().ok
    monkeypatch.setattr(runtime_kafka, "TROUBLE", 0.0)
    assert publisher.report().ok


async def test_event_carries_its_source_and_its_trace_as_cloudevents_headers(world):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await world.publisher.publish([Outgoing(world.names.said, world.say_event("hi"), trace)])
    (record,) = await world.published(world.names.said)
    headers = dict(record.headers)
    assert headers["ce_source"] == b"test"
    assert headers["ce_id"] == b"mia:hi"
    assert headers["traceparent"] == trace.encode()


async def test_records_larger_together_than_one_request_all_arrive_in_order(world):
    texts = [str(number) * 300_000 for number in range(6)]
    await world.say(*texts)
    records = await world.published(world.names.said)
    assert [envelope.decode(r.topic, r.value, r.headers).text for r in records] == texts


async def test_record_of_almost_the_largest_size_is_taken(world):
    await world.say("x" * 880_000)
    assert len(await world.published(world.names.said)) == 1


async def test_broker_that_does_not_answer_fails_the_call_in_time_and_the_record_arrives_once_at_most_twice(
    world, kafka
):
    settings = world.settings.model_copy(update={"kafka_delivery_timeout": 0.3})
    publisher = await Publisher.start(settings, source="test", health=world.health)
    await publisher.publish([Outgoing(world.names.said, world.say_event("before"))])
    await kafka.pause()
    with pytest.raises(PublishFailed, match=r"no answer in 0\.3 s"):
        await publisher.publish([Outgoing(world.names.said, world.say_event("late"))])
    assert not world.health.report().ready
    with pytest.raises(PublishFailed):
        await publisher.publish([Outgoing(world.names.said, world.say_event("withdrawn"))])
    await kafka.resume()

    async def works():
        try:
            await publisher.publish([Outgoing(world.names.said, world.say_event("after"))])
        except PublishFailed:
            return False
        return True

    await until(works, "it works again")
    ids = [dict(record.headers)["ce_id"].decode() for record in await world.published(world.names.said)]
    assert list(dict.fromkeys(ids)) == ["mia:before", "mia:late", "mia:after"], "what was still waiting was taken back"
    assert world.health.report().components["publisher"].ok
    await publisher.stop()


async def test_publisher_whose_client_broke_gets_a_new_one(world):
    from aiokafka.errors import OutOfOrderSequenceNumber

    await world.say("a")
    broken = await world.publisher.producer(world.names.said)
    broken._message_accumulator.fail_all(OutOfOrderSequenceNumber())
    with pytest.raises(PublishFailed):
        await world.say("b")
    await world.say("c")
    assert await world.publisher.producer(world.names.said) is not broken
    assert len(await world.published(world.names.said)) == 2


async def test_more_than_can_wait_is_refused_at_once(world, kafka):
    await kafka.pause()
    one = Packed(world.names.said, b"mia", b"{}", [])
    waiting = asyncio.ensure_future(world.publisher.publish_packed([one] * MAX_WAITING))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await world.publisher.publish_packed([one])
    await kafka.resume()
    await asyncio.wait({waiting})
    waiting.exception()


async def test_topic_with_another_number_of_partitions_is_refused(world):
    from schemas.topics import TOPICS, Topic

    name = f"narrow.{world.names.suffix}"
    await create_topics(world.settings.kafka_bootstrap, name, partitions=1)
    TOPICS[name] = Topic(name, "", "who", TOPICS[world.names.said].union)
    try:
        with pytest.raises(WrongPartitions, match="has 1 partitions"):
            await world.publisher.publish([Outgoing(name, world.say_event("a"))])
    finally:
        del TOPICS[name]


async def test_topic_that_is_missing_fails_the_call_in_time(world):
    from schemas.topics import TOPICS, Topic

    name = f"missing.{world.names.suffix}"
    TOPICS[name] = Topic(name, "", "who", TOPICS[world.names.said].union)
    settings = world.settings.model_copy(update={"kafka_delivery_timeout": 0.5})
    publisher = await Publisher.start(settings, source="test")
    try:
        with pytest.raises(PublishFailed, match=name):
            await publisher.publish([Outgoing(name, world.say_event("a"))])
    finally:
        del TOPICS[name]
        await publisher.stop()

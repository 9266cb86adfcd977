"""The ordered consumer on a real broker and database: what it does with records, good and bad."""

import asyncio
import base64

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from runtime_world import PARTITIONS, Counter, Heard, at_most, send_raw, until

from runtime import partition as partition_module
from runtime.consumer import Later, NotOwned
from runtime.errors import WrongPartitions
from runtime.partitions import partition_of
from runtime.records import Outgoing
from schemas import envelope

pytestmark = pytest.mark.infra


def decoded(records):
    return [envelope.decode(record.topic, record.value, record.headers) for record in records]


async def letters(world):
    return decoded(await world.published(world.names.dead))


def a_person_elsewhere(than="mia"):
    """Somebody whose partition is another one."""
    return next(f"p{n}" for n in range(100) if partition_of(f"p{n}", PARTITIONS) != partition_of(than, PARTITIONS))


async def has(world, *texts, who="mia"):
    async def fact():
        return await world.texts(who) == list(texts)

    await until(fact, f"{who} said {texts}")


async def test_what_a_handler_returns_is_published_in_order_after_its_state_is_stored(world):
    texts = [f"{number}" for number in range(300)]
    await world.say(*texts)
    async with world.consuming():
        await has(world, *texts)
    answers = decoded(await world.published())
    assert [(answer.text, answer.count) for answer in answers] == [(text, int(text) + 1) for text in texts]
    assert await world.outbox() == 0, "a clean stop leaves nothing to publish"


async def test_record_carries_the_brokers_time_and_the_trace_and_the_bytes(world):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    said = world.say_event("hi")
    await world.publisher.publish([Outgoing(world.names.said, said, trace)])
    async with world.consuming():
        await has(world, "hi")
    raw = (await world.published(world.names.said))[0]
    record = world.handler.batches[0][0]
    assert record.at.timestamp() * 1000 == raw.timestamp
    assert (record.offset, record.key, record.traceparent, record.value) == (raw.offset, "mia", trace, raw.value)
    assert dict((await world.published())[0].headers)["traceparent"] == trace.encode()


async def test_second_copy_of_an_event_never_reaches_the_handler(world):
    await world.say("a", "a", "b")  # inside a batch
    async with world.consuming():
        await has(world, "a", "b")
        await world.say("b", "c")  # in a later one
        await has(world, "a", "b", "c")
    async with world.consuming():  # after a restart
        await world.say("a", "c", "d")
        await has(world, "a", "b", "c", "d")


async def test_restart_goes_on_at_the_stored_offset(world):
    await world.say("a", "b")
    async with world.consuming():
        await has(world, "a", "b")
    await world.say("c")
    again = Counter(world.names.heard)
    async with world.consuming(handler=again):
        await has(world, "a", "b", "c")
    assert [record.event.text for batch in again.batches for record in batch] == ["c"]


async def test_offset_is_told_to_kafka_for_lag_tools(world):
    await world.say("a", "b", "c")
    async with world.consuming():
        await has(world, "a", "b", "c")
    kafka = AIOKafkaConsumer(bootstrap_servers=world.settings.kafka_bootstrap, group_id=world.names.group)
    await kafka.start()
    try:
        tp = TopicPartition(world.names.said, partition_of("mia", PARTITIONS))
        assert await kafka.committed(tp) == 3
    finally:
        await kafka.stop()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xff\x00 no json", [("ce_type", b"test.said.v1")]),
        (b'{"id": "x"}', [("ce_type", b"test.said.v1")]),
        (b"{}", []),
        (None, [("ce_type", b"test.said.v1")]),
        (b"[" * 100_000, [("ce_type", b"test.said.v1")]),
    ],
    ids=["no JSON", "a field is missing", "no type", "no value", "deeply nested"],
)
async def test_undecodable_bytes_go_to_dead_letters_and_the_partition_goes_on(world, value, headers):
    await world.say("a")
    await send_raw(world, value, headers=headers)
    await world.say("b")
    async with world.consuming():
        await has(world, "a", "b")
    (letter,) = await letters(world)
    assert (letter.reason, letter.origin_topic, letter.origin_offset, letter.origin_key) == (
        "undecodable",
        world.names.said,
        1,
        "mia",
    )
    assert base64.b64decode(letter.value_base64) == (value or b"")
    assert letter.headers == {name: text.decode() for name, text in headers}


async def test_huge_undecodable_record_is_cut_so_that_its_letter_fits(world):
    await send_raw(world, b"x" * 800_000)
    await world.say("b")
    async with world.consuming():
        await has(world, "b")
    (letter,) = await letters(world)
    assert "cut to 500000 of 800000 bytes" in letter.error


async def test_unknown_type_stops_its_partition_with_an_alarm_and_no_other(world):
    other = a_person_elsewhere()
    await world.say("a")
    await send_raw(world, b"{}", headers=[("ce_type", b"test.said.v2")])
    await world.say("after")
    async with world.consuming():
        await has(world, "a")

        def stopped():
            (component,) = [each for name, each in world.health.report().components.items() if "consumer" in name]
            return "unknown_type" in component.detail and "test.said.v2" in component.detail

        await until(stopped, "readiness says why")
        assert not world.health.report().ready
        await world.say("x", "y", who=other)
        await has(world, "x", "y", who=other)
        assert await world.texts() == ["a"], "what stands behind it waits"
    again = world.make_consumer(unknown_types="skip")  # as a newer version would take it in
    async with world.running(again):
        await has(world, "a", "after")


async def test_unknown_type_is_passed_over_where_that_is_asked(world):
    await send_raw(world, b"{}", headers=[("ce_type", b"test.said.v2")])
    await world.say("b")
    async with world.consuming(unknown_types="skip"):
        await has(world, "b")
        await until(lambda: world.health.report().ready, "ready")
    assert await letters(world) == []


async def test_what_comes_while_a_group_gathers_is_one_batch(world):
    async with world.consuming(gather=2.0):
        await until(lambda: world.health.report().ready, "ready")
        await world.say("a")
        await world.say("b")
        await has(world, "a", "b")
    assert [[record.event.text for record in batch] for batch in world.handler.batches] == [["a", "b"]]


ONLY_OTHERS = frozenset({"test.something_else.v1"})


async def stored_place(world, who="mia"):
    place = await world.pool.fetchval(
        "SELECT next_offset FROM consumer_offset WHERE group_name = $1 AND partition = $2",
        world.names.group,
        partition_of(who, PARTITIONS),
    )
    return -1 if place is None else place


async def test_records_of_types_that_nobody_wants_are_passed_over_and_the_place_behind_them_is_stored(world):
    await world.say("a", "b", "c")
    async with world.consuming(types=ONLY_OTHERS) as consumer:
        await until(lambda: at_place(world, 3), "the place behind them is stored without a batch")
        await world.say("d")
        partition = partition_of("mia", PARTITIONS)

        async def ask(tx):
            # a job may ask how far the partition is: it is told what was passed over just now
            return []

        await until(lambda: has_passed(consumer, partition, 4), "d is passed over")
        await consumer.within(world.names.said, partition, ask)
        assert await stored_place(world) == 4
    assert world.handler.batches == []
    async with world.consuming():
        await world.say("e")
        await has(world, "e")


async def test_place_behind_unwanted_records_is_stored_when_the_partition_is_given_back(world, monkeypatch):
    monkeypatch.setattr(partition_module, "KEEP_PLACE", 60.0)
    await world.say("a")
    async with world.consuming(types=ONLY_OTHERS) as consumer:
        await until(lambda: has_passed(consumer, partition_of("mia", PARTITIONS), 1), "a is passed over")
        assert await stored_place(world) < 1
    assert await stored_place(world) == 1


async def test_wanted_record_behind_unwanted_ones_is_handled_once_also_after_a_restart(world):
    """The stored place may be before records that were passed over: they are passed over again."""
    wanted = frozenset({"test.said.v1"})
    async with world.consuming(types=wanted):
        await world.say("a")
        await has(world, "a")
    async with world.consuming(types=wanted):
        await world.say("b")
        await has(world, "a", "b")


async def at_place(world, offset):
    return await stored_place(world) == offset


def has_passed(consumer, partition, offset):
    each = consumer._partitions.get(TopicPartition(consumer._topics[0], partition))
    return each is not None and each.next_offset == offset


class Picky(Counter):
    """Raises for some texts."""

    error: Exception = ValueError("I do not like it")

    async def handle(self, tx, partition, records):
        outgoing = await super().handle(tx, partition, records)
        if any(record.event.text.startswith("poison") for record in records):
            raise self.error
        return outgoing


async def test_event_that_makes_the_handler_raise_goes_aside_alone(world):
    await world.say("a", "b", "poison", "c", "d")
    async with world.consuming(handler=Picky(world.names.heard)):
        await has(world, "a", "b", "c", "d")
        await world.say("e")
        await has(world, "a", "b", "c", "d", "e")
    (letter,) = await letters(world)
    assert (letter.reason, letter.origin_offset, letter.error) == ("handler", 2, "ValueError: I do not like it")
    raws = await world.published(world.names.said)
    assert base64.b64decode(letter.value_base64) == raws[2].value
    assert [answer.text for answer in decoded(await world.published())] == ["a", "b", "c", "d", "e"]


async def test_handler_says_itself_what_becomes_of_a_poisoned_event_in_the_same_transaction(world):
    class Own(Picky):
        async def poisoned(self, tx, partition, record, error):
            await tx.execute("INSERT INTO heard VALUES ('aside', 1, ARRAY[$1])", f"{record.event.text}: {error}")
            return [Outgoing(self.topic, Heard(id="aside", who="mia", count=0, text="aside"))]

    await world.say("a", "poison", "b")
    async with world.consuming(handler=Own(world.names.heard)):
        await has(world, "a", "b")
    assert await world.texts("aside") == ["poison: I do not like it"]
    assert [answer.text for answer in decoded(await world.published())] == ["a", "aside", "b"]
    assert await letters(world) == []


async def test_handler_that_raises_for_the_poisoned_event_too_does_not_stop_the_partition(world):
    class Hopeless(Picky):
        async def poisoned(self, tx, partition, record, error):
            raise RuntimeError("nor that")

    await world.say("poison", "a")
    async with world.consuming(handler=Hopeless(world.names.heard)):
        await has(world, "a")
    (letter,) = await letters(world)
    assert letter.error == "ValueError: I do not like it"


async def test_handler_that_can_take_no_event_at_all_stops_its_partition_instead_of_emptying_the_log(world):
    await world.say(*(f"poison {number}" for number in range(20)))
    async with world.consuming(handler=Picky(world.names.heard), settings=at_most(world, 5)):
        await until(lambda: "poisoned" in world.health.report().model_dump_json(), "an alarm")
    assert len(await letters(world)) == 5
    async with world.consuming():  # as a version without the fault
        await has(world, *(f"poison {number}" for number in range(5, 20)))


async def test_schema_that_changes_beside_us_puts_a_batch_off_and_aside_nothing(world):
    class Selecting(Counter):
        async def handle(self, tx, partition, records):
            await tx.fetch("SELECT * FROM heard WHERE who = 'nobody'")
            return await super().handle(tx, partition, records)

    await world.say("a")
    async with world.consuming(handler=Selecting(world.names.heard)):
        await has(world, "a")
        await world.pool.execute("ALTER TABLE heard ADD COLUMN more int")
        await world.say("b")
        await until(lambda: _heard_b(world), "b was heard")
    assert await letters(world) == []


async def _heard_b(world):
    return await world.texts() == ["a", "b"]


async def test_answer_that_is_too_large_is_the_fault_of_its_event_alone(world):
    class Verbose(Counter):
        async def handle(self, tx, partition, records):
            heard = await super().handle(tx, partition, records)
            return [
                Outgoing(each.topic, each.event.model_copy(update={"text": "x" * 1_000_000}))
                if each.event.text == "long"
                else each
                for each in heard
            ]

    await world.say("a", "long", "b")
    async with world.consuming(handler=Verbose(world.names.heard)):
        await has(world, "a", "b")
    (letter,) = await letters(world)
    assert letter.error.startswith("RecordTooLarge")


@pytest.mark.parametrize(
    "error", [Later("away"), OSError("unreachable"), TimeoutError()], ids=lambda e: type(e).__name__
)
async def test_batch_comes_again_when_what_it_needs_was_away(world, error):
    failures = [error, error]

    async def away(_records):
        if failures:
            raise failures.pop()

    world.handler.before = away
    await world.say("a", "b")
    async with world.consuming():
        await has(world, "a", "b")
    assert [[record.event.text for record in batch] for batch in world.handler.batches] == [["a", "b"]] * 3
    assert await letters(world) == []
    place = (world.names.said, partition_of("mia", PARTITIONS))
    assert world.handler.assigned_to.count(place) == 3, "what the handler remembered is begun anew each time"


async def test_handler_is_told_when_its_batch_is_committed_and_not_of_one_that_failed(world):
    failures = [Later("away")]
    told: list[int] = []

    async def away(_records):
        if failures:
            raise failures.pop()

    world.handler.before = away
    world.handler.committed = lambda _topic, _partition: told.append(len(world.handler.batches))
    await world.say("a", "b")
    async with world.consuming():
        await has(world, "a", "b")
    assert told == [2], "the second attempt alone"


async def test_stored_offset_that_the_log_no_longer_has_stops_the_partition_and_skips_nothing(world):
    other = a_person_elsewhere()
    await world.say("a", "b", "c", "d")
    async with world.consuming():
        await has(world, "a", "b", "c", "d")
    await world.pool.execute("UPDATE consumer_offset SET next_offset = 1 WHERE next_offset = 4")
    await world.say("e")
    admin = AIOKafkaAdminClient(bootstrap_servers=world.settings.kafka_bootstrap)
    await admin.start()
    try:
        tp = TopicPartition(world.names.said, partition_of("mia", PARTITIONS))
        await admin.delete_records({tp: RecordsToDelete(before_offset=3)})
    finally:
        await admin.close()
    async with world.consuming():
        await world.say("x", who=other)
        await has(world, "x", who=other)
        await until(lambda: "out_of_range" in world.health.report().model_dump_json(), "an alarm")
        assert await world.texts() == ["a", "b", "c", "d"]


async def test_job_runs_in_the_partitions_order_under_its_fence(world):
    place = (world.names.said, partition_of("mia", PARTITIONS))

    async def timer(tx):
        await tx.execute("UPDATE heard SET texts = texts || 'timer'::text WHERE who = 'mia'")
        return [Outgoing(world.names.heard, Heard(id="timer", who="mia", count=0, text="timer"))]

    async with world.consuming() as consumer:
        await world.say("a")
        await has(world, "a")
        await consumer.within(*place, timer)
        await world.say("b")
        await has(world, "a", "timer", "b")
        assert consumer.owned() == {(world.names.said, number) for number in range(PARTITIONS)}
        assert consumer.fence(*place) == 1
    assert [answer.text for answer in decoded(await world.published())] == ["a", "timer", "b"]
    assert consumer.owned() == frozenset()
    assert consumer.fence(*place) is None
    with pytest.raises(NotOwned):
        await consumer.within(*place, timer)


async def test_job_that_raises_tells_its_caller_and_leaves_the_partition_working(world):
    place = (world.names.said, partition_of("mia", PARTITIONS))

    async def broken(tx):
        await tx.execute("INSERT INTO heard VALUES ('job', 1, '{}')")
        raise ZeroDivisionError

    async with world.consuming() as consumer:
        await world.say("a")
        await has(world, "a")
        with pytest.raises(ZeroDivisionError):
            await consumer.within(*place, broken)
        await world.say("b")
        await has(world, "a", "b")
    assert await world.pool.fetchval("SELECT count(*) FROM heard WHERE who = 'job'") == 0


async def test_partition_that_stands_still_with_work_before_it_fails_readiness_after_30_seconds(world):
    seconds, reached, go_on = [0.0], asyncio.Event(), asyncio.Event()

    async def hold(_records):
        reached.set()
        await go_on.wait()

    async with world.consuming(clock=lambda: seconds[0]):
        await until(lambda: world.health.report().ready, "ready")
        seconds[0] = 1000.0  # idle, and nobody looked
        world.handler.before = hold
        await world.say("a")
        await reached.wait()
        assert world.health.report().ready
        seconds[0] = 1029.0
        assert world.health.report().ready
        seconds[0] = 1030.0
        assert "1 records behind and no progress for 30 s" in world.health.report().model_dump_json()
        go_on.set()
        await has(world, "a")
        await until(lambda: world.health.report().ready, "ready again")


async def test_topic_with_another_number_of_partitions_is_refused_at_start(world):
    settings = world.settings.model_copy(update={"partitions": PARTITIONS + 1})
    consumer = world.make_consumer(settings=settings)
    with pytest.raises(
        WrongPartitions, match=f"has {PARTITIONS} partitions, but this process expects {PARTITIONS + 1}"
    ):
        await asyncio.wait_for(consumer.run(), 30)


async def test_event_ids_of_old_weeks_are_dropped_whole_and_young_ones_are_kept(world):
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 11, 24, tzinfo=UTC)
    await world.say("a")
    async with world.consuming(now=lambda: start):
        await has(world, "a")
    async with world.consuming(now=lambda: start + timedelta(days=7)):
        await world.say("a", "b")
        await has(world, "a", "b")
    async with world.consuming(now=lambda: start + timedelta(days=21)):
        await world.say("a", "c")
        await has(world, "a", "b", "a", "c")
    assert await world.pool.fetchval("SELECT count(*) FROM seen_event") == 2


async def test_deduplication_is_by_index_also_while_the_table_has_no_statistics(world):
    async with world.pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        from runtime.postgres import statements

        await connection.execute(
            "INSERT INTO seen_event SELECT 0, 1, decode(md5(n::text), 'hex') FROM generate_series(1, 20000) n"
        )
        sql = statements("runtime")["advance"]
        await connection.execute(f"PREPARE p (int, bigint, bigint, bigint, bigint, int, bytea[]) AS {sql}")
        plan = await connection.fetch("EXPLAIN EXECUTE p (1, 1, 1, 2, 0, 0, '{}')")
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan on seen_event" not in text, text

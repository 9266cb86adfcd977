"""The service as it runs: a process of its own on a real broker."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from engine_process import FLOW, START, Engine, until

from flow_engine.lag import LagWatch, TurnsStuck
from runtime import topics
from runtime.health import Health
from runtime.kafka import Publisher, partition_of
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from runtime.stops import Stopped
from schemas import envelope
from schemas.base import BaseEvent
from schemas.bots import FlowPublished
from schemas.conversations import TurnCompleted
from schemas.turns import TurnAsked

pytestmark = pytest.mark.infra

PARTITIONS = 8
ANSWERS = 60.0  # seconds for all answers, a session time-out of a killed process included


def turn(
    number: int, *, customer: int | None = None, text: str = "hello", flow: str = "salon@1", attempt: int = 1
) -> TurnAsked:
    return TurnAsked.model_validate(
        {
            "id": f"t{number}:{attempt}",
            "conversation": f"messenger:1:{number if customer is None else customer}",
            "bot": "salon",
            "turn": f"t{number}",
            "epoch": 0,
            "attempt": attempt,
            "flow": flow,
            "input": {"reason": "message", "message": {"text": text}},
        }
    )


@pytest.fixture
async def settings(empty_kafka: str) -> ServiceSettings:
    found = ServiceSettings(kafka_bootstrap=empty_kafka, partitions=PARTITIONS)
    await topics.ensure(found)
    return found


@pytest.fixture
async def publisher(settings: ServiceSettings) -> AsyncIterator[Publisher]:
    made = await Publisher.start(settings, source="takeover")
    await made.publish([Outgoing("flows", FlowPublished(id="f1", ref="salon@1", bot="salon", document=FLOW))])
    yield made
    await made.stop()


@pytest.fixture
async def make_engine(settings: ServiceSettings, tmp_path: Path) -> AsyncIterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(**more: str) -> Engine:
        env = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "CONVOBOSS_PARTITIONS": str(PARTITIONS),
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": "6",
            "CONVOBOSS_FLOW_WAIT": "0.5",
            **more,
        }
        made.append(Engine(env, tmp_path / f"engine-{len(made)}.log"))
        return made[-1]

    yield make
    for engine in made:
        if engine.process is not None:
            await engine.stop(signal.SIGKILL)


class Answers:
    """What is in a topic, read from its beginning."""

    def __init__(self, kafka: AIOKafkaConsumer, topic: str) -> None:
        self.kafka = kafka
        self.topic = topic
        self.events: list[BaseEvent] = []

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    async def read(self, enough: Callable[[Sequence[str]], bool], seconds: float = ANSWERS) -> None:
        deadline = time.monotonic() + seconds
        while not enough(self.ids):
            assert time.monotonic() < deadline, f"{len(self.events)} events: {self.ids[-20:]}"
            for records in (await self.kafka.getmany(timeout_ms=200)).values():
                self.events += [envelope.decode(self.topic, each.value, each.headers) for each in records]


@pytest.fixture
async def answers(settings: ServiceSettings, publisher: Publisher) -> AsyncIterator[Answers]:
    async for found in _answers(settings, "conversations"):
        yield found


@pytest.fixture
async def letters(settings: ServiceSettings, publisher: Publisher) -> AsyncIterator[Answers]:
    async for found in _answers(settings, "dead-letters"):
        yield found


async def _answers(settings: ServiceSettings, topic: str) -> AsyncIterator[Answers]:
    kafka = AIOKafkaConsumer(topic, bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await kafka.start()
    yield Answers(kafka, topic)
    await kafka.stop()


async def ask(publisher: Publisher, turns: Sequence[TurnAsked]) -> None:
    await publisher.publish([Outgoing("turns", each) for each in turns])


def all_of(wanted: set[str]) -> Callable[[Sequence[str]], bool]:
    return lambda ids: wanted <= set(ids)


async def test_200_turns_are_answered_in_order_by_conversation_and_a_stop_loses_nothing(
    make_engine, publisher, answers
):
    turns = [turn(number, customer=number % 20) for number in range(200)]
    await ask(publisher, turns[:150])
    engine = make_engine()
    began = time.monotonic()
    await engine.start()
    await answers.read(bool)
    first = time.monotonic() - began
    await answers.read(all_of({f"t{number}:done" for number in range(150)}))
    await engine.ready()
    assert await engine.get("metrics") == 200
    assert await engine.stop() == 0

    await ask(publisher, turns[150:])
    again = make_engine()
    await again.start()
    await answers.read(all_of({f"t{number}:done" for number in range(200)}))
    assert await again.stop() == 0
    for customer in range(20):
        said = [e.turn for e in answers.events if e.conversation == f"messenger:1:{customer}"]
        assert said == [f"t{number}" for number in range(customer, 200, 20)]  # each once, in order
    assert all(isinstance(event, TurnCompleted) and event.messages[0].text == "Hi there" for event in answers.events)
    for log in (engine.log, again.log):
        lines = log.read_text().splitlines()
        assert all(json.loads(line)["service"] == "flow-engine" for line in lines), lines
    print(f"first answer {first:.1f} s after the start")


async def test_killed_in_the_middle_each_turn_is_answered_at_least_once_and_a_second_answer_is_the_same(
    make_engine, publisher, answers
):
    await ask(publisher, [turn(number) for number in range(3000)])
    engine = make_engine(CONVOBOSS_KAFKA_BATCH_RECORDS="20")
    await engine.start()
    await answers.read(lambda ids: len(ids) >= 100)
    await engine.stop(signal.SIGKILL)
    again = make_engine()
    await again.start()
    await answers.read(all_of({f"t{number}:done" for number in range(3000)}))
    assert await again.stop() == 0
    by_id: dict[str, set[str]] = {}
    for event in answers.events:
        by_id.setdefault(event.id, set()).add(event.model_dump_json())
    assert {len(copies) for copies in by_id.values()} == {1}
    print(f"{len(answers.events) - 3000} turns were answered twice")


async def test_a_second_process_shares_the_work_and_none_is_left_out(make_engine, publisher, answers):
    one, two = make_engine(), make_engine()
    await one.start()
    await one.ready()
    await ask(publisher, [turn(number) for number in range(400)])
    await two.start()
    await two.ready()
    await ask(publisher, [turn(number) for number in range(400, 800)])
    await answers.read(all_of({f"t{number}:done" for number in range(800)}))
    assert await one.stop() == 0
    await ask(publisher, [turn(number) for number in range(800, 900)])
    await answers.read(all_of({f"t{number}:done" for number in range(900)}))
    assert await two.stop() == 0
    assert set(Counter(answers.ids).values()) <= {1, 2}


async def test_bytes_that_are_no_turn_are_dead_letters_and_stop_nothing(
    make_engine, settings, publisher, answers, letters
):
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    after = turn(1)
    place = partition_of(after.key, PARTITIONS)
    bad: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
        (b"k", b"\xff\xfe", [("ce_type", b"turn.asked.v1")]),
        (b"\xff", b"{}", [("ce_type", b"turn.asked.v1")]),
        (None, b"null", []),
        (b"k", None, [("ce_type", b"turn.asked.v1")]),
        (b"k", b"{}", [("ce_type", b"something.v7"), ("traceparent", b"\xff")]),
    ]
    for key, value, headers in bad:
        await producer.send_and_wait("turns", key=key, value=value, headers=headers, partition=place)
    await producer.stop()
    await ask(publisher, [after])
    engine = make_engine()
    await engine.start()
    await answers.read(all_of({"t1:done"}))
    await letters.read(lambda ids: len(set(ids)) == len(bad))
    assert sorted(event.origin_offset for event in letters.events) == [0, 1, 2, 3, 4]
    await engine.ready()


async def test_too_many_that_are_no_turns_stop_their_partition_alone_until_they_are_let_pass(
    make_engine, settings, publisher, answers, letters
):
    here, behind = turn(1), turn(1, attempt=1).changed(id="t2:1", turn="t2")
    place = partition_of(here.key, PARTITIONS)
    elsewhere = next(turn(n) for n in range(100, 200) if partition_of(turn(n).key, PARTITIONS) != place)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    await ask(publisher, [here])
    for number in range(8):
        await producer.send_and_wait("turns", key=b"k", value=b"of a later version %d" % number, partition=place)
    await producer.stop()
    await ask(publisher, [behind])
    engine = make_engine(CONVOBOSS_DEAD_LETTERS_IN_A_ROW="5", CONVOBOSS_STUCK_AFTER="10")
    await engine.start()
    await engine.says("partition stopped, a person is needed")
    await until(engine.is_not_ready, START, engine.log.read_text)
    await ask(publisher, [elsewhere])
    await answers.read(all_of({"t1:done", f"{elsewhere.turn}:done"}))
    assert "t2:done" not in answers.ids, "it stands, and is not skipped"
    (said,) = [line for line in map(json.loads, engine.log.read_text().splitlines()) if line["level"] == "critical"]
    assert (said["partition"], said["topic"]) == (place, "turns")
    assert "6 records in a row" in said["error"]
    assert "CONVOBOSS_DEAD_LETTERS_IN_A_ROW" in said["advice"]
    assert await engine.stop() == 0
    await letters.read(lambda ids: len(set(ids)) == 5)
    again = make_engine(CONVOBOSS_DEAD_LETTERS_IN_A_ROW="0")
    await again.start()
    await answers.read(all_of({"t2:done"}))
    await letters.read(lambda ids: len(set(ids)) == 8)
    assert sorted({event.origin_offset for event in letters.events}) == list(range(1, 9)), "each has its letter"
    await again.ready()


async def test_a_partition_that_was_stopped_for_a_person_does_not_end_the_process(settings, publisher):
    """A new one would put aside as many again."""
    await ask(publisher, [turn(1)])
    looks = []
    health = Health()
    place = partition_of(turn(1).key, PARTITIONS)
    watch = LagWatch(
        settings,
        group="nobody",
        topic="turns",
        owned=lambda: looks.append(time.monotonic()) or [place],
        stopped=lambda: {place: Stopped("undecodable", "6 records in a row")},
        stuck_after=0.3,
        component=health.component("turns"),
        clock=time.monotonic,
        every=0.05,
    )
    watching = asyncio.create_task(watch.run())

    async def long_enough() -> bool:
        return watching.done() or (bool(looks) and looks[-1] - looks[0] > 1.0)

    await until(long_enough, START)
    assert not watching.done()
    assert f"partition {place} stopped: undecodable: 6 records in a row" in health.report().model_dump_json()
    watching.cancel()


async def test_a_turn_whose_flow_is_not_there_is_left_and_answered_when_it_is_asked_again(
    make_engine, publisher, answers
):
    await ask(publisher, [turn(1, flow="salon@2"), turn(2)])
    engine = make_engine()
    await engine.start()
    await answers.read(all_of({"t2:done"}))
    await engine.says("a flow version is not known")
    await engine.ready()
    await publisher.publish([Outgoing("flows", FlowPublished(id="f2", ref="salon@2", bot="salon", document=FLOW))])
    await ask(publisher, [turn(1, flow="salon@2", attempt=2)])
    await answers.read(all_of({"t1:done"}))
    assert answers.ids == ["t2:done", "t1:started:2", "t1:done"]


async def test_a_slow_turn_holds_up_its_own_partition_only(make_engine, publisher, answers):
    engine = make_engine(CONVOBOSS_DRILL_SLOW_KEYWORD="slow", CONVOBOSS_DRILL_SLOW_SECONDS="2")
    await engine.start()
    await engine.ready()
    here = turn(0, text="slow")
    others = [
        turn(n) for n in range(1, 60) if partition_of(turn(n).key, PARTITIONS) != partition_of(here.key, PARTITIONS)
    ]
    await ask(publisher, [here, *others])
    began = time.monotonic()
    await answers.read(all_of({"t0:done"}))
    assert time.monotonic() - began > 1.5
    assert answers.ids[-1] == "t0:done"
    assert {f"{each.turn}:done" for each in others} <= set(answers.ids)


async def test_a_broker_that_was_killed_and_came_back_is_used_again(make_engine, publisher, answers, kafka):
    """Faust gives up when a broker is away for long; the process ends then, and is started again, as a supervisor does."""
    engine = make_engine()
    await engine.start()
    await engine.ready()
    await ask(publisher, [turn(1)])
    await answers.read(all_of({"t1:done"}))
    await kafka.kill()
    await until(engine.is_not_ready, START, engine.log.read_text)
    await kafka.start()
    await ask(publisher, [turn(2)])
    supervising = asyncio.create_task(engine.supervised())
    await answers.read(all_of({"t2:done"}))
    await until(engine.is_ready, START, engine.log.read_text)
    supervising.cancel()


async def test_a_topic_with_another_number_of_partitions_is_refused_with_a_sentence(make_engine, publisher):
    engine = make_engine(CONVOBOSS_PARTITIONS="4")
    await engine.start()
    async with asyncio.timeout(START):
        assert await engine.process.wait() == 1
    assert "has 8 partitions, but this process expects 4" in engine.log.read_text()


async def test_waiting_turns_without_progress_end_the_process(settings, publisher):
    await ask(publisher, [turn(1)])
    owned = [partition_of(turn(1).key, PARTITIONS)]
    health = Health()
    watch = LagWatch(
        settings,
        group="nobody",
        topic="turns",
        owned=lambda: owned,
        stuck_after=0.3,
        component=health.component("turns"),
        clock=time.monotonic,
        every=0.05,
    )
    async with asyncio.timeout(20):
        await watch.until_there()
        with pytest.raises(TurnsStuck) as stuck:
            await watch.run()
    assert stuck.value.partitions == frozenset(owned)
    assert not health.report().ready

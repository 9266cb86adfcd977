"""The switch and the engine together, when turns are lost: everybody is answered, once, and a crash is its own conversation's."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest
import takeover_stack
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from engine_process import FLOW, Engine
from structlog.testing import capture_logs
from takeover_stack import Stack
from takeover_world import PAGE, bot_settings

from runtime.partitions import partition_of
from schemas.bots import FlowPublished
from schemas.commands import SendMessage
from schemas.conversations import CustomerMessage
from schemas.messages import CustomerInput
from schemas.outcomes import TakeoverStarted
from schemas.topics import CONVERSATIONS, FLOWS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from takeover import metrics

pytestmark = [pytest.mark.infra, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
PARTITIONS = 8
PATIENCE = 120.0  # seconds: a killed engine is missed after 6, and the machine is busy
TEN_MINUTES = 5  # so often a turn is asked again in them: after 30 s, 90 s, 210 s, 450 s, and then every 5 minutes


@pytest.fixture
async def stack(empty_kafka, database_url, monkeypatch) -> AsyncIterator[Stack]:
    monkeypatch.setattr(takeover_stack, "PATIENCE", PATIENCE)
    async with Stack.made(empty_kafka, database_url, timer_poll=0.2) as made:
        flow = FlowPublished(id="f1", ref="salon@1", bot="salon", document=FLOW)
        await made.publish(flow, topic=FLOWS)
        yield made


@pytest.fixture
async def make_engine(stack, tmp_path) -> AsyncIterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(*program: str) -> Engine:
        env = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": stack.settings.kafka_bootstrap,
            "CONVOBOSS_PARTITIONS": str(PARTITIONS),
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": "6",
            "CONVOBOSS_KAFKA_BATCH_RECORDS": "20",
        }
        made.append(Engine(env, tmp_path / f"engine-{len(made)}.log", program or ("-m", "flow_engine")))
        return made[-1]

    yield make
    for engine in made:
        if engine.process is not None:
            await engine.stop(SIGKILL)


@asynccontextmanager
async def supervised(engine: Engine) -> AsyncIterator[None]:
    await engine.start()
    supervising = asyncio.create_task(engine.supervised())
    try:
        yield
    finally:
        supervising.cancel()
        with suppress(asyncio.CancelledError):
            await supervising


def customer(number: int) -> str:
    return f"messenger:{PAGE}:{number}"


def says(number: int, text: str = "hello") -> CustomerMessage:
    key = customer(number)
    return CustomerMessage(id=f"{key}:m1", conversation=key, input=CustomerInput(text=text))


async def count(stack: Stack, query: str, *values: object) -> int:
    return (await stack.rows(f"SELECT count(*) AS n FROM {query}", *values))[0]["n"]  # noqa: S608 - the tests' own


async def until(fact, what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if await fact():
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE} s: {what}") from None


async def asked_again(stack: Stack, attempt: int) -> None:
    """Lets so much time go by for the turns that are out that all have been asked so often."""
    asked_less = "kind = 'turn' AND (event->>'attempt')::int < $1"

    async def fact() -> bool:
        await stack.rows(f"UPDATE timer SET due_at = now() WHERE {asked_less} AND due_at > now()", attempt)  # noqa: S608
        return not await count(stack, f"timer WHERE {asked_less}", attempt)

    await until(fact, f"asked {attempt} times")


async def settled(stack: Stack) -> bool:
    """Whether the engine has taken every turn, and the switch every event."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.settings.kafka_bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.settings.kafka_bootstrap, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        turns = await consumer.end_offsets([TopicPartition(TURNS, n) for n in range(PARTITIONS)])
        taken = await admin.list_consumer_group_offsets("flow-engine")
        if any(taken[tp].offset < end if tp in taken else end for tp, end in turns.items()):
            return False
        ends = await consumer.end_offsets([TopicPartition(CONVERSATIONS, n) for n in range(PARTITIONS)])
        rows = await stack.rows("SELECT partition, next_offset FROM consumer_offset")
        places = {row["partition"]: max(0, row["next_offset"]) for row in rows}
        return all(places.get(tp.partition, 0) >= end for tp, end in ends.items())
    finally:
        await consumer.stop()
        await admin.close()


async def said_to(stack: Stack) -> Counter[str]:
    """How many messages each customer was sent, second copies included."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: Counter[str] = Counter()
    try:
        places = [TopicPartition(MESSENGER_COMMANDS, n) for n in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(tp) < ends[tp] for tp in places]):
            for raws in (await consumer.getmany(timeout_ms=100)).values():
                found.update(raw.key.decode() for raw in raws if dict(raw.headers)["ce_type"] == b"message.send.v1")
    finally:
        await consumer.stop()
    return found


async def test_killed_amid_1000_turns_and_away_for_ten_minutes_every_customer_is_answered_once(stack, make_engine):
    everybody = range(1000)
    async with stack.running():
        await stack.publish(*(says(number) for number in everybody))
        engine = make_engine()
        await engine.start()
        await until(lambda: more_than(stack, 100), "a hundred were answered")
        await engine.stop(SIGKILL)
        answered = sum((await said_to(stack)).values())
        assert 100 <= answered < len(everybody), "in the middle"
        await asked_again(stack, TEN_MINUTES)
        assert sum((await said_to(stack)).values()) >= answered
        again = make_engine()
        await again.start()
        await until(lambda: settled(stack), "all is taken")
        await until(lambda: nothing_is_out(stack), "no turn is out")
        assert await said_to(stack) == Counter({customer(number): 1 for number in everybody})
        assert await count(stack, "conversation WHERE owner = 'bot'") == len(everybody), "nobody needs a person"
    print(f"{answered} were answered before the kill")


async def more_than(stack: Stack, number: int) -> bool:
    return sum((await said_to(stack)).values()) > number


async def nothing_is_out(stack: Stack) -> bool:
    return not await count(stack, "timer WHERE kind = 'turn'")


async def test_a_flow_that_ends_its_process_each_time_gets_a_person_and_the_others_are_answered_meanwhile(
    stack, make_engine
):
    """Fifty customers before it in its partition, fifty behind it; all wait in one batch when the engine comes."""
    here = [number for number in range(2000) if partition_of(customer(number), PARTITIONS) == 0][:101]
    fatal = here[50]
    before = metrics.TAKEOVERS.labels("fault")._value.get()
    async with stack.running():
        await stack.publish(*(says(number, "die" if number == fatal else "hello") for number in here))
        engine = make_engine(str(HERE / "fragile.py"))
        async with supervised(engine):
            await until(lambda: all_but_one(stack, here, fatal), "the others are answered while it is not")
            assert not await count(stack, "episode")
            deaths = engine.deaths
            for attempt in (2, 3, 4):
                await asked_again(stack, attempt)
                await until(
                    lambda attempt=attempt: was_begun(stack, fatal, attempt - 1), "it is begun, and ends another"
                )
            await stack.rows("UPDATE timer SET due_at = now() WHERE kind = 'turn'")
            (started,) = await stack.wait_for(OUTCOMES, TakeoverStarted)
            await until(lambda: settled(stack), "the engine is past it")
            late = says(5000)
            await stack.publish(late)
            await stack.wait_for(MESSENGER_COMMANDS, SendMessage, conversation=late.conversation)
        assert (started.conversation, started.cause) == (customer(fatal), "fault")
        assert started.fault == "The turn was begun 3 times and never finished."
        assert metrics.TAKEOVERS.labels("fault")._value.get() == before + 1
        assert deaths <= 6, "few, until it comes first"
        assert engine.deaths <= deaths + 2 * 3, "one for each time it was asked again; two where the commit failed"
        assert await said_to(stack) == Counter({**{customer(number): 1 for number in here}, late.conversation: 1}), (
            "fallback text for the one, an answer for each of the others"
        )
        (fallback,) = await stack.wait_for(MESSENGER_COMMANDS, SendMessage, conversation=customer(fatal))
        assert fallback.message.text == bot_settings().fallback_text
        assert await count(stack, "conversation WHERE owner = 'human'") == 1


async def all_but_one(stack: Stack, numbers: list[int], one: int) -> bool:
    return await said_to(stack) == Counter({customer(number): 1 for number in numbers if number != one})


async def was_begun(stack: Stack, number: int, times: int) -> bool:
    state = "conversation WHERE id = $1 AND (state->'turn'->>'started')::int >= $2"
    return bool(await count(stack, state, customer(number), times))


async def test_a_flow_that_raises_gets_a_person_at_once_and_the_others_are_answered(stack, make_engine):
    numbers = range(30)
    with capture_logs() as logs:
        await raising(stack, make_engine, numbers)
    (said,) = [each for each in logs if each["event"] == "a fault brought a person"]
    assert (said["log_level"], said["conversation"], said["error"]) == ("error", customer(7), "ZeroDivisionError")


async def raising(stack: Stack, make_engine: Callable[..., Engine], numbers: range) -> None:
    async with stack.running():
        await stack.publish(*(says(number, "raise" if number == 7 else "hello") for number in numbers))
        engine = make_engine(str(HERE / "fragile.py"))
        await engine.start()
        (started,) = await stack.wait_for(OUTCOMES, TakeoverStarted)
        assert (started.conversation, started.cause, started.fault) == (customer(7), "fault", "ZeroDivisionError")
        await until(lambda: settled(stack), "all is taken")
        assert await said_to(stack) == Counter({customer(number): 1 for number in numbers})
        assert await count(stack, "conversation WHERE owner = 'human'") == 1
        assert engine.process is not None
        assert engine.process.returncode is None
        assert "a turn failed" in engine.log.read_text()

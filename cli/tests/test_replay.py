"""`replay`, `timeline`, `verify` and `erase` on a real broker and a real database, with takeover at work."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from terminal_world import DEADLINE, environment

from runtime.partitions import partition_of
from schemas.base import BaseEvent
from schemas.commands import SendMessage
from schemas.conversations import CustomerMessage, OperatorReplies, TakeoverRequested, TurnCompleted
from schemas.messages import CustomerInput, OutMessage
from schemas.outcomes import AnswerSuppressed, ConversationErased, CustomerSaid, TakeoverStarted
from schemas.sessions import Session
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from schemas.turns import TurnAsked

sys.path.insert(0, str(Path(__file__).parents[2] / "services" / "takeover" / "tests"))

from takeover_stack import Stack, break_on_poison
from takeover_world import ANA, MIA, PAGE, block

pytestmark = pytest.mark.infra
OTHER = f"messenger:{PAGE}:7002"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
async def stack(empty_kafka: str, database_url: str) -> AsyncIterator[Stack]:
    async with Stack.made(empty_kafka, database_url) as made:
        yield made


async def command(stack: Stack, *arguments: str, **more: str) -> Done:
    url = stack.settings.database_url.get_secret_value()
    env = environment(stack.settings.kafka_bootstrap, CONVOBOSS_DATABASE_URL=url, **more)
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "convoboss", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )


def says(text: str, number: int = 1, conversation: str = MIA) -> CustomerMessage:
    return CustomerMessage(id=f"{conversation}:m{number}", conversation=conversation, input=CustomerInput(text=text))


def answer(turn: TurnAsked, text: str) -> TurnCompleted:
    return TurnCompleted(
        id=f"{turn.turn}:done",
        conversation=turn.conversation,
        turn=turn.turn,
        epoch=turn.epoch,
        messages=(OutMessage(text=text),),
        session=Session(flow="salon@1", waits_for="input", attributes={"phone": "555-0100"}),
    )


def asks_person(turn: TurnAsked) -> TakeoverRequested:
    return TakeoverRequested(
        id=f"{turn.turn}:done",
        conversation=turn.conversation,
        turn=turn.turn,
        epoch=turn.epoch,
        session=Session(flow="salon@1", at="ask-person", waits_for="person"),
        block=block(),
    )


async def told(stack: Stack) -> None:
    """Mia is answered by the bot, asks for a person, and Ana answers; a late answer of the bot is suppressed."""
    await stack.publish(says("my number is 555-0100"))
    first = (await stack.wait_for(TURNS, TurnAsked))[0]
    await stack.publish(answer(first, "Hello Mia!"), answer(first, "Hello Mia!"), says("a person, please", 2))
    second = (await stack.wait_for(TURNS, TurnAsked, count=2))[1]
    await stack.publish(asks_person(second))
    started = (await stack.wait_for(OUTCOMES, TakeoverStarted))[0]
    late = answer(second, "too late").model_copy(update={"id": "late"})
    reply = OperatorReplies(id="c1", conversation=MIA, operator=ANA, epoch=1, seq=started.seq, text="Ana here")
    await stack.publish(late, reply, says("another customer", conversation=OTHER))
    await stack.wait_for(MESSENGER_COMMANDS, SendMessage, speaker="operator")
    await stack.wait_for(OUTCOMES, AnswerSuppressed)
    await stack.wait_for(OUTCOMES, CustomerSaid, conversation=OTHER)


async def written(stack: Stack, query: str, *values: object) -> None:
    await stack.rows(query, *values)


async def lost(stack: Stack, topic: str, before: int) -> None:
    """What retention does, at once."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.settings.kafka_bootstrap)
    await admin.start()
    try:
        place = TopicPartition(topic, partition_of(MIA, stack.settings.partitions))
        await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def test_what_happened_is_proven_and_the_first_event_that_differs_is_shown(stack: Stack) -> None:
    async with stack.running():
        await told(stack)
        done = await command(stack, "replay", MIA)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "1 dropped (seen before)" in done.stdout
        assert "The row is equal: owner human, epoch 1" in done.stdout
        assert (await command(stack, "replay", f"messenger:{PAGE}:99")).returncode == 9
    await stack.rows(
        "UPDATE conversation SET state = jsonb_set(state::jsonb, '{episode,holder,name}', '\"Eve\"')::json WHERE id = $1",
        MIA,
    )
    found = await differing(stack)
    assert found["difference"]["event"] == "c1"
    assert found["difference"]["where"] == "row"
    assert found["difference"]["fields"] == [{"field": "episode.holder.name", "log": '"Ana"', "found": '"Eve"'}]
    done = await command(stack, "verify", "--all", "--json")
    assert done.returncode == 7
    table = json.loads(done.stdout)
    assert [sum(each[name] for each in table) for name in ("conversations", "equal", "different")] == [2, 1, 1]
    assert "c1" in (await command(stack, "verify", "--all")).stdout


async def differing(stack: Stack) -> Any:
    done = await command(stack, "replay", MIA, "--json")
    assert done.returncode == 7, done.stdout + done.stderr
    return json.loads(done.stdout)


async def test_a_row_that_lags_shows_the_event_that_it_lacks(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(says("one"))
        await stack.wait_for(TURNS, TurnAsked)
        kept = (await stack.rows("SELECT * FROM conversation WHERE id = $1", MIA))[0]
        await stack.publish(says("two", 2))
        await stack.wait_for(OUTCOMES, CustomerSaid, count=2)
    await stack.rows(
        "UPDATE conversation SET state = $2, seq = $3, updated_at = $4 WHERE id = $1",
        MIA,
        kept["state"],
        kept["seq"],
        kept["updated_at"],
    )
    assert (await differing(stack))["difference"]["event"] == f"{MIA}:m2"


async def test_an_effect_that_was_never_published_names_its_event(stack: Stack) -> None:
    async with stack.running():
        await stack.publish(says("one"), says("two", 2))
        await stack.wait_for(OUTCOMES, CustomerSaid, count=2)
    # retention takes the first outcome: that alone is no difference
    await lost(stack, OUTCOMES, 1)
    done = await command(stack, "replay", MIA)
    assert done.returncode == 0, done.stdout
    # a record that the log does not lead to is one
    await stack.publish(said_by_nobody(), topic=OUTCOMES)
    found = await differing(stack)
    assert "nothing in the log leads to it" in found["difference"]["sentence"]
    assert found["difference"]["event"] == f"{MIA}:m2"


def said_by_nobody() -> BaseEvent:
    return ConversationErased(
        id=f"{MIA}!99",
        conversation=MIA,
        bot="salon",
        epoch=0,
        seq=2,
        at="2026-03-01T12:00:00Z",  # type: ignore[arg-type] # as JSON has it
        cause_id=f"{MIA}:m2",
    )


async def test_an_event_that_the_rules_could_not_take_folds_as_takeover_folded_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_on_poison(broken)
        async with stack.running():
            await stack.publish(says("poison"))
            await stack.wait_for(OUTCOMES, TakeoverStarted, cause="fault")
    done = await command(stack, "replay", MIA)
    assert done.returncode == 0, done.stdout
    assert "1 given to a person (the rules raised)" in done.stdout


async def test_where_the_beginning_is_gone_it_says_so_and_proves_nothing(stack: Stack) -> None:
    async with stack.running():
        await told(stack)
    await lost(stack, CONVERSATIONS, 3)
    done = await command(stack, "replay", MIA)
    assert done.returncode == 8, done.stdout
    assert "Its beginning is gone: retention took the first 3 offsets" in done.stdout
    assert "beginning is gone" in (await command(stack, "timeline", MIA)).stdout


async def test_the_timeline_tells_who_had_it_why_and_what_was_suppressed_as_of_any_moment(stack: Stack) -> None:
    async with stack.running():
        await told(stack)
        started = (await stack.wait_for(OUTCOMES, TakeoverStarted))[0]
    now = (await command(stack, "timeline", MIA)).stdout
    for part in (
        "a second copy: dropped",
        "A PERSON HAS IT, because flow at block ask-person",
        'SUPPRESSED, the bot\'s answer of epoch 0: ["too late"]',
        "timer turn set for",
        "attended in our Inbox by Ana",
        "then the bot has it",
    ):
        assert part in now
    assert "\x1b" not in now
    before = (started.at - timedelta(milliseconds=1)).isoformat()
    then = await command(stack, "timeline", MIA, "--at", before)
    assert "PERSON HAS IT" not in then.stdout
    assert "The bot has it, epoch 0" in then.stdout
    naive = await command(stack, "timeline", MIA, "--at", "2020-01-01T00:00")
    assert "taken as UTC" in naive.stderr
    assert "Nothing had been decided yet." in naive.stdout
    lines = [
        json.loads(line)
        for line in (await command(stack, "timeline", MIA, "--json", "--at", "-0s")).stdout.splitlines()
    ]
    assert lines[-1]["owner"] == "human"
    assert sum(line.get("type") == "answer.suppressed.v1" for line in lines) == 1


async def test_an_erased_customer_is_in_no_table_and_the_skeleton_is_still_proven(stack: Stack) -> None:
    async with stack.running():
        await told(stack)
        dry = await command(stack, "erase", MIA, "--dry-run")
        assert dry.returncode == 0, dry.stderr
        assert "conversations       30 days; nothing of today is left after" in dry.stdout
        assert (await command(stack, "erase", MIA)).returncode == 2
        assert "conversation" in await where(stack, "555-0100")
        done = await command(stack, "erase", MIA, "--yes", "--by", "Privacy desk")
        assert done.returncode == 0, done.stderr + done.stdout
        assert "Erased." in done.stdout
        async with asyncio.timeout(DEADLINE):  # the outbox lets go of what is published within a second or two
            while found := await where(stack, "555-0100", "Hello Mia", "a person, please"):
                assert found == ["outbox"]
                await asyncio.sleep(0.1)
        row = (await stack.rows("SELECT state FROM conversation WHERE id = $1", MIA))[0]
        assert json.loads(row["state"])["profile"]["first_name"] == ""
        assert (await command(stack, "replay", MIA)).returncode == 0
        await stack.publish(says("I am back", 3))
        await stack.wait_for(OUTCOMES, CustomerSaid, conversation=MIA, addressed="person", count=1)
        assert (await command(stack, "replay", MIA)).returncode == 0
    timeline = (await command(stack, "timeline", MIA)).stdout
    assert "555-0100" not in timeline
    assert "A PERSON HAS IT, because flow" in timeline
    assert "Privacy desk" in timeline
    assert "I am back" in timeline


async def where(stack: Stack, *words: str) -> list[str]:
    """The tables of takeover of which any row holds one of the words."""
    tables = await stack.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'takeover' AND tablename <> 'bot_settings'"
    )
    found = []
    for table in [each["tablename"] for each in tables]:
        rows: Sequence[Any] = await stack.rows(f"SELECT t::text AS whole FROM {table} AS t")  # noqa: S608 - a table's name
        text = "".join(row["whole"] for row in rows)
        if table == "outbox":
            bodies = await stack.rows("SELECT convert_from(body, 'UTF8') AS body FROM outbox")
            text = "".join(row["body"] for row in bodies)
        if any(word in text for word in words):
            found.append(table)
    return found


@pytest.mark.parametrize("name", ["replay", "timeline", "erase"])
def test_a_wrong_id_is_refused_with_its_form(run: Any, name: str) -> None:
    done = run("127.0.0.1:1", name, "7001")
    assert done.returncode == 2
    assert "CONVERSATION" in done.stderr
    assert "messenger:<page id>:<PSID>" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("replay", MIA), ("timeline", MIA), ("verify", "--all"), ("erase", MIA, "--yes")]
)
def test_without_a_broker_it_says_so(run: Any, arguments: tuple[str, ...]) -> None:
    done = run("127.0.0.1:1", *arguments)
    assert done.returncode == 3
    assert "CONVOBOSS_KAFKA_BOOTSTRAP" in done.stderr


async def test_without_the_database_it_says_so_within_seconds(stack: Stack) -> None:
    env = environment(
        stack.settings.kafka_bootstrap, CONVOBOSS_DATABASE_URL="postgresql://convoboss@127.0.0.1:1/convoboss"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "convoboss", "replay", MIA],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 5
    assert "CONVOBOSS_DATABASE_URL" in done.stderr

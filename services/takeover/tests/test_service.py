"""takeover on a real broker and a real database."""

import asyncio
import base64
import signal
from datetime import timedelta

import pytest
from takeover_stack import Stack, break_on_poison, killed, now
from takeover_world import ANA, MIA, PAGE, block, bot_settings

from schemas.commands import PassThread, SendMessage
from schemas.conversations import CustomerMessage, OperatorReplies, SessionExpired, TakeoverRequested, TurnCompleted
from schemas.deadletters import DeadLetter
from schemas.messages import CustomerInput, OutMessage
from schemas.outcomes import TakeoverEnded, TakeoverStarted
from schemas.sessions import Session
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from schemas.turns import TurnAsked
from takeover.repository import FIRING

pytestmark = pytest.mark.infra


@pytest.fixture
async def stack(empty_kafka, database_url):
    async with Stack.made(empty_kafka, database_url) as made:
        yield made


def says(text: str = "hi", *, number: int = 1, conversation: str = MIA) -> CustomerMessage:
    return CustomerMessage(id=f"{conversation}:m{number}", conversation=conversation, input=CustomerInput(text=text))


def answer(turn: TurnAsked, text: str = "Hello!") -> TurnCompleted:
    return TurnCompleted(
        id=f"{turn.turn}:done",
        conversation=turn.conversation,
        turn=turn.turn,
        epoch=turn.epoch,
        messages=(OutMessage(text=text),),
        session=Session(flow="salon@1", waits_for="input"),
    )


def asks_person(turn: TurnAsked, **changes: object) -> TakeoverRequested:
    return TakeoverRequested(
        id=f"{turn.turn}:done",
        conversation=turn.conversation,
        turn=turn.turn,
        epoch=turn.epoch,
        session=Session(flow="salon@1", at="ask-person", waits_for="person"),
        block=block(**changes),
    )


async def test_a_message_becomes_a_turn_and_its_answer_a_command(stack):
    async with stack.running():
        await stack.publish(says())
        turn = (await stack.wait_for(TURNS, TurnAsked))[0]
        await stack.publish(answer(turn))
        sent = (await stack.wait_for(MESSENGER_COMMANDS, SendMessage))[0]
        assert (sent.conversation, sent.message.text, sent.turn) == (MIA, "Hello!", turn.turn)


async def test_a_deadline_fires_through_the_log_and_ends_the_episode(stack):
    async with stack.running():
        await stack.publish(says())
        turn = (await stack.wait_for(TURNS, TurnAsked))[0]
        await stack.publish(asks_person(turn, auto_return=1))
        started = (await stack.wait_for(OUTCOMES, TakeoverStarted))[0]
        ended = (await stack.wait_for(OUTCOMES, TakeoverEnded))[0]
        fired = await stack.wait_for(CONVERSATIONS, SessionExpired)
        assert [event.deadline for event in fired] == [started.deadline]
        assert started.deadline <= ended.at < started.deadline + timedelta(seconds=2)
        row = await stack.row("SELECT * FROM episode WHERE end_cause IS NOT NULL")
        assert (row["cause"], row["end_cause"], row["taken_up_at"]) == ("flow", "expired", None)
        assert await stack.rows("SELECT 1 FROM timer WHERE kind = 'expiry'") == []


async def test_killed_between_commit_and_publish_the_next_owner_publishes_what_was_decided(stack):
    first = await stack.process(dies_at="committed")
    await stack.publish(says())
    await killed(first)
    assert (await stack.row("SELECT epoch FROM conversation"))["epoch"] == 0
    assert await stack.rows("SELECT 1 FROM outbox") != []
    async with stack.running():
        turns = await stack.wait_for(TURNS, TurnAsked)
        await stack.publish(says("again", number=2), answer(turns[0]))
        await stack.wait_for(MESSENGER_COMMANDS, SendMessage)
        turns = await stack.wait_for(TURNS, TurnAsked, count=2)
        assert [turn.input.message.text for turn in turns] == ["hi", "again"]


async def test_killed_after_publishing_nothing_is_decided_twice(stack):
    first = await stack.process(dies_at="published")
    await stack.publish(says())
    await killed(first)
    async with stack.running():
        await stack.publish(says("again", number=2))
        await stack.row("SELECT 1 FROM conversation WHERE seq >= 2")
        turns = {turn.id for turn in await stack.wait_for(TURNS, TurnAsked)}
        assert len(turns) == 1


async def test_the_same_event_twice_counts_once(stack):
    async with stack.running():
        await stack.publish(says(), says(), says("end", number=2))
        await stack.row("SELECT 1 FROM conversation WHERE seq >= 2")
        assert (await stack.rows("SELECT seq FROM conversation"))[0]["seq"] == 2


async def test_an_event_that_breaks_the_rules_is_set_aside_and_its_conversation_gets_a_person(stack, monkeypatch):
    other = f"messenger:{PAGE}:7002"
    break_on_poison(monkeypatch)
    async with stack.running():
        await stack.publish(says("poison"), says("fine", conversation=other))
        letter = (await stack.wait_for(DEAD_LETTERS, DeadLetter))[0]
        assert (letter.reason, letter.origin_key) == ("handler", MIA)
        assert b"poison" in base64.b64decode(letter.value_base64)
        started = (await stack.wait_for(OUTCOMES, TakeoverStarted))[0]
        assert (started.conversation, started.cause) == (MIA, "fault")
        assert "ZeroDivisionError" in started.fault
        await stack.row("SELECT 1 FROM conversation WHERE id = $1 AND owner = 'bot'", other)
        said = await stack.wait_for(MESSENGER_COMMANDS, SendMessage)
        assert said[0].message.text == bot_settings().fallback_text


async def test_a_page_that_no_bot_has_is_set_aside(stack):
    async with stack.running():
        await stack.publish(says(conversation="messenger:999:1"), says())
        letter = (await stack.wait_for(DEAD_LETTERS, DeadLetter))[0]
        assert letter.origin_key == "messenger:999:1"
        await stack.wait_for(TURNS, TurnAsked)


async def requested(stack: Stack, seconds: int) -> TakeoverStarted:
    """A customer waits for a person, until the block's expiry."""
    async with stack.running():
        await stack.publish(says())
        turn = (await stack.wait_for(TURNS, TurnAsked))[0]
        await stack.publish(asks_person(turn, auto_return=seconds))
        return (await stack.wait_for(OUTCOMES, TakeoverStarted))[0]


async def until(moment) -> None:
    await asyncio.sleep(max(0.0, (moment - now()).total_seconds()) + 0.1)


async def test_an_answer_in_time_counts_though_takeover_was_away_beyond_the_deadline(stack):
    started = await requested(stack, seconds=5)
    reply = OperatorReplies(id="c1", conversation=MIA, operator=ANA, epoch=1, seq=started.seq, text="Ana here")
    await stack.publish(reply)
    await until(started.deadline)
    async with stack.running():
        await stack.wait_for(MESSENGER_COMMANDS, SendMessage, speaker="operator")
        row = await stack.row("SELECT owner, epoch FROM conversation")
        assert (row["owner"], row["epoch"]) == ("human", 1)
        await stack.publish(says("thanks", number=2))
        await stack.row("SELECT 1 FROM conversation WHERE seq > $1 AND owner = 'human'", started.seq + 1)


async def test_without_an_answer_it_expires_as_soon_as_takeover_is_back(stack):
    started = await requested(stack, seconds=1)
    await until(started.deadline)
    async with stack.running():
        ended = (await stack.wait_for(OUTCOMES, TakeoverEnded))[0]
        assert ended.cause == "expired"


async def test_two_processes_share_the_partitions_and_one_that_is_stopped_loses_them_without_harm(stack):
    """A process that sleeps beyond its session and wakes is a zombie: what it decides then is never stored."""
    zombie = await stack.process()
    try:
        await stack.publish(says())
        await stack.wait_for(TURNS, TurnAsked)
        zombie.send_signal(signal.SIGSTOP)
        await stack.publish(says("to whom?", number=2))
        async with stack.running():
            turn = (await stack.wait_for(TURNS, TurnAsked))[0]
            await stack.publish(answer(turn))
            await stack.wait_for(TURNS, TurnAsked, count=2)
            zombie.send_signal(signal.SIGCONT)
            turns = await stack.wait_for(TURNS, TurnAsked, count=2)
            await stack.publish(asks_person(turns[1]), says("anybody?", number=3))
            await stack.wait_for(OUTCOMES, TakeoverStarted)
            await stack.row("SELECT 1 FROM conversation WHERE owner = 'human' AND epoch = 1")
            commands = await stack.wait_for(MESSENGER_COMMANDS, SendMessage, count=2)
            assert len({command.seq for command in commands}) == len({command.id for command in commands})
    finally:
        zombie.kill()
        await zombie.wait()


async def test_a_text_with_characters_that_a_database_may_refuse_is_a_message_like_any_other(stack):
    async with stack.running():
        await stack.publish(says("a\u0000b \U0001f600"))
        turn = (await stack.wait_for(TURNS, TurnAsked))[0]
        assert turn.input.message.text == "a\u0000b \U0001f600"


async def test_a_settings_version_is_recorded_with_the_place_from_which_it_is_in_force(stack):
    async with stack.running():
        await stack.publish(says())
        row = await stack.row("SELECT * FROM settings_in_force")
        assert (row["bot"], row["version"], row["from_offset"]) == ("salon", 1, 0)


async def test_timers_kept_in_the_table_are_the_events_that_fire(stack):
    async with stack.running():
        await stack.publish(says())
        row = await stack.row("SELECT event FROM timer WHERE kind = 'turn'")
        assert FIRING.validate_json(row["event"]).attempt == 1


async def test_control_is_passed_when_the_flow_says_no_goodbye(stack):
    async with stack.running():
        await stack.publish(says())
        turn = (await stack.wait_for(TURNS, TurnAsked))[0]
        await stack.publish(asks_person(turn, goodbye_message=""))
        assert (await stack.wait_for(MESSENGER_COMMANDS, PassThread))[0].epoch == 1

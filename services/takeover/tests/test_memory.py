"""What is remembered between batches is never more than what is stored."""

import json

import pytest
from takeover_stack import Stack, break_on_poison
from takeover_world import ANA, MIA, PAGE, START

from runtime.consumer import Later
from runtime.postgres import close, connect, transaction
from schemas.bots import BotSettings
from schemas.conversations import ChannelFact, CustomerMessage, OperatorHandsBack, OperatorTakesOver
from schemas.deadletters import DeadLetter
from schemas.messages import CustomerInput, Profile
from schemas.outcomes import CustomerSaid
from schemas.topics import DEAD_LETTERS, OUTCOMES, TURNS
from schemas.turns import TurnAsked
from takeover import handlers, main, repository
from takeover.decide import first_contact
from takeover.memory import Memory
from takeover.state import Thread


def conversations(*names):
    return {name: first_contact(f"messenger:{PAGE}:{name}", "salon") for name in names}


def test_those_longest_without_an_event_are_forgotten_first():
    memory = Memory(3)
    memory.keep(0, conversations("1", "2", "3"), ())
    memory.keep(0, conversations("1", "4"), ())
    assert set(memory.known(0, "1234")) == {"1", "3", "4"}
    assert len(memory) == 3


def test_forgetting_a_partition_leaves_the_others():
    memory = Memory(10)
    salon = BotSettings(id="salon:1", bot="salon", version=1, name="Salon")
    assert memory.new_settings(0, [salon]) == [salon]
    memory.keep(0, conversations("1"), [salon])
    memory.keep(1, conversations("1", "2"), [salon])
    assert memory.new_settings(0, [salon]) == []
    memory.forget(0)
    assert (set(memory.known(0, "12")), set(memory.known(1, "12"))) == (set(), {"1", "2"})
    assert (memory.new_settings(0, [salon]), memory.new_settings(1, [salon])) == ([salon], [])


@pytest.fixture
async def stack(empty_kafka, database_url):
    async with Stack.made(empty_kafka, database_url) as made:
        yield made


def says(text: str, number: int) -> CustomerMessage:
    return CustomerMessage(id=f"{MIA}:m{number}", conversation=MIA, input=CustomerInput(text=text))


async def said(stack: Stack, count: int) -> list[tuple[str, int]]:
    """Texts of the transcript with their places; the same words at two places are there twice."""
    return [(event.input.text, event.seq) for event in await stack.wait_for(OUTCOMES, CustomerSaid, count=count)]


async def stored(stack: Stack, seq: int) -> None:
    await stack.row("SELECT 1 FROM conversation WHERE id = $1 AND seq = $2", MIA, seq)


@pytest.mark.infra
async def test_what_a_rolled_back_batch_decided_is_forgotten_with_it(stack, monkeypatch):
    class Fails(handlers.Switch):
        times = 2

        async def handle(self, tx, partition, records):
            outgoing = await super().handle(tx, partition, records)
            if self.times:
                self.times -= 1
                raise Later("away in the middle of a transaction")
            return outgoing

    monkeypatch.setattr(main, "Switch", Fails)
    async with stack.running():
        await stack.publish(says("a", 1))
        await stored(stack, 1)
        await stack.publish(says("b", 2))
        await stored(stack, 2)
        assert await said(stack, 2) == [("a", 1), ("b", 2)]
        assert len(await stack.wait_for(TURNS, TurnAsked)) == 1


@pytest.mark.infra
async def test_events_before_a_poisonous_one_in_its_batch_are_decided_once(stack, monkeypatch):
    break_on_poison(monkeypatch)
    await stack.publish(says("a", 1), says("poison", 2), says("b", 3))
    async with stack.running():
        await stack.wait_for(DEAD_LETTERS, DeadLetter)
        found = await said(stack, 2)
        assert [text for text, _ in found] == ["a", "b"]
        assert found[0] == ("a", 1)
        row = await stack.row("SELECT owner, epoch, seq FROM conversation WHERE seq >= $1", found[1][1])
        assert (row["owner"], row["epoch"], row["seq"]) == ("human", 1, found[1][1])


@pytest.mark.infra
async def test_after_a_lost_fence_the_table_counts_and_not_what_was_remembered(stack):
    """Another process owned the partition meanwhile and decided something."""
    async with stack.running():
        await stack.publish(says("a", 1))
        await stored(stack, 1)
        (row,) = await stack.rows("SELECT state FROM conversation WHERE id = $1", MIA)
        state = json.loads(row["state"]) | {"seq": 40}
        await stack.rows(
            "WITH fenced AS (UPDATE consumer_offset SET fence = fence + 1) UPDATE conversation SET state = $2::text::json, seq = 40 WHERE id = $1",
            MIA,
            json.dumps(state),
        )
        await stack.publish(says("b", 2))
        await stored(stack, 41)
        assert ("b", 41) in await said(stack, 2)


@pytest.mark.infra
async def test_an_episode_that_begins_and_ends_in_one_batch_is_stored_whole(stack):
    await stack.publish(
        says("a", 1),
        OperatorTakesOver(id="c1", conversation=MIA, operator=ANA, epoch=0),
        OperatorHandsBack(id="c2", conversation=MIA, operator=ANA, epoch=1),
    )
    async with stack.running():
        row = await stack.row("SELECT * FROM episode WHERE ended_at IS NOT NULL")
        assert (row["cause"], row["taken_up_by"], row["end_cause"]) == ("operator", "Ana", "operator")
        assert row["started_at"] <= row["taken_up_at"] <= row["ended_at"]


@pytest.mark.infra
async def test_a_receipt_moves_a_rows_time_and_its_document_stays_as_it_was_written(stack):
    async with stack.running():
        await stack.publish(says("a", 1))
        await stored(stack, 1)
        (before,) = await stack.rows("SELECT state, updated_at FROM conversation")
        await stack.publish(ChannelFact(id=f"{MIA}:f", conversation=MIA, kind="read", raw={}))
        after = await stack.row(
            "SELECT state, updated_at FROM conversation WHERE updated_at > $1", before["updated_at"]
        )
    assert after["state"] == before["state"]
    pool = await connect(stack.settings, "takeover")
    async with transaction(pool) as tx:
        state = (await repository.load(tx, [MIA]))[MIA]
    await close(pool)
    assert state.last_at == after["updated_at"]


def test_two_states_differ_in_time_alone_whatever_else_was_set():
    (first,) = conversations("1").values()
    later = first.moved_to(START)
    assert later.differs_in_time_alone(first)
    for name, value in (("seq", 1), ("thread", Thread(known=True)), ("moved_to_done", True), ("profile", Profile())):
        other = later.copy()
        setattr(other, name, value)
        assert not other.differs_in_time_alone(first), name

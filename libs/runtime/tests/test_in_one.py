"""Handlers that decide before any transaction: their batch is one statement, which is as safe as the transaction it replaces."""

import asyncio
import json

import pytest
from infra.proxy import proxied
from runtime_world import Counter, Heard, settings_for, until

from runtime import metrics
from runtime.handler import Decided
from runtime.postgres import close, connect
from runtime.records import Outgoing
from runtime.repository import in_one
from schemas import envelope

pytestmark = pytest.mark.infra

COMPLETE = 60.0  # seconds


class Foreseeing(Counter):
    """Counts as `Counter` does, and reads the counts before."""

    writes = """counted AS (
    INSERT INTO heard (who, count, texts)
    SELECT t.who, cardinality(t.texts), t.texts
    FROM moved, json_to_recordset($1) AS t (who text, texts text[])
    ON CONFLICT (who) DO UPDATE SET
        count = heard.count + excluded.count, texts = heard.texts || excluded.texts
), told AS (
    SELECT unnest(t.texts) AS text FROM moved, json_to_recordset($1) AS t (texts text[])
)"""

    def __init__(self, topic):
        super().__init__(topic)
        self.decided = []
        self.done = []
        self.meanwhile = None

    async def decide(self, pool, partition, records):
        texts = [record.event.text for record in records]
        self.decided.append(texts)
        people = {record.event.who: [] for record in records}
        counts = {who: await pool.fetchval("SELECT count FROM heard WHERE who = $1", who) or 0 for who in people}
        outgoing = []
        for record in records:
            said = record.event
            if said.text == "poison":
                raise ValueError(said.text)
            people[said.who].append(said.text)
            heard = Heard(
                id=f"heard:{said.id}", who=said.who, count=counts[said.who] + len(people[said.who]), text=said.text
            )
            outgoing.append(Outgoing(self.topic, heard, record.traceparent))
        if self.meanwhile is not None:
            await self.meanwhile()
        rows = json.dumps([{"who": who, "texts": said} for who, said in people.items()])
        return Decided(outgoing, [rows], lambda told: self.done.append([row["text"] for row in told]))

    async def handle(self, tx, partition, records):
        if any(record.event.text == "poison" for record in records):
            raise ValueError("poison")
        return await super().handle(tx, partition, records)


@pytest.fixture
def handler(world):
    world.handler = Foreseeing(world.names.heard)
    return world.handler


async def has(world, *texts):
    async def fact():
        return await world.texts() == list(texts)

    await until(fact, f"mia said {texts}", COMPLETE)


async def answers(world):
    found = [envelope.decode(r.topic, r.value, r.headers) for r in await world.published()]
    return [(each.text, each.count) for each in found]


def test_parameters_of_the_handler_come_first_and_ours_behind_them():
    whole = in_one("counted AS (SELECT $1::text, $2::text, $10::int)")
    assert "WHERE slot = $11 AND fence = $12" in whole
    assert whole.count("$10") == 1


async def test_batch_is_decided_once_and_stored_without_a_transaction(world, handler):
    await world.say("a", "b")
    async with world.consuming():
        await has(world, "a", "b")
        await world.say("c")
        await has(world, "a", "b", "c")
    assert handler.batches == [], "no transaction was needed"
    assert handler.decided == handler.done == [["a", "b"], ["c"]]
    assert await answers(world) == [("a", 1), ("b", 2), ("c", 3)]
    assert await world.outbox() == 0


async def test_event_seen_before_undoes_the_whole_statement_and_the_transaction_decides_over_the_rest(world, handler):
    await world.say("a", "b")
    async with world.consuming():
        await has(world, "a", "b")
        handler.decided.clear()
        handler.done.clear()
        await world.say("b", "c")
        await has(world, "a", "b", "c")
    assert handler.decided == [["b", "c"]]
    assert handler.done == [], "what was decided over both has not happened"
    assert [record.event.text for batch in handler.batches for record in batch] == ["c"]
    assert await answers(world) == [("a", 1), ("b", 2), ("c", 3)]


async def test_batch_of_nothing_new_is_passed_without_telling_the_handler_that_it_happened(world, handler):
    await world.say("a")
    async with world.consuming():
        await has(world, "a")
        await world.say("a")
        await until(lambda: handler.decided == [["a"], ["a"]], "decided again")
        await world.say("b")
        await has(world, "a", "b")
    assert handler.done == [["a"], ["b"]]


async def test_partition_that_is_taken_away_while_it_is_decided_is_not_written_to(world, handler):
    fenced = metrics.FENCED.labels(world.names.group, world.names.said)
    taken = []

    async def take():
        if not taken:
            taken.append(await world.pool.execute("UPDATE consumer_offset SET fence = fence + 1"))

    handler.meanwhile = take
    async with world.consuming():
        await world.say("a")
        await until(lambda: fenced._value.get() > 0, "fenced off")
        assert await world.texts() == []
        assert handler.done == []
        await has(world, "a")
    assert await answers(world) == [("a", 1)]


async def test_event_that_cannot_be_decided_goes_aside_alone(world, handler):
    await world.say("a", "poison", "b")
    async with world.consuming():
        await has(world, "a", "b")
    assert [letter.value for letter in await world.published(world.names.dead)]
    assert await answers(world) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(("verdict", "decided"), [("cut before", 2), ("cut after", 1)])
async def test_statement_of_unknown_outcome_is_looked_up_and_not_done_twice(world, handler, verdict, decided):
    async with proxied(world.settings.database_url.get_secret_value()) as (proxy, through):
        pool = await connect(settings_for(world.settings.kafka_bootstrap, through), "testing")
        async with world.consuming(pool=pool):
            await world.say("0")  # the statement is prepared by now
            await has(world, "0")
            handler.decided.clear()

            def cut(data):
                if b'"texts"' not in data:
                    return "pass"
                proxy.on_request = lambda _data: "pass"
                return verdict

            proxy.on_request = cut
            await world.say("a", "b")
            await has(world, "0", "a", "b")
            await world.say("c")
            await has(world, "0", "a", "b", "c")
        await close(pool)
    assert handler.decided == [["a", "b"]] * decided + [["c"]]
    assert await answers(world) == [("0", 1), ("a", 2), ("b", 3), ("c", 4)]


async def test_what_is_decided_when_the_consumer_is_told_to_stop_is_stored_or_done_by_the_next(world, handler):
    held, go = asyncio.Event(), asyncio.Event()

    async def hold():
        held.set()
        await go.wait()

    handler.meanwhile = hold
    await world.say("a")
    async with world.consuming():
        await asyncio.wait_for(held.wait(), COMPLETE)
        go.set()
    await world.say("b")
    async with world.consuming():
        await has(world, "a", "b")
    assert await answers(world) == [("a", 1), ("b", 2)]

"""The outbox of writers that are no consumer."""

import asyncio

import pytest
from runtime_world import running, until

from runtime import outbox
from runtime.outbox import Relay, enqueue
from runtime.postgres import transaction
from runtime.records import Outgoing

pytestmark = pytest.mark.infra


async def put(world, *texts):
    async with transaction(world.pool) as tx:
        await enqueue(tx, [Outgoing(world.names.said, world.say_event(text)) for text in texts])


async def ids(world):
    return [dict(record.headers)["ce_id"].decode() for record in await world.published(world.names.said)]


async def published(world, *texts):
    async def fact():
        first = list(dict.fromkeys(await ids(world)))  # a relay that dies may publish the last ones twice
        return first == [f"mia:{text}" for text in texts]

    await until(fact, f"{texts} published")


async def test_what_was_enqueued_is_published_in_order_and_deleted(world):
    await put(world, "a", "b")
    await put(world, "c")
    relay = Relay(world.pool, world.publisher)
    async with running(relay.run()):
        await published(world, "a", "b", "c")
        await put(world, "d")
        relay.wake()
        await published(world, "a", "b", "c", "d")
        await until(lambda: empty(world), "the rows are gone")


async def empty(world):
    return await world.outbox() == 0


async def test_transaction_that_is_rolled_back_publishes_nothing(world):
    async def fail():
        async with transaction(world.pool) as tx:
            await enqueue(tx, [Outgoing(world.names.said, world.say_event("never"))])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await put(world, "a")
    async with running(Relay(world.pool, world.publisher).run()):
        await published(world, "a")


async def test_rows_of_another_process_go_out_without_being_told_of(world):
    async with running(Relay(world.pool, world.publisher).run()):
        await put(world, "a")
        await published(world, "a")


async def test_of_two_relays_one_works_and_the_other_takes_over(world):
    first, second = Relay(world.pool, world.publisher, world.health), Relay(world.pool, world.publisher)
    async with running(second.run()):
        async with running(first.run()):
            await put(world, *"abcdefghij")
            await published(world, *"abcdefghij")
        await put(world, "k")
        await published(world, *"abcdefghijk")


async def test_a_process_that_does_not_relay_tells_the_one_that_does_of_its_rows(world, monkeypatch):
    monkeypatch.setattr(outbox, "POLL", 3600.0)
    first, second = Relay(world.pool, world.publisher), Relay(world.pool, world.publisher)
    async with running(first.run()):
        await put(world, "a")
        first.wake()
        await published(world, "a")
        async with running(second.run()):
            for n, text in enumerate("bcd", 2):
                await put(world, text)
                second.wake()
                await published(world, *"abcd"[:n])


async def test_a_relay_that_is_stopped_has_deleted_what_it_published(world, monkeypatch):
    monkeypatch.setattr(outbox, "POLL", 3600.0)
    await put(world, "a")
    async with running(Relay(world.pool, world.publisher).run()):
        await published(world, "a")
        assert await world.outbox() == 1, "deleted with the next read"
    assert await world.outbox() == 0


async def test_more_rows_than_are_read_together_go_out_one_after_the_other_and_each_once(world, monkeypatch):
    monkeypatch.setattr(outbox, "POLL", 3600.0)
    monkeypatch.setattr(outbox, "ROWS", 2)
    for text in "abcde":
        await put(world, text)
    async with running(Relay(world.pool, world.publisher).run()):
        await published(world, *"abcde")
    assert await ids(world) == [f"mia:{text}" for text in "abcde"]


async def test_relay_outlives_a_database_that_cuts_its_connections(world):
    async with running(Relay(world.pool, world.publisher).run()):
        await put(world, "a")
        await published(world, "a")
        await world.pool.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.wait_for(_insist(world), 30)
        await published(world, "a", "b")


async def _insist(world):
    import asyncpg

    while True:
        try:
            return await put(world, "b")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pass


async def test_consumers_and_relay_leave_each_others_rows_alone(world):
    await put(world, "a")
    async with world.consuming():
        await world.say("direct", who="tom")
        await until(lambda: heard(world), "handled")
        assert await world.outbox() >= 1, "the relay's row waits for the relay"
    async with running(Relay(world.pool, world.publisher).run()):
        await until(lambda: empty(world), "relayed")


async def heard(world):
    return await world.texts("tom") == ["direct"]


async def test_a_relay_that_stands_still_loses_its_place_to_another(world, monkeypatch):
    """Its connection lives on, as that of a stopped process does; its session ends because it says nothing."""
    still = Relay(world.pool, world.publisher, silence_s=1)
    stood = asyncio.Event()

    async def stand_still(_seconds):
        stood.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(still, "_pause", stand_still)
    async with running(still.run()):
        await stood.wait()
        await put(world, "a")
        async with running(Relay(world.pool, world.publisher).run()):
            await published(world, "a")

"""Taking records in, and the bounds of what is kept, with a database."""

from datetime import timedelta

import asyncpg
import pytest
from monitor_story import BEGIN, Placed, Story
from pydantic import SecretStr

from monitor import metrics, repository
from monitor.handlers import WatchHandler
from monitor.keeper import LATE, LOST, tidy
from monitor.settings import MonitorSettings
from runtime.migrations import migrate
from runtime.postgres import close, connect, transaction
from runtime.records import Record
from schemas.handover import Cause
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES

pytestmark = pytest.mark.infra
PARTITION = 3


@pytest.fixture
async def pool(database_url):
    settings = MonitorSettings(database_url=SecretStr(database_url))
    await migrate(settings, "monitor", "monitor")
    made = await connect(settings, "monitor")
    yield made
    await close(made)


@pytest.fixture
async def handler(pool):
    made = WatchHandler()
    for topic in (OUTCOMES, MESSENGER_COMMANDS, CONVERSATIONS):
        async with transaction(pool) as tx:
            await made.assigned(tx, topic, PARTITION)
    return made


def recorded(each: Placed) -> Record:
    return Record(each.topic, PARTITION, each.offset, each.event.key, each.at, each.event)


async def takes(handler, pool, story, *topics, commits=True):
    for topic in topics:
        async with transaction(pool) as tx:
            await handler.handle(tx, PARTITION, [recorded(each) for each in story.of(topic)])
        if commits:
            handler.committed(topic, PARTITION)


async def read_up_to(handler, pool, at):
    """All three topics have told of something, and were read so far."""
    for topic in (OUTCOMES, MESSENGER_COMMANDS, CONVERSATIONS):
        async with transaction(pool) as tx:
            await repository.move(tx, PARTITION, topic, at)


async def kept(pool):
    return (await repository.look(pool, [PARTITION], BEGIN)).kept


def counted(metric):
    return metric._value.get()


def two_voices() -> Story:
    story = Story()
    story.begins(Cause.FLOW)
    story.report(story.says())
    story.ends()
    story.report(story.says())
    return story


async def test_two_voices_are_counted_after_the_commit_and_once(handler, pool):
    before = counted(metrics.TWO_VOICES)
    story = two_voices()
    await takes(handler, pool, story, CONVERSATIONS, OUTCOMES, MESSENGER_COMMANDS, commits=False)
    assert counted(metrics.TWO_VOICES) == before
    handler.committed(MESSENGER_COMMANDS, PARTITION)
    handler.committed(MESSENGER_COMMANDS, PARTITION)
    assert counted(metrics.TWO_VOICES) == before + 1
    async with transaction(pool) as tx:
        await handler.assigned(tx, OUTCOMES, PARTITION)
    assert counted(metrics.TWO_VOICES) == before + 1


async def test_what_was_committed_and_not_counted_is_counted_when_the_partition_is_taken_again(handler, pool):
    before = counted(metrics.TWO_VOICES)
    await takes(handler, pool, two_voices(), CONVERSATIONS, OUTCOMES, MESSENGER_COMMANDS, commits=False)
    async with transaction(pool) as tx:
        await WatchHandler().assigned(tx, OUTCOMES, PARTITION)
    assert counted(metrics.TWO_VOICES) == before + 1


async def test_one_at_a_time_works_on_a_partition_whatever_its_topic(handler, pool):
    story = two_voices()
    async with transaction(pool) as first:
        await handler.handle(first, PARTITION, [recorded(each) for each in story.of(OUTCOMES)])
        with pytest.raises(asyncpg.LockNotAvailableError):
            await taken_impatiently(handler, pool, story.of(MESSENGER_COMMANDS))


async def taken_impatiently(handler, pool, placed):
    async with transaction(pool) as tx:
        await tx.execute("SET LOCAL lock_timeout = '200ms'")
        await handler.handle(tx, PARTITION, [recorded(each) for each in placed])


async def test_a_takeover_that_is_over_is_forgotten_when_all_topics_are_well_past_it(handler, pool):
    story = Story()
    story.begins(Cause.FLOW)
    story.ends()
    await takes(handler, pool, story, OUTCOMES)
    past = story.at + LATE + timedelta(seconds=1)
    async with transaction(pool) as tx:
        await repository.move(tx, PARTITION, OUTCOMES, past)
        await repository.move(tx, PARTITION, CONVERSATIONS, past)
        await tidy(tx, PARTITION, most=10)
    assert await kept(pool) == 1, "commands may still come"
    async with transaction(pool) as tx:
        await repository.move(tx, PARTITION, MESSENGER_COMMANDS, past)
        await tidy(tx, PARTITION, most=10)
    assert await kept(pool) == 0


async def test_an_open_takeover_is_kept_however_old_and_a_message_without_a_report_is_not(handler, pool):
    before = counted(metrics.LET_GO)
    opened, lost = Story("messenger:1:1"), Story("messenger:1:2")
    opened.begins(Cause.FLOW)
    lost.says()
    await takes(handler, pool, opened, OUTCOMES)
    await takes(handler, pool, lost, MESSENGER_COMMANDS)
    await read_up_to(handler, pool, BEGIN + LOST)
    async with transaction(pool) as tx:
        await tidy(tx, PARTITION, most=10)
    assert await kept(pool) == 2
    await read_up_to(handler, pool, BEGIN + LOST + timedelta(seconds=10))
    async with transaction(pool) as tx:
        await tidy(tx, PARTITION, most=10)
    assert await kept(pool) == 1
    assert counted(metrics.LET_GO) == before + 1


async def test_more_than_the_bound_is_not_kept_and_the_oldest_go_first(handler, pool):
    before = counted(metrics.LET_GO)
    for number in range(5):
        story = Story(f"messenger:1:{number}", seconds=float(number))
        story.begins(Cause.FLOW)
        await takes(handler, pool, story, OUTCOMES)
    await read_up_to(handler, pool, BEGIN)
    async with transaction(pool) as tx:
        await tidy(tx, PARTITION, most=3)
        left = await tx.fetch("SELECT conversation FROM watch ORDER BY conversation")
    assert [row["conversation"] for row in left] == ["messenger:1:2", "messenger:1:3", "messenger:1:4"]
    assert counted(metrics.LET_GO) == before + 2


async def test_a_batch_that_is_taken_again_counts_what_it_shows_once(handler, pool):
    before = counted(metrics.STOPPED.labels("flow"))
    story = Story()
    story.begins(Cause.FLOW)
    story.stops()
    records = [recorded(each) for each in story.of(OUTCOMES)]
    async with pool.acquire() as connection:
        given_up = connection.transaction()
        await given_up.start()
        await handler.handle(connection, PARTITION, records)
        await given_up.rollback()
    for _ in range(2):  # redone event by event
        async with transaction(pool) as tx:
            await handler.handle(tx, PARTITION, [records.pop(0)])
        handler.committed(OUTCOMES, PARTITION)
    assert counted(metrics.STOPPED.labels("flow")) == before + 1

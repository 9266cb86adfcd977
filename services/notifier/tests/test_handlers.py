"""Taking outcomes in, with a database."""

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from notifier import repository
from notifier.handlers import OutcomesHandler
from notifier.settings import NotifierSettings
from runtime.migrations import migrate
from runtime.postgres import close, connect, transaction
from runtime.records import Record
from schemas.handover import Cause
from schemas.outcomes import TakeoverStarted
from schemas.topics import OUTCOMES

pytestmark = pytest.mark.infra
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STARTED = TakeoverStarted(
    id="o1",
    conversation="messenger:1029:7733",
    bot="shop",
    epoch=1,
    episode="e1",
    seq=1,
    at=NOW,
    cause_id="x",
    attended=False,
    venue="inbox",
    cause=Cause.FLOW,
    emails=("ana@example.com", "ben@example.com"),
)


@pytest.fixture
async def pool(database_url):
    settings = NotifierSettings(database_url=SecretStr(database_url))
    await migrate(settings, "notifier", "notifier")
    made = await connect(settings, "notifier")
    yield made
    await close(made)


async def test_who_takes_emails_in_says_so_once_and_only_after_the_commit(pool):
    news = asyncio.Event()
    handler = OutcomesHandler(public_url="http://127.0.0.1", now=lambda: NOW, taken_in=news.set)
    async with transaction(pool) as tx:
        await handler.handle(tx, 3, [Record(OUTCOMES, 3, 0, STARTED.key, NOW, STARTED, None, b"", ())])
    assert not news.is_set()
    handler.committed(OUTCOMES, 2)
    assert not news.is_set(), "another partition's transaction brought nothing"
    handler.committed(OUTCOMES, 3)
    assert news.is_set()
    news.clear()
    handler.committed(OUTCOMES, 3)  # as after a claim, which comes between batches
    assert not news.is_set()


async def test_one_look_tells_what_is_due_and_how_much_waits(pool):
    assert await repository.look(pool, now=NOW) == (set(), 0)
    handler = OutcomesHandler(public_url="http://127.0.0.1", now=lambda: NOW, taken_in=lambda: None)
    async with transaction(pool) as tx:
        await handler.handle(tx, 3, [Record(OUTCOMES, 3, 0, STARTED.key, NOW, STARTED, None, b"", ())])
    await pool.execute("UPDATE email SET due_at = due_at + interval '1 hour' WHERE address_key = 'ben@example.com'")
    assert await repository.look(pool, now=NOW) == ({3}, 2)
    await pool.execute("UPDATE email SET due_at = due_at + interval '1 hour'")
    assert await repository.look(pool, now=NOW) == (set(), 2)

"""Reports are dated by the database's clock, whatever this machine's says."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from fb_handover.clock import DatabaseClock
from fb_handover.settings import Settings
from runtime.postgres import close, connect

SECOND = timedelta(seconds=1)


@pytest.fixture
async def pool(database_url):
    made = await connect(Settings(database_url=SecretStr(database_url)), "public")
    yield made
    await close(made)


class Monotonic:
    def __init__(self):
        self.seconds = 100.0
        self.takes = 0.0

    def __call__(self):
        self.seconds += self.takes
        return self.seconds


async def test_between_readings_the_monotonic_clock_carries_the_databases_time_on(pool):
    monotonic = Monotonic()
    clock = DatabaseClock(pool, monotonic)
    await clock.read()
    before = clock.now()
    assert abs(await pool.fetchval("SELECT clock_timestamp()") - before) < 30 * SECOND
    monotonic.seconds += 90
    assert clock.now() - before == 90 * SECOND


async def test_a_reading_that_took_long_does_not_replace_a_better_one(pool):
    monotonic = Monotonic()
    clock = DatabaseClock(pool, monotonic)
    await clock.read()
    before = clock.now()
    monotonic.takes = 20.0
    await clock.read()
    monotonic.takes = 0.0
    assert clock.now() - before == 40 * SECOND


async def test_it_says_nothing_before_it_was_read(pool):
    with pytest.raises(RuntimeError):
        DatabaseClock(pool).now()

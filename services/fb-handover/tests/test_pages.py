"""What all processes share about a page: its pause, its token, its tokens of a second; and what is told of it."""

import asyncio
import itertools
import random
import time

import pytest
from cryptography.fernet import Fernet
from fb_commands import APP, PAGE, says
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fb_handover import pages as rules
from fb_handover.channels import Channels
from fb_handover.pages import Budget, Kind, Pages, fingerprint, pause_length
from fb_handover.settings import Settings
from graphapi.answers import Accepted, Later, Permanent, classify
from graphapi.usage import Usage
from runtime.health import Health
from runtime.migrations import migrate
from runtime.packing import load
from runtime.postgres import close, connect
from runtime.secrets import SecretBox
from schemas import envelope
from schemas.bots import BotSettings, MessengerChannel

SECRETS = SecretBox(SecretStr(Fernet.generate_key().decode()))
SECOND = "204821769032216"
LIMIT = Later("Too fast.", pauses="page", code=613)
OK = Accepted({"message_id": "m"})


@pytest.fixture
async def pool(database_url):
    settings = Settings(database_url=SecretStr(database_url))
    await migrate(settings, "fb_handover", "fb_handover")
    made = await connect(settings, "fb_handover")
    yield made
    await close(made)


def bot(version=1, token="t"):
    channels = tuple(
        MessengerChannel(
            page_id=page,
            app_id=APP,
            app_secret=SECRETS.encrypt("s"),
            verify_token=SECRETS.encrypt("v"),
            page_token=SECRETS.encrypt(token),
        )
        for page in (PAGE, SECOND)
    )
    return BotSettings(id=f"bot:{version}", bot="lamps", version=version, name="Lamps", messenger=channels)


class Process:
    """One process's view."""

    def __init__(self, pool, settings, **budget):
        self.channels = Channels(SECRETS, Health().component("channels"))
        self.channels.apply("lamps", settings)
        self.woken = 0
        self.pages = Pages(
            pool,
            self.channels,
            Budget(**budget),
            published=lambda: None,
            woken=self._wake,
            rng=random.Random(7),
        )

    def _wake(self):
        self.woken += 1

    def connected(self, page=PAGE):
        return self.channels.connected(page)

    async def learn(self, verdict, page=PAGE, **more):
        await self.pages.learn(self.connected(page), verdict, **more)


async def told(pool):
    """The facts that wait to be published, in order."""
    facts = []
    for row in await pool.fetch("SELECT body FROM outbox ORDER BY id"):
        facts += [envelope.decode("pages", packed.value, packed.headers) for packed in load(row["body"])]
    return [(fact.page, fact.aspect, fact.state, fact.code) for fact in facts]


# --- pauses


@pytest.mark.parametrize(
    ("named", "paused", "before", "length"),
    [
        (0.0, -1e9, 0.0, (60.0, 60.0)),  # the first
        (0.0, -5.0, 60.0, (120.0, 120.0)),  # the next, at once
        (0.0, -70.0, 60.0, (60.0, 60.0)),  # long after the last
        (0.0, 30.0, 60.0, (30.0, 60.0)),  # of a call that was under way
        (420.0, -1e9, 0.0, (420.0, 0.0)),  # Facebook says how long
        (20.0, 400.0, 0.0, (400.0, 0.0)),  # and said longer before
        (0.0, -1.0, 3000.0, (3600.0, 3600.0)),  # never longer than an hour
    ],
)
def test_a_pause_is_as_long_as_facebook_says_or_twice_as_long_as_the_one_before(named, paused, before, length):
    assert pause_length(named, 60.0, paused=paused, before=before) == length


@given(st.floats(0, 86400), st.floats(-1e6, 86400), st.floats(0, 3600))
def test_a_pause_never_ends_earlier_than_it_would_have(named, paused, before):
    length, _ = pause_length(named, 60.0, paused=paused, before=before)
    assert length >= max(paused, 0.0)
    assert length >= named


async def test_a_page_that_one_process_pauses_is_shut_for_all_and_told_of_once(pool):
    one, other = Process(pool, bot()), Process(pool, bot())
    await asyncio.gather(*[one.learn(LIMIT) for _ in range(5)], *[other.learn(LIMIT) for _ in range(5)])
    third = Process(pool, bot())
    await third.pages.look()
    for process in (one, other, third):
        assert 50.0 < process.pages.shut(PAGE).seconds < 62.5
        assert process.pages.shut(SECOND) is None
    assert await told(pool) == [(PAGE, "sending", "failing", "rate_limited")]


async def test_a_limit_of_the_app_shuts_all_its_pages(pool):
    one = Process(pool, bot())
    await one.learn(Later("Too fast.", pauses="app", code=4, usage=Usage(regain_after=300.0)))
    assert all(one.pages.shut(page).seconds > 290.0 for page in (PAGE, SECOND))
    assert {fact[0] for fact in await told(pool)} == {PAGE, SECOND}


async def test_a_pause_that_is_over_is_told_as_over_with_the_first_message_that_goes(pool):
    one = Process(pool, bot(), pause=0.01)
    await one.learn(LIMIT)
    shut = one.pages.shut(PAGE)
    await asyncio.sleep(shut.seconds if shut is not None else 0.0)
    await one.learn(OK)
    await one.learn(OK)
    assert await told(pool) == [(PAGE, "sending", "failing", "rate_limited"), (PAGE, "sending", "ok", "")]


async def test_a_limit_without_traffic_is_told_as_over_after_a_minute_and_a_restriction_is_not(pool):
    one = Process(pool, bot())
    await one.learn(LIMIT)
    await one.learn(classify(400, {"error": {"code": 10, "error_subcode": 1893063}}), SECOND)
    await pool.execute("UPDATE page SET paused_until = clock_timestamp() - interval '61 seconds'")
    await one.pages.look()
    assert [(fact[0], fact[2]) for fact in await told(pool)] == [(PAGE, "failing"), (SECOND, "failing"), (PAGE, "ok")]


async def test_a_page_near_its_limit_sends_slowly_before_facebook_refuses(pool):
    one = Process(pool, bot(), text=200.0)
    await one.learn(Accepted({}, Usage(percent=96.0)))
    ask = rules._SQL["lease"], PAGE, "text", 10, 200.0, 10, rules.SLOWLY
    await pool.fetch(*ask)
    assert (await pool.fetch(*ask))[0]["wait"] > 0.3, "10 tokens at 20 a second instead of 200"
    assert one.pages.shut(PAGE) is None


async def test_a_header_that_says_no_more_for_now_pauses_the_page_though_the_call_was_taken(pool):
    one = Process(pool, bot())
    await one.learn(Accepted({}, Usage(percent=100.0, regain_after=120.0)))
    assert one.pages.shut(PAGE).seconds > 110.0


async def test_tags_are_stopped_for_a_day_and_nothing_else(pool):
    one = Process(pool, bot())
    await one.learn(classify(400, {"error": {"code": 613, "error_subcode": 2018338}}))
    other = Process(pool, bot())
    await other.pages.look()
    for process in (one, other):
        assert process.pages.tags_stopped(PAGE)
        assert process.pages.shut(PAGE) is None


async def test_what_facebook_said_counts_though_the_database_is_away(pool, database_url):
    away = await connect(Settings(database_url=SecretStr(database_url)), "fb_handover")
    one = Process(away, bot())
    await close(away)
    await one.learn(LIMIT)
    assert one.pages.shut(PAGE).seconds > 50.0


# --- the page's token


def dead():
    return classify(401, {"error": {"code": 190, "error_subcode": 463, "message": "token EAAG"}})


async def rested(pool, *psids):
    for psid in psids:
        await pool.execute(
            "INSERT INTO lane (conversation, partition, due_at) VALUES ($1, 0, clock_timestamp() + interval '9 minutes')",
            psid,
        )


async def due(pool):
    rows = await pool.fetch("SELECT conversation FROM lane WHERE due_at <= clock_timestamp() ORDER BY 1")
    return [row["conversation"] for row in rows]


async def test_a_dead_token_stops_the_page_for_all_until_one_has_another_and_then_what_waits_is_woken(pool):
    settings = bot(version=3)
    one, other = Process(pool, settings), Process(pool, settings)
    await one.learn(dead())
    await other.learn(dead())
    elsewhere = f"messenger:{SECOND}:7733"
    await rested(pool, says().conversation, elsewhere)
    await other.pages.look()
    assert other.pages.shut(PAGE) is not None
    other.channels.apply("lamps", bot(version=4, token="another"))
    await other.pages.look()
    await one.pages.look()
    assert (one.pages.shut(PAGE), other.pages.shut(PAGE)) == (None, None)
    assert await due(pool) == [says().conversation]
    assert (one.woken, other.woken) == (0, 1)
    assert await told(pool) == [(PAGE, "token", "failing", "token_refused"), (PAGE, "token", "ok", "")]


async def test_a_process_with_older_settings_neither_starts_the_page_nor_stops_it_again(pool):
    new, old = Process(pool, bot(version=4)), Process(pool, bot(version=3))
    await new.learn(dead())
    await old.pages.look()
    await old.learn(dead())
    assert await pool.fetchval("SELECT stopped_version FROM page") == 4
    assert len(await told(pool)) == 1


async def test_the_table_tells_nothing_of_the_token(pool):
    one = Process(pool, bot(token="secret-token"))
    await one.learn(dead())
    stopped = await pool.fetchval("SELECT stopped_token FROM page")
    assert stopped == fingerprint(one.connected())
    assert stopped != fingerprint(Process(pool, bot(token="secret-token")).connected()), "of the encrypted text alone"


async def test_a_missing_permission_is_told_once_and_stops_nobody(pool):
    one = Process(pool, bot())
    for _ in range(3):
        await one.learn(classify(403, {"error": {"code": 200}}))
    assert one.pages.shut(PAGE) is None
    assert await told(pool) == [(PAGE, "sending", "failing", "permission")]
    await one.learn(Permanent("No such app.", 100, 2018164))
    await one.learn(OK)
    assert (await told(pool))[1:] == [(PAGE, "sending", "ok", "")]


async def test_a_permission_to_read_says_nothing_of_sending(pool):
    one = Process(pool, bot())
    await one.learn(classify(403, {"error": {"code": 200}}), sent=False)
    assert await told(pool) == []
    await one.learn(classify(403, {"error": {"code": 200}}))
    await one.learn(OK, sent=False)
    assert await told(pool) == [(PAGE, "sending", "failing", "permission")]


# --- tokens of a second


async def taking(process, until, kind=Kind.TEXT):
    """A conversation that sends as fast as it may; how many it sent."""
    count = 0
    while time.monotonic() < until:
        rest = await process.pages.turn(PAGE, kind)
        if rest:
            await asyncio.sleep(rest)
        else:
            count += 1
    return count


async def test_several_processes_together_stay_below_a_pages_rate_and_use_it(pool):
    rate, seconds = 100.0, 3.0
    processes = [Process(pool, bot(), text=rate, waiting=4) for _ in range(3)]
    began = time.monotonic()
    counts = await asyncio.gather(*[taking(each, began + seconds) for each in processes for _ in range(6)])
    took = time.monotonic() - began
    bunch = Budget(text=rate).holds(Kind.TEXT)
    assert sum(counts) <= rate * took + bunch * (1 + len(processes)), "the bucket, and what each took and did not use"
    assert sum(counts) >= 0.5 * rate * seconds


@pytest.mark.parametrize("rate", [0.7, 3.0, 7.0, 30.0, 170.0, 240.0, 299.0])
async def test_a_full_bucket_gives_all_its_tokens_whatever_the_rate(pool, rate):
    holds = Budget(text=rate).holds(Kind.TEXT)
    await pool.execute("INSERT INTO page (page) VALUES ($1)", PAGE)
    assert [row["count"] for row in await pool.fetch(rules._SQL["lease"], PAGE, "text", 20, rate, holds, 0.1)] == [
        holds
    ]


async def test_most_requests_take_their_token_without_a_statement(pool):
    one = Process(pool, bot())
    asked = 0
    fetch = one.pages._fetch

    async def counted(statement, *arguments):
        nonlocal asked
        asked += statement == "lease"
        return await fetch(statement, *arguments)

    one.pages._fetch = counted
    for _ in range(40):
        await asyncio.sleep(0.02 + await one.pages.turn(PAGE, Kind.TEXT))  # 50 a second
    assert asked <= 12


async def test_slow_kinds_are_taken_one_by_one_and_the_others_do_not_wait_for_them(pool):
    one = Process(pool, bot(), look=0.5)
    assert await one.pages.turn(PAGE, Kind.LOOK) == 0.0
    assert await one.pages.turn(PAGE, Kind.LOOK) > 0.5
    assert await one.pages.turn(PAGE, Kind.TEXT) == 0.0
    assert await one.pages.turn(SECOND, Kind.LOOK) == 0.0


async def test_of_one_page_only_some_wait_and_the_others_rest_each_a_token_later(pool):
    one = Process(pool, bot(), text=20.0, waiting=1)
    rests = await asyncio.gather(*[one.pages.turn(PAGE, Kind.TEXT) for _ in range(8)])
    rested = [rest for rest in rests if rest > 0.0]
    assert len(rested) >= 6
    assert all(later - sooner > 0.04 for sooner, later in itertools.pairwise(rested))


async def test_no_token_is_given_for_a_page_that_another_process_has_paused(pool):
    one, other = Process(pool, bot()), Process(pool, bot())
    await one.learn(LIMIT)
    assert await other.pages.turn(PAGE, Kind.TEXT) > 0.0
    assert other.pages.shut(PAGE) is not None

"""The list, a conversation, its entries and episodes: what the database tells of what the log told."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
import pytest_asyncio
from console_world import ANA, BEGAN, Story, topic_of, whole_story

from schemas.handover import Cause
from schemas.messages import Attachment, CustomerInput
from schemas.outcomes import CustomerSaid
from schemas.topics import OUTCOMES

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "/conversations/messenger:1029:7733"


@pytest_asyncio.fixture(loop_scope="module")
async def ben(console):
    return await console.signed_in("ben", bots=["shop"])


async def all_of(browser):
    """Everything that an operator can see of the one conversation, but for the time of day."""
    found = {}
    for path in (HERE, f"{HERE}/entries", f"{HERE}/episodes", "/conversations"):
        answer = await browser.get(path, **({"limit": 100} if path.endswith("entries") else {}))
        assert answer.status == 200, answer
        found[path] = {
            name: value for name, value in answer.body.items() if name not in {"server_time", "stream_seq", "streams"}
        }
    return found


async def test_the_whole_story_is_told_in_order(console, ben):
    await console.feed(*whole_story().events)
    told = await all_of(ben)
    entries = told[f"{HERE}/entries"]["items"]
    assert [entry["content"]["kind"] for entry in entries] == [
        "customer_message",
        "message",
        "customer_message",
        "message",
        "takeover_started",
        "customer_message",
        "takeover_answered",
        "message",
        "answer_suppressed",
        "staff_message",
        "takeover_changed",
        "takeover_ended",
        "message",
        "customer_message",
    ]
    assert [entry["seq"] for entry in entries] == list(range(1, 15))
    assert entries[2]["content"]["addressed"] == "person", "the bot had not answered it"
    assert entries[1]["delivery"] == {"state": "sent", "reason": "", "mid": "m.1", "next_step": "", "advice": ""}
    assert entries[3]["delivery"]["state"] == "sent"
    assert (entries[6]["content"]["by"], entries[6]["content"]["holder"]["name"]) == ("switch", "Ana")
    assert (entries[7]["delivery"]["state"], entries[7]["delivery"]["reason"]) == ("not_delivered", "blocked")
    assert (entries[7]["speaker"], entries[7]["person"]["name"]) == ("operator", "Ana")
    assert (entries[7]["content"]["reply"], entries[7]["content"]["client_id"]) == ("r1", "k1")
    assert [message["text"] for message in entries[8]["content"]["messages"]] == ["late answer"]
    assert (entries[10]["content"]["holder"]["name"], entries[10]["content"]["deadline"]) == ("Ben", None)
    assert (entries[11]["content"]["by"]["name"], entries[11]["content"]["note"]) == ("Ben", "done")
    assert entries[12]["delivery"]["state"] == "queued"


async def test_the_conversation_tells_who_has_it_and_what_is_known(console, ben):
    story = Story().known("Mia", "Moss").position("b4", email="mia@example.com").customer("help")
    story.started(block="b7", block_name="Ask").answered(ANA, deadline=BEGAN + timedelta(hours=1))
    await console.feed(*story.thread("page_inbox", "26").events)
    found = (await ben.get(HERE)).body["conversation"]
    assert (found["owner"], found["epoch"], found["attended"], found["waiting"]) == ("human", 1, True, False)
    assert found["customer"]["name"] == "Mia Moss"
    assert found["holder"] == {"id": ANA.id, "name": "Ana"}
    assert (found["cause"], found["block"], found["block_name"]) == ("flow", "b7", "Ask")
    assert found["deadline"] == "2026-11-24T10:00:00Z"
    assert found["thread"] == {"owner": "page_inbox", "app_id": "26", "reason": "", "moved_to_done": False}
    assert found["position"] == {"flow": "shop@1", "block": "b4", "waits_for": "answer"}
    assert found["attributes"] == {"email": "mia@example.com"}


async def test_whom_the_next_takeover_is_to_be_of_is_told_in_list_and_conversation_until_it_begins(console, ben):
    story = Story().customer("help").assigned(ANA)
    await console.feed(*story.events)
    ana = {"id": ANA.id, "name": "Ana"}
    assert (await ben.get(HERE)).body["conversation"]["assigned"] == ana
    (row,) = (await ben.get("/conversations")).body["items"]
    assert (row["owner"], row["assigned"], row["holder"], row["waiting"]) == ("bot", ana, None, False)
    await console.feed(*story.started(holder=ANA).events[2:])
    found = (await ben.get(HERE)).body["conversation"]
    assert (found["assigned"], found["holder"]) == (None, ana)
    assert len((await ben.get(f"{HERE}/entries")).body["items"]) == 2, "a note is no entry"


async def test_a_column_that_the_next_version_has_added_does_not_stop_this_one(console, ben):
    pool = console.services.pool
    await pool.execute("ALTER TABLE conversation ADD COLUMN of_next_version text NOT NULL DEFAULT 'x'")
    await pool.expire_connections()  # each finds out once that its statements are old, and what it did is tried again
    try:
        await console.feed(*Story().customer("hi").events)
        assert (await ben.get(HERE)).body["conversation"]["last"]["text"] == "hi"
    finally:
        await pool.execute("ALTER TABLE conversation DROP COLUMN of_next_version")
        await pool.expire_connections()


async def test_the_story_of_an_episode_has_its_times(console, ben):
    story = whole_story()
    await console.feed(*story.events)
    (episode,) = (await ben.get(f"{HERE}/episodes")).body["items"]
    assert (episode["cause"], episode["end_cause"], episode["mode"]) == ("flow", "operator", "continue")
    times = [episode[name] for name in ("started_at", "attended_at", "first_answer_at", "ended_at")]
    assert times == sorted(times)
    assert None not in times
    assert (episode["ended_by"]["name"], episode["note"], episode["answered"]) == ("Ben", "done", True)


@pytest.mark.parametrize("seed", range(4))
async def test_the_topics_in_another_order_and_other_batches_tell_the_same(console, seed, ben):
    rng = random.Random(seed)
    events = whole_story().events
    await console.feed(*events)
    expected = await all_of(ben)
    await console.services.pool.execute("TRUNCATE conversation, entry, episode, live_event, stream")
    queues = [
        [event for event in events if topic_of(event) == OUTCOMES],
        [event for event in events if topic_of(event) != OUTCOMES],
    ]
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        size = rng.randint(1, 4)
        batch, queue[:] = queue[:size], queue[size:]
        await console.feed(*batch)
    assert await all_of(ben) == expected


async def test_records_that_come_again_change_nothing(console, ben):
    events = whole_story().events
    await console.feed(*events)
    expected = await all_of(ben)
    await console.feed(*events)
    assert await all_of(ben) == expected


async def test_a_conversation_is_seen_only_once_its_bot_is_known(console, ben):
    story = Story().customer("hi").said("Hello")
    await console.feed(story.events[1])
    assert (await ben.get(HERE)).status == 404
    assert (await (await console.signed_in("ana", "admin")).get("/conversations")).body["items"] == []
    await console.feed(story.events[0])
    assert [entry["text"] for entry in (await ben.get(f"{HERE}/entries")).body["items"]] == ["hi", "Hello"]


async def test_what_postgresql_cannot_store_is_shown_as_unreadable_and_stops_nothing(console, ben):
    story = Story().known("M\0a").customer("a\0b").position("b1", name="x\0y").started(block_name="q\0")
    await console.feed(*story.events)
    assert (await ben.get(f"{HERE}/entries")).body["items"][0]["text"] == "a\ufffdb"
    assert (await ben.get(HERE)).body["conversation"]["attributes"] == {"name": "x\ufffdy"}


async def test_attachments_are_told_and_the_list_says_what_they_are(console, ben):
    picture = Attachment(kind="image", url="https://example.com/a.png")
    story = Story().tell(
        CustomerSaid, entry=True, input=CustomerInput(attachments=(picture,)), addressed="bot", mid="m.7"
    )
    await console.feed(*story.events)
    entry = (await ben.get(f"{HERE}/entries")).body["items"][0]
    assert entry["content"]["input"]["attachments"][0]["url"] == "https://example.com/a.png"
    assert (await ben.get(HERE)).body["conversation"]["last"]["text"] == "[image]"


# --- pages of entries


async def test_entries_come_page_by_page_in_both_directions(console, ben):
    story = Story()
    for number in range(1, 11):
        story.customer(f"{number}")
    await console.feed(*story.events)

    async def page(**query):
        body = (await ben.get(f"{HERE}/entries", **query)).body
        return [entry["seq"] for entry in body["items"]], body["more"]

    assert await page(limit=3) == ([8, 9, 10], True)
    assert await page(limit=3, before=8) == ([5, 6, 7], True)
    assert await page(limit=3, before=3) == ([1, 2], False)
    assert await page(limit=3, after=0) == ([1, 2, 3], True)
    assert await page(limit=3, after=7) == ([8, 9, 10], False)
    assert await page(limit=3, after=10) == ([], False)
    assert await page(after=2, before=6) == ([3, 4, 5], False)


async def test_a_page_that_cannot_be_is_refused_by_field(console, ben):
    await console.feed(*Story().customer("hi").events)
    for query, field in (
        ({"after": -1}, "after"),
        ({"after": "x"}, "after"),
        ({"after": 10**30}, "after"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"after": 5, "before": 3}, "before"),
        ({"sort": "up"}, "sort"),
    ):
        answer = await ben.get(f"{HERE}/entries", **query)
        assert (answer.status, answer.body["field"]) == (422, field)


# --- the list


def conversation(number, bot="shop"):
    story = Story(f"messenger:1029:{number}", bot)
    story.at = BEGAN + timedelta(minutes=number)
    return story


@pytest_asyncio.fixture(loop_scope="module")
async def inbox(console, ben):
    """Six conversations: two of the bot, one waiting, one of Ben's, one of Ana's, one of another bot."""
    me = ANA.model_copy(update={"id": ben.operator["id"], "name": "Ben"})
    stories = [
        conversation(1).known("Mia").customer("one"),
        conversation(2).known("50% Off_Shop").customer("two").started().answered(me).ended(by=me),
        conversation(3).known("Mia", "Moss").customer("three").started(),
        conversation(4).known("Noah").customer("four").started().answered(me),
        conversation(5).known("Mialina").customer("five").started().answered(ANA),
        conversation(6, "other").known("Mia").customer("six"),
    ]
    for story in stories:
        await console.feed(*story.events)
    return ben


async def numbers(browser, **query):
    answer = await browser.get("/conversations", **query)
    assert answer.status == 200, answer
    return [int(each["id"].rpartition(":")[2]) for each in answer.body["items"]]


async def test_the_list_is_newest_first_and_filtered_as_asked(inbox):
    assert await numbers(inbox) == [5, 4, 3, 2, 1]
    assert await numbers(inbox, owner="bot") == [2, 1]
    assert await numbers(inbox, owner="human") == [5, 4, 3]
    assert await numbers(inbox, waiting="true") == [3]
    assert await numbers(inbox, waiting="false") == [5, 4, 2, 1]
    assert await numbers(inbox, mine="true") == [4]
    assert await numbers(inbox, bot="shop", owner="human", q="mia") == [5, 3]
    assert await numbers(inbox, bot="other") == []


async def test_a_name_is_found_by_any_part_of_it_and_signs_stand_for_themselves(inbox):
    assert await numbers(inbox, q="MIA") == [5, 3, 1]
    assert await numbers(inbox, q="moss") == [3]
    assert await numbers(inbox, q="%") == [2]
    assert await numbers(inbox, q="_") == [2]
    assert await numbers(inbox, q="\\") == []
    assert await numbers(inbox, q="'; DROP TABLE conversation; --") == []


async def test_an_admin_sees_the_conversations_of_all_bots(console, inbox):
    admin = await console.signed_in("ana", "admin")
    assert await numbers(admin) == [6, 5, 4, 3, 2, 1]
    assert await numbers(admin, bot="other") == [6]


async def test_pages_of_the_list_follow_each_other_without_gap_or_repetition(inbox):
    seen, cursor = [], None
    while True:
        body = (await inbox.get("/conversations", limit=2, **({"cursor": cursor} if cursor else {}))).body
        seen += [int(each["id"].rpartition(":")[2]) for each in body["items"]]
        cursor = body["next"]
        if cursor is None:
            break
        assert len(body["items"]) == 2
    assert seen == [5, 4, 3, 2, 1]


async def test_rows_of_the_same_moment_are_not_lost_between_pages(console, ben):
    for number in range(5):
        story = Story(f"messenger:1029:{number}").customer("at once")
        await console.feed(*story.events)
    first = (await ben.get("/conversations", limit=2)).body
    second = (await ben.get("/conversations", limit=5, cursor=first["next"])).body
    ids = [each["id"] for each in first["items"] + second["items"]]
    assert len(set(ids)) == 5
    assert all(a > b for a, b in pairwise(ids))


async def test_a_list_that_cannot_be_is_refused_by_field(ben):
    for query, field in (
        ({"owner": "cat"}, "owner"),
        ({"waiting": "maybe"}, "waiting"),
        ({"bot": "No Bot"}, "bot"),
        ({"q": ""}, "q"),
        ({"q": "x" * 101}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"limit": 1000}, "limit"),
        ({"cursor": "AAAA"}, "cursor"),
        ({"cursor": "WyJub3ciLCJhIl0"}, "cursor"),
        ({"cursor": "WyIyMDI2LTAxLTAxIiwiYSJd"}, "cursor"),
    ):
        answer = await ben.get("/conversations", **query)
        assert (answer.status, answer.body["field"]) == (422, field), query


async def test_every_filter_has_an_index(console, ben):
    """At a size where it matters: no plan reads the whole table."""
    pool = console.services.pool
    await pool.execute(
        """
        INSERT INTO conversation (id, bot, channel, customer_name, owner, attended, holder_id, last_at)
        SELECT 'messenger:1:' || n, 'bot' || n % 50, 'messenger', md5(n::text),
            CASE WHEN n % 20 = 0 THEN 'human' ELSE 'bot' END, n % 40 = 0,
            CASE WHEN n % 40 = 0 THEN 'op' || n % 400 END, now() - n * interval '1 second'
        FROM generate_series(1, 20000) AS n
        """
    )
    await pool.execute("ANALYZE conversation")
    from runtime.postgres import statements

    text = statements("console")["conversation_list"]
    nothing = dict.fromkeys(range(1, 9))
    for asked in ({}, {2: "bot7"}, {3: "human"}, {4: True}, {5: "op40"}, {6: "%c4ca42%"}, {1: ["bot1", "bot2"]}):
        values = [*({**nothing, **asked}.values()), 50]
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            plan = await connection.fetch("EXPLAIN " + text, *values)
        lines = "\n".join(row[0] for row in plan)
        assert "Seq Scan" not in lines, (asked, lines)


# --- unread


async def test_what_was_on_the_screen_is_not_unread_any_more(console, ben):
    story = Story().customer("one").said("two").customer("three").customer("four")
    await console.feed(*story.events)

    async def unread():
        return (await ben.get(HERE)).body["conversation"]["unread"]

    assert await unread() == 3
    assert (await ben.post(f"{HERE}/read", {"seq": 3})).status == 204
    assert await unread() == 1
    assert (await ben.post(f"{HERE}/read", {"seq": 1})).status == 204
    assert await unread() == 1, "an older mark changes nothing"
    assert (await ben.post(f"{HERE}/read", {"seq": 999})).status == 204
    assert await unread() == 0
    await console.feed(*story.customer("five").events[4:])
    assert await unread() == 1, "a mark past the end does not hide what is yet to come"


async def test_answering_is_having_read(console, ben):
    await console.feed(*Story().customer("one").customer("two").events)
    await ben.post(f"{HERE}/replies", {"epoch": 0, "seq": 2, "text": "hello"})
    assert (await ben.get(HERE)).body["conversation"]["unread"] == 0


async def test_a_cause_of_each_kind_is_told(console, ben):
    for number, cause in enumerate(Cause):
        story = conversation(number).customer("x").started(cause, fault="no flow" if cause is Cause.FAULT else "")
        await console.feed(*story.events)
        found = (await ben.get(f"/conversations/{story.conversation}")).body["conversation"]
        assert found["cause"] == cause

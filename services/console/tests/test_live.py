"""The live socket: nothing lost, nothing twice, in order, for whoever may see it."""

import asyncio
import json

import pytest
import pytest_asyncio
from console_world import ANA, DEADLINE, Story, a_console, eventually, whole_story

from console.janitor import clean
from console.live import PAGE, QUEUE

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONVERSATION = "messenger:1029:7733"
STREAM = f"conversation:{CONVERSATION}"
INBOX = "inbox:shop"


@pytest_asyncio.fixture(loop_scope="module")
async def ben(console):
    return await console.signed_in("ben", bots=["shop"])


async def last_of(console, stream):
    return await console.services.pool.fetchval("SELECT last FROM stream WHERE name = $1", stream) or 0


async def events_of(socket, last, *, first=1):
    """The events of a stream up to a number; fails at a gap."""
    found = []
    while not found or found[-1]["seq"] < last:
        frame = await socket.frame()
        assert frame["seq"] == first + len(found), frame
        assert frame["event_id"] == f"{frame['stream']}#{frame['seq']}"
        found.append(frame)
    return found


async def test_the_first_frame_tells_the_time_and_who_one_is(console, ben):
    async with ben.socket() as socket:
        hello = await socket.frame()
        assert (hello["type"], hello["v"], hello["operator"]["name"]) == ("hello", 1, "Ben")
        await socket.send(type="ping")
        assert (await socket.frame())["server_time"] >= hello["server_time"]


async def test_what_happens_is_told_as_it_happens(console, ben):
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with ben.socket() as socket:
        answer = await socket.subscribe(STREAM)
        assert answer["after"] == answer["last"] == 2
        await console.feed(*story.said("Hello").events[1:])
        frame = await socket.frame("entry.changed")
        assert (frame["seq"], frame["stream"], frame["entry"]["text"]) == (3, STREAM, "Hello")
        assert frame["entry"]["delivery"]["state"] == "queued"
        await console.feed(*story.delivered(2).events[2:])
        assert (await socket.frame("entry.changed"))["entry"]["delivery"]["state"] == "sent"
        await console.feed(*story.started().answered(ANA).events[3:])
        frame = await socket.frame("conversation.changed")
        assert (frame["conversation"]["owner"], frame["conversation"]["holder"]["name"]) == ("human", "Ana")


async def test_an_assignment_is_told_to_the_conversation_and_to_the_inbox(console, ben):
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM)
        await socket.subscribe(INBOX)
        await console.feed(*story.assigned(ANA).events[1:])
        told = {frame["type"]: frame for frame in [await socket.frame(), await socket.frame()]}
        for kind in ("conversation.changed", "inbox.changed"):
            assert told[kind]["conversation"]["assigned"] == {"id": ANA.id, "name": "Ana"}


async def test_the_inbox_tells_of_every_conversation_of_its_bot_and_of_no_other(console, ben):
    async with ben.socket() as socket:
        await socket.subscribe(INBOX)
        await console.feed(*Story("messenger:1:other", "other").customer("not for Ben").events)
        await console.feed(*Story("messenger:1:mine").customer("for Ben").events)
        frame = await socket.frame("inbox.changed")
        assert frame["conversation"]["id"] == "messenger:1:mine"
        assert (frame["seq"], frame["conversation"]["unread"]) == (1, 1)


async def test_a_command_is_told_when_the_log_has_decided(console, ben):
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM)
        sent = (await ben.post(f"/conversations/{CONVERSATION}/takeover", {"epoch": 0})).body["command"]
        await console.feed(*story.refused(sent, "held", holder=ANA).events[1:])
        command = (await socket.frame("command.decided"))["command"]
        assert (command["id"], command["status"], command["code"]) == (sent, "refused", "held")


async def test_an_answer_tells_from_which_number_to_follow(console, ben):
    story = whole_story()
    await console.feed(*story.events[:10])
    read = (await ben.get(f"/conversations/{CONVERSATION}")).body
    page = (await ben.get("/conversations")).body
    assert read["stream_seq"] == await last_of(console, STREAM)
    assert page["streams"] == {INBOX: await last_of(console, INBOX)}
    await console.feed(*story.events[10:])
    async with ben.socket() as socket:
        await socket.subscribe(STREAM, read["stream_seq"])
        frames = await events_of(socket, await last_of(console, STREAM), first=read["stream_seq"] + 1)
    conversation = [frame for frame in frames if frame["type"] == "conversation.changed"][-1]["conversation"]
    assert conversation == (await ben.get(f"/conversations/{CONVERSATION}")).body["conversation"]


async def test_a_socket_that_comes_and_goes_misses_nothing_and_hears_nothing_twice(console, ben):
    """Events are written all the while, by several writers at once; the browser reconnects again and again."""
    total, heard = 60, []

    async def write(stream):
        story = Story()
        for number in range(total // 3):
            story.thread(f"{'us' if number % 2 else 'idle'}", f"{stream}-{number}")
            await console.feed(story.events[-1])

    await console.feed(*Story().customer("hi").events)
    begun = await last_of(console, STREAM)
    writing = asyncio.gather(*(write(stream) for stream in range(3)))
    after = begun
    async with asyncio.timeout(DEADLINE):
        while len(heard) < total:
            async with ben.socket() as socket:
                assert (await socket.subscribe(STREAM, after))["type"] == "subscribed"
                for _ in range(min(7, total - len(heard))):
                    frame = await socket.frame("conversation.changed")
                    heard.append(frame["seq"])
                    after = frame["seq"]
    await writing
    assert heard == list(range(begun + 1, begun + total + 1))


async def test_two_processes_tell_the_same(console, ben, kafka_bootstrap, module_database_url):
    """What one process writes reaches the sockets of the other."""
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with a_console(kafka_bootstrap, module_database_url) as other, ben.socket() as here:
        elsewhere = other.browser()
        await elsewhere.sign_in("ben@example.com")
        async with elsewhere.socket() as there:
            for socket in (here, there):
                await socket.subscribe(STREAM, 0)
            await asyncio.gather(
                console.feed(*Story().thread("us", "1").events), other.feed(*Story().thread("idle", "2").events)
            )
            await other.feed(*story.said("Hello").events[1:])
            last = await last_of(console, STREAM)
            assert await events_of(here, last) == await events_of(there, last)


async def test_what_was_trimmed_is_a_gap_and_reading_anew_closes_it(console, ben):
    story = whole_story()
    await console.feed(*story.events)
    last = await last_of(console, STREAM)
    await clean(console.services.pool, console.services.settings, console.clock())
    assert await console.services.pool.fetchval("SELECT count(*) FROM live_event") > 0, "they are young"
    console.clock.forward(25 * 3600)
    await clean(console.services.pool, console.services.settings, console.clock())
    assert await console.services.pool.fetchval("SELECT count(*) FROM live_event") == 0
    assert (await ben.sign_in("ben@example.com")).status == 200
    async with ben.socket() as socket:
        assert (await socket.subscribe(STREAM, 1))["type"] == "subscribed"
        gap = await socket.frame()
        assert gap == {"type": "gap", "stream": STREAM, "after": 1, "last": last}
        read = (await ben.get(f"/conversations/{CONVERSATION}")).body["stream_seq"]
        assert (await socket.subscribe(STREAM, read))["after"] == last
        await console.feed(*story.said("on we go").events[-1:])
        assert (await socket.frame("entry.changed"))["seq"] == last + 1


async def test_a_hole_in_what_is_kept_is_a_gap_too(console, ben):
    await console.feed(*whole_story().events)
    await console.services.pool.execute("DELETE FROM live_event WHERE stream = $1 AND seq = 3", STREAM)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM, 0)
        assert [frame["seq"] for frame in await events_of(socket, 2)] == [1, 2]
        assert (await socket.frame())["type"] == "gap"


async def test_a_number_from_another_database_is_a_gap(console, ben):
    await console.feed(*Story().customer("hi").events)
    async with ben.socket() as socket:
        gap = await socket.subscribe(STREAM, 1_000_000)
        assert (gap["type"], gap["last"]) == ("gap", 2)


async def test_after_unsubscribing_nothing_more_is_told(console, ben):
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM)
        await socket.subscribe(INBOX)
        await socket.send(type="unsubscribe", stream=STREAM)
        assert (await socket.frame("unsubscribed"))["stream"] == STREAM
        await console.feed(*story.customer("more").events[1:])
        assert (await socket.frame())["stream"] == INBOX
        await socket.send(type="ping")
        assert (await socket.frame())["type"] == "pong"


async def test_a_frame_that_is_none_is_refused_by_field_and_too_many_close_the_socket(console, ben):
    async with ben.socket() as socket:
        await socket.frame("hello")
        for text, field in (
            ("{", None),
            ("[]", None),
            ('{"type": "explode"}', None),
            ('{"type": "subscribe"}', "subscribe.stream"),
            ('{"type": "subscribe", "stream": "secrets:all"}', "subscribe.stream"),
            ('{"type": "subscribe", "stream": "inbox:shop", "after": -1}', "subscribe.after"),
            ('{"type": "subscribe", "stream": "inbox:shop", "after": "1"}', "subscribe.after"),
            ('{"type": "subscribe", "stream": "inbox:shop", "bot": "x"}', "subscribe.bot"),
        ):
            await socket.opened.send_str(text)
            frame = await socket.frame("problem")
            assert frame["problem"]["code"] in {"bad_json", "invalid"}
            assert field is None or frame["problem"]["field"] == field
        for _ in range(20):
            await socket.opened.send_bytes(b"x")
        assert await socket.closed() == 1008


async def test_a_frame_that_is_too_long_closes_the_socket(console, ben):
    async with ben.socket() as socket:
        await socket.opened.send_str(json.dumps({"type": "ping", "padding": "x" * 70_000}))
        assert await socket.closed() == 1009


async def test_signing_out_closes_the_sockets_of_the_session_and_of_no_other(console, ben):
    again = console.browser()
    await again.sign_in("ben@example.com")
    async with ben.socket() as mine, again.socket() as others:
        await mine.frame("hello")
        await ben.ask("DELETE", "/session")
        assert await mine.closed() == 4401
        await others.send(type="ping")
        assert (await others.frame("pong"))["type"] == "pong"


async def test_a_session_that_ends_elsewhere_closes_its_sockets(console, ben):
    admin = await console.signed_in("ana", "admin")
    async with ben.socket() as socket:
        await socket.frame("hello")
        await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"active": False})
        assert await socket.closed() == 4401


async def test_a_session_that_idles_out_closes_its_sockets(console, ben):
    async with ben.socket() as socket:
        await socket.frame("hello")
        console.clock.forward(12 * 3600 + 1)
        assert await socket.closed() == 4401


async def test_who_may_not_see_a_bot_any_more_hears_no_more_of_it(console, ben):
    admin = await console.signed_in("ana", "admin")
    story = Story().customer("hi")
    await console.feed(*story.events)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM)
        await socket.subscribe(INBOX)
        await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"bots": []})
        ended = {(await socket.frame("unsubscribed"))["stream"] for _ in range(2)}
        assert ended == {STREAM, INBOX}
        await console.feed(*story.customer("secret").events[1:])
        await socket.send(type="ping")
        assert (await socket.frame())["type"] == "pong"


async def test_more_than_a_page_of_events_comes_whole(console, ben):
    await console.feed(*Story().customer("hi").events)
    count = 3 * PAGE + 7
    await fill(console, count)
    async with ben.socket() as socket:
        await socket.subscribe(STREAM, 2)
        assert len(await events_of(socket, count + 2, first=3)) == count


async def fill(console, count, size=10):
    """As many events of the conversation's stream, each of `size` characters and some."""
    from console.repository.transcript import tell
    from console.streams import News
    from runtime.postgres import transaction

    async with transaction(console.services.pool) as tx:
        await tell(tx, [News(STREAM, "entry.changed", f'{{"entry":"{"x" * size}"}}')] * count)


async def test_a_browser_that_does_not_read_is_closed_and_costs_a_bounded_queue(kafka_bootstrap, database_url):
    async with a_console(kafka_bootstrap, database_url, live_slow=0.3) as console:
        ben = await console.signed_in("ben", bots=["shop"])
        await console.feed(*Story().customer("hi").events)
        await fill(console, 3 * QUEUE, size=20_000)
        async with ben.socket() as deaf, ben.socket() as other:
            await deaf.subscribe(STREAM, 2)
            (socket,) = [each for each in console.services.live._sockets if each.subscriptions]
            deaf.opened._response.connection.transport.pause_reading()

            async def gone():
                assert socket.queue.qsize() <= QUEUE
                return socket not in console.services.live._sockets

            await eventually(gone)
            await other.send(type="ping")
            assert await other.frame("pong"), "others go on"
            deaf.opened._response.connection.transport.resume_reading()


async def test_when_the_console_stops_browsers_are_told_to_come_again(kafka_bootstrap, database_url):
    async with a_console(kafka_bootstrap, database_url) as console:
        ben = await console.signed_in("ben")
        async with ben.socket() as socket:
            await socket.frame("hello")
            console.services.live.close_all()
            assert await socket.closed() == 1012


async def test_one_browser_opens_so_many_sockets_and_no_more(console, ben, monkeypatch):
    from console.routes import live

    monkeypatch.setattr(live, "MAX_OF_SESSION", 1)
    async with ben.socket() as socket:
        await socket.frame("hello")
        answer = await ben.get("/live")
        assert (answer.status, answer.code) == (429, "too_many_sockets")


async def test_the_address_of_the_socket_takes_nothing_else(ben):
    answer = await ben.get("/live")
    assert (answer.status, answer.code) == (400, "not_a_socket")


async def test_transactions_over_the_same_conversations_wait_for_each_other_and_never_forever(console, ben):
    """The two topics of a partition are taken in by two tasks at once."""
    names = [f"messenger:1029:{number}" for number in range(40)]

    async def write(order, step):
        for _ in range(20):
            events = []
            for name in order:
                story = Story(name)
                step(story)
                events += story.events
            await console.feed(*events)

    await asyncio.gather(
        write(names, lambda story: story.customer("hi")),
        write(names[::-1], lambda story: story.said("Hello")),
        *(ben.post(f"/conversations/{name}/read", {"seq": 1}) for name in names),
    )
    assert await console.services.pool.fetchval("SELECT count(*) FROM conversation") == len(names)
    numbers = await console.services.pool.fetch("SELECT count(*), max(seq) FROM live_event GROUP BY stream")
    assert all(count == newest for count, newest in numbers), "no number was given twice or left out"


async def test_transactions_that_tell_several_inboxes_wait_for_each_other_and_never_forever(console):
    bots = [f"bot{number}" for number in range(30)]

    async def write(customer, order):
        stories = [Story(f"messenger:{bot}:{customer}", bot) for bot in order]
        for _ in range(15):
            await console.feed(*(story.customer("hi").events[-1] for story in stories))

    await asyncio.gather(*(write(f"customer{number}", bots[:: 1 - number % 2 * 2]) for number in range(6)))
    numbers = await console.services.pool.fetch("SELECT count(*), max(seq) FROM live_event GROUP BY stream")
    assert all(count == newest for count, newest in numbers)


async def test_a_told_entry_is_the_one_that_reading_gives(console, ben):
    """The statement that stores an entry writes it as JSON; the API does so from its row."""
    story = whole_story()
    for event in story.events:
        await console.feed(event)
    read = {
        entry["seq"]: entry
        for entry in (await ben.get(f"/conversations/{CONVERSATION}/entries", limit=100)).body["items"]
    }
    bodies = await console.services.pool.fetch(
        "SELECT body::text FROM live_event WHERE stream = $1 AND type = 'entry.changed' ORDER BY seq", STREAM
    )
    told = {entry["seq"]: entry for entry in (json.loads(row["body"])["entry"] for row in bodies)}
    assert told == read
    assert {entry["speaker"] for entry in told.values()} >= {"bot", "customer", "operator", None}


async def test_entries_are_told_before_the_conversation_that_they_change_and_in_their_order(console):
    story = Story().customer("hi").customer("there").customer("you")
    await console.feed(*story.events)
    rows = await console.services.pool.fetch(
        "SELECT type, body #>> '{entry,text}' FROM live_event WHERE stream = $1 ORDER BY seq", STREAM
    )
    assert [tuple(row) for row in rows] == [
        ("entry.changed", "hi"),
        ("entry.changed", "there"),
        ("entry.changed", "you"),
        ("conversation.changed", None),
    ]


async def test_a_told_time_keeps_its_parts_of_a_second(console, ben):
    """As the API tells it, to the character."""
    story = Story().customer("hi").said("Hello", operator=ANA)
    story.at = story.at.replace(microsecond=120)
    story.customer("with microseconds")
    await console.feed(*story.events)
    read = (await ben.get(f"/conversations/{CONVERSATION}/entries")).body["items"]
    bodies = await console.services.pool.fetch(
        "SELECT body::text FROM live_event WHERE stream = $1 AND type = 'entry.changed' ORDER BY seq", STREAM
    )
    told = sorted((json.loads(row["body"])["entry"] for row in bodies), key=lambda entry: entry["seq"])
    assert told == read
    assert told[2]["at"].endswith(".000120Z")

"""Operators' commands over real HTTP; what they publish is read back from the real log."""

import asyncio
from datetime import timedelta
from itertools import product

import pytest
import pytest_asyncio
from console_world import ANA, BEN, Reader, Story, a_console, eventually
from yarl import URL

from runtime.kafka import partition_of
from schemas.conversations import (
    OperatorAssigns,
    OperatorHandsBack,
    OperatorReplies,
    OperatorSetsExpiry,
    OperatorTakesOver,
)
from schemas.messages import Person
from schemas.topics import CONVERSATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONVERSATION = "messenger:1029:7733"
HERE = f"/conversations/{CONVERSATION}"
PATHS = {
    "takeover": "takeover",
    "reply": "replies",
    "expiry": "expiry",
    "hand_back": "hand-back",
    "assign": "assignment",
}


@pytest_asyncio.fixture(loop_scope="module")
async def log(kafka_bootstrap, console):
    async with Reader(kafka_bootstrap, CONVERSATIONS, partition_of(CONVERSATION, 2)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def ana(console):
    """Signed in; the bot has the conversation, in epoch 0."""
    browser = await console.signed_in("ana", bots=["shop"])
    await console.feed(*Story().customer("hi").said("Hello").events)
    return browser


def person(browser):
    return Person(id=browser.operator["id"], name=browser.operator["name"])


async def test_taking_over_is_in_the_log_before_the_answer(ana, log):
    answer = await ana.post(f"{HERE}/takeover", {"epoch": 0, "expiry": 900}, headers={"Idempotency-Key": "k1"})
    assert answer.status == 202
    assert answer.body == {
        "command": f"operator:{ana.operator['id']}:k1",
        "conversation": CONVERSATION,
        "status": "pending",
        "sent_at": answer.body["sent_at"],
    }
    assert answer.headers["Location"] == f"/api/v1/commands/{answer.body['command']}"
    event = await log.next()
    assert isinstance(event, OperatorTakesOver)
    assert (event.id, event.operator, event.epoch) == (answer.body["command"], person(ana), 0)
    assert (event.expiry, event.no_expiry, event.force) == (900, False, False)


async def test_a_reply_carries_what_the_composer_saw(ana, log):
    body = {"epoch": 0, "seq": 2, "text": "Hello Mia"}
    answer = await ana.post(f"{HERE}/replies", body, headers={"Idempotency-Key": "k1"})
    event = await log.next()
    assert isinstance(event, OperatorReplies)
    assert (event.id, event.text, event.seq, event.client_id) == (answer.body["command"], "Hello Mia", 2, "k1")


async def test_the_expiry_may_be_a_length_a_time_or_never(ana, console, log):
    story = Story().customer("hi").said("Hello").started()
    await console.feed(*story.events[2:])
    later = (console.clock() + timedelta(hours=2)).isoformat()
    for body, expiry, deadline in (
        ({"expiry": 60}, 60, None),
        ({"deadline": later}, None, later),
        ({"never": True}, None, None),
    ):
        assert (await ana.post(f"{HERE}/expiry", {"epoch": 1, **body})).status == 202
        event = await log.next()
        assert isinstance(event, OperatorSetsExpiry)
        assert event.expiry == expiry
        assert (event.deadline.isoformat() if event.deadline else None) == deadline


async def test_handing_back_carries_how_and_a_note(ana, console, log):
    await console.feed(*Story().customer("hi").said("Hello").started().events[2:])
    body = {"epoch": 1, "mode": "restart", "note": "all done"}
    assert (await ana.post(f"{HERE}/hand-back", body)).status == 202
    event = await log.next()
    assert isinstance(event, OperatorHandsBack)
    assert (event.mode, event.note) == ("restart", "all done")


async def test_it_is_given_to_a_colleague_who_sees_it_and_to_nobody_else(ana, console, log):
    ben = await console.signed_in("ben", bots=["shop"])
    answer = await ana.post(f"{HERE}/assignment", {"epoch": 0, "to": ben.operator["id"]})
    assert answer.status == 202
    event = await log.next()
    assert isinstance(event, OperatorAssigns)
    assert (event.id, event.operator, event.to, event.force) == (
        answer.body["command"],
        person(ana),
        person(ben),
        False,
    )
    admin = await console.signed_in("dora", "admin")
    assert (await ana.post(f"{HERE}/assignment", {"epoch": 0, "to": admin.operator["id"]})).status == 202
    stranger = await console.signed_in("eve", bots=[])
    await admin.ask("PATCH", f"/operators/{ben.operator['id']}", {"active": False})
    for other in (stranger, ben):
        refused = await ana.post(f"{HERE}/assignment", {"epoch": 0, "to": other.operator["id"]})
        assert (refused.status, refused.body["field"]) == (422, "to")


async def test_a_colleagues_conversation_is_given_away_by_them_or_by_an_admin(ana, console, log):
    await console.feed(*Story().customer("hi").said("Hello").started().answered(BEN).events[2:])
    body = {"epoch": 1, "to": ana.operator["id"]}
    answer = await ana.post(f"{HERE}/assignment", body)
    assert (answer.status, answer.code, answer.body["present"]["holder"]["name"]) == (409, "held", "Ben")
    assert (await ana.post(f"{HERE}/assignment", {**body, "force": True})).code == "forbidden"
    assert (await ana.post(f"{HERE}/assignment", {**body, "epoch": 0})).code == "changed"
    admin = await console.signed_in("dora", "admin")
    assert (await admin.post(f"{HERE}/assignment", {**body, "force": True})).status == 202
    assert (await log.next()).force is True


async def test_what_is_only_assigned_to_a_colleague_may_be_taken_up(ana, console):
    await console.feed(*Story().customer("hi").said("Hello").started(holder=BEN).events[2:])
    assert (await ana.post(f"{HERE}/takeover", {"epoch": 1})).status == 202


GOOD = {
    "takeover": {"epoch": 0},
    "reply": {"epoch": 0, "seq": 2, "text": "hello"},
    "expiry": {"epoch": 0, "expiry": 60},
    "hand_back": {"epoch": 0},
    "assign": {"epoch": 0, "to": None},
}
BAD = [
    ("takeover", {}, "epoch"),
    ("takeover", {"epoch": -1}, "epoch"),
    ("takeover", {"epoch": "0"}, "epoch"),
    ("takeover", {"epoch": 0.5}, "epoch"),
    ("takeover", {"epoch": 10**30}, "epoch"),
    ("takeover", {"epoch": None}, "epoch"),
    ("takeover", {"epoch": 0, "expiry": 0}, "expiry"),
    ("takeover", {"epoch": 0, "expiry": -5}, "expiry"),
    ("takeover", {"epoch": 0, "expiry": 10 * 365 * 24 * 3600}, "expiry"),
    ("takeover", {"epoch": 0, "expiry": 60, "no_expiry": True}, "no_expiry"),
    ("takeover", {"epoch": 0, "force": "yes"}, "force"),
    ("takeover", {"epoch": 0, "operator": {"id": "x", "name": "Eve"}}, "operator"),
    ("reply", {"epoch": 0, "seq": 2}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": ""}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": " \n\t "}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": "x" * 2000}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": "x" * 100_000}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": "a\u0000b"}, "text"),
    ("reply", {"epoch": 0, "seq": 2, "text": ["hello"]}, "text"),
    ("reply", {"epoch": 0, "seq": -1, "text": "hello"}, "seq"),
    ("reply", {"epoch": 0, "text": "hello"}, "seq"),
    ("expiry", {"epoch": 0}, "body"),
    ("expiry", {"epoch": 0, "expiry": 60, "never": True}, "body"),
    ("expiry", {"epoch": 0, "expiry": 0}, "expiry"),
    ("expiry", {"epoch": 0, "expiry": 10 * 365 * 24 * 3600}, "expiry"),
    ("expiry", {"epoch": 0, "deadline": "2020-01-01T00:00:00Z"}, "deadline"),
    ("expiry", {"epoch": 0, "deadline": "2036-01-01T00:00:00Z"}, "deadline"),
    ("expiry", {"epoch": 0, "deadline": "2026-12-01T00:00:00"}, "deadline"),
    ("expiry", {"epoch": 0, "deadline": "soon"}, "deadline"),
    ("hand_back", {"epoch": 0, "mode": "explode"}, "mode"),
    ("hand_back", {"epoch": 0, "note": "x" * 1001}, "note"),
    ("assign", {"epoch": 0}, "to"),
    ("assign", {"epoch": 0, "to": ""}, "to"),
    ("assign", {"epoch": 0, "to": "nobody"}, "to"),
    ("assign", {"epoch": 0, "to": {"id": "ben", "name": "Ben"}}, "to"),
    ("assign", {"epoch": -1, "to": None}, "epoch"),
]


@pytest.mark.parametrize("kind", PATHS)
async def test_bad_input_is_refused_by_field_and_leaves_nothing_in_the_log(ana, console, log, kind):
    if kind in {"expiry", "hand_back"}:  # the bot has it in epoch 0; a person in epoch 1
        await console.feed(*Story().customer("hi").said("Hello").started().events[2:])
    for bad_kind, body, field in BAD:
        if bad_kind == kind:
            answer = await ana.post(f"{HERE}/{PATHS[kind]}", body)
            assert (answer.status, answer.body["field"]) == (422, field), (body, answer)
            assert answer.body["detail"]
            assert answer.body["errors"][0]["reason"]
    good = dict(GOOD[kind], epoch=1 if kind in {"expiry", "hand_back"} else 0)
    answer = await ana.post(f"{HERE}/{PATHS[kind]}", good)
    assert answer.status == 202, answer
    assert [event.id for event in await log.until(lambda event: event.id == answer.body["command"])] == [
        answer.body["command"]
    ]


async def test_any_text_within_the_limit_is_taken_as_it_is(ana, log):
    for text in ("x" * 1999, "🦊" * 1000, "<b>hi</b> & 'bye'", "\u202eevil", "a\nb"):
        assert (await ana.post(f"{HERE}/replies", {"epoch": 0, "seq": 2, "text": text})).status == 202
        assert (await log.next()).text == text


async def test_a_body_that_is_no_json_of_ours_is_refused(ana):
    for raw, content_type, status, code in (
        (b"{", "application/json", 400, "bad_json"),
        (b"\xff\xfe", "application/json", 400, "bad_json"),
        (b'{"epoch": 0, "seq": 2, "text": "\\ud800"}', "application/json", 400, "bad_json"),
        (b"[" * 5000, "application/json", 400, "bad_json"),
        (b"[]", "application/json", 422, "invalid"),
        (b"epoch=0", "application/x-www-form-urlencoded", 415, "media_type"),
        (b'{"epoch": 0}', "text/plain", 415, "media_type"),
        (b'{"text": "' + b"x" * 300_000 + b'"}', "application/json", 413, "too_large"),
    ):
        answer = await ana.post(f"{HERE}/replies", raw=raw, headers={"Content-Type": content_type})
        assert (answer.status, answer.code) == (status, code), raw[:20]


async def test_a_body_that_never_says_how_long_it_is_stops_at_the_limit(ana):
    async def endless():
        for _ in range(40):
            yield b"x" * 10_000

    answer = await ana.post(f"{HERE}/replies", raw=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status, answer.code) == (413, "too_large")


async def test_an_unknown_conversation_is_not_there(ana):
    names = ("messenger:1029:nobody", "x", "messenger:1029:_page", "x" * 400, "a%00b", "a%2Fb")
    for kind, name in product(PATHS, names):
        path = URL(f"{ana.url}/api/v1/conversations/{name}/{PATHS[kind]}", encoded=True)
        async with ana.http.post(path, json=GOOD[kind], headers={"X-CSRF-Token": ana.csrf}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "unknown_conversation"), (kind, name)


# --- the courtesy of a refusal before the log is asked


async def test_another_epoch_is_refused_with_who_has_the_conversation_now(ana, console):
    await console.feed(*Story().customer("hi").said("Hello").started().answered(BEN).events[2:])
    for kind in ("takeover", "expiry", "hand_back"):
        answer = await ana.post(f"{HERE}/{PATHS[kind]}", GOOD[kind])
        assert (answer.status, answer.code) == (409, "changed")
        assert answer.body["present"]["holder"] == {"id": BEN.id, "name": "Ben"}
        assert answer.body["present"]["epoch"] == 1


async def test_a_conversation_that_a_colleague_holds_is_refused_unless_an_admin_forces_it(ana, console, log):
    await console.feed(*Story().customer("hi").said("Hello").started().answered(BEN).events[2:])
    for path, body in (("takeover", {"epoch": 1}), ("replies", {"epoch": 1, "seq": 3, "text": "hello"})):
        answer = await ana.post(f"{HERE}/{path}", body)
        assert (answer.status, answer.code) == (409, "held")
        assert answer.body["title"] == "Ben has the conversation."
        forced = await ana.post(f"{HERE}/{path}", {**body, "force": True})
        assert (forced.status, forced.code, forced.body["field"]) == (403, "forbidden", "force")
    admin = await console.signed_in("dora", "admin")
    answer = await admin.post(f"{HERE}/takeover", {"epoch": 1, "force": True})
    assert answer.status == 202
    assert (await log.next()).force is True


async def test_a_reply_typed_before_the_bot_spoke_again_is_refused_with_what_it_said(ana, console, log):
    story = Story().customer("hi").said("Hello").started().answered(ANA).ended().said("I am back").said("How are you?")
    await console.feed(*story.events[2:])
    body = {"epoch": 1, "seq": 3, "text": "one moment"}
    answer = await ana.post(f"{HERE}/replies", body)
    assert (answer.status, answer.code) == (409, "bot_answered_since")
    assert [line["text"] for line in answer.body["newer"]] == ["I am back", "How are you?"]
    assert (await ana.post(f"{HERE}/replies", {**body, "force": True})).status == 202
    assert (await log.next()).force is True


async def test_a_reply_typed_before_a_colleague_wrote_is_refused_with_what_they_wrote(ana, console):
    story = Story().customer("hi").said("Hello").started().staff("I am on it").staff("We are closed", automatic=True)
    await console.feed(*story.events[2:])
    answer = await ana.post(f"{HERE}/replies", {"epoch": 1, "seq": 3, "text": "hello"})
    assert (answer.status, answer.code) == (409, "newer")
    assert [line["text"] for line in answer.body["newer"]] == ["I am on it"]
    assert (await ana.post(f"{HERE}/replies", {"epoch": 1, "seq": 5, "text": "hello"})).status == 202


async def test_ones_own_newer_message_hinders_nobody(ana, console):
    me = person(ana)
    await console.feed(*Story().customer("hi").said("Hello").started().answered(me).said("first", me).events[2:])
    assert (await ana.post(f"{HERE}/replies", {"epoch": 1, "seq": 2, "text": "second"})).status == 202


def talked(me, state="uncertain"):
    """The operator's message is entry 5, command `lost`, and became `state`."""
    story = Story().customer("hi").said("Hello").started().answered(me).said("Saturday at ten", me)
    sent = story.events[-1] = story.events[-1].model_copy(update={"id": "lost"})
    assert sent.seq == 5
    return story.delivered(5, state) if state else story


RETRY = f"{HERE}/messages/5/retry"


@pytest.mark.parametrize("state", ["uncertain", "not_delivered"])
async def test_a_message_that_was_lost_is_sent_again_as_it_was(ana, console, log, state):
    me = person(ana)
    await console.feed(*talked(me, state).said("newer", me).events[2:])
    answer = await ana.post(RETRY, {"epoch": 1, "seq": 5}, headers={"Idempotency-Key": "k9"})
    assert answer.status == 202
    event = await log.next()
    assert (event.id, event.text, event.again) == (answer.body["command"], "Saturday at ten", "lost")
    assert (event.epoch, event.seq, event.client_id) == (1, 5, "k9")
    assert (await ana.get(f"/commands/{event.id}")).body["type"] == "reply"


async def test_a_message_that_arrived_is_not_sent_again(ana, console):
    await console.feed(*talked(person(ana), "sent").events[2:])
    answer = await ana.post(RETRY, {"epoch": 1, "seq": 5})
    assert (answer.status, answer.code) == (409, "delivered")
    assert answer.body["title"] == "It has arrived; it is not sent twice."


async def test_a_retry_that_was_refused_since_the_message_arrived_is_not_retried(ana, console):
    me = person(ana)
    story = talked(me).said("Saturday at ten", me, again="lost")
    story.delivered(5, "sent").delivered(6, "not_delivered", reason="It has arrived after all; it is not sent twice.")
    await console.feed(*story.events[2:])
    assert (await ana.post(f"{HERE}/messages/6/retry", {"epoch": 1, "seq": 6})).code == "delivered"


@pytest.mark.parametrize("again", [None, "uncertain", "sent"])
async def test_a_message_is_sent_again_once_unless_that_failed_too(ana, console, again):
    me = person(ana)
    story = talked(me).said("Saturday at ten", me, again="lost")
    await console.feed(*(story.delivered(6, again) if again else story).events[2:])
    answer = await ana.post(RETRY, {"epoch": 1, "seq": 6})
    expected = (202, None) if again == "uncertain" else (409, "not_retryable")
    assert (answer.status, answer.body.get("code")) == expected


async def test_only_an_operators_message_of_known_fate_is_sent_again(ana, console):
    story = talked(person(ana), None).said("", person(ana)).delivered(6, "uncertain")
    await console.feed(*story.events[2:])
    for seq in (1, 2, 3, 5, 6):  # a customer's, the bot's, no message, one on its way, one that was forgotten
        answer = await ana.post(f"{HERE}/messages/{seq}/retry", {"epoch": 1, "seq": 5})
        assert (answer.status, answer.code) == (409, "not_retryable"), seq
        assert answer.body["title"], seq
    missing = await ana.post(f"{HERE}/messages/99/retry", {"epoch": 1, "seq": 5})
    assert (missing.status, missing.code) == (404, "unknown_entry")


async def test_a_retry_is_refused_as_a_reply_is(ana, console):
    await console.feed(*talked(person(ana)).changed(BEN).events[2:])
    assert (await ana.post(RETRY, {"epoch": 1, "seq": 6})).code == "held"


async def test_a_retry_repeated_under_its_key_is_the_same_command_whatever_came_since(ana, console):
    story = talked(person(ana))
    await console.feed(*story.events[2:])
    first = await ana.post(RETRY, {"epoch": 1, "seq": 5}, headers={"Idempotency-Key": "same"})
    await console.feed(*story.delivered(5, "sent").events[-1:])
    second = await ana.post(RETRY, {"epoch": 1, "seq": 5}, headers={"Idempotency-Key": "same"})
    assert (first.status, second.status, second.body) == (202, 202, first.body)


async def test_the_bots_conversation_has_no_session_to_set_or_end(ana):
    assert (await ana.post(f"{HERE}/expiry", GOOD["expiry"])).code == "not_taken_over"
    assert (await ana.post(f"{HERE}/hand-back", GOOD["hand_back"])).code == "already_bot"


# --- once, however often it is sent


async def test_the_same_key_again_is_the_same_command_and_the_same_answer(ana, console, log):
    """Until the log has told what became of it the same record goes there again, which counts once; then no more."""
    body, headers = {"epoch": 0, "seq": 2, "text": "hello"}, {"Idempotency-Key": "k1"}
    first = await ana.post(f"{HERE}/replies", body, headers=headers)
    command = first.body["command"]
    story = Story().customer("hi").said("Hello").started().answered(BEN)
    await console.feed(*story.events[2:])
    again = await ana.post(f"{HERE}/replies", body, headers=headers)
    known = len(story.events)
    await console.feed(*story.accepted(command).events[known:])
    late = await ana.post(f"{HERE}/replies", body, headers=headers)
    assert (first.status, again.status, late.status) == (202, 202, 202)
    assert first.body == again.body == late.body
    marker = await (await console.signed_in("dora", "admin")).post(f"{HERE}/takeover", {"epoch": 1, "force": True})
    once, twice, last = await log.until(lambda event: event.id == marker.body["command"])
    assert once == twice
    assert [once.id, last.id] == [command, marker.body["command"]]


async def test_many_at_once_under_one_key_are_one_command(ana, console, log):
    body, headers = {"epoch": 0, "seq": 2, "text": "hello"}, {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(ana.post(f"{HERE}/replies", body, headers=headers) for _ in range(8)))
    assert {answer.status for answer in answers} == {202}
    assert len({str(answer.body) for answer in answers}) == 1
    marker = (await ana.post(f"{HERE}/takeover", {"epoch": 0})).body["command"]
    events = await log.until(lambda event: event.id == marker)
    assert {event.id for event in events[:-1]} == {answers[0].body["command"]}
    assert len({event.model_dump_json() for event in events[:-1]}) == 1


async def test_the_same_key_for_another_command_is_refused(ana):
    headers = {"Idempotency-Key": "k1"}
    await ana.post(f"{HERE}/replies", {"epoch": 0, "seq": 2, "text": "hello"}, headers=headers)
    for path, body in (("replies", {"epoch": 0, "seq": 2, "text": "other"}), ("takeover", {"epoch": 0})):
        answer = await ana.post(f"{HERE}/{path}", body, headers=headers)
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
        assert answer.body["field"] == "Idempotency-Key"


async def test_two_operators_may_use_the_same_key(ana, console):
    ben = await console.signed_in("ben", bots=["shop"])
    body, headers = {"epoch": 0, "seq": 2, "text": "hello"}, {"Idempotency-Key": "k1"}
    first = await ana.post(f"{HERE}/replies", body, headers=headers)
    second = await ben.post(f"{HERE}/replies", {**body, "text": "other"}, headers=headers)
    assert second.status == 202
    assert first.body["command"] != second.body["command"]


async def test_a_key_that_cannot_be_an_id_is_refused(ana):
    for key in ("", "a b", "x" * 129, "ä"):
        answer = await ana.post(f"{HERE}/takeover", {"epoch": 0}, headers={"Idempotency-Key": key})
        assert (answer.status, answer.body["field"]) == (422, "Idempotency-Key")


async def test_while_the_broker_is_away_the_answer_is_to_send_it_again_and_then_it_is_one_command(
    kafka, kafka_bootstrap, database_url
):
    body, headers = {"epoch": 0, "seq": 2, "text": "hello"}, {"Idempotency-Key": "k1"}
    async with (
        a_console(kafka_bootstrap, database_url, command_timeout=1.0) as console,
        Reader(kafka_bootstrap, CONVERSATIONS, partition_of(CONVERSATION, 2)) as log,
    ):
        ana = await console.signed_in("ana", bots=["shop"])
        await console.feed(*Story().customer("hi").said("Hello").events)
        await kafka.pause()
        refused = await ana.post(f"{HERE}/replies", body, headers=headers)
        await kafka.resume()
        assert (refused.status, refused.code, refused.body["retryable"]) == (503, "log_unavailable", True)
        assert refused.headers["Retry-After"]
        answer = await again(lambda: ana.post(f"{HERE}/replies", body, headers=headers))
        marker = await again(lambda: ana.post(f"{HERE}/takeover", {"epoch": 0}, headers={"Idempotency-Key": "k2"}))
        events = await log.until(lambda event: event.id == marker.body["command"])
        assert {event.model_dump_json() for event in events[:-1]} == {events[0].model_dump_json()}
        assert events[0].id == answer.body["command"]


async def again(ask):
    """As a browser does: the same request, until the log takes it in."""

    async def taken():
        answer = await ask()
        assert answer.status in {202, 503}
        return answer if answer.status == 202 else None

    return await eventually(taken)


# --- what became of it


async def test_a_command_is_pending_until_the_log_has_told(ana, console):
    sent = (await ana.post(f"{HERE}/takeover", {"epoch": 0})).body["command"]
    assert (await ana.get(f"/commands/{sent}")).body["status"] == "pending"
    await console.feed(*Story().customer("hi").said("Hello").started().accepted(sent).events[2:])
    state = (await ana.get(f"/commands/{sent}")).body
    assert (state["status"], state["type"], state["conversation"]) == ("accepted", "takeover", CONVERSATION)
    assert state["decided_at"]


async def test_a_refused_command_tells_why_and_who_has_the_conversation(ana, console):
    sent = (await ana.post(f"{HERE}/takeover", {"epoch": 0})).body["command"]
    story = Story().customer("hi").said("Hello").started().answered(BEN).refused(sent, holder=BEN)
    await console.feed(*story.events[2:])
    state = (await ana.get(f"/commands/{sent}")).body
    assert (state["status"], state["code"], state["reason"]) == ("refused", "held", "Ana has it.")
    assert state["present"]["holder"]["name"] == "Ben"


async def test_an_unknown_command_is_not_there(ana):
    for name in ("x", f"operator:{ana.operator['id']}:none", "operator:" + "x" * 600):
        assert (await ana.get(f"/commands/{name}")).code == "unknown_command"

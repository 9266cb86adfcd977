"""Webhooks over HTTP into a real broker."""

import asyncio
import base64
import gzip
import time

import pytest
from ingress_world import Ingress, Page, ends, seen

from ingress.signature import HEADER, sign
from schemas.topics import CONVERSATIONS, DEAD_LETTERS

FACEBOOK_WAITS = 5.0  # seconds


async def test_the_challenge_is_echoed_as_the_text_it_came_as(ingress, page):
    assert await ingress.handshake(page.verify_token, **{"hub.challenge": "00123x"}) == (200, "00123x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub.verify_token": "guess"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
        {"hub.verify_token": "\udcff"},
    ],
)
async def test_a_handshake_without_our_token_is_refused(ingress, page, wrong):
    assert (
        await ingress.handshake(
            page.verify_token, **{k: v.encode(errors="surrogateescape").decode("latin-1") for k, v in wrong.items()}
        )
    )[0] == 403


async def test_a_signed_batch_is_in_the_log_in_its_order_when_it_is_acknowledged(ingress, page):
    events = [page.message(str(number), psid=str(number % 3), mid=f"{page.id}-{number}") for number in range(30)]
    body = page.body(*events)
    status, answer, _ = await ingress.post(body, page.signed(body))
    assert (status, answer) == (200, {"received": 30})
    records = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    for psid in "012":
        said = [record.event.input.text for record in records if record.key == f"messenger:{page.id}:{psid}"]
        assert said == [str(number) for number in range(int(psid), 30, 3)]
    assert len({record.event.id for record in records}) == 30


async def test_requests_one_after_the_other_keep_their_order_and_a_repetition_keeps_its_ids(ingress, page):
    for number in [*range(10), 9]:
        body = page.body(page.message(str(number), mid=f"{page.id}-{number}"))
        assert (await ingress.post(body, page.signed(body)))[0] == 200
    records = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert [record.event.input.text for record in records] == [*map(str, range(10)), "9"]
    assert records[-1].event.id == records[-2].event.id


async def test_escaped_unicode_is_checked_as_the_bytes_that_came(ingress, page):
    body = page.body(page.message("\N{GRINNING FACE} \u0645\u0631\u062d\u0628\u0627 a/b"))
    escaped = body.decode().encode("ascii", "backslashreplace").replace(b"\\U0001f600", b"\\ud83d\\ude00")
    escaped = escaped.replace(b"a/b", b"a\\/b")
    assert escaped != body
    assert (await ingress.post(escaped, page.signed(escaped)))[0] == 200
    (record,) = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert record.event.input.text == "\N{GRINNING FACE} \u0645\u0631\u062d\u0628\u0627 a/b"
    # the same JSON written differently is not what was signed
    assert (await ingress.post(body, page.signed(escaped)))[0] == 401


async def test_an_app_speaks_only_for_pages_that_it_serves_and_what_it_says_of_others_is_kept_aside(ingress, page):
    other = Page()
    await ingress.knows(other)
    forged = page.body(page.message("forged"))
    assert (await ingress.post(forged, other.signed(forged)))[0] == 200
    real = page.body(page.message("real"))
    assert (await ingress.post(real, page.signed(real)))[0] == 200
    (record,) = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert record.event.input.text == "real"
    (letter,) = await seen(ingress.bootstrap, DEAD_LETTERS, f"messenger:{page.id}:")
    assert letter.event.reason == "unknown_page"
    assert other.app in letter.event.error
    assert letter.event.headers["apps"] == other.app


async def test_what_an_unknown_app_signed_is_refused(ingress, page):
    body = page.body(page.message("hi"))
    assert (await ingress.post(body, Page().signed(body)))[0] == 401


async def test_a_page_that_two_apps_serve_takes_webhooks_of_both(ingress, page):
    second = Page(id=page.id)
    await ingress.knows(second)
    for number, app in enumerate((page, second)):
        body = page.body(page.message(str(number)))
        assert (await ingress.post(body, app.signed(body)))[0] == 200
    records = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:7")
    assert [record.event.input.text for record in records] == ["0", "1"]


async def refused(ingress: Ingress, body: object, headers: dict[str, str]) -> tuple[int, dict]:
    """The answer to a webhook of which nothing was published."""
    before = await ends(ingress.bootstrap)
    status, answer, _ = await ingress.post(body, headers)
    assert await ends(ingress.bootstrap) == before
    return status, answer


async def test_a_bad_or_missing_signature_is_refused_and_nothing_is_published(ingress, page):
    body = page.body(page.message("hi"))
    good = page.signed(body)[HEADER]
    sha1 = {"X-Hub-Signature": "sha1=" + "0" * 40}
    for headers in (
        {}, sha1, {HEADER: ""}, {HEADER: good[7:]}, {HEADER: good[:-1]}, {HEADER: good + "0"}, {HEADER: "sha256=" + "0" * 64},
        {HEADER: sign(body, b"")}, {HEADER: good.replace("sha256", "sha1")}, {HEADER: "sha256=" + "\u0660" * 64},
        page.signed(body + b" "),
    ):  # fmt: skip
        assert await refused(ingress, body, headers) == (401, {"error": "bad_signature"})


async def test_a_body_over_one_mebibyte_is_refused_and_one_of_just_that_size_is_taken(ingress, page):
    largest = page.body().ljust(1024 * 1024)
    assert (await ingress.post(largest, page.signed(largest)))[0] == 200
    larger = largest + b" "
    assert await refused(ingress, larger, page.signed(larger)) == (413, {"error": "body_too_large"})

    async def chunks():
        for _ in range(17):
            yield b" " * 65536

    assert await refused(ingress, chunks(), page.signed(larger)) == (413, {"error": "body_too_large"})
    bomb = gzip.compress(b" " * 50_000_000)
    assert await refused(ingress, bomb, {"Content-Encoding": "gzip"} | page.signed(bomb)) == (
        413,
        {"error": "body_too_large"},
    )


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"\xff\xfe", b"NaN"])
async def test_what_is_signed_and_no_json_is_refused(ingress, page, body):
    assert await refused(ingress, body, page.signed(body)) == (400, {"error": "not_json"})


async def test_a_body_that_cannot_be_unpacked_is_refused_without_an_error_of_ours(ingress, page):
    headers = {"Content-Encoding": "gzip"} | page.signed(b"not gzip")
    assert await refused(ingress, b"not gzip", headers) == (400, {"error": "broken_body"})


@pytest.mark.parametrize(
    "body", [b"3", b"[]", b"null", b'{"object":"notpage","entry":[{}]}', b'{"object":"instagram"}']
)
async def test_a_webhook_about_no_page_is_acknowledged_and_counted(ingress, page, body):
    counted = await ingress.metric("convoboss_ingress_ignored_total")
    assert await refused(ingress, body, page.signed(body)) == (200, {"received": 0})
    assert await ingress.metric("convoboss_ingress_ignored_total") == counted + 1


async def test_a_bad_event_goes_to_the_dead_letters_and_the_rest_of_its_batch_into_the_log(ingress, page):
    body = page.body(page.message("one"), {"sender": 5, "message": {"mid": "x"}}, page.message("two"))
    assert (await ingress.post(body, page.signed(body)))[0] == 200
    records = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert [record.event.input.text for record in records] == ["one", "two"]
    (letter,) = await seen(ingress.bootstrap, DEAD_LETTERS, f"messenger:{page.id}:")
    assert letter.event.reason == "undecodable"
    assert base64.b64decode(letter.event.value_base64) == b'{"sender":5,"message":{"mid":"x"}}'


async def test_events_of_a_page_that_no_bot_has_are_kept_and_acknowledged(ingress, page):
    stranger = Page()
    body = page.body(page.message("hi"), page=stranger.id)
    assert (await ingress.post(body, page.signed(body)))[0] == 200
    (letter,) = await seen(ingress.bootstrap, DEAD_LETTERS, f"messenger:{stranger.id}:7")
    assert letter.event.reason == "unknown_page"
    assert await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{stranger.id}:") == []


async def test_an_incoming_trace_goes_on_and_another_begins_by_itself(ingress, page):
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for headers in ({"traceparent": given}, {}, {"traceparent": "nonsense"}):
        body = page.body(page.message("hi"))
        await ingress.post(body, page.signed(body) | headers)
    first, second, third = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert first.traceparent == given
    assert second.traceparent
    assert third.traceparent
    assert len({second.traceparent, third.traceparent, given}) == 3


async def test_what_happened_is_counted_by_kind_and_by_reason(ingress, page):
    kinds = 'convoboss_ingress_events_total{kind="text"}'
    reasons = 'convoboss_ingress_refused_total{reason="bad_signature"}'
    before = await ingress.metric(kinds), await ingress.metric(reasons)
    body = page.body(page.message("hi"))
    await ingress.post(body, page.signed(body))
    await ingress.post(body, {})
    assert (await ingress.metric(kinds), await ingress.metric(reasons)) == (before[0] + 1, before[1] + 1)
    assert await ingress.metric("convoboss_ingress_webhooks_in_flight") == 0


async def test_a_broker_that_stands_still_is_told_within_facebooks_patience_and_the_repetition_is_taken(
    ingress, page, kafka
):
    body = page.body(page.message("hi", mid=f"{page.id}-1"))
    await kafka.pause()
    began = time.monotonic()
    status, answer, headers = await ingress.post(body, page.signed(body))
    assert time.monotonic() - began < FACEBOOK_WAITS
    assert (status, answer) == (503, {"error": "not_stored"})
    assert int(headers["Retry-After"]) > 0
    await kafka.resume()
    await taken(ingress, page, body)
    records = await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:")
    assert {record.event.id for record in records} == {f"messenger:{page.id}:{page.id}-1"}


async def test_a_dead_broker_is_told_in_time_and_its_return_needs_no_restart(ingress, page, kafka):
    body = page.body(page.message("hi"))
    await kafka.kill()
    answers = await asyncio.gather(*(timed(ingress, page, body) for _ in range(20)))
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < FACEBOOK_WAITS
    await kafka.start()
    await taken(ingress, page, body)


async def timed(ingress: Ingress, page: Page, body: bytes) -> tuple[int, float]:
    began = time.monotonic()
    return (await ingress.post(body, page.signed(body)))[0], time.monotonic() - began


async def taken(ingress: Ingress, page: Page, body: bytes) -> None:
    """As Facebook does: again until it is acknowledged."""
    deadline = time.monotonic() + 30
    while (await ingress.post(body, page.signed(body)))[0] != 200:
        assert time.monotonic() < deadline


async def test_before_the_broker_was_reached_webhooks_are_put_off(tmp_path):
    process = Ingress("127.0.0.1:1", tmp_path)
    process.start(ready=False)
    try:
        page = Page()
        body = page.body()
        status, answer, headers = await process.post(body, page.signed(body))
        assert (status, answer) == (503, {"error": "starting"})
        assert "Retry-After" in headers
        assert (await process.handshake(page.verify_token))[0] == 503
    finally:
        assert process.stop() == 0


async def test_a_flood_is_refused_and_what_was_taken_in_is_served(kafka_bootstrap, ingress, tmp_path):
    process = Ingress(kafka_bootstrap, tmp_path, CONVOBOSS_WEBHOOK_REQUESTS="2")
    process.start()
    page = Page()
    try:
        await process.knows(page)
        body = page.body(page.message("hi"))
        go = asyncio.Event()

        async def slow():
            yield body[:10]
            await go.wait()
            yield body[10:]

        held = [asyncio.create_task(process.post(slow(), page.signed(body))) for _ in range(2)]
        await process.until("convoboss_ingress_webhooks_in_flight", 2)
        status, answer, headers = await process.post(body, page.signed(body))
        assert (status, answer) == (503, {"error": "overloaded"})
        assert "Retry-After" in headers
        go.set()
        assert [status for status, _, _ in await asyncio.gather(*held)] == [200, 200]
    finally:
        assert process.stop() == 0


async def test_a_webhook_under_way_is_still_stored_when_the_process_is_asked_to_stop(
    kafka_bootstrap, ingress, kafka, tmp_path
):
    process = Ingress(kafka_bootstrap, tmp_path)
    process.start()
    page = Page()
    await process.knows(page)
    body = page.body(page.message("hi"))
    await kafka.pause()
    held = asyncio.create_task(process.post(body, page.signed(body)))
    await process.until("convoboss_ingress_webhooks_in_flight", 1)
    stopped = asyncio.create_task(asyncio.to_thread(process.stop))
    await process.until_closed()
    await kafka.resume()
    assert (await held)[0] == 200
    assert await stopped == 0
    assert len(await seen(kafka_bootstrap, CONVERSATIONS, f"messenger:{page.id}:")) == 1


async def test_a_start_with_another_number_of_partitions_is_refused(kafka_bootstrap, ingress, tmp_path):
    process = Ingress(kafka_bootstrap, tmp_path, CONVOBOSS_PARTITIONS="7")
    assert await asyncio.to_thread(process.run_to_its_end) == 1
    assert "has 8 partitions" in process.log


async def test_a_body_that_does_not_come_is_not_waited_for(ingress, page):
    stop = asyncio.Event()

    async def never():
        yield b"{"
        await stop.wait()

    began = time.monotonic()
    status, answer, _ = await ingress.post(never(), page.signed(b""))
    stop.set()
    assert time.monotonic() - began < FACEBOOK_WAITS
    assert (status, answer) == (408, {"error": "body_too_slow"})


async def test_no_secret_and_no_word_of_a_customer_is_ever_logged(ingress, page):
    words = "my card is 4111"
    body = page.body(page.message(words), {"sender": 5, "message": {"text": words}})
    signature = page.signed(body)[HEADER]
    await ingress.post(body, page.signed(body))
    await ingress.post(body, {HEADER: signature[:-1] + "x"})
    await ingress.post(b"{" + words.encode(), page.signed(b"{" + words.encode()))
    await ingress.handshake(page.verify_token + "x")
    await ingress.handshake(page.verify_token)
    log = ingress.log
    assert "webhook refused" in log
    for secret in (page.app_secret, page.verify_token, signature[8:-1], words, "page-token"):
        assert secret not in log

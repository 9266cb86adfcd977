"""Real SMTP in, real HTTP out, and every fault."""

import asyncio
import smtplib

import pytest

NOOR, LEA = "noor@example.org", "lea@example.org"


async def test_mail_is_kept_with_its_parts_and_message_id(catcher, write) -> None:
    assert await catcher.post(write(html="<p>Grüße</p>"), NOOR, LEA) == {}
    [mail] = await catcher.mails()
    assert mail["recipients"] == [NOOR, LEA]
    assert mail["message_id"] == "<episode-1@example.org>"
    assert (mail["text"], mail["html"]) == ("Grüße 😀\n", "<p>Grüße</p>\n")
    assert mail["sender"] == "bot@example.org"
    assert (await catcher.get(f"/mails/{mail['id']}")) == mail


async def test_mails_are_found_by_recipient_and_by_what_came_after(catcher, write) -> None:
    await catcher.post(write("one"), NOOR)
    await catcher.post(write("two"), LEA)
    await catcher.post(write("three"), NOOR)
    assert [mail["subject"] for mail in await catcher.mails(to=NOOR.upper())] == ["one", "three"]
    assert [mail["subject"] for mail in await catcher.mails(after=2)] == ["three"]


async def test_waiting_ends_with_the_mail_and_without_it_at_the_deadline(catcher, write) -> None:
    waiting = asyncio.create_task(catcher.mails(to=LEA, wait=10))
    await catcher.post(write("not hers"), NOOR)
    await catcher.post(write("hers"), LEA)
    assert [mail["subject"] for mail in await waiting] == ["hers"]
    assert await catcher.mails(to="nobody@example.org", wait=0.05) == []


async def test_only_the_latest_are_kept(catcher, write) -> None:
    for number in range(7):
        await catcher.post(write(str(number)))
    shown = await catcher.get("/mails")
    assert [mail["subject"] for mail in shown["mails"]] == ["2", "3", "4", "5", "6"]
    assert (shown["total"], shown["last"]) == (5, 7)


async def test_delete_forgets_mails_and_ids_go_on(catcher) -> None:
    await catcher.post()
    async with catcher.session.delete("/mails") as response:
        assert response.status == 200
    assert await catcher.mails() == []
    await catcher.post()
    assert [mail["id"] for mail in await catcher.mails()] == [2]


async def test_refused_recipient_does_not_block_the_others(catcher) -> None:
    await catcher.faults(refuse=["lea@*"])
    refused = await catcher.post(None, LEA, NOOR)
    assert refused[LEA][0] == 550
    assert [mail["recipients"] for mail in await catcher.mails()] == [[NOOR]]
    assert await catcher.answers() == [("refused", [LEA]), ("accepted", [NOOR])]


async def test_4xx_keeps_nothing_and_ends_after_n(catcher) -> None:
    await catcher.faults(fail_4xx=1)
    with pytest.raises(smtplib.SMTPDataError) as deferred:
        await catcher.post()
    assert deferred.value.smtp_code == 451
    assert await catcher.mails() == []
    assert await catcher.post() == {}
    assert await catcher.answers() == [("deferred", [NOOR]), ("accepted", [NOOR])]


async def test_4xx_can_be_the_answer_to_a_recipient(catcher) -> None:
    await catcher.faults(fail_4xx=1, fail_at="rcpt")
    refused = await catcher.post(None, LEA, NOOR)
    assert refused[LEA][0] == 451
    assert [mail["recipients"] for mail in await catcher.mails()] == [[NOOR]]


async def test_lost_answer_leaves_the_mail_kept_and_the_client_without_an_answer(catcher) -> None:
    await catcher.faults(lose_answers=1)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        await catcher.post()
    assert len(await catcher.mails()) == 1
    assert await catcher.answers() == [("lost", [NOOR])]
    assert await catcher.post() == {}


async def test_slow_server_outlasts_an_impatient_client(catcher) -> None:
    await catcher.faults(slow_s=5)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        await catcher.post(seconds=0.2)


async def test_one_fault_is_changed_without_the_others_and_all_are_cleared(catcher) -> None:
    await catcher.faults(refuse=["x@*"])
    async with catcher.session.patch("/faults", json={"fail_4xx": 3}) as response:
        shown = await response.json()
    assert (shown["refuse"], shown["fail_4xx"]) == (["x@*"], 3)
    async with catcher.session.delete("/faults") as response:
        assert (await response.json())["refuse"] == []


@pytest.mark.parametrize(("body", "field"), [({"slow_s": -1}, "slow_s"), ({"refused": []}, "refused"), ([], "body")])
async def test_bad_fault_is_400_that_names_the_field(catcher, body, field) -> None:
    async with catcher.session.put("/faults", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["field"] == field


async def test_bad_query_is_400_that_names_the_field(catcher) -> None:
    async with catcher.session.get("/mails", params={"after": "yesterday"}) as response:
        assert (response.status, (await response.json())["error"]["field"]) == (400, "after")


async def test_html_of_a_mail_is_served_so_that_it_can_do_nothing(catcher, write) -> None:
    await catcher.post(write(html="<script>alert(1)</script>"))
    async with catcher.session.get("/mails/1/html") as response:
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


async def test_raw_mail_can_be_downloaded_and_unknown_ones_are_404(catcher, write) -> None:
    await catcher.post(write())
    async with catcher.session.get("/mails/1/raw") as response:
        assert b"Message-ID: <episode-1@example.org>" in await response.read()
    for path in ("/mails/9", "/mails/9/html", "/mails/1/html", "/page/main.py"):
        async with catcher.session.get(path) as response:
            assert response.status == 404, path


async def test_page_is_served_with_a_policy_that_allows_own_scripts_only(catcher) -> None:
    for path in ("/", "/page/app.js", "/page/style.css", "/page/icon.svg"):
        async with catcher.session.get(path) as response:
            assert response.status == 200
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            assert "unsafe" not in response.headers["Content-Security-Policy"]


async def test_request_of_another_site_is_refused(catcher) -> None:
    async with catcher.session.delete("/mails", headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status == 403


async def test_health_and_readiness_answer(catcher) -> None:
    assert (await catcher.get("/healthz"))["status"] == "ok"
    assert (await catcher.get("/readyz"))["reasons"] == []

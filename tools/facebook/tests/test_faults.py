"""Each fault does what its name says, as often as ordered, and then the box is well again."""

import asyncio

import aiohttp
import pytest

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


async def test_lost_answer_kills_the_connection_after_the_message_was_said(box, ours) -> None:
    await box.say()
    await box.faults(lose_answers=1)
    with pytest.raises(aiohttp.ClientError):
        await box.send("said", message={"metadata": "send-1"})
    echo = (await ours.count(2))[1].event["message"]
    assert (echo["text"], echo["metadata"]) == ("said", "send-1")
    [fact] = await box.record("send")
    assert fact["answer"] == "lost"
    assert (await box.send("next"))[0] == 200


async def test_500_after_accepting_leaves_the_message_said(box, ours) -> None:
    await box.say()
    await box.faults(fail_after_accept=1)
    status, answer = await box.send("said")
    assert (status, answer["error"]["code"], answer["error"]["is_transient"]) == (500, 2, True)
    assert (await ours.count(2))[1].event["message"]["text"] == "said"


async def test_5xx_before_accepting_leaves_nothing_said_and_ends_after_n(box) -> None:
    await box.say()
    await box.faults(fail_5xx=2)
    assert [(await box.send(str(number)))[0] for number in range(3)] == [500, 500, 200]
    assert [fact["text"] for fact in await box.record("send")] == ["2"]


async def test_rate_limit_is_613_with_the_minutes_until_access(box) -> None:
    await box.say()
    await box.faults(rate_limit=1, regain_access_min=7)
    response = await box.client.post(
        "/v26.0/me/messages",
        params={"access_token": "token-of-ours"},
        json={"recipient": {"id": MIA}, "message": {"text": "x"}},
    )
    assert (response.status, (await response.json())["error"]["code"]) == (400, 613)
    assert '"estimated_time_to_regain_access": 7' in response.headers["X-Business-Use-Case-Usage"]
    assert (await box.send("x"))[0] == 200


async def test_refused_token_is_190_until_switched_off(box) -> None:
    await box.faults(refuse_token=True)
    assert (await box.graph("me"))[1]["error"]["code"] == 190
    await box.faults()
    assert (await box.graph("me"))[0] == 200


async def test_ordered_error_counts_down(box) -> None:
    await box.say()
    await box.faults(error={"code": 10, "subcode": 2018300, "times": 1}, only=["messages"])
    assert (await box.control("extend", duration=60))[0] == 200
    assert (await box.send("x"))[1]["error"]["error_subcode"] == 2018300
    assert (await box.send("x"))[0] == 200


async def test_fault_acts_on_the_named_calls_only(box) -> None:
    await box.say()
    await box.faults(fail_5xx=1, only=["pass_thread_control"])
    assert (await box.send("x"))[0] == 200
    assert (await box.control("pass", target_app_id=INBOX))[0] == 500
    assert (await box.conversation())["owner"] == OURS


async def test_delayed_answer_comes_after_its_echo(box, ours) -> None:
    await box.say()
    await box.faults(delay_answers_s=0.3)
    sending = asyncio.create_task(box.send("x"))
    await ours.count(2)
    assert not sending.done()
    assert (await sending)[0] == 200
    assert (await box.record("send"))[0]["answer"] == "delayed"


async def test_answer_waits_for_its_echo_when_the_echo_is_to_come_first(box, ours) -> None:
    await box.say()
    await ours.count(1)
    await box.faults(echo_first=True, delay_webhooks_s=0.2)
    assert (await box.send("x"))[0] == 200
    assert len(ours.events) == 2


async def test_redelivered_webhook_comes_twice_with_the_same_mid(box, ours) -> None:
    await box.faults(redeliver=True)
    said = await box.say()
    events = await ours.count(2)
    assert [one.event["message"]["mid"] for one in events] == [said["mid"], said["mid"]]


async def test_held_webhooks_wait_and_leave_together_in_one_post_when_batched(box, ours) -> None:
    await box.faults(hold_webhooks=True, batch=10)
    for number in range(3):
        await box.say(str(number))
    await box.control("pass", target_app_id=INBOX)
    await box.say("3")
    assert ours.bodies == []
    await box.faults(batch=10)
    await ours.count(4)
    assert len(ours.bodies) == 1
    assert [channel for channel, _ in ours.names()] == ["messaging"] * 3 + ["standby"]


async def test_standby_switched_off_leaves_only_messaging(box, ours, other) -> None:
    await box.faults(standby_off=True)
    await box.say("one")
    await box.control("pass", target_app_id=OTHER)
    await box.say("two")
    await other.count(2)
    assert other.names() == [("messaging", "pass_thread_control"), ("messaging", "message")]


async def test_faults_of_one_page_leave_other_pages_alone(box) -> None:
    tokens = {OURS: "token-on-901"}
    customers = [{"psid": "74001", "first_name": "Noor"}]
    page = {"name": "Second", "tokens": tokens, "default_app": OURS, "customers": customers}
    assert (await box.client.put("/box/pages/901", json=page)).status == 200
    assert (await box.client.put(f"/box/faults?page={PAGE}", json={"refuse_token": True})).status == 200
    assert (await box.graph("me"))[0] == 400
    assert (await box.client.get("/v26.0/me", params={"access_token": "token-on-901"})).status == 200
    assert (await box.client.delete("/box/faults")).status == 200
    assert (await box.graph("me"))[0] == 200


async def test_changing_one_fault_keeps_the_others(box) -> None:
    await box.faults(redeliver=True)
    response = await box.client.patch("/box/faults", json={"standby_off": True})
    shown = await response.json()
    assert (shown["redeliver"], shown["standby_off"]) == (True, True)

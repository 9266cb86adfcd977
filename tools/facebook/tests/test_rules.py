"""Refusals by rule, and limits of how often a page may be called."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from facebook.errors import OverLimit
from facebook.refusals import REFUSALS
from facebook.usage import Limits, Meter

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
USAGE = "X-Business-Use-Case-Usage"


async def post(box, text: str = "x", psid: str = MIA):
    return await box.client.post(
        "/v26.0/me/messages",
        params={"access_token": "token-of-ours"},
        json={"recipient": {"id": psid}, "message": {"text": text}},
    )


@pytest.mark.parametrize("name", REFUSALS)
async def test_each_row_of_the_table_is_answered_as_it_says_and_nothing_is_done(box, name) -> None:
    row = REFUSALS[name]
    await box.say()
    await box.rule(refusal=name, calls=["messages"])
    response = await post(box)
    assert response.status == row.status
    if row.words is None:
        error = (await response.json())["error"]
        assert (error["code"], error.get("error_subcode"), error.get("is_transient", False)) == (
            row.code,
            row.subcode,
            row.transient,
        )
        assert error["message"] == f"(#{row.code}) {row.text}"
    else:
        assert await response.text() == row.words
    waits = json.loads(response.headers[USAGE])[PAGE][0]["estimated_time_to_regain_access"]
    assert waits == (row.minutes or 0)
    assert await box.record("send") == []
    assert (await post(box)).status == 200


async def test_the_table_is_shown(box) -> None:
    rows = {row["name"]: row for row in (await box.get("refusals"))["refusals"]}
    assert rows["not_owner"]["subcode"] == 2018300
    assert len(rows) == len(REFUSALS)


async def test_a_rule_acts_on_its_page_its_calls_and_its_person_alone(box) -> None:
    await box.say()
    await box.say(psid=JONAS)
    await box.put("pages/901", {"name": "Second", "tokens": {OURS: "t2"}})
    await box.rule(refusal="temporary", page="901", times=None)
    await box.rule(refusal="cannot_receive", psid=MIA, calls=["messages"], times=None)
    assert (await post(box)).status == 400
    assert (await post(box, psid=JONAS)).status == 200
    assert (await box.graph(f"me/thread_owner?recipient={MIA}"))[0] == 200
    assert (await box.client.get("/v26.0/me", params={"access_token": "t2"})).status == 500


async def test_a_rule_ends_after_its_times_and_shows_its_hits(box) -> None:
    await box.say()
    await box.rule(refusal="temporary", times=2)
    assert [(await post(box)).status for _ in range(3)] == [500, 500, 200]
    [rule] = (await box.get("rules"))["rules"]
    assert (rule["hits"], rule["is_spent"]) == (2, True)


async def test_a_rule_of_chance_hits_now_and_then(box) -> None:
    await box.page(limits={"text_per_s": 1000})
    await box.say()
    await box.rule(refusal="temporary", times=None, probability=0.5)
    statuses = {(await post(box)).status for _ in range(60)}
    assert statuses == {200, 500}


async def test_what_a_rule_gives_stands_in_for_the_row(box) -> None:
    await box.say()
    await box.rule(
        refusal="messenger_limit", status=429, message="slow down", minutes=9, headers={"Retry-After": "7"}, subcode=5
    )
    response = await post(box)
    error = (await response.json())["error"]
    assert (response.status, error["message"], error["error_subcode"]) == (429, "(#80006) slow down", 5)
    assert response.headers["Retry-After"] == "7"
    assert json.loads(response.headers[USAGE])[PAGE][0]["estimated_time_to_regain_access"] == 9


async def test_rules_are_replaced_removed_and_forgotten(box) -> None:
    await box.put("rules", {"rules": [{"code": 2}, {"words": "<p>no</p>", "status": 503}]})
    first, second = (await box.get("rules"))["rules"]
    assert (await box.client.delete(f"/box/rules/{first['id']}")).status == 200
    assert (await box.client.delete(f"/box/rules/{first['id']}")).status == 404
    assert [rule["id"] for rule in (await box.get("rules"))["rules"]] == [second["id"]]
    assert (await box.client.delete("/box/rules")).status == 200
    assert (await box.get("rules")) == {"rules": []}
    await box.rule(code=2)
    await box.post("reset")
    assert (await box.get("rules")) == {"rules": []}


async def test_a_rule_without_an_answer_or_of_an_unknown_row_is_refused(box) -> None:
    assert (await box.refused("POST", "rules", {"times": 1}))[0] == 400
    status, error = await box.refused("POST", "rules", {"refusal": "weather"})
    assert (status, "is not in the table" in error["message"]) == (400, True)


async def test_an_apps_own_calls_follow_rules_too(box) -> None:
    await box.rule(refusal="app_limit", calls=["subscriptions"])
    assert (await box.app_graph("GET", f"{OURS}/subscriptions"))[1]["error"]["code"] == 4
    assert (await box.app_graph("GET", f"{OURS}/subscriptions"))[0] == 200


async def test_every_answer_tells_how_much_the_page_was_called(box) -> None:
    await box.page(limits={"calls_per_day": 10})
    await box.say()
    shares = [json.loads((await post(box)).headers[USAGE])[PAGE][0] for _ in range(3)]
    assert [share["call_count"] for share in shares] == [10, 20, 30]
    assert {share["type"] for share in shares} == {"messenger"}
    refused = await box.client.get("/v26.0/me/weather", params={"access_token": "token-of-ours"})
    assert json.loads(refused.headers[USAGE])[PAGE][0]["call_count"] == 40


async def test_calls_of_a_day_that_are_used_up_are_refused(box) -> None:
    await box.page(limits={"calls_per_day": 2, "code": 613})
    await box.say()
    assert [(await post(box)).status for _ in range(3)] == [200, 200, 400]
    assert (await (await post(box)).json())["error"]["code"] == 613


async def test_too_many_sends_close_the_page_and_calling_on_keeps_it_closed_for_longer(box) -> None:
    await box.page(limits={"text_per_s": 1, "penalty_s": 60})
    await box.say()
    assert (await post(box)).status == 200
    refused = [await post(box) for _ in range(3)]
    assert {(await one.json())["error"]["code"] for one in refused} == {80006}
    waits = [json.loads(one.headers[USAGE])[PAGE][0]["estimated_time_to_regain_access"] for one in refused]
    assert waits == [1, 2, 3]
    await box.post("clock", {"advance_s": 60})
    assert (await post(box)).status == 400
    await box.post("clock", {"advance_s": 300})
    assert (await post(box)).status == 200


async def test_sound_and_films_have_a_limit_of_their_own(box) -> None:
    await box.page(limits={"media_per_s": 1})
    await box.say()
    film = {"attachment": {"type": "video", "payload": {"url": "https://x/film.mp4"}}}
    body = {"recipient": {"id": MIA}, "message": film}
    statuses = [(await box.graph("me/messages", body))[0] for _ in range(2)]
    assert statuses == [200, 400]
    assert (await post(box)).status == 200


def test_a_pages_calls_are_let_through_at_its_rate_and_not_above() -> None:
    meter, limits = Meter(), Limits(text_per_s=4)
    for number in range(40):
        meter.admit(PAGE, "text", limits, NOW + timedelta(seconds=number / 4))
    burst = NOW + timedelta(seconds=60)
    for _ in range(4):
        meter.admit(PAGE, "text", limits, burst)
    with pytest.raises(OverLimit):
        meter.admit(PAGE, "text", limits, burst)
    meter.admit("901", "text", limits, burst)


def test_what_was_called_a_day_ago_does_not_count() -> None:
    meter, limits = Meter(), Limits(calls_per_day=1)
    meter.admit(PAGE, "other", limits, NOW)
    meter.admit(PAGE, "other", limits, NOW + timedelta(hours=25))

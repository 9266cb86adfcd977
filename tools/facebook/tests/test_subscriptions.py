"""Subscriptions at both levels: the app's own, and the page's for the app."""

import json

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


async def test_an_apps_own_subscription_is_read_and_replaced_as_a_whole(box, ours) -> None:
    _, answer = await box.app_graph("GET", f"{OURS}/subscriptions")
    [page] = answer["data"]
    assert (page["object"], page["callback_url"], page["active"]) == ("page", ours.url, True)
    assert {"name": "messages", "version": "v26.0"} in page["fields"]
    asked = {"object": "page", "callback_url": ours.url, "verify_token": "verify-111", "fields": "messages,standby"}
    assert await box.app_graph("POST", f"{OURS}/subscriptions", **asked) == (200, {"success": True})
    _, answer = await box.app_graph("GET", f"{OURS}/subscriptions")
    assert [one["name"] for one in answer["data"][0]["fields"]] == ["messages", "standby"]


async def test_an_event_needs_its_field_at_both_levels(box, ours, other) -> None:
    asked = {"object": "page", "callback_url": ours.url, "verify_token": "verify-111", "fields": '["message_echoes"]'}
    await box.app_graph("POST", f"{OURS}/subscriptions", **asked)
    await box.say("unheard by ours")
    await other.count(1)
    await box.send("heard")
    await ours.count(1)
    assert ours.events[0].event["message"]["is_echo"] is True


async def test_an_apps_subscription_can_be_dropped(box) -> None:
    await box.app_graph("DELETE", f"{OURS}/subscriptions", object="page", fields="standby")
    _, answer = await box.app_graph("GET", f"{OURS}/subscriptions")
    assert "standby" not in [one["name"] for one in answer["data"][0]["fields"]]
    await box.app_graph("DELETE", f"{OURS}/subscriptions", object="page")
    assert (await box.app_graph("GET", f"{OURS}/subscriptions"))[1] == {"data": []}


async def test_a_page_token_does_not_read_an_apps_subscription(box) -> None:
    assert (await box.graph(f"{OURS}/subscriptions"))[1]["error"]["code"] == 190


async def test_a_field_that_there_is_not_is_refused_by_name(box, ours) -> None:
    _, answer = await box.graph("me/subscribed_apps", {"subscribed_fields": ["messages", "mesages"]})
    assert "subscribed_fields[1] must be one of" in answer["error"]["message"]
    asked = {"callback_url": ours.url, "verify_token": "verify-111", "fields": "mesages"}
    assert (await box.app_graph("POST", f"{OURS}/subscriptions", **asked))[1]["error"]["code"] == 100


async def test_an_hour_of_failures_by_the_boxs_clock_unsubscribes_the_page_until_somebody_subscribes_again(
    box, ours, other
) -> None:
    ours.answers.extend([500] * 10_000)
    await box.say("lost")
    await box.fact("webhook", app_id=OURS, outcome="retry")
    await box.post("clock", {"advance_s": 1000})
    warned = await box.fact("app", app_id=OURS, what="webhooks_failing")
    tried = await box.fact("webhook", after=warned["seq"], app_id=OURS, outcome="retry")
    await box.fact("webhook", after=tried["seq"], app_id=OURS, outcome="retry")
    assert [fact["what"] for fact in await box.record("app")].count("webhooks_failing") == 1
    await box.put("clock", {"ahead_s": 3700})
    told = await box.fact("app", app_id=OURS, what="webhooks_disabled")
    assert told["page_id"] == PAGE
    assert [app["id"] for app in (await box.graph("me/subscribed_apps"))[1]["data"]] == [OTHER]
    await box.say("not even tried")
    await other.count(2)
    ours.answers.clear()
    assert (await box.graph("me/subscribed_apps", {"subscribed_fields": "messages"}))[0] == 200
    await box.say("heard")
    [heard] = await ours.count(1)
    assert heard.event["message"]["text"] == "heard"


async def test_the_owner_of_a_page_takes_fields_away(box, ours, other) -> None:
    await box.put(f"pages/{PAGE}/subscriptions", {"app": OURS, "fields": []})
    await box.say()
    await other.count(1)
    assert ours.events == []


async def test_events_of_several_pages_come_in_one_post_as_entries(box, ours) -> None:
    page = {"name": "Second", "tokens": {OURS: "t2"}, "default_app": OURS}
    await box.put("pages/901", page | {"customers": [{"psid": "74001", "first_name": "Noor"}]})
    await box.faults(hold_webhooks=True, batch=10, mix_pages=True)
    await box.say("one")
    await box.say("two", "74001")
    await box.control("pass", target_app_id=INBOX)
    await box.say("three")
    await box.faults(batch=10, mix_pages=True)
    await ours.count(3)
    [body] = ours.bodies
    entries = json.loads(body)["entry"]
    assert {(entry["id"], tuple(entry.keys() & {"messaging", "standby"})) for entry in entries} == {
        (PAGE, ("messaging",)),
        (PAGE, ("standby",)),
        ("901", ("messaging",)),
    }
    await box.faults(delay_webhooks_s=0.05, batch=10, mix_pages=True)
    for number in range(3):
        await box.say(str(number))
        await box.say(str(number), "74001")
    await ours.count(9)
    tried = [fact["mid"] for fact in await box.record("webhook") if fact["app_id"] == OURS]
    assert len(tried) == len(set(tried)) == 9


async def test_a_message_can_come_on_both_channels(box, ours) -> None:
    await box.faults(both_channels=True)
    said = await box.say()
    events = await ours.count(2)
    assert [one.channel for one in events] == ["messaging", "standby"]
    assert {one.event["message"]["mid"] for one in events} == {said["mid"]}

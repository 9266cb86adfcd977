"""What the apps are told: shapes, channels, order, signature, retries."""

import json

from aiohttp.test_utils import TestClient, TestServer

from facebook.main import build
from facebook.settings import Settings

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


async def test_message_is_messaging_for_the_owner_and_standby_for_the_other_app(box, ours, other) -> None:
    said = await box.say("Grüße 😀 http://x/y")
    [mine] = await ours.count(1)
    [theirs] = await other.count(1)
    assert (mine.channel, theirs.channel) == ("messaging", "standby")
    assert mine.event == {
        "sender": {"id": MIA},
        "recipient": {"id": PAGE},
        "timestamp": mine.event["timestamp"],
        "message": {"mid": said["mid"], "text": "Grüße 😀 http://x/y"},
    }
    assert mine.event["timestamp"] > 10**12
    assert rb"Gr\u00fc\u00dfe \ud83d\ude00 http:\/\/x\/y" in ours.bodies[0]
    envelope = json.loads(ours.bodies[0])
    assert (envelope["object"], envelope["entry"][0]["id"]) == ("page", PAGE)


async def test_echo_carries_app_metadata_and_text_to_the_sender_too(box, ours, other) -> None:
    await box.say()
    _, answer = await box.send("Hello", message={"metadata": '{"send":"42"}'})
    mine = (await ours.count(2))[1]
    theirs = (await other.count(2))[1]
    assert (mine.channel, theirs.channel) == ("messaging", "standby")
    assert mine.event["sender"] == {"id": PAGE}
    assert mine.event["recipient"] == {"id": MIA}
    assert mine.event["message"] == {
        "mid": answer["message_id"],
        "is_echo": True,
        "app_id": 111,
        "text": "Hello",
        "metadata": '{"send":"42"}',
    }


async def test_echo_of_a_button_template_carries_text_and_buttons(box, ours) -> None:
    await box.say()
    button = {"type": "postback", "title": "Yes", "payload": "YES"}
    payload = {"template_type": "button", "text": "Choose", "buttons": [button]}
    template = {"attachment": {"type": "template", "payload": payload}}
    assert (await box.graph("me/messages", {"recipient": {"id": MIA}, "message": template}))[0] == 200
    echo = (await ours.count(2))[1].event["message"]
    assert echo["text"] == "Choose"
    assert echo["attachments"] == [
        {
            "type": "template",
            "url": None,
            "title": "Choose",
            "payload": {"template_type": "button", "buttons": [button]},
        }
    ]


async def test_image_of_a_page_is_echoed_and_image_of_a_customer_arrives(box, ours) -> None:
    await box.post(f"customers/{MIA}/say", {"attachment": {"url": "https://x/cat.png"}})
    image = {"attachment": {"type": "image", "payload": {"url": "https://x/dog.png"}}}
    await box.graph("me/messages", {"recipient": {"id": MIA}, "message": image})
    customers, echo = (received.event["message"] for received in await ours.count(2))
    assert customers["attachments"] == [{"type": "image", "payload": {"url": "https://x/cat.png"}}]
    assert echo["attachments"] == [{"type": "image", "payload": {"url": "https://x/dog.png"}}]


async def test_quick_reply_is_a_message_with_payload_and_is_gone_after_the_next_message(box, ours, other) -> None:
    await box.say()
    offer = {"quick_replies": [{"content_type": "text", "title": "Person", "payload": "TALK"}]}
    await box.send("Choose", message=offer)
    assert [choice["title"] for choice in (await box.conversation())["quick_replies"]] == ["Person"]
    await box.post(f"customers/{MIA}/quick_reply", {"title": "Person"})
    picked = (await ours.count(3))[2].event["message"]
    assert (picked["text"], picked["quick_reply"]) == ("Person", {"payload": "TALK"})
    assert (await other.count(3))[2].event["message"]["quick_reply"] == {"payload": "TALK"}
    status, error = await box.refused("POST", f"customers/{MIA}/quick_reply", {"title": "Person"})
    assert (status, error["field"]) == (409, "title")


async def test_stale_quick_reply_can_still_be_clicked_on_demand(box, ours) -> None:
    await box.post(f"customers/{MIA}/quick_reply", {"title": "Back", "payload": "BACK:1", "stale": True})
    assert (await ours.count(1))[0].event["message"]["quick_reply"] == {"payload": "BACK:1"}


async def test_quick_reply_payload_can_be_hidden_on_standby(box, ours, other) -> None:
    await box.page(behaviour={"standby_quick_reply_payload": False})
    await box.post(f"customers/{MIA}/quick_reply", {"title": "Back", "payload": "B", "stale": True})
    assert "quick_reply" in (await ours.count(1))[0].event["message"]
    assert "quick_reply" not in (await other.count(1))[0].event["message"]


async def test_postback_loses_its_payload_on_standby_but_not_for_the_app_that_sent_the_button(box, ours, other) -> None:
    await box.say()
    button = {"type": "postback", "title": "Yes", "payload": "YES"}
    payload = {"template_type": "button", "text": "Choose", "buttons": [button]}
    template = {"attachment": {"type": "template", "payload": payload}}
    await box.graph("me/messages", {"recipient": {"id": MIA}, "message": template})
    await box.control("pass", target_app_id=INBOX)
    await box.post(f"customers/{MIA}/postback", {"payload": "YES", "title": "Yes"})
    await box.post(f"customers/{MIA}/postback", {"payload": "GET_STARTED", "title": "Get started"})
    mine = [received for received in await ours.count(4) if received.name == "postback"]
    theirs = [received for received in await other.count(4) if received.name == "postback"]
    assert [(one.channel, one.event["postback"].get("payload")) for one in mine] == [
        ("messaging", "YES"),
        ("standby", None),
    ]
    assert [(one.channel, one.event["postback"].get("payload")) for one in theirs] == [
        ("standby", None),
        ("standby", None),
    ]


async def test_pass_is_told_to_the_new_owner_alone_and_take_to_the_loser_alone(box, ours, other) -> None:
    await box.say()
    await box.control("pass", target_app_id=OTHER, metadata="why")
    await box.control("take", metadata="back")
    await box.say("end")
    await ours.count(2)
    assert ours.names() == [("messaging", "message"), ("messaging", "message")]
    events = await other.count(4)
    assert other.names() == [
        ("standby", "message"),
        ("messaging", "pass_thread_control"),
        ("messaging", "take_thread_control"),
        ("standby", "message"),
    ]
    assert events[1].event["pass_thread_control"] == {
        "previous_owner_app_id": OURS,
        "new_owner_app_id": OTHER,
        "metadata": "why",
    }
    assert events[2].event["take_thread_control"] == {
        "previous_owner_app_id": OTHER,
        "new_owner_app_id": OURS,
        "metadata": "back",
    }
    assert events[1].event["sender"] == {"id": MIA}


async def test_pass_from_idle_has_no_previous_owner(box, ours) -> None:
    await box.page(default_app=None)
    await box.control("pass", OTHER, target_app_id=OURS)
    [told] = await ours.count(1)
    assert told.event["pass_thread_control"] == {"previous_owner_app_id": None, "new_owner_app_id": OURS}


async def test_all_apps_are_told_and_on_standby_where_the_page_is_set_so(box, ours, other) -> None:
    await box.page(behaviour={"passing_told": "all", "taking_told": "all", "handover_channel": "standby"})
    await box.say()
    await box.control("pass", target_app_id=INBOX)
    await box.control("take")
    await ours.count(3)
    await other.count(3)
    expected = [("standby", "pass_thread_control"), ("standby", "take_thread_control")]
    assert ours.names()[1:] == expected
    assert other.names()[1:] == expected


async def test_request_is_told_to_the_owner(box, ours, other) -> None:
    await box.page(default_app=None)
    await box.control("pass", OTHER, target_app_id=OURS)
    await box.control("request", OTHER, metadata="please")
    told = (await ours.count(2))[1]
    assert told.event["request_thread_control"] == {"requested_owner_app_id": OTHER, "metadata": "please"}


async def test_release_is_told_to_nobody_and_the_default_app_simply_gets_messaging(box, ours, other) -> None:
    await box.say()
    await box.control("pass", target_app_id=OTHER)
    await box.control("release", OTHER)
    await box.say("anyone?")
    await ours.count(2)
    await other.count(3)
    assert ours.names() == [("messaging", "message"), ("messaging", "message")]
    assert other.names()[-1] == ("standby", "message")


async def test_message_that_passes_control_is_echoed_before_the_pass_or_after_as_set(box, ours, other) -> None:
    await box.say()
    ride = {"control_type": "pass", "app_id": OTHER}
    await box.send("bye", thread_control=ride)
    await other.count(3)
    assert other.names()[1:] == [("standby", "message"), ("messaging", "pass_thread_control")]
    assert (await ours.count(2))[1].channel == "messaging"
    assert other.events[1].event["timestamp"] < other.events[2].event["timestamp"]
    await box.control("take")
    await box.page(behaviour={"echo_channel": "after_ride"})
    await box.send("bye", thread_control=ride)
    assert (await ours.count(3))[2].channel == "standby"


async def test_app_gets_only_the_fields_it_subscribed_to(box, ours, other) -> None:
    await box.graph("me/subscribed_apps", {"subscribed_fields": "message_echoes"})
    await box.graph("me/subscribed_apps", {"subscribed_fields": "messages"}, app=OTHER)
    await box.say("unheard: ours has no messages, the other has no standby")
    await box.send("heard")
    await ours.count(1)
    assert ours.names() == [("messaging", "message")]
    assert ours.events[0].event["message"]["is_echo"] is True
    assert other.events == []


async def test_deliveries_and_reads_are_sent_where_wanted(box, ours) -> None:
    await box.page(behaviour={"deliveries": True})
    await box.say()
    _, answer = await box.send("Hello")
    await box.post(f"customers/{MIA}/read")
    _, _, delivered, read = await ours.count(4)
    assert delivered.event["delivery"]["mids"] == [answer["message_id"]]
    assert "timestamp" not in delivered.event
    assert read.event["read"]["watermark"] > 10**12


async def test_failed_webhook_is_sent_again_and_what_follows_waits_behind_it(box, ours) -> None:
    ours.answers.extend([500, 503])
    await box.say("one")
    await box.say("two", JONAS)
    events = await ours.count(2)
    assert [one.event["message"]["text"] for one in events] == ["one", "two"]
    assert len(ours.bodies) == 4
    tried = [one for one in await box.record("webhook") if one["app_id"] == OURS]
    assert [(one["attempt"], one["status"], one["outcome"]) for one in tried] == [
        (1, 500, "retry"),
        (2, 503, "retry"),
        (3, 200, "delivered"),
        (1, 200, "delivered"),
    ]


async def test_webhook_without_answer_in_time_is_sent_again(box, ours) -> None:
    ours.answers.append(None)
    await box.say("slow")
    await ours.count(1)
    first = next(one for one in await box.record("webhook") if one["app_id"] == OURS)
    assert (first["status"], first["error"], first["outcome"]) == (None, "TimeoutError", "retry")


async def test_dead_webhook_of_one_app_does_not_hold_up_the_other(box, ours, other) -> None:
    ours.answers.extend([None] * 20)
    await box.say()
    assert (await other.count(1))[0].channel == "standby"
    assert ours.events == []


async def test_app_that_fails_for_too_long_is_unsubscribed_and_what_waited_is_lost(box_file, ours, make_box) -> None:
    ours.answers.extend([500] * 1000)
    hasty = Settings(facebook_retry_first_s=0.01, facebook_retry_cap_s=0.02, facebook_disable_after_s=0.2)
    app = build(hasty, box_file)
    async with TestClient(TestServer(app)) as client:
        box = make_box(client, app)
        await box.say("lost")
        await box.fact("app", app_id=OURS, what="webhooks_disabled")
        state = await box.get("state")
        assert set(state["pages"][0]["subscriptions"]) == {OTHER}
        assert state["apps"][0]["waiting"] == 0


async def test_handshake_is_made_at_start_and_its_outcome_shown(box, ours) -> None:
    await box.fact("app", app_id=OURS, what="verified")
    assert ours.handshakes == 1
    assert (await box.get("state"))["apps"][0]["verified"] is True
    app = {"secret": "s", "verify_token": "wrong", "webhook_url": ours.url}
    response = await box.client.put("/box/apps/333", json=app)
    shown = await response.json()
    assert (shown["verified"], shown["detail"]) == (False, "answered 403")
    nobody = app | {"webhook_url": "http://127.0.0.1:9/hook"}
    shown = await (await box.client.put("/box/apps/333", json=nobody)).json()
    assert shown["detail"].startswith("no answer")


async def test_app_that_comes_up_later_is_verified_then(box_file, settings, ours, monkeypatch) -> None:
    real = ours.url
    late = box_file.model_copy(
        update={"apps": (box_file.apps[0].model_copy(update={"webhook_url": "http://127.0.0.1:9/x"}), box_file.apps[1])}
    )
    application = build(settings, late)
    async with TestClient(TestServer(application)) as client:
        waiting = await client.get("/box/events", params={"kind": "app", "wait": 10})
        assert {one["what"] for one in (await waiting.json())["entries"]} & {"not_verified", "verified"}
        app = {"secret": "secret-of-ours", "verify_token": "verify-111", "webhook_url": real}
        shown = await (await client.put(f"/box/apps/{OURS}", json=app)).json()
        assert shown["verified"] is True


async def test_timestamps_of_a_conversation_rise_with_every_act_however_fast(box, ours) -> None:
    await box.faults(hold_webhooks=True, batch=100)
    for _ in range(5):
        await box.say()
        await box.post(f"inbox/{MIA}/reply", {"text": "x"})
        await box.post(f"inbox/{MIA}/move_to_done")
        await box.send("bye", thread_control={"control_type": "pass", "app_id": OTHER})
        await box.control("take")
    await box.faults(batch=100)
    events = await ours.count(25)
    times = [received.event["timestamp"] for received in events]
    assert times == sorted(set(times))

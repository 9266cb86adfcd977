"""The Graph API over HTTP: answers, errors and who may do what."""

import json

import pytest

from facebook.pages import FIELDS

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"
TOKEN = "token-of-ours"


async def test_send_into_an_open_window_answers_with_ids_and_shows_in_the_chat(box) -> None:
    await box.say()
    status, answer = await box.send("Hello Mia")
    assert status == 200
    assert answer == {"recipient_id": MIA, "message_id": answer["message_id"]}
    assert answer["message_id"].startswith("m_")
    lines = (await box.get(f"conversations/{PAGE}/{MIA}"))["lines"]
    assert [(line["side"], line["text"]) for line in lines if line["side"] != "notice"] == [
        ("customer", "hi"),
        ("app", "Hello Mia"),
    ]


@pytest.mark.parametrize("path", ["/v26.0/me/messages", "/me/messages", f"/v26.0/{PAGE}/messages"])
async def test_token_is_accepted_wherever_facebook_accepts_it(box, path) -> None:
    await box.say()
    body = {"recipient": {"id": MIA}, "message": {"text": "x"}}
    form = {"recipient": json.dumps(body["recipient"]), "message": json.dumps(body["message"])}
    calls = [
        {"params": {"access_token": TOKEN}, "json": body},
        {"json": body | {"access_token": TOKEN}},
        {"json": body, "headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"data": form | {"access_token": TOKEN}},
        {"params": form | {"access_token": TOKEN}},
    ]
    for call in calls:
        response = await box.client.post(path, **call)
        assert response.status == 200, await response.text()


@pytest.mark.parametrize("token", [{}, {"access_token": "wrong"}])
async def test_wrong_or_missing_token_is_190(box, token) -> None:
    response = await box.client.get("/v26.0/me", params=token)
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"]) == (400, 190, "OAuthException")
    assert set(error) == {"message", "type", "code", "fbtrace_id"}


async def test_appsecret_proof_is_checked_when_given(box) -> None:
    wrong = await box.client.get("/v26.0/me", params={"access_token": TOKEN, "appsecret_proof": "00"})
    assert (wrong.status, (await wrong.json())["error"]["code"]) == (400, 100)
    # openssl dgst -sha256 -hmac secret-of-ours, of the token
    proof = "a4e16a7a926fb268af75d13073d088c673acc7d130f7211c4ab02e0406c18ab6"
    right = await box.client.get("/v26.0/me", params={"access_token": TOKEN, "appsecret_proof": proof})
    assert right.status == 200


async def test_token_of_one_page_does_not_act_for_another(box) -> None:
    status, answer = await box.graph("901/messages", {"recipient": {"id": MIA}, "message": {"text": "x"}})
    assert (status, answer["error"]["code"]) == (403, 200)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"recipient": {"id": "404"}}, (400, 100, 2018001)),
        ({"message": {"text": "x" * 2001}}, (400, 100, None)),
        ({"message": {"text": "x"}, "sender_action": "typing_on"}, (400, 100, 2018014)),
        ({"persona_id": "5"}, (400, 100, None)),
    ],
)
async def test_bad_send_is_refused_with_facebooks_code_and_recorded(box, change, expected) -> None:
    await box.say()
    status, answer = await box.graph("me/messages", {"recipient": {"id": MIA}, "message": {"text": "x"}} | change)
    assert (status, answer["error"]["code"], answer["error"].get("error_subcode")) == expected
    assert [(one["call"], one["code"]) for one in await box.record("refused")] == [("messages", expected[1])]
    assert await box.record("send") == []


async def test_send_before_the_customer_ever_wrote_or_a_day_after_is_outside_the_window(box) -> None:
    outside = (400, 10, 2018278)
    status, answer = await box.send("x")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == outside
    await box.say()
    await box.post("clock", {"advance_s": 24 * 3600 - 60})
    assert (await box.send("x"))[0] == 200
    await box.post("clock", {"advance_s": 60})
    status, answer = await box.send("x")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == outside


async def test_human_agent_reaches_seven_days_where_it_is_approved(box) -> None:
    await box.say()
    await box.post("clock", {"advance_s": 6 * 86400})
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    assert (await box.send("x", **tagged))[0] == 200
    await box.page(behaviour={"human_agent": False})
    status, answer = await box.send("x", **tagged)
    assert (status, answer["error"]["code"]) == (403, 10)
    assert "Human Agent" in answer["error"]["message"]
    await box.page(behaviour={})
    await box.post("clock", {"advance_s": 2 * 86400})
    assert (await box.send("x", **tagged))[1]["error"]["error_subcode"] == 2018278


async def test_blocked_customer_is_551(box) -> None:
    await box.say()
    assert (await box.client.patch(f"/box/customers/{MIA}", json={"blocked": True})).status == 200
    status, answer = await box.send("x")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 551, 1545041)


async def test_non_owner_is_refused_until_it_takes_control(box) -> None:
    await box.say()
    assert await box.control("pass", target_app_id=INBOX) == (200, {"success": True})
    status, answer = await box.send("x")
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (400, 10, 2018300)
    assert (await box.graph("me/messages", {"recipient": {"id": MIA}, "sender_action": "typing_on"}))[0] == 400
    assert await box.control("take") == (200, {"success": True})
    assert (await box.send("x"))[0] == 200


async def test_control_rides_on_a_message(box) -> None:
    await box.say()
    status, _ = await box.send("bye", thread_control={"control_type": "pass", "app_id": INBOX})
    assert status == 200
    assert (await box.conversation())["owner"] == INBOX
    await box.control("take")
    await box.send("bye", thread_control={"control_type": "release"})
    assert (await box.conversation())["owner"] is None


async def test_message_is_not_said_when_the_control_that_rides_on_it_is_refused(box) -> None:
    await box.say()
    status, answer = await box.send("bye", thread_control={"control_type": "pass", "app_id": "777"})
    assert (status, answer["error"]["error_subcode"]) == (400, 2018164)
    assert await box.record("send") == []


@pytest.mark.parametrize(
    ("action", "more", "app", "expected"),
    [
        ("pass", {"target_app_id": INBOX}, OTHER, (400, 100)),
        ("release", {}, OTHER, (400, 100)),
        ("extend", {"duration": 60}, OTHER, (400, 100)),
        ("extend", {}, OURS, (400, 100)),
        ("take", {}, OTHER, (403, 200)),
        ("request", {}, OTHER, (400, 100)),
        ("conjure", {}, OURS, (400, 100)),
    ],
)
async def test_thread_control_by_who_may_not_is_refused(box, action, more, app, expected) -> None:
    await box.say()
    status, answer = await box.control(action, app, **more)
    assert (status, answer["error"]["code"]) == expected
    assert (await box.conversation())["owner"] == OURS


async def test_without_default_app_take_is_27_and_request_is_possible(box) -> None:
    await box.page(default_app=None)
    await box.say()
    await box.control("pass", OTHER, target_app_id=INBOX)
    status, answer = await box.control("take")
    assert (status, answer["error"]["code"]) == (400, 27)
    assert await box.control("request") == (200, {"success": True})
    assert (await box.conversation())["owner"] == INBOX


async def test_thread_owner_is_named_to_owner_and_default_app_only(box) -> None:
    await box.say()
    await box.control("pass", target_app_id=INBOX)
    _, seen = await box.graph(f"me/thread_owner?recipient={MIA}")
    owner = seen["data"][0]["thread_owner"]
    assert owner["app_id"] == INBOX
    _, seen = await box.graph(f"me/thread_owner?recipient={MIA}", app=OTHER)
    assert seen["data"][0]["thread_owner"] == {"expiration": owner["expiration"]}


async def test_thread_owner_is_empty_after_release_and_after_24_hours(box) -> None:
    await box.say()
    await box.control("release")
    assert await box.graph(f"me/thread_owner?recipient={MIA}") == (200, {"data": []})
    await box.say()
    await box.control("extend", duration=2 * 86400)
    await box.post("clock", {"advance_s": 86400})
    assert (await box.graph(f"me/thread_owner?recipient={MIA}"))[1]["data"]
    await box.post("clock", {"advance_s": 86400})
    assert (await box.graph(f"me/thread_owner?recipient={MIA}"))[1]["data"] == []


async def test_profile_gives_the_fields_asked_for(box) -> None:
    status, profile = await box.graph(f"{MIA}?fields=first_name,last_name,profile_pic")
    assert status == 200
    assert profile["first_name"] == "Mia"
    assert profile["last_name"] == "Łuk"
    assert profile["id"] == MIA
    picture = await box.client.get(profile["profile_pic"].partition("/pictures")[1] + f"/{MIA}.svg")
    assert picture.status == 200
    assert (await box.graph("404?fields=first_name"))[1]["error"]["error_subcode"] == 2018001
    await box.client.patch(f"/box/customers/{MIA}", json={"readable": False})
    assert (await box.graph(f"{MIA}?fields=first_name"))[1]["error"]["error_subcode"] == 2018218


async def test_page_tells_whether_it_routes(box) -> None:
    _, page = await box.graph("me?fields=messaging_feature_status,id,name")
    assert page == {
        "messaging_feature_status": {"hop_v2": True, "msgr_multi_app": False, "ig_multi_app": False},
        "id": PAGE,
        "name": "Test page",
    }
    await box.page(default_app=None)
    _, page = await box.graph("me?fields=messaging_feature_status")
    assert page["messaging_feature_status"] == {"hop_v2": False, "msgr_multi_app": True, "ig_multi_app": False}
    assert (await box.graph("me?fields=shoe_size"))[1]["error"]["code"] == 100


async def test_secondary_receivers_are_shown_to_the_default_app(box) -> None:
    _, answer = await box.graph("me/secondary_receivers?fields=id,name")
    assert answer["data"] == [{"id": OTHER, "name": "app 222"}, {"id": INBOX, "name": "Page Inbox"}]
    await box.page(inbox_is_receiver=False)
    assert len((await box.graph("me/secondary_receivers"))[1]["data"]) == 1
    assert (await box.graph("me/secondary_receivers", app=OTHER))[1]["error"]["error_subcode"] == 2018234


async def test_subscribed_apps_can_be_read_replaced_and_dropped(box) -> None:
    _, answer = await box.graph("me/subscribed_apps")
    assert {app["id"]: set(app["subscribed_fields"]) for app in answer["data"]} == {OURS: FIELDS, OTHER: FIELDS}
    assert await box.graph(f"{PAGE}/subscribed_apps", {"subscribed_fields": "messages, standby"}) == (
        200,
        {"success": True},
    )
    _, answer = await box.graph("me/subscribed_apps")
    assert answer["data"][0]["subscribed_fields"] == ["messages", "standby"]
    dropped = await box.client.delete("/v26.0/me/subscribed_apps", params={"access_token": TOKEN})
    assert await dropped.json() == {"success": True}
    assert [app["id"] for app in (await box.graph("me/subscribed_apps"))[1]["data"]] == [OTHER]
    assert (await box.graph("me/subscribed_apps", {}))[0] == 400


async def test_subscription_of_an_app_needs_the_handshake(box, ours, other) -> None:
    path, token = f"/v26.0/{OURS}/subscriptions", {"access_token": "111|secret-of-ours"}
    wrong = {"object": "page", "callback_url": other.url, "verify_token": "no", "fields": "messages"}
    refused = await box.client.post(path, params=token, json=wrong)
    assert (refused.status, (await refused.json())["error"]["code"]) == (400, 2200)
    right = wrong | {"verify_token": "verify-222"}
    assert (await box.client.post(path, params=token, json=right)).status == 200
    assert (await box.get("state"))["apps"][0]["webhook_url"] == other.url
    stranger = await box.client.post(path, params={"access_token": "111|guess"}, json=right)
    assert (await stranger.json())["error"]["code"] == 190


async def test_persona_speaks_once_it_exists(box) -> None:
    await box.say()
    _, created = await box.graph("me/personas", {"name": "Noor", "profile_picture_url": "https://x/y.png"})
    assert (await box.send("x", persona_id=created["id"]))[0] == 200
    assert [one["name"] for one in (await box.graph("me/personas"))[1]["data"]] == ["Noor"]


async def test_typing_is_shown_and_ends_with_the_message(box) -> None:
    await box.say()
    status, answer = await box.graph("me/messages", {"recipient": {"id": MIA}, "sender_action": "typing_on"})
    assert (status, answer) == (200, {"recipient_id": MIA})
    assert (await box.conversation())["typing"] is True
    await box.send("x")
    assert (await box.conversation())["typing"] is False


@pytest.mark.parametrize(
    ("body", "kind"), [(b"not json", "application/json"), (b"[1]", "application/json"), (b"", "application/json")]
)
async def test_unreadable_body_is_error_100_not_a_crash(box, body, kind) -> None:
    response = await box.client.post(
        "/v26.0/me/messages", params={"access_token": TOKEN}, data=body, headers={"Content-Type": kind}
    )
    assert (response.status, (await response.json())["error"]["code"]) == (400, 100)


async def test_unknown_edge_and_node_are_error_100(box) -> None:
    assert (await box.graph("me/weather"))[1]["error"]["code"] == 100
    assert (await box.graph("me/weather", {}))[1]["error"]["code"] == 100

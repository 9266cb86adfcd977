"""What the real platform refuses, the box refuses."""

from typing import Any

import pytest

from facebook.errors import InvalidParameter
from facebook.limits import send_request
from facebook.signing import _hmac

OURS, OTHER, INBOX = "111", "222", "263902037430900"
PAGE, MIA, JONAS = "900", "73001", "73002"


def template(**payload: Any) -> dict[str, Any]:
    return {"attachment": {"type": "template", "payload": payload}}


def element(**more: Any) -> dict[str, Any]:
    return {"title": "Lamp", "subtitle": "bright", **more}


def generic(*elements: dict[str, Any]) -> dict[str, Any]:
    return template(template_type="generic", elements=list(elements))


def button(**more: Any) -> dict[str, Any]:
    return {"type": "postback", "title": "Yes", "payload": "YES", **more}


def media(**one: Any) -> dict[str, Any]:
    return template(template_type="media", elements=[{"media_type": "image", **one}])


TAKEN = [
    generic(*[element(title="t" * 80, subtitle="s" * 80, buttons=[button()] * 3)] * 10),
    generic({"title": "Lamp", "image_url": "https://x/lamp.png"}),
    generic(element(default_action={"type": "web_url", "url": "https://x/"})),
    generic(element(buttons=[{"type": "account_link", "url": "https://x/login"}, {"type": "account_unlink"}])),
    media(url="https://www.facebook.com/photo.php?fbid=1"),
    template(
        template_type="button", text="Call", buttons=[{"type": "phone_number", "title": "Us", "payload": "+491234567"}]
    ),
    {"sticker_id": "369239263222822"},
    {"attachment": {"type": "file", "payload": {"url": "https://x/a.pdf", "is_reusable": True}}},
]
REFUSED = [
    (generic(*[element()] * 11), "message[attachment][payload][elements] must be less than or equal to 10"),
    (generic(element(title="t" * 81)), "[elements][0][title] must be less than or equal to 80"),
    (generic(element(subtitle="s" * 81)), "[elements][0][subtitle] must be less than or equal to 80"),
    (generic(element(buttons=[button()] * 4)), "[elements][0][buttons] must be less than or equal to 3"),
    (generic(element(buttons=[button(title="t" * 21)])), "[buttons][0][title] must be less than or equal to 20"),
    (
        generic(element(buttons=[button(payload="p" * 1001)])),
        "[buttons][0][payload] must be less than or equal to 1000",
    ),
    (generic({"title": "Lamp"}), "needs a subtitle"),
    (generic(), "message[attachment][payload][elements] must be a non-empty value"),
    (generic(element(image_url="lamp.png")), "[image_url] must be a valid URI"),
    (media(), "either url or attachment_id"),
    (media(url="https://x/a", attachment_id="5"), "either url or attachment_id"),
    (template(template_type="list", elements=[]), "message[attachment][payload] is not valid"),
    (
        template(template_type="button", text="x", buttons=[{"type": "web_url", "title": "x", "url": "javascript:1"}]),
        "[buttons][0][url] must be a valid URI",
    ),
    (
        template(template_type="button", text="x", buttons=[{"type": "phone_number", "title": "x", "payload": "0123"}]),
        "[buttons][0][payload] is not valid",
    ),
    ({"attachment": {"type": "image", "payload": {"attachment_id": 5}}}, "[attachment_id] is not valid"),
    ({"attachment": {"type": "picture", "payload": {"url": "https://x/"}}}, "message[attachment] is not valid"),
    ({"text": "x", "sticker_id": "1"}, "a message has either text or an attachment"),
    ({"text": "x", "attachment": {"type": "image", "payload": {"url": "https://x/"}}}, "either text or an attachment"),
]


@pytest.mark.parametrize("message", TAKEN)
def test_what_facebook_takes_is_taken(message) -> None:
    assert send_request({"recipient": {"id": MIA}, "message": message}).message is not None


@pytest.mark.parametrize(("message", "sentence"), REFUSED)
def test_what_facebook_refuses_is_error_100_with_the_place(message, sentence) -> None:
    with pytest.raises(InvalidParameter) as refused:
        send_request({"recipient": {"id": MIA}, "message": message})
    assert sentence in refused.value.text


@pytest.mark.parametrize(
    "more",
    [
        {"sender_action": "react"},
        {"sender_action": "react", "payload": {"message_id": "m_1"}},
        {"sender_action": "wave"},
        {"message": {"text": "x"}, "notification_type": "LOUD"},
        {"message": {"text": "x"}, "reply_to": {}},
    ],
)
def test_an_incomplete_request_is_error_100(more) -> None:
    with pytest.raises(InvalidParameter):
        send_request({"recipient": {"id": MIA}, **more})


async def test_the_message_that_is_answered_or_reacted_to_has_to_exist(box, ours) -> None:
    said = await box.say()
    assert (await box.send("x", reply_to={"mid": "m_unknown"}))[1]["error"]["code"] == 100
    assert (await box.send("x", reply_to={"mid": said["mid"]}))[0] == 200
    assert (await ours.count(2))[1].event["message"]["reply_to"] == {"mid": said["mid"]}
    react = {"recipient": {"id": MIA}, "sender_action": "react"}
    known = {"message_id": said["mid"], "reaction": "love"}
    assert (await box.graph("me/messages", react | {"payload": known}))[1] == {"recipient_id": MIA}
    assert (await box.graph("me/messages", react | {"payload": known | {"message_id": "m_no"}}))[0] == 400


async def test_an_upload_is_sent_by_its_page_and_nobody_elses(box) -> None:
    await box.say()
    image = {"attachment": {"type": "image", "payload": {"url": "https://x/a.png", "is_reusable": True}}}
    _, kept = await box.graph("me/message_attachments", {"message": image})
    again = {"attachment": {"type": "image", "payload": {"attachment_id": kept["attachment_id"]}}}
    assert (await box.graph("me/messages", {"recipient": {"id": MIA}, "message": again}))[0] == 200
    _, sent = await box.graph("me/messages", {"recipient": {"id": MIA}, "message": image})
    assert sent["attachment_id"] != kept["attachment_id"]
    again["attachment"]["payload"]["attachment_id"] = "5"
    _, answer = await box.graph("me/messages", {"recipient": {"id": MIA}, "message": again})
    assert answer["error"]["error_subcode"] == 2018074


async def test_a_persona_is_named_in_record_and_chat_until_it_is_deleted(box) -> None:
    await box.say()
    picture = {"profile_picture_url": "https://x/noor.png"}
    assert (await box.graph("me/personas", {"name": "n" * 51, **picture}))[0] == 400
    assert (await box.graph("me/personas", {"name": "Noor"}))[0] == 400
    _, made = await box.graph("me/personas", {"name": "Noor", **picture})
    assert (await box.graph(made["id"]))[1] == {"id": made["id"], "name": "Noor", **picture}
    assert (await box.send("x", persona_id=made["id"]))[0] == 200
    [sent] = await box.record("send")
    assert (sent["persona_id"], sent["persona"]) == (made["id"], "Noor")
    lines = (await box.get(f"conversations/{PAGE}/{MIA}"))["lines"]
    assert [line["persona"] for line in lines if line["side"] == "app"] == ["Noor"]
    token = {"access_token": "token-of-ours"}
    assert await (await box.client.delete(f"/v26.0/{made['id']}", params=token)).json() == {"success": True}
    assert (await box.client.delete(f"/v26.0/{made['id']}", params=token)).status == 400
    assert (await box.send("x", persona_id=made["id"]))[1]["error"]["code"] == 100


async def test_an_app_that_requires_proof_gets_nothing_without_it(box) -> None:
    response = await box.client.patch(f"/box/apps/{OURS}", json={"require_proof": True})
    assert (await response.json())["require_proof"] is True
    _, answer = await box.graph("me")
    assert "require an appsecret_proof" in answer["error"]["message"]
    proof = _hmac(box.world.registry.apps[OURS].secret, b"token-of-ours", "sha256")
    assert (await box.graph(f"me?appsecret_proof={proof}"))[0] == 200
    assert (await box.graph(f"me?appsecret_proof={'0' * 64}"))[1]["error"]["code"] == 100
    assert (await box.app_graph("GET", f"{OURS}/subscriptions"))[0] == 400

"""The Send API's limits: at the limit it is accepted, one above it is error 100 with the parameter's name."""

from typing import Any

import pytest

from facebook.errors import ActionWithMessage, DeadTag, InvalidParameter
from facebook.limits import ButtonTemplate, TemplateAttachment, send_request


def request(message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"recipient": {"id": 73001}, **({"message": message} if message is not None else {}), **more}


def quick_replies(number: int, title: str = "Yes", payload: str = "YES") -> list[dict[str, Any]]:
    return [{"content_type": "text", "title": title, "payload": payload}] * number


def buttons(number: int, title: str = "Yes", text: str = "Choose", payload: str = "YES") -> dict[str, Any]:
    button = {"type": "postback", "title": title, "payload": payload}
    return {
        "attachment": {
            "type": "template",
            "payload": {"template_type": "button", "text": text, "buttons": [button] * number},
        }
    }


AT_THE_LIMIT = [
    {"text": "x" * 2000},
    {"text": "x", "quick_replies": quick_replies(13, "t" * 20, "p" * 1000)},
    {"text": "x", "metadata": "m" * 1000},
    buttons(3, "t" * 20, "x" * 640, "p" * 1000),
]


@pytest.mark.parametrize("message", AT_THE_LIMIT)
def test_at_the_limit_is_accepted(message: dict[str, Any]) -> None:
    assert send_request(request(message)).message is not None


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({"text": "x" * 2001}, "Length of param message[text] must be less than or equal to 2000"),
        ({"text": ""}, "Param message[text] must be a non-empty value"),
        (
            {"text": "x", "quick_replies": quick_replies(14)},
            "Length of param message[quick_replies] must be less than or equal to 13",
        ),
        (
            {"text": "x", "quick_replies": quick_replies(1, "t" * 21)},
            "Length of param message[quick_replies][0][title] must be less than or equal to 20",
        ),
        (
            {"text": "x", "quick_replies": quick_replies(1, payload="p" * 1001)},
            "Length of param message[quick_replies][0][payload] must be less than or equal to 1000",
        ),
        ({"text": "x", "metadata": "m" * 1001}, "Length of param message[metadata] must be less than or equal to 1000"),
        (
            buttons(1, text="x" * 641),
            "Length of param message[attachment][payload][text] must be less than or equal to 640",
        ),
        (buttons(4), "Length of param message[attachment][payload][buttons] must be less than or equal to 3"),
        (buttons(0), "Param message[attachment][payload][buttons] must be a non-empty value"),
        (
            buttons(1, "t" * 21),
            "Length of param message[attachment][payload][buttons][0][title] must be less than or equal to 20",
        ),
        (
            buttons(1, payload="p" * 1001),
            "Length of param message[attachment][payload][buttons][0][payload] must be less than or equal to 1000",
        ),
    ],
)
def test_beyond_the_limit_is_error_100_that_names_the_parameter(message: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        send_request(request(message))
    assert refused.value.text == sentence
    assert refused.value.code == 100


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"message": {"text": "x"}}, "The parameter recipient is required"),
        ({"recipient": {"id": "1"}}, "The parameter message is required"),
        (request({"text": "x"}, messaging_type="MESSAGE_TAG"), "The parameter tag is required"),
        (request({"text": "x"}, tag="NEWS"), "Param tag NEWS cannot be used"),
        (request({}), "Param message is not valid"),
        (request({"text": "x"}, messaging_type="PROMOTION"), "Param messaging_type is not valid"),
        (request({"text": "x", "quick_replies": [{"content_type": "text"}]}), "Param message[quick_replies][0] is not"),
        (request({"attachment": {"type": "image", "payload": {}}}), "Param message[attachment][payload] is not valid"),
    ],
)
def test_incomplete_request_is_error_100(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        send_request(params)
    assert refused.value.text.startswith(sentence)


def test_action_together_with_message_is_refused() -> None:
    with pytest.raises(ActionWithMessage) as refused:
        send_request(request({"text": "x"}, sender_action="typing_on"))
    assert (refused.value.code, refused.value.subcode) == (100, 2018014)


@pytest.mark.parametrize("tag", ["ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE"])
def test_dead_tags_are_refused(tag: str) -> None:
    with pytest.raises(DeadTag):
        send_request(request({"text": "x"}, messaging_type="MESSAGE_TAG", tag=tag))


def test_unknown_fields_are_ignored_and_numbers_as_ids_are_texts_inside() -> None:
    asked = send_request(request({"text": "x", "sparkle": True}, notification_type="REGULAR"))
    assert asked.recipient.id == "73001"


def test_quick_replies_ride_on_a_template() -> None:
    asked = send_request(request({**buttons(1), "quick_replies": quick_replies(2)}))
    assert asked.message is not None
    assert isinstance(asked.message.attachment, TemplateAttachment)
    assert isinstance(asked.message.attachment.payload, ButtonTemplate)
    assert len(asked.message.quick_replies) == 2

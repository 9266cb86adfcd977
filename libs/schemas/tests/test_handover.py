"""The properties of *Let Human Takeover*: titles as the pages show them, defaults and limits as the product promises."""

import pytest
from pydantic import ValidationError

from schemas.flows import LetHumanTakeover
from schemas.handover import HumanTakeover, RequestedBy

DAY = 24 * 3600  # seconds
ADDRESSES = tuple(f"desk{number}@example.com" for number in range(21))


def test_the_properties_are_exactly_these_under_these_titles() -> None:
    assert {name: field.title for name, field in HumanTakeover.model_fields.items()} == {
        "auto_return": "Auto return to Bot after idling for",
        "notify_admin": "Notify admin",
        "emails": "Emails",
        "goodbye_message": "Goodbye Message",
        "back_to_bot_button": "Back to Bot Quick Response Button",
        "back_to_bot_message": "Back to Bot Message",
    }


@pytest.mark.parametrize("model", [HumanTakeover, LetHumanTakeover])
def test_unless_chosen_nobody_is_notified_nothing_is_said_and_the_wait_has_no_end(model: type[HumanTakeover]) -> None:
    block = model()
    assert block.notify_admin is False
    assert block.auto_return is None
    assert block.emails == ()
    assert (block.goodbye_message, block.back_to_bot_button, block.back_to_bot_message) == ("", "", "")


def test_the_block_and_its_request_carry_the_same_properties() -> None:
    names = set(HumanTakeover.model_fields)
    assert names <= set(LetHumanTakeover.model_fields)
    assert set(RequestedBy.model_fields) - names == {"block", "block_name"}


@pytest.mark.parametrize("seconds", [1, 60, 30 * DAY])
def test_the_wait_lasts_from_a_second_to_thirty_days(seconds: int) -> None:
    assert HumanTakeover(auto_return=seconds).auto_return == seconds


@pytest.mark.parametrize("seconds", [-1, 0, 30 * DAY + 1])
def test_another_wait_is_refused(seconds: int) -> None:
    with pytest.raises(ValidationError, match="auto_return"):
        HumanTakeover(auto_return=seconds)


@pytest.mark.parametrize("count", [1, 20])
def test_notify_admin_takes_one_to_twenty_addresses(count: int) -> None:
    assert HumanTakeover(notify_admin=True, emails=ADDRESSES[:count]).emails == ADDRESSES[:count]


@pytest.mark.parametrize("count", [0, 21])
def test_notify_admin_with_none_or_too_many_addresses_is_refused(count: int) -> None:
    with pytest.raises(ValidationError, match=r"(?i)emails"):
        HumanTakeover(notify_admin=True, emails=ADDRESSES[:count])


def test_addresses_may_stand_ready_while_notify_admin_is_no() -> None:
    assert HumanTakeover(emails=ADDRESSES[:2]).notify_admin is False


@pytest.mark.parametrize("address", ["", "desk", "desk@", "@example.com", "a b@example.com", "desk@example.com\n"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="emails"):
        HumanTakeover(notify_admin=True, emails=(address,))


@pytest.mark.parametrize("title", ["", "x" * 20, "é" * 20])
def test_the_button_has_at_most_twenty_characters(title: str) -> None:
    assert HumanTakeover(back_to_bot_button=title).back_to_bot_button == title


def test_a_longer_button_is_refused() -> None:
    with pytest.raises(ValidationError, match="back_to_bot_button"):
        HumanTakeover(back_to_bot_button="x" * 21)

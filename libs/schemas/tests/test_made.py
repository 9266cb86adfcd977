"""What is made without validation is what validation would have made."""

import pytest
from pydantic_core import PydanticSerializationError

from schemas.messages import Profile, Said, Speaker

SAID = {"seq": 1, "speaker": Speaker.BOT, "text": "hi"}


def test_made_equals_validated_with_its_fields_in_the_same_order():
    made, validated = Said.made(text="hi", speaker=Speaker.BOT, seq=1), Said(**SAID)
    assert made == validated
    assert made.model_dump_json() == validated.model_dump_json()
    assert made.model_copy() == made


def test_changed_leaves_the_one_it_was_made_of():
    first = Said(**SAID)
    assert first.changed(text="bye") == Said(**SAID | {"text": "bye"})
    assert first.text == "hi"


def test_a_copy_by_pydantic_does_not_touch_what_all_instances_share():
    Profile.made().model_copy(update={"extra": 1})
    assert Profile.made().model_fields_set == {"first_name", "last_name", "picture_url"}


def test_what_was_made_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Profile.made().first_name = "Mia"


def test_without_a_required_value_nothing_can_be_written():
    with pytest.raises(PydanticSerializationError):
        Said.made(speaker=Speaker.BOT, text="hi").model_dump_json()

"""The catalogue of topics: every record has one place, one version, and one order."""

import re
from typing import Literal, get_args, get_origin

import pytest

from schemas.base import BaseEvent, ConversationEvent
from schemas.envelope import event_types
from schemas.samples import SAMPLES
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS, FLOWS, PAGES, TOPICS, Topic

EVENTS = [pytest.param(topic, model, id=name) for topic in TOPICS for name, model in event_types(topic).items()]
COMPACTED = {BOTS, FLOWS, PAGES}


def test_each_type_is_in_one_topic_only_and_there_once() -> None:
    members = [model for topic in TOPICS.values() for model in members_of(topic)]
    names = [model.model_fields["type"].default for model in members]
    assert len(set(members)) == len(members)
    assert len(set(names)) == len(names)


def members_of(topic: Topic) -> tuple[type[BaseEvent], ...]:
    return get_args(get_args(topic.union)[0]) if get_args(topic.union) else (topic.union,)


@pytest.mark.parametrize(("topic", "model"), EVENTS)
def test_every_type_is_a_literal_with_a_version(topic: str, model: type[BaseEvent]) -> None:
    field = model.model_fields["type"]
    assert get_origin(field.annotation) is Literal
    assert get_args(field.annotation) == (field.default,)
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+)*\.v[1-9]\d*", field.default)


@pytest.mark.parametrize(("topic", "model"), EVENTS)
def test_every_event_refuses_no_newer_field_and_cannot_be_changed(topic: str, model: type[BaseEvent]) -> None:
    assert model.model_config.get("extra") == "ignore"
    assert model.model_config.get("frozen") is True


@pytest.mark.parametrize("name", sorted(set(TOPICS) - COMPACTED - {DEAD_LETTERS}))
def test_topics_of_conversations_have_the_common_partitions_and_keys(name: str) -> None:
    topic = TOPICS[name]
    assert (topic.partitions, topic.keyed_by, topic.cleanup) == (None, "conversation", "delete")
    assert all(issubclass(model, ConversationEvent) for model in event_types(name).values())


@pytest.mark.parametrize("name", sorted(COMPACTED))
def test_compacted_topics_keep_the_last_of_each_key_for_ever(name: str) -> None:
    topic = TOPICS[name]
    assert (topic.partitions, topic.cleanup, topic.retention_ms) == (1, "compact", -1)


def test_only_the_log_is_stamped_by_the_broker() -> None:
    assert [name for name, topic in TOPICS.items() if topic.log_append_time] == [CONVERSATIONS]


def test_every_topic_says_who_writes_and_reads_it_and_nobody_reads_what_nobody_writes() -> None:
    assert {name: topic.name for name, topic in TOPICS.items()} == {name: name for name in TOPICS}
    for topic in TOPICS.values():
        assert topic.holds
        assert topic.written_by
        assert topic.read_by


def test_a_dead_letter_is_keyed_by_its_origin_so_that_letters_of_a_conversation_keep_their_order() -> None:
    (letter,) = SAMPLES[DEAD_LETTERS]
    assert letter.key == SAMPLES[CONVERSATIONS][0].key
    assert letter.model_copy(update={"origin_key": ""}).key == letter.id

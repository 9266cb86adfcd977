"""A conversation's readable id: what is written reads back, and nothing else is one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.base import PAGE_EVENTS, BadConversationId, ConversationId
from schemas.conversations import ReadOverdue

CHANNEL = st.from_regex(r"[a-z]{1,20}", fullmatch=True)
PART = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1, max_size=128).filter(
    lambda text: not re.search(r"\s", text)
)


@given(CHANNEL, PART, PART)
def test_every_id_reads_back_as_its_parts(channel: str, account: str, customer: str) -> None:
    identity = ConversationId(channel, account, customer)
    assert ConversationId.parse(str(identity)) == identity


@given(st.text(max_size=60))
def test_every_text_is_an_id_that_reads_back_or_is_refused(text: str) -> None:
    try:
        identity = ConversationId.parse(text)
    except BadConversationId:
        return
    assert str(identity) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "messenger",
        "messenger:1",
        "messenger:1:2:3",
        "messenger::2",
        "messenger:1:",
        "Messenger:1:2",
        ":1:2",
        "messenger:1:2\n",
        "messenger:1: 2",
        "messenger:" + "1" * 129 + ":2",
    ],
)
def test_what_is_not_channel_account_and_customer_is_refused(text: str) -> None:
    with pytest.raises(BadConversationId):
        ConversationId.parse(text)


def test_events_are_keyed_by_their_conversation_and_refuse_another_key() -> None:
    assert ReadOverdue(id="1", conversation="messenger:1:2", command="c").key == "messenger:1:2"
    with pytest.raises(ValidationError):
        ReadOverdue(id="1", conversation="messenger 1 2", command="c")


def test_a_pages_own_events_have_a_key_that_no_customer_has() -> None:
    assert ConversationId("messenger", "1", PAGE_EVENTS).is_page
    assert not ConversationId("messenger", "1", "7733").is_page

"""What customers do with messages that are there, and which of ours reached them: in the transcript, live, in any batching."""

from datetime import timedelta

import pytest
import pytest_asyncio
from console_world import Story
from test_erasure import tables

from schemas.messages import CustomerInput
from schemas.outcomes import CustomerSaid, MessageDeleted, MessageEdited, MessageReacted, MessagesReceived

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "/conversations/messenger:1029:7733"


@pytest_asyncio.fixture(loop_scope="module")
async def ben(console):
    return await console.signed_in("ben", bots=["shop"])


async def entries(browser):
    answer = await browser.get(f"{HERE}/entries", limit=100)
    assert answer.status == 200, answer
    return answer.body["items"]


def wrote(story: Story, text: str, mid: str) -> Story:
    return story.tell(CustomerSaid, entry=True, input=CustomerInput(text=text), mid=mid, addressed="bot")


def edited(story: Story, mid: str, text: str, number: int | None, seq: int | None = None) -> Story:
    return story.tell(MessageEdited, mid=mid, text=text, number=number, message_seq=seq)


def received(story: Story, state: str, until=None, mids: tuple[str, ...] = ()) -> Story:
    return story.tell(MessagesReceived, state=state, until=until, mids=mids)


def happened() -> Story:
    """Said, edited three times of which one comes late, answered, answered with a heart, seen."""
    story = wrote(Story(), "Saturday?", "m_1")
    edited(story, "m_1", "Sunday?", 1, 1)
    edited(story, "m_1", "Monday?", 3, 1)
    edited(story, "m_1", "late", 2)
    story.said("Monday at ten is free.").delivered(2, mid="m_2")
    story.tell(MessageReacted, mid="m_2", reaction="love", emoji="❤", message_seq=2)
    received(story, "delivered", story.at)
    return received(story, "seen", story.at)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_an_edit_a_reaction_and_a_receipt_are_shown_whatever_a_batch_holds(console, ben, size):
    story = happened()
    for place in range(0, len(story.events), size):
        await console.feed(*story.events[place : place + size])
    said, answer = await entries(ben)
    assert (said["text"], said["content"]["input"]["text"]) == ("Monday?", "Monday?")
    assert [each["text"] for each in said["edits"]] == ["Saturday?", "Sunday?"]
    assert (answer["reaction"], answer["delivery"]["state"]) == ("❤", "seen")
    assert said["delivery"] is None


async def test_the_line_of_the_list_says_what_the_message_says_now(console, ben):
    story = edited(wrote(Story(), "Saturday?", "m_1"), "m_1", "Sunday?", 1, 1)
    await console.feed(*story.events)
    assert (await ben.get(HERE)).body["conversation"]["last"]["text"] == "Sunday?"
    await console.feed(story.tell(MessageDeleted, mid="m_1", message_seq=1).events[-1])
    assert (await ben.get(HERE)).body["conversation"]["last"]["text"] == "[deleted]"


async def test_of_a_message_taken_back_nothing_is_left_but_that_it_was(console, ben):
    story = wrote(Story(), "my card is 1234", "m_1")
    edited(story, "m_1", "my card is 1234 5678", 1, 1)
    await console.feed(*story.events)
    back = story.tell(MessageDeleted, mid="m_1", message_seq=1).events[-1]
    await console.feed(back)
    await console.feed(edited(story, "m_1", "1234 again", 2).events[-1])
    (entry,) = await entries(ben)
    assert (entry["text"], entry["deleted"], entry["edits"], entry["content"]["input"]["text"]) == ("", True, [], "")
    assert [line for line in (await tables(console)).splitlines() if "1234" in line] == []


async def test_every_change_is_told_live_as_the_whole_entry(console, ben):
    async with ben.socket() as socket:
        await socket.frame("hello")
        story = wrote(Story(), "Saturday?", "m_1").said("Yes.").delivered(2, mid="m_2")
        await console.feed(*story.events)
        await socket.subscribe(f"conversation:{story.conversation}")
        edited(story, "m_1", "Sunday?", 1, 1)
        story.tell(MessageReacted, mid="m_2", emoji="❤", message_seq=2)
        received(story, "seen", story.at)
        story.tell(MessageDeleted, mid="m_1", message_seq=1)
        for event in story.events[3:]:
            await console.feed(event)
        frames = [(await socket.frame("entry.changed"))["entry"] for _ in range(4)]
    assert [(each["seq"], each["text"], each["reaction"], each["deleted"]) for each in frames] == [
        (1, "Sunday?", "", False),
        (2, "Yes.", "❤", False),
        (2, "Yes.", "❤", False),
        (1, "", "", True),
    ]
    assert frames[2]["delivery"]["state"] == "seen"


async def test_a_reaction_and_a_receipt_may_come_before_the_message_itself(console, ben):
    """Commands and outcomes are two topics."""
    story = Story().said("Hello!").delivered(1, mid="m_1")
    story.tell(MessageReacted, mid="m_1", emoji="❤", message_seq=1)
    received(story, "seen", story.at)
    await console.feed(*story.events[1:])
    await console.feed(story.events[0])
    (entry,) = await entries(ben)
    assert (entry["text"], entry["reaction"], entry["delivery"]["state"]) == ("Hello!", "❤", "seen")


async def test_only_what_was_sent_by_then_is_seen(console, ben):
    story = Story().said("one").delivered(1, mid="m_1")
    until = story.at
    story.at += timedelta(seconds=30)
    story.said("two").delivered(2, mid="m_2").said("three").delivered(3, "not_delivered", mid="", reason="blocked")
    received(story, "seen", until)
    await console.feed(*story.events)
    assert [each["delivery"]["state"] for each in await entries(ben)] == ["seen", "sent", "not_delivered"]
    await console.feed(received(story, "delivered", None, ("m_2",)).events[-1])
    assert [each["delivery"]["state"] for each in await entries(ben)] == ["seen", "delivered", "not_delivered"]
    await console.feed(received(story, "delivered", story.at + timedelta(seconds=5)).events[-1])
    assert [each["delivery"]["state"] for each in await entries(ben)] == ["seen", "delivered", "not_delivered"]


async def test_what_is_done_with_a_message_that_nobody_knows_changes_nothing(console, ben):
    story = wrote(Story(), "hi", "m_1")
    edited(story, "m_9", "x", 1)
    story.tell(MessageDeleted, mid="m_9")
    story.tell(MessageReacted, mid="m_9", emoji="❤")
    await console.feed(*story.events)
    (entry,) = await entries(ben)
    assert (entry["text"], entry["deleted"], entry["reaction"]) == ("hi", False, "")

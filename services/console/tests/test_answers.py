"""What an operator can know before typing, what is taken at the door, and what is told of an answer that did not arrive."""

from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from console_world import BEN, Story

from schemas.conversations import OperatorReplies
from schemas.messages import CustomerInput
from schemas.outcomes import CommandAccepted, ConversationErased, CustomerSaid, DeliveryChanged, MessageReacted
from schemas.window import CLOSED_FOR_ALL, NO_HUMAN_AGENT, TAGGED

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(hours=24)
PUBLISHING = "/bots/shop/publishing/messenger/{page}"
NUMBERS = iter(range(5000, 6000))


@pytest_asyncio.fixture(loop_scope="module")
async def ben(console):
    return await console.signed_in("ben", bots=["shop"])


async def wrote(console, ago, *, page="1029"):
    """A conversation whose customer wrote so long ago; its address."""
    conversation = f"messenger:{page}:{next(NUMBERS)}"
    acted_at = console.services.now() - ago
    story = Story(conversation).tell(
        CustomerSaid, entry=True, input=CustomerInput(text="hi"), addressed="bot", acted_at=acted_at
    )
    await console.feed(*story.said("Hello").events)
    return f"/conversations/{conversation}", acted_at, story


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("ago", "answer_with", "reason"),
    [
        (timedelta(hours=1), "response", ""),
        (DAY, "human_agent", TAGGED),
        (7 * DAY, "none", CLOSED_FOR_ALL),
    ],
)
async def test_the_time_that_remains_is_there_before_anybody_types(console, ben, ago, answer_with, reason):
    here, acted_at, _ = await wrote(console, ago)
    window = (await ben.get(here)).body["window"]
    assert (window["answer_with"], window["reason"]) == (answer_with, reason)
    assert at(window["open_until"]) == acted_at + DAY
    assert at(window["human_agent_until"]) == acted_at + 7 * DAY


async def test_where_nothing_is_known_of_the_customers_act_there_is_no_limit(console, ben):
    conversation = f"messenger:1029:{next(NUMBERS)}"
    await console.feed(*Story(conversation).customer("hi").events)
    assert (await ben.get(f"/conversations/{conversation}")).body["window"] == {
        "open_until": None,
        "human_agent_until": None,
        "answer_with": "response",
        "reason": "",
    }


async def test_a_reaction_opens_it_again(console, ben):
    here, _, story = await wrote(console, 8 * DAY)
    now = console.services.now()
    story.events.clear()
    story.tell(MessageReacted, mid="m.1", reaction="love", acted_at=now)
    await console.feed(*story.events)
    body = (await ben.get(here)).body
    assert (body["window"]["answer_with"], at(body["conversation"]["customer_acted_at"])) == ("response", now)


async def test_after_a_week_a_reply_is_refused_at_the_door_with_the_reason(console, ben):
    here, _, _ = await wrote(console, 7 * DAY)
    refused = await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2, "text": "Hello?", "force": True})
    assert (refused.status, refused.body["code"], refused.body["title"]) == (409, "window_closed", CLOSED_FOR_ALL)


async def test_within_it_a_late_reply_is_taken(console, ben):
    here, _, _ = await wrote(console, 2 * DAY)
    assert (await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2, "text": "Hello?"})).status == 202


async def test_a_page_that_does_not_use_the_tag_is_closed_after_a_day(console, ben):
    page = str(next(NUMBERS))
    admin = await console.signed_in("boss", "admin")
    await admin.post("/bots", {"id": "shop", "name": "Shop"})
    await admin.put(
        f"/bots/shop/channels/messenger/{page}",
        {"app_id": "55", "app_secret": "a", "verify_token": "b", "page_token": "c"},
    )
    here, _, _ = await wrote(console, DAY, page=page)
    assert (await ben.get(here)).body["window"]["answer_with"] == "human_agent"
    body = {"human_agent": False, "operator_name": "first_name", "operator_picture_url": "https://x.example/a.png"}
    put = await admin.put(PUBLISHING.format(page=page), body)
    assert put.status == 200, put.body
    assert {name: put.body["configuration"][name] for name in body} == body
    window = (await ben.get(here)).body["window"]
    assert (window["answer_with"], window["reason"], window["human_agent_until"]) == ("none", NO_HUMAN_AGENT, None)
    refused = await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2, "text": "Hello?"})
    assert (refused.status, refused.body["code"]) == (409, "window_closed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({}, "text"),
        ({"text": "x" * 2000}, "text"),
        ({"media": {"kind": "image", "url": "http://x.example/a.png"}}, "media.url"),
        ({"media": {"kind": "image", "url": "https://x.example/" + "x" * 2000}}, "media.url"),
        ({"media": {"kind": "hologram", "url": "https://x.example/a"}}, "media.kind"),
        ({"media": {"kind": "image"}}, "media.url"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_field_named(console, ben, body, field):
    here, _, _ = await wrote(console, timedelta())
    refused = await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2} | body)
    assert (refused.status, refused.body["field"]) == (422, field)


async def test_a_file_is_sent_by_its_address(console, ben):
    here, _, _ = await wrote(console, timedelta())
    media = {"kind": "video", "url": "https://x.example/a.mp4"}
    answer = await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2, "media": media})
    assert answer.status == 202
    kept = await console.services.pool.fetchval("SELECT event FROM command WHERE id = $1", answer.body["command"])
    event = OperatorReplies.model_validate_json(kept)
    assert (event.text, event.media.model_dump()) == ("", media)


async def test_it_is_forgotten_with_the_customer(console, ben):
    here, _, story = await wrote(console, timedelta())
    media = {"kind": "video", "url": "https://x.example/private.mp4"}
    answer = await ben.post(f"{here}/replies", {"epoch": 0, "seq": 2, "media": media})
    command = answer.body["command"]
    story.events.clear()
    story.at = console.services.now() + timedelta(minutes=1)
    story.tell(CommandAccepted, command=command).tell(ConversationErased)
    await console.feed(*story.events)
    assert "private" not in await console.services.pool.fetchval("SELECT event FROM command WHERE id = $1", command)


async def test_a_message_that_did_not_arrive_is_shown_with_the_reason_and_what_can_be_done(console, ben):
    here, _, story = await wrote(console, timedelta())
    story.events.clear()
    story.said("A file", BEN).tell(
        DeliveryChanged,
        command="c",
        state="not_delivered",
        message_seq=3,
        reason="The attachment is larger than 25 MB.",
        next_step="smaller_file",
    )
    await console.feed(*story.events)
    entries = (await ben.get(f"{here}/entries")).body["items"]
    assert entries[-1]["delivery"] == {
        "state": "not_delivered",
        "reason": "The attachment is larger than 25 MB.",
        "mid": "",
        "next_step": "smaller_file",
        "advice": "Send a file of at most 25 MB, or a link to it.",
    }

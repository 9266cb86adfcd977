"""A customer who was erased: nothing of them in any table or answer, and the skeleton as it was."""

import json

import pytest
from console_world import Story, whole_story

from schemas.commands import Erase
from schemas.outcomes import ConversationErased

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "/conversations/messenger:1029:7733"
PERSONAL = ("Mia", "Moss", "mia@example.com", "anybody?", "Ana here", "late answer", "I am here too", "done", "bye")
SKELETON = ("seq", "at", "epoch", "episode", "speaker", "person")


def erased(story: Story) -> tuple[ConversationErased, Erase]:
    """As takeover tells it, in both topics."""
    outcome = story.tell(ConversationErased, by="ops").events.pop()
    common = {name: getattr(outcome, name) for name in ("conversation", "epoch", "seq", "at")}
    return outcome, Erase(id=f"{outcome.id}c", **common)


async def tables(console) -> str:
    names = await console.services.pool.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'console' AND tablename <> 'operator'"
    )
    found = []
    for name in [each["tablename"] for each in names]:
        rows = await console.services.pool.fetch(f"SELECT t::text FROM {name} AS t")  # noqa: S608 - a table's name
        found += [f"{name}: {row[0]}" for row in rows]
    return "\n".join(found)


@pytest.mark.parametrize("first", ["outcome", "command"])
async def test_nothing_of_them_is_left_whichever_topic_tells_first_and_who_had_it_is(console, first):
    ben = await console.signed_in("ben", bots=["shop"])
    story = whole_story()
    outcome, command = erased(story)
    outcomes = [event for event in story.events if not hasattr(event, "message")]
    commands = [event for event in story.events if hasattr(event, "message")]
    await console.feed(*story.events[:3])
    before = None
    if first == "outcome":
        await console.feed(*outcomes, outcome, *commands)
        before = await ben.get(f"{HERE}/entries", limit=100)
        await console.feed(command)
    else:
        await console.feed(*commands, command, *outcomes)
        before = await ben.get(f"{HERE}/entries", limit=100)
        await console.feed(outcome)
    left = await tables(console)
    assert [line for line in left.splitlines() if any(word in line for word in PERSONAL)] == []
    after = await ben.get(f"{HERE}/entries", limit=100)
    assert after.status == 200
    skeletons = [
        [{name: entry[name] for name in SKELETON} for entry in answer.body["items"]] for answer in (before, after)
    ]
    assert skeletons[0] == skeletons[1]
    assert len(skeletons[1]) == 14
    assert {entry["text"] for entry in after.body["items"]} == {""}
    whole = (await ben.get(HERE)).body["conversation"]
    assert (whole["customer"]["name"], whole["attributes"], whole["last"]["text"]) == ("", {}, "")
    episodes = (await ben.get(f"{HERE}/episodes")).body["items"]
    assert (episodes[0]["cause"], episodes[0]["ended_by"]["name"]) == ("flow", "Ben")


async def test_what_is_said_afterwards_is_there_and_nobody_finds_them_by_their_old_name(console):
    ben = await console.signed_in("ben", bots=["shop"])
    story = whole_story()
    await console.feed(*story.events)
    assert len((await ben.get("/conversations", q="mia")).body["items"]) == 1
    outcome, command = erased(story)
    later = Story()
    later.seq, later.count, later.epoch, later.at = story.seq, 90, story.epoch, story.at
    later.customer("I am back")
    await console.feed(outcome, *later.events, command)
    entries = (await ben.get(f"{HERE}/entries", limit=100)).body["items"]
    assert [entry["text"] for entry in entries if entry["text"]] == ["I am back"]
    assert (await ben.get("/conversations", q="mia")).body["items"] == []
    assert (await ben.get(HERE)).body["conversation"]["last"]["text"] == "I am back"


async def test_what_operators_wrote_goes_from_their_commands_and_asking_again_still_answers(console):
    ana = await console.signed_in("ana", bots=["shop"])
    story = Story()
    story.at = console.clock()
    story.customer("hi").started(block="b7", attended=False)
    await console.feed(*story.events)
    body = {"text": "secret words", "epoch": 1, "seq": story.seq}
    key = {"Idempotency-Key": "k-erase-0001"}
    given = await ana.post(f"{HERE}/replies", body, headers=key)
    assert given.status == 202, given
    rows = await console.services.pool.fetch("SELECT id FROM command")
    story.accepted(rows[0]["id"])
    outcome, command = erased(story)
    await console.feed(story.events[-1], outcome, command)
    event = json.loads(await console.services.pool.fetchval("SELECT event FROM command"))
    assert event["text"] == "(erased)"
    assert (await ana.post(f"{HERE}/replies", body, headers=key)).status in {200, 202}

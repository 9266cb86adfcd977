"""The monitor as a process, with a real broker and a real database."""

import pytest
from monitor_story import Story
from monitor_world import World, a_world

from schemas.handover import Cause
from schemas.messages import Speaker
from schemas.topics import CONVERSATIONS, MESSENGER_COMMANDS, OUTCOMES

pytestmark = pytest.mark.infra
TWO_VOICES = "convoboss_two_voices_total"
TO_SILENCE = "convoboss_takeover_to_silence_seconds_count"
STOPPED = "convoboss_monitor_suppressed_total"
UNANSWERED = "convoboss_unanswered_takeovers"


@pytest.fixture
async def world(empty_kafka, database_url, tmp_path):
    async with a_world(empty_kafka, database_url, tmp_path) as made:
        yield made


async def in_part(world: World, story: Story, *topics: str) -> None:
    await world.publish(*(each for topic in topics for each in story.of(topic)))


async def test_killed_between_the_topics_it_neither_misses_two_voices_nor_invents_any(world):
    wrong, right = Story("messenger:1029:1"), Story("messenger:1029:2")
    for story in (wrong, right):
        story.report(story.says())
        late = story.says()
        story.begins(Cause.OPERATOR)
        story.stops()
        person = story.says(Speaker.OPERATOR)
        for each in (person, late) if story is wrong else (late, person):
            story.report(each)
        story.ends()
        story.report(story.says())
    await world.start()
    for topic in (CONVERSATIONS, OUTCOMES):
        await in_part(world, wrong, topic)
        await in_part(world, right, topic)
    await world.all_read()
    await world.until_metric(STOPPED, 2, cause="operator")
    assert await world.metric(TWO_VOICES) == 0
    world.kill()
    for story in (wrong, right):
        await in_part(world, story, MESSENGER_COMMANDS)
    await world.start()
    await world.all_read()
    await world.until_metric(TWO_VOICES, 1)
    await world.until_metric(TO_SILENCE, 2)
    assert await world.rows("SELECT * FROM monitor.watch") == []
    assert '"event":"two voices"' in world.log.replace('": "', '":"')
    world.kill()
    await world.start()
    await world.until_metric(TWO_VOICES, 1)
    (row,) = await world.rows("SELECT conversation, epoch, reason FROM monitor.two_voices")
    assert tuple(row) == (wrong.conversation, 0, "sent")


async def test_takeovers_that_nobody_takes_up_are_shown_by_age_until_somebody_does(world):
    story = Story()
    story.begins(Cause.FLOW)
    await world.publish(*story.records)
    await world.start()

    await world.until_metric(UNANSWERED, 1, age=">=1h")
    assert await world.metric(UNANSWERED) == 1
    assert await world.metric("convoboss_monitor_kept") == 1
    story.answers()
    await world.publish(story.records[-1])
    await world.until_metric(UNANSWERED, 0)
    assert await world.metric("convoboss_monitor_kept") == 1

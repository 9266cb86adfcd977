"""The whole service: records from the real broker become what operators see; and back."""

import asyncio
import os
import sys

import aiohttp
from console_world import DEADLINE, PASSWORD, Story, eventually, topic_of, whole_story

from runtime.compacted import CompactedReader
from runtime.records import Outgoing

HERE = "/conversations/messenger:1029:7733"


async def publish(console, events):
    await console.services.publisher.publish([Outgoing(topic_of(event), event) for event in events])


async def test_what_is_on_the_topics_is_in_the_transcript_and_on_the_socket(whole_console):
    console = whole_console
    ben = await console.signed_in("ben", bots=["shop"])
    story = whole_story()
    async with ben.socket() as socket:
        await socket.subscribe("inbox:shop")
        await publish(console, story.events)

        async def told():
            answer = await ben.get(f"{HERE}/entries", limit=100)
            return answer.status == 200 and len(answer.body["items"]) == story.seq and answer.body["items"]

        entries = await eventually(told)
        assert [entry["seq"] for entry in entries] == list(range(1, story.seq + 1))
        async with asyncio.timeout(DEADLINE):
            while (await socket.frame("inbox.changed"))["conversation"]["seq"] < story.seq:
                pass


async def test_a_record_that_cannot_be_taken_in_goes_to_the_dead_letters_and_the_next_one_is_seen(whole_console):
    console = whole_console
    ben = await console.signed_in("ben", bots=["shop"])
    story = Story().customer("one").customer("two")
    poison = story.events[0].model_copy(update={"id": "poison", "seq": 2**80})
    await publish(console, [poison, *story.events])

    async def told():
        answer = await ben.get(f"{HERE}/entries")
        return answer.status == 200 and [entry["text"] for entry in answer.body["items"]] == ["one", "two"]

    await eventually(told)


async def test_bots_are_read_from_the_topic_as_other_services_do(whole_console):
    console = whole_console
    admin = await console.signed_in("ana", "admin")
    await admin.post("/bots", {"id": "shop", "name": "Shop"})
    await admin.put("/bots/shop/settings/human-takeover", {"default_session_expiry": 5})
    seen = {}

    async def caught_up():
        reader = CompactedReader(console.services.settings, "bots", seen.__setitem__)
        await reader.catch_up(DEADLINE)
        await reader.stop()
        return "shop" in seen and seen["shop"].version == 2

    await eventually(caught_up)
    assert seen["shop"].takeover.default_session_expiry == 5


async def test_the_console_runs_by_itself_and_stops_when_asked(empty_kafka, service_env):
    """`python -m console` as the local stack starts it: ready, an admin signs in, SIGTERM ends it with 0."""
    from local import ports
    from runtime import topics
    from runtime.settings import ServiceSettings

    await topics.ensure(ServiceSettings(kafka_bootstrap=empty_kafka, partitions=2))
    port = ports.reserve()
    env = {**os.environ, **service_env, "CONVOBOSS_HTTP_PORT": str(port), "CONVOBOSS_PARTITIONS": "2"}
    env["CONVOBOSS_ADMIN_PASSWORD"] = PASSWORD
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "console", env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:

            async def ready():
                try:
                    async with http.get(f"{url}/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(ready)
            admin = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "console", "create-admin", "--email", "ana@example.com", "--name", "Ana"),
                env=env,
            )
            assert await asyncio.wait_for(admin.wait(), DEADLINE) == 0
            credentials = {"email": "ana@example.com", "password": PASSWORD}
            async with http.post(f"{url}/api/v1/session", json=credentials) as answer:
                assert answer.status == 200
            async with http.get(f"{url}/metrics") as answer:
                text = await answer.text()
            assert 'convoboss_console_sign_ins_total{result="signed_in"} 1.0' in text
        child.terminate()
        assert await asyncio.wait_for(child.wait(), DEADLINE) == 0
    finally:
        ports.release(port)
        if child.returncode is None:
            child.kill()
            await child.wait()

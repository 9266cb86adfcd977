"""`convoboss tail` where topics are missing, or the broker goes away. These tests empty the broker: they have a file of their own."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from infra.topics import delete_topics
from terminal_world import DEADLINE, Run, Start, publish, raw, said

from local.servers import Kafka
from runtime import topics
from runtime.settings import ServiceSettings
from schemas.topics import CONVERSATIONS


async def test_a_broker_without_topics_is_told(empty_kafka: str, run: Run) -> None:
    done = await asyncio.to_thread(run, empty_kafka, "tail")
    assert (done.returncode, done.stdout) == (4, "")
    assert "make topics" in done.stderr


async def test_topics_that_are_there_are_read_although_others_are_missing(empty_kafka: str, run: Run) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=empty_kafka)
    await admin.start()
    try:
        await topics._make(admin, [CONVERSATIONS], ServiceSettings(partitions=2))
    finally:
        await admin.close()
    done = await asyncio.to_thread(run, empty_kafka, "tail", "--no-follow")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no topic turns" in done.stderr
    await delete_topics(empty_kafka)


async def test_a_broker_that_goes_away_while_following_is_told_and_so_is_its_return(
    empty_kafka: str, kafka: Kafka, start: Start
) -> None:
    await topics.ensure(ServiceSettings(kafka_bootstrap=empty_kafka))
    await publish(empty_kafka, [raw(CONVERSATIONS, said("before"))])
    process = start(empty_kafka, "tail", "--from", "beginning", "--limit", "2")
    assert process.stdout is not None
    assert process.stderr is not None
    assert '"before"' in await asyncio.to_thread(process.stdout.readline)
    await kafka.pause()
    assert "does not answer" in await asyncio.to_thread(process.stderr.readline)
    await kafka.resume()
    assert "answers again" in await asyncio.to_thread(process.stderr.readline)
    await publish(empty_kafka, [raw(CONVERSATIONS, said("after"))])
    assert '"after"' in await asyncio.to_thread(process.stdout.readline)
    assert await asyncio.to_thread(process.wait, DEADLINE) == 0

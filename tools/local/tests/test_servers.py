"""The embedded servers are the real thing: records and rows survive stops and kills."""

import asyncio

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local.servers import Kafka, Postgres

pytestmark = pytest.mark.infra


async def create_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    await admin.close()


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return [(await asyncio.wait_for(anext(consumer), 20)).value for _ in range(count)]


async def test_records_and_rows_survive_a_kill_and_a_restart(tmp_path):
    kafka, postgres = Kafka(tmp_path / "kafka"), Postgres(tmp_path / "postgres")
    try:
        await asyncio.gather(kafka.start(), postgres.start())
        await create_topic(kafka.bootstrap, "log")
        await produce(kafka.bootstrap, "log", b"one")
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
        connection.terminate()

        await asyncio.gather(kafka.kill(), postgres.kill())
        assert not kafka.running
        await asyncio.gather(kafka.start(), postgres.start())
        await produce(kafka.bootstrap, "log", b"two")
        await asyncio.gather(kafka.stop(), postgres.stop())
        await asyncio.gather(kafka.start(), postgres.start())

        assert await consume(kafka.bootstrap, "log", 2) == [b"one", b"two"]
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1
        await connection.close()
    finally:
        await asyncio.gather(kafka.stop(), postgres.stop())
        kafka.close()
        postgres.close()


async def test_a_paused_database_answers_again_when_it_is_resumed(postgres):
    await postgres.pause()
    try:
        with pytest.raises(TimeoutError):
            await asyncpg.connect(postgres.url, timeout=0.3)
    finally:
        await postgres.resume()
    connection = await asyncpg.connect(postgres.url, timeout=10)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_a_topic_that_was_not_created_is_refused(kafka_bootstrap):
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, request_timeout_ms=1000) as producer:
        with pytest.raises(Exception, match=r"(?i)timeout|unknown"):
            await asyncio.wait_for(producer.send_and_wait("misspelt", b"x"), 3)


async def test_an_emptied_broker_takes_the_same_topic_names_again(empty_kafka):
    await create_topic(empty_kafka, "again")
    await produce(empty_kafka, "again", b"old")
    from infra.topics import delete_topics

    await delete_topics(empty_kafka)
    await create_topic(empty_kafka, "again")
    await produce(empty_kafka, "again", b"new")
    assert await consume(empty_kafka, "again", 1) == [b"new"]


async def test_every_test_gets_an_empty_database_of_its_own(database_url, make_database):
    assert database_url != await make_database()
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()

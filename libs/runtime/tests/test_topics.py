import subprocess
import sys

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr
from runtime_world import create_topics

from runtime.errors import WrongPartitions
from runtime.settings import ServiceSettings
from runtime.topics import configuration, ensure
from schemas.topics import TOPICS

pytestmark = pytest.mark.infra


def settings(bootstrap, **others):
    return ServiceSettings(kafka_bootstrap=bootstrap, database_url=SecretStr(""), **others)


async def test_missing_topics_are_made_as_the_catalogue_says_and_a_second_run_changes_nothing(empty_kafka):
    first = await ensure(settings(empty_kafka, partitions=3))
    assert sorted(line.split(":")[0] for line in first) == sorted(TOPICS)
    assert "conversations: made with 3 partitions" in first
    assert "bots: made with 1 partitions" in first
    assert sorted(await ensure(settings(empty_kafka, partitions=3))) == sorted(f"{name}: there" for name in TOPICS)


async def test_topic_with_another_number_of_partitions_is_refused_and_nothing_is_made(empty_kafka):
    await create_topics(empty_kafka, "conversations", partitions=5)
    with pytest.raises(WrongPartitions, match="conversations has 5 partitions, but this process expects 8"):
        await ensure(settings(empty_kafka))
    admin = AIOKafkaAdminClient(bootstrap_servers=empty_kafka)
    await admin.start()
    try:
        assert set(await admin.list_topics()) & set(TOPICS) == {"conversations"}
    finally:
        await admin.close()


async def test_topic_with_other_settings_is_left_and_said(empty_kafka):
    await create_topics(empty_kafka, "conversations", partitions=8, configs={"retention.ms": "1000"})
    (line,) = [line for line in await ensure(settings(empty_kafka)) if line.startswith("conversations")]
    assert "retention.ms is 1000, the catalogue says" in line
    assert "message.timestamp.type is CreateTime, the catalogue says LogAppendTime" in line


def test_time_in_the_log_is_the_brokers_and_replicas_must_be_in_step():
    assert configuration(TOPICS["conversations"], 1)["message.timestamp.type"] == "LogAppendTime"
    assert configuration(TOPICS["bots"], 1)["cleanup.policy"] == "compact"
    assert configuration(TOPICS["turns"], 1)["min.insync.replicas"] == "1"
    assert configuration(TOPICS["turns"], 3)["min.insync.replicas"] == "2"


def test_command_says_what_it_did(empty_kafka, service_env):
    done = subprocess.run(
        [sys.executable, "-m", "runtime.topics"],
        env=service_env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "conversations: made with 8 partitions" in done.stdout


def test_command_without_a_broker_says_so_in_a_sentence(service_env):
    env = service_env | {"CONVOBOSS_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "runtime.topics"], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "No broker: 127.0.0.1:1 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr

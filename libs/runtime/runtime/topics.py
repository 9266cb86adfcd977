"""`python -m runtime.topics`: makes the topics of the catalogue that are missing. Nothing is made by itself."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from runtime import logs
from runtime.errors import WrongPartitions
from runtime.kafka import connection
from runtime.partitions import partitions_of
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.topics import TOPICS, Topic

TIMEOUT: Final = 30.0  # seconds for all of it
IN_STEP: Final = 2  # replicas that must have a record before it counts, where there are three or more
SYNCED_FROM: Final = 3


class TopicRefused(Exception):
    """The broker did not make a topic."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"Topic {topic} could not be made: {reason}.")
        self.topic = topic


def configuration(topic: Topic, replication: int) -> dict[str, str]:
    """The settings of a topic at the broker, by Kafka's names."""
    return {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention_ms),
        "message.timestamp.type": "LogAppendTime" if topic.log_append_time else "CreateTime",
        "min.insync.replicas": str(IN_STEP if replication >= SYNCED_FROM else 1),
        "unclean.leader.election.enable": "false",
    }


async def ensure(settings: ServiceSettings) -> list[str]:
    """Makes the missing topics and says in a sentence each what it found or did; running it again changes nothing.

    A topic that is there with other settings is left as it is, and said. Raises `WrongPartitions`, `TopicRefused`,
    `TimeoutError`, and aiokafka's `KafkaError` where no broker answers.
    """
    async with asyncio.timeout(TIMEOUT):
        admin = AIOKafkaAdminClient(**connection(settings, "topics"))
        try:
            await admin.start()
            present = await _present(admin)
            _check(present, settings.partitions)
            missing = [topic for topic in TOPICS.values() if topic.name not in present]
            done = await _make(admin, missing, settings)
            return [*done, *await _compare(admin, [TOPICS[name] for name in present], settings)]
        finally:
            await admin.close()


async def _present(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Topics of the catalogue that are there → their number of partitions."""
    described = await admin.describe_topics()
    return {each["topic"]: len(each["partitions"]) for each in described if each["topic"] in TOPICS}


def _check(present: Mapping[str, int], common: int) -> None:
    for name, found in present.items():
        expected = partitions_of(name, common)
        if found != expected:
            raise WrongPartitions(name, found, expected)


async def _make(admin: AIOKafkaAdminClient, missing: list[Topic], settings: ServiceSettings) -> list[str]:
    if not missing:
        return []
    response = await admin.create_topics(
        [
            NewTopic(
                topic.name,
                partitions_of(topic.name, settings.partitions),
                settings.replication,
                topic_configs=configuration(topic, settings.replication),
            )
            for topic in missing
        ]
    )
    done = []
    for name, code, *reason in response.topic_errors:
        error = for_code(code)
        if code == 0:
            done.append(f"{name}: made with {partitions_of(name, settings.partitions)} partitions")
        elif error is TopicAlreadyExistsError:
            done.append(f"{name}: made by another process meanwhile")
        else:
            raise TopicRefused(name, str(reason[0] if reason and reason[0] else error.__name__))
    return done


async def _compare(admin: AIOKafkaAdminClient, present: list[Topic], settings: ServiceSettings) -> list[str]:
    if not present:
        return []
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=configuration(topic, settings.replication))
        for topic in present
    ]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(asked):
        for _code, _message, _kind, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return [_sentence(topic, found.get(topic.name, {}), settings.replication) for topic in present]


def _sentence(topic: Topic, found: Mapping[str, str], replication: int) -> str:
    differences = [
        f"{name} is {found[name]}, the catalogue says {value}"
        for name, value in configuration(topic, replication).items()
        if name in found and found[name] != value
    ]
    return f"{topic.name}: there" + (f", but {'; '.join(differences)}" if differences else "")


def main() -> int:
    settings = load(ServiceSettings)
    logs.configure(level=settings.log_level, log_format="console", service="topics")
    try:
        for line in asyncio.run(ensure(settings)):
            print(line)  # noqa: T201 - the command's answer
    except (WrongPartitions, TopicRefused) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except (KafkaError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        print(f"No answer from the broker at {settings.kafka_bootstrap}: {reason}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

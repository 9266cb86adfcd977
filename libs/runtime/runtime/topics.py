"""`python -m runtime.topics`: makes the topics of the catalogue that are missing. Nothing is made by itself."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from runtime import logs
from runtime.broker import connection, why_unreached
from runtime.errors import Refused, WrongPartitions
from runtime.partitions import partitions_of
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.topics import TOPICS, Topic

TIMEOUT: Final = 30.0  # seconds for all of it
POLL: Final = 0.05  # seconds
IN_STEP: Final = 2  # replicas that must have a record before it counts, where there are three or more
SYNCED_FROM: Final = 3


class TopicRefused(Refused):
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

    Returns when the broker knows them all. A topic that is there with other settings is left as it is, and said. Raises
    `WrongPartitions` before anything is made, `TopicRefused`, `TimeoutError`, and aiokafka's `KafkaError` where no
    broker answers.
    """
    async with asyncio.timeout(TIMEOUT):
        admin = AIOKafkaAdminClient(**connection(settings, "topics"))
        try:
            await admin.start()
            present = await _present(admin, settings)
            for name, found in (await _partitions(admin, present)).items():
                expected = partitions_of(name, settings.partitions)
                if found != expected:
                    raise WrongPartitions(name, found, expected)
            missing = [name for name in TOPICS if name not in present]
            done = await _make(admin, missing, settings)
            return [*done, *await _compare(admin, present, settings)]
        finally:
            await admin.close()


def _wanted(name: str, settings: ServiceSettings) -> NewTopic:
    return NewTopic(
        name,
        partitions_of(name, settings.partitions),
        settings.replication,
        topic_configs=configuration(TOPICS[name], settings.replication),
    )


async def _present(admin: AIOKafkaAdminClient, settings: ServiceSettings) -> list[str]:
    """The topics that the controller knows: a broker's list is late."""
    response = await admin.create_topics([_wanted(name, settings) for name in TOPICS], validate_only=True)
    return [name for name, code, *_ in response.topic_errors if for_code(code) is TopicAlreadyExistsError]


async def _partitions(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    """Number of partitions by name, as soon as the broker has heard of all."""
    while True:
        described = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}
        if all(name in described for name in names):
            return {name: described[name] for name in names}
        await asyncio.sleep(POLL)


async def _make(admin: AIOKafkaAdminClient, missing: Sequence[str], settings: ServiceSettings) -> list[str]:
    if not missing:
        return []
    response = await admin.create_topics([_wanted(name, settings) for name in missing])
    done = []
    for name, code, *reason in response.topic_errors:
        error = for_code(code)
        if code == 0:
            done.append(f"{name}: made with {partitions_of(name, settings.partitions)} partitions")
        elif error is TopicAlreadyExistsError:
            done.append(f"{name}: made by another process meanwhile")
        else:
            raise TopicRefused(name, str(reason[0] if reason and reason[0] else error.__name__))
    await _partitions(admin, missing)
    return done


async def _compare(admin: AIOKafkaAdminClient, names: Sequence[str], settings: ServiceSettings) -> list[str]:
    present = [TOPICS[name] for name in names]
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
    except Refused as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except (KafkaError, TimeoutError, OSError) as error:
        print(f"No broker: {asyncio.run(why_unreached(settings, error))}.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

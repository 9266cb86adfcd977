"""What the tests of the command line share: records, readable or not, and the environment of the command."""

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from runtime.partitions import partition_of, partitions_of
from schemas.base import BaseEvent
from schemas.conversations import CustomerMessage
from schemas.envelope import encode
from schemas.messages import CustomerInput
from schemas.topics import CONVERSATIONS, TURNS

PARTITIONS = 8
OTHER = "messenger:104821769032215:99887766"
DEADLINE = 60.0  # seconds for one run of the command, on a machine that does much else


@dataclass(frozen=True)
class Raw:
    """A record as bytes; `partition` None: the key's."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int | None = None


def raw(topic: str, event: BaseEvent, timestamp: int | None = None) -> Raw:
    key, value, headers = encode(event, source="test")
    return Raw(topic, key, value, headers, timestamp)


def said(text: str, conversation: str = OTHER, identity: str = "") -> CustomerMessage:
    return CustomerMessage(id=identity or f"id:{text[:50]}", conversation=conversation, input=CustomerInput(text=text))


UNREADABLE = (
    Raw(CONVERSATIONS, OTHER.encode(), b"\xff\x00garbage", [("ce_type", b"customer.message.v1")]),
    Raw(CONVERSATIONS, OTHER.encode(), b"{}", [("ce_type", b"customer.sang.v1")]),
    Raw(CONVERSATIONS, None, b"{}", []),
    Raw(TURNS, b"\xff\xfe", None, [("ce_type", None)]),
)
HOSTILE = "red \x1b[31m alarm \x07\nsecond line \u202eback"


async def publish(bootstrap: str, records: Sequence[Raw]) -> None:
    """One after the other, so that their times are in order; each in its key's partition."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for each in records:
            count = partitions_of(each.topic, PARTITIONS)
            partition = partition_of(each.key.decode(errors="replace"), count) if each.key else 0
            await producer.send_and_wait(
                each.topic,
                each.value,
                key=each.key,
                partition=partition,
                headers=list(each.headers),
                timestamp_ms=each.timestamp,
            )
    finally:
        await producer.stop()


def environment(bootstrap: str, **more: str) -> dict[str, str]:
    """Nothing that a developer's own shell sets gets in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONVOBOSS_", "NO_COLOR"))}
    return kept | {"CONVOBOSS_KAFKA_BOOTSTRAP": bootstrap} | more


Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

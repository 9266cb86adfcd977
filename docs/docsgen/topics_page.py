"""docs/topics.md: the catalogue, and a sample of every type as it is on the wire."""

import json
from collections.abc import Iterator
from typing import Final

from docsgen.markdown import paragraphs, table
from schemas import conversations
from schemas.base import BaseEvent
from schemas.envelope import encode
from schemas.samples import SAMPLES
from schemas.topics import CONVERSATIONS, DAY, DEAD_LETTERS, TOPICS, Topic

TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
INTRODUCTION: Final = """\
# Topics

Every record is a [CloudEvent](https://cloudevents.io) in binary mode: its attributes are headers (`ce_*`), its value is the
event's JSON. `ce_id` is deterministic: a record that was published twice has the same id, and readers drop the second copy.
The key is what has one order: a conversation's id, `<channel>:<account>:<customer>`. Every writer chooses the partition by
murmur2 of the key, as the Java client does.

A type's version is part of its name. Readers ignore fields that they do not know and are upgraded before writers; a published
version is never edited. The JSON Schemas are in [libs/schemas/golden](../libs/schemas/golden); how they may change says
[CONTRIBUTING.md](../CONTRIBUTING.md#changing-an-event). `convoboss tail` shows the records of a running system.

"""
# Who writes what on the topic that has many writers; the others are written by one kind of process.
_BY_INGRESS: Final = (
    conversations.CustomerMessage,
    conversations.Echo,
    conversations.ThreadControl,
    conversations.ChannelFact,
)
_BY_TIMERS: Final = (
    conversations.SessionExpired,
    conversations.TurnOverdue,
    conversations.DelayElapsed,
    conversations.ReadOverdue,
    conversations.ThreadCheckDue,
)


def page() -> str:
    return INTRODUCTION + _overview() + "\n".join(_topic(topic) for topic in TOPICS.values())


def _overview() -> str:
    rows = (
        (f"[`{topic.name}`](#{topic.name.replace('.', '')})", topic.holds, _writers(topic), ", ".join(topic.read_by))
        for topic in TOPICS.values()
    )
    return table(("topic", "holds", "written by", "read by"), rows)


def _writers(topic: Topic) -> str:
    return "all" if topic.name == DEAD_LETTERS else ", ".join(topic.written_by)


def _topic(topic: Topic) -> str:
    facts = (
        ("key", topic.keyed_by),
        ("partitions", "as many as all topics of conversations" if topic.partitions is None else str(topic.partitions)),
        ("keeps", _keeps(topic)),
        ("time of a record", "the broker's, at appending" if topic.log_append_time else "the writer's"),
    )
    samples = "\n".join("".join(_sample(topic, event)) for event in SAMPLES[topic.name])
    return f"## {topic.name}\n\n{topic.holds[0].upper()}{topic.holds[1:]}.\n\n{table(('', ''), facts)}{samples}"


def _keeps(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "the last record of each key, for ever"
    return f"{topic.retention_ms // DAY} days"


def _sample(topic: Topic, event: BaseEvent) -> Iterator[str]:
    key, value, headers = encode(event, source=_source(topic, event), traceparent=TRACE)
    yield f"### {event.type}\n\n{paragraphs(type(event).__doc__)}\n\n"
    yield f"[JSON Schema](../libs/schemas/golden/{topic.name}/{event.type}.json)\n\n```\nkey: {key.decode()}\n"
    yield from (f"{name}: {text.decode()}\n" for name, text in headers)
    yield f"```\n\n```json\n{json.dumps(json.loads(value), indent=2, ensure_ascii=False)}\n```\n"


def _source(topic: Topic, event: BaseEvent) -> str:
    if topic.name != CONVERSATIONS:
        return topic.written_by[0]
    if isinstance(event, _BY_INGRESS):
        return "ingress"
    if isinstance(event, conversations.OperatorCommand):
        return "console"
    if isinstance(event, conversations.CommandReport):
        return "fb-handover"
    return "takeover" if isinstance(event, _BY_TIMERS) else "flow-engine"

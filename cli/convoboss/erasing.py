"""What `convoboss erase` does: it asks for it in the log, and watches the services do it."""

import asyncio
import secrets
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from convoboss import broker, gathering, holdings, ledger
from convoboss.errors import FAILED, USAGE, BrokerAway, CommandError, Forbidden
from convoboss.holdings import Holding
from convoboss.lines import stamp
from convoboss.terminal import Look, visible, wrapped
from runtime.broker import connection
from runtime.errors import PublishFailed, Refused
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.conversations import ErasureAsked
from schemas.topics import CONVERSATIONS, TOPICS
from takeover.state import Conversation

DEADLINE: Final = 60.0  # seconds for the services to do it
LOOK: Final = 0.2  # seconds between two looks
PUBLISH: Final = 20.0  # seconds
KEPT: Final = (
    "Kept: the conversation's id, and its skeleton: who had it, when, why, since when and until when, epochs, and of each"
    " entry its time, its kind, who spoke and what became of it."
)
ELSEWHERE: Final = (
    "Nobody here can erase what left: messages at Facebook, e-mails in their readers' mailboxes. The topics bots and flows,"
    " which keep the last record of each key for good, hold nothing of customers, so that no key of theirs is removed."
)


class Unanswered(CommandError):
    """Nobody at a terminal could be asked."""

    code = USAGE

    def __init__(self) -> None:
        super().__init__("There is no terminal to ask at: --yes erases without asking, --dry-run only shows.")


class Kept(NamedTuple):
    """How long a topic keeps records at the broker; None: for good. `segment`: a record goes with the file it is in."""

    topic: str
    retention: timedelta | None
    segment: timedelta

    def gone_by(self, now: datetime) -> datetime | None:
        """When the last record that is there now is gone for sure."""
        return None if self.retention is None else now + self.retention + self.segment


async def erase(conversation: str, by: str, *, dry_run: bool, yes: bool) -> int:
    """Raises CommandError."""
    settings = load(ServiceSettings)
    present = await gathering.present(settings)
    async with ledger.reading(settings) as reader:
        state = await holdings.standing(reader, conversation)
        before = await holdings.held(reader, conversation)
    look, now = Look.of(sys.stdout), datetime.now(UTC)
    for line in shown(state, before, await _kept(settings, present), now):
        print(*wrapped(line, look.width) if look.width is not None and not line.startswith(" ") else [line], sep="\n")
    if dry_run:
        print("Nothing was changed (--dry-run).")
        return 0
    if not yes and not _agreed(conversation):
        print("Nothing was changed.")
        return 0
    await _ask(
        settings, ErasureAsked(id=f"erasure:{conversation}:{secrets.token_hex(6)}", conversation=conversation, by=by)
    )
    print("Asked for in the log; waiting for the services.", flush=True)
    return await _watched(settings, conversation)


def shown(state: Conversation, found: Sequence[Holding], kept: Sequence[Kept], now: datetime) -> Iterator[str]:
    yield f"{visible(state.id)}: {state.owner} has it, epoch {state.epoch}, {state.seq} entries."
    yield "To be erased from the tables:"
    for each in found:
        yield f"  {each.service:<11}  {each.rows:>6}  {each.what}"
    yield KEPT
    if state.turn is not None or state.queue or state.held:
        yield "Something the customer said waits for an answer: it is forgotten too, and nobody answers it."
    yield "What is in the topics goes by their retention, as the broker has it now:"
    for topic in kept:
        gone = topic.gone_by(now)
        days = "for good" if topic.retention is None else f"{topic.retention / timedelta(days=1):g} days"
        until = "" if gone is None else f"; nothing of today is left after {stamp(gone)[:10]}"
        yield f"  {topic.topic:<18}  {days}{until}"
    yield ELSEWHERE


def _agreed(conversation: str) -> bool:
    if not sys.stdin.isatty():
        raise Unanswered
    return input(f"Erase {visible(conversation)}? There is no way back. [y/N] ").strip().lower() in {"y", "yes"}


async def _ask(settings: ServiceSettings, event: ErasureAsked) -> None:
    try:
        async with asyncio.timeout(PUBLISH):
            publisher = await Publisher.start(settings, source="convoboss")
            try:
                await publisher.publish([Outgoing(CONVERSATIONS, event)])
            finally:
                await publisher.stop()
    except Refused as error:
        raise Forbidden(str(error)) from error
    except (PublishFailed, TimeoutError) as error:
        raise BrokerAway(settings.kafka_bootstrap, str(error) or "it does not take the record in time") from error


async def _watched(settings: ServiceSettings, conversation: str) -> int:
    """The exit code."""
    deadline = asyncio.get_running_loop().time() + DEADLINE
    while True:
        async with ledger.reading(settings) as reader:
            left = [each for each in await holdings.held(reader, conversation) if each.rows]
        if not any(not each.waits for each in left):
            break
        if asyncio.get_running_loop().time() > deadline:
            names = ", ".join(sorted({each.service for each in left}))
            sys.stderr.write(
                f"Not done after {DEADLINE:.0f} s: {names}. It is in the log, and is done when they run.\n"
            )
            return FAILED
        await asyncio.sleep(LOOK)
    print("Erased.")
    if left:
        count = sum(each.rows for each in left)
        print(f"{count} messages are still being sent: ask once more when they are.")
    return 0


async def _kept(settings: ServiceSettings, present: Container[str]) -> list[Kept]:
    """Of every topic that holds something of conversations."""
    names = [name for name, topic in TOPICS.items() if topic.cleanup == "delete" and name in present]
    async with broker.told(settings):
        async with asyncio.timeout(broker.ANSWER):
            admin = AIOKafkaAdminClient(**connection(settings, broker.NAME))
            try:
                await admin.start()
                asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
                answers = await admin.describe_configs(asked)
            finally:
                await admin.close()
    told: dict[str, Mapping[str, str]] = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    return [_kept_as(name, told.get(name, {})) for name in names]


def _kept_as(topic: str, values: Mapping[str, str]) -> Kept:
    retention = int(values.get("retention.ms", TOPICS[topic].retention_ms))
    segment = timedelta(milliseconds=int(values.get("segment.ms", 0)))
    return Kept(topic, None if retention < 0 else timedelta(milliseconds=retention), segment)

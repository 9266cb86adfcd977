"""What is left after a run, as it lies in the topics, in the database, in Facebook in a box and in the mail catcher."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from aiohttp import ClientError, ClientSession, ClientTimeout
from aiokafka import AIOKafkaConsumer, TopicPartition

from faults.stack import DEFAULT_EXPIRY, PARTITIONS, Stack
from schemas.base import BaseEvent
from schemas.bots import PAGE_INBOX_APP
from schemas.envelope import decode
from schemas.topics import CONVERSATIONS, DEAD_LETTERS, MESSENGER_COMMANDS, OUTCOMES, TURNS
from story.seed import APP

QUIET: Final = 5.0  # seconds in which nothing may come any more
LOOK: Final = 1.0  # seconds
READ: Final = (CONVERSATIONS, TURNS, MESSENGER_COMMANDS, OUTCOMES, DEAD_LETTERS)
PLACES: Final = [TopicPartition(topic, number) for topic in READ for number in range(PARTITIONS)]
# Each of these is 0 when all work is done.
OPEN_WORK: Final = {
    "outbox of takeover": "SELECT count(*) FROM takeover.outbox",
    "outbox of fb-handover": "SELECT count(*) FROM fb_handover.outbox",
    "outbox of notifier": "SELECT count(*) FROM notifier.outbox",
    "outbox of console": "SELECT count(*) FROM console.outbox",
    # a takeover without expiry stays, and its thread is looked after once a day
    "timers": "SELECT count(*) FROM takeover.timer WHERE kind <> 'check'",
    "turns under way": "SELECT count(*) FROM takeover.conversation WHERE state -> 'turn' ->> 'id' IS NOT NULL",
    "commands for Facebook": "SELECT count(*) FROM fb_handover.outgoing WHERE state IN ('waiting', 'sending')",
    "e-mails": "SELECT count(*) FROM notifier.email WHERE state IN ('due', 'sending')",
    "operators' commands": "SELECT count(*) FROM console.command WHERE acknowledged AND status = 'pending'",
}
RECORDS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Placed:
    """A record at its place. `at`: the broker's time of it."""

    partition: int
    offset: int
    at: datetime
    event: BaseEvent


@dataclass(frozen=True, slots=True)
class Ledger:
    """What fb-handover wrote down of a command: how it ended, and requests whose outcome it could not know."""

    state: str
    unknowns: int


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail that was caught."""

    message_id: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Written:
    """An e-mail as the notifier's table has it."""

    episode: str
    address: str
    message_id: str


@dataclass(frozen=True)
class Evidence:
    """All of it. `box` has the entries of the box's record as JSON, oldest first; `commands_taken`: operators' commands that

    the console answered 202, id → kind; `two_voices`: commands that the monitor found; `default_expiry`: seconds, of the bot's settings; `over_at`: when it was collected,
    by the machine's clock, which is also the brokers'.
    """

    log: Sequence[Placed]
    turns: Sequence[Placed]
    commands: Sequence[Placed]
    outcomes: Sequence[Placed]
    dead_letters: Sequence[Placed] = ()
    box: Sequence[Mapping[str, Any]] = ()
    letters: Sequence[Letter] = ()
    written: Sequence[Written] = ()
    ledger: Mapping[str, Ledger] = field(default_factory=dict)
    commands_taken: Mapping[str, str] = field(default_factory=dict)
    two_voices: Sequence[str] = ()
    default_expiry: int = DEFAULT_EXPIRY
    app: str = APP
    page_inbox: str = PAGE_INBOX_APP
    over_at: datetime = field(default_factory=lambda: datetime.now(UTC))


async def quiescent(stack: Stack, within: float) -> list[str]:
    """Waits until nothing is open and nothing comes any more. What is open at the end of the patience; empty: nothing."""
    deadline = time.monotonic() + within
    still, before = time.monotonic(), None
    while True:
        open_work, ends = await _open(stack), await _ends(stack)
        if open_work or ends != before:
            still, before = time.monotonic(), ends
        elif time.monotonic() - still >= QUIET:
            return []
        if time.monotonic() > deadline:
            return open_work or ["records still come"]
        await asyncio.sleep(LOOK)


async def _open(stack: Stack) -> list[str]:
    connection = await asyncpg.connect(stack.postgres.url, timeout=30)
    try:
        counts = {what: await connection.fetchval(statement) for what, statement in OPEN_WORK.items()}
    finally:
        await connection.close()
    async with ClientSession(timeout=ClientTimeout(total=10)) as http:
        async with http.get(f"{stack.at('facebook')}/box/state") as answer:
            counts["webhooks"] = sum(app["waiting"] for app in (await answer.json())["apps"])
        for name in stack.children:
            if name != "takeover-3":
                counts[f"lag of {name}"] = await _lag(http, stack.at(name))
    return [f"{what}: {count}" for what, count in counts.items() if count]


async def _lag(http: ClientSession, address: str) -> int:
    """Records that were not taken in yet, by the process's own metrics."""
    try:
        async with http.get(f"{address}/metrics") as answer:
            text = await answer.text() if answer.status == 200 else ""
    except (ClientError, OSError, TimeoutError):
        return 1
    lines = (line for line in text.splitlines() if line.startswith("convoboss_consumer_lag_records{"))
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


async def _ends(stack: Stack) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.cluster.bootstrap)
    await consumer.start()
    try:
        return dict(await consumer.end_offsets(PLACES))
    finally:
        await consumer.stop()


async def collect(stack: Stack, commands_taken: Mapping[str, str]) -> Evidence:
    topics = await _topics(stack)
    box, letters = await _stand_ins(stack)
    connection = await asyncpg.connect(stack.postgres.url, timeout=30)
    try:
        ledger = await connection.fetch("SELECT command, state, unknowns FROM fb_handover.outgoing")
        written = await connection.fetch("SELECT episode, address_key, message_id FROM notifier.email")
        found = await connection.fetch("SELECT command FROM monitor.two_voices")
    finally:
        await connection.close()
    return Evidence(
        log=topics[CONVERSATIONS],
        turns=topics[TURNS],
        commands=topics[MESSENGER_COMMANDS],
        outcomes=topics[OUTCOMES],
        dead_letters=topics[DEAD_LETTERS],
        box=box,
        letters=letters,
        written=[Written(row["episode"], row["address_key"], row["message_id"]) for row in written],
        ledger={row["command"]: Ledger(row["state"], row["unknowns"]) for row in ledger},
        commands_taken=dict(commands_taken),
        two_voices=[row["command"] for row in found],
    )


async def _topics(stack: Stack) -> dict[str, list[Placed]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.cluster.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(PLACES)
        left = {place for place in PLACES if ends[place] > 0}
        consumer.assign(PLACES)
        await consumer.seek_to_beginning()
        found: dict[str, list[Placed]] = {topic: [] for topic in READ}
        while left:
            for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                found[place.topic] += _placed(records)
            left = {place for place in left if await consumer.position(place) < ends[place]}
        return found
    finally:
        await consumer.stop()


def _placed(records: Iterable[Any]) -> Iterable[Placed]:
    """Of aiokafka's records, which have no types."""
    for record in records:
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        yield Placed(record.partition, record.offset, at, decode(record.topic, record.value, record.headers))


async def _stand_ins(stack: Stack) -> tuple[list[Mapping[str, Any]], list[Letter]]:
    box: list[Mapping[str, Any]] = []
    async with ClientSession(timeout=ClientTimeout(total=120)) as http:
        while True:
            after = box[-1]["seq"] if box else 0
            address = f"{stack.at('facebook')}/box/record?after={after}&limit={RECORDS_AT_ONCE}"
            async with http.get(address) as answer:
                entries = (await answer.json())["entries"]
            if not entries:
                break
            box += entries
        async with http.get(f"{stack.at('mail')}/mails?limit=100000") as answer:
            mails = (await answer.json())["mails"]
    letters = [Letter(mail["message_id"] or "", person) for mail in mails for person in mail["recipients"]]
    return box, letters

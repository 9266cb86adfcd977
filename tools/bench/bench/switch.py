"""takeover's switch against a bare relay of the same messages, each a process of its own, in turns.

Every round is a log of its own: new conversations, loaded before anything is measured. takeover is the service as it runs
in production, on a real PostgreSQL; it is measured from the moment its first partition is taken to the last of all records
that its rules lead to. The relay reads the same records and writes each one once. The ratio is the median of the rounds'
ratios, the rates are the best of each; processor times are the least.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Final

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from bench import streams, traffic
from bench.rates import Run
from bench.servers import Servers, cpu_seconds
from runtime import topics
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas.base import ConversationEvent
from schemas.topics import BOTS, CONVERSATIONS, OUTCOMES

Say = Callable[[str], None]
EVENTS: Final = 100_000
CONVERSATIONS_EACH: Final = EVENTS // 20
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
PROFILE: Final = os.environ.get("BENCH_PROFILE")  # a file: takeover is sampled, and slower by that (`bench.profile`)
RELAYED: Final = "bench.relayed"
STREAMED: Final = "bench.streamed"
PROBES: Final = 100  # records, one at a time
LOADED: Final = 5_000  # events loaded at once
PATIENCE: Final = 120.0  # seconds for one measurement
TAKEN: Final = "partition taken"  # what takeover logs when it begins
LOOK: Final = 0.02  # seconds between two looks at how far takeover is


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    settings = await prepared(servers, "switch")
    await _create(settings, RELAYED)
    await _create(settings, STREAMED)
    peer = await streams.prepared(servers.folder, say)
    switched: list[Run] = []
    relayed: list[Run] = []
    cold: list[Run] = []
    figures: dict[str, float] = {}
    for number in range(ROUNDS):
        last = number == ROUNDS - 1
        events = traffic.log(number * CONVERSATIONS_EACH, CONVERSATIONS_EACH, EVENTS)
        if number == 0:
            say("the mix: " + ", ".join(f"{name} {share:.0%}" for name, share in traffic.mix(events.events).items()))
        first = list((await ends(settings, CONVERSATIONS)).values())
        await load(settings, events.events, with_settings=number == 0)
        relayed.append(await _relay(settings, first))
        run, spans = await _switch(settings, events, probes=PROBES if last else 0)
        switched.append(run)
        if last:
            figures["switch_hop_p50_ms"] = median(spans) * 1000
        say(f"round {number + 1}: relay {relayed[-1]}; switch {switched[-1]}")
        if peer is not None:
            try:
                async with peer.running(settings, CONVERSATIONS, STREAMED, first) as streaming:
                    cold.append(await streaming.until_through())
                    say(f"  Kafka Streams, cold {cold[-1]}")
                    if last:
                        figures |= await _warm(settings, streaming, events, say)
            except (TimeoutError, RuntimeError) as error:  # ours is worth measuring without it
                say(f"  Kafka Streams is left out: {type(error).__name__} {error}")
                peer = None
    if peer is not None:
        figures |= {
            "switch_over_streams": median(ours.rate / theirs.rate for ours, theirs in zip(switched, cold, strict=True)),
            "streams_cold_events_per_s": max(run.rate for run in cold),
            "streams_cold_cpu_us": min(run.cpu / run.events for run in cold) * 1e6,
            "hop_over_streams": figures["switch_hop_p50_ms"] / figures["streams_hop_p50_ms"],
        }
    return figures | {
        "switch_ratio": median(ours.rate / bare.rate for ours, bare in zip(switched, relayed, strict=True)),
        "switch_events_per_s": max(run.rate for run in switched),
        "relay_events_per_s": max(run.rate for run in relayed),
        "switch_cpu_us": min(run.cpu / run.events for run in switched) * 1e6,
        "relay_cpu_us": min(run.cpu / run.events for run in relayed) * 1e6,
        "switch_mib": max(run.memory for run in switched),
    }


async def prepared(servers: Servers, database: str) -> ServiceSettings:
    """All topics, and a database of that name."""
    settings = ServiceSettings(
        kafka_bootstrap=servers.bootstrap,
        database_url=SecretStr(await servers.database(database)),
        kafka_delivery_timeout=60,
    )
    await topics.ensure(settings)
    return settings


async def _warm(
    settings: ServiceSettings, streaming: "streams.Streaming", log: traffic.Log, say: Say
) -> dict[str, float]:
    """The same process on as many records again, which are loaded while it stands still; then single records."""
    with streaming.standing_still():
        await load(settings, log.events, with_settings=False)
    warm = await streaming.until_through()
    spans = await hop(settings, CONVERSATIONS, STREAMED, PROBES, committed=True)
    say(f"  Kafka Streams, warm {warm}; one record at a time {median(spans) * 1000:.1f} ms")
    return {
        "streams_warm_events_per_s": warm.rate,
        "streams_warm_cpu_us": warm.cpu / warm.events * 1e6,
        "streams_hop_p50_ms": median(spans) * 1000,
    }


async def _create(settings: ServiceSettings, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, settings.partitions, 1)])
    finally:
        await admin.close()


async def load(settings: ServiceSettings, events: Sequence[ConversationEvent], *, with_settings: bool) -> None:
    publisher = await Publisher.start(settings, source="bench")
    try:
        if with_settings:
            await publisher.publish([Outgoing(BOTS, traffic.settings())])
        for begin in range(0, len(events), LOADED):
            await publisher.publish([Outgoing(CONVERSATIONS, event) for event in events[begin : begin + LOADED]])
    finally:
        await publisher.stop()


async def ends(settings: ServiceSettings, *names: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        return await _look(consumer, settings, names)
    finally:
        await consumer.stop()


async def _look(
    consumer: AIOKafkaConsumer, settings: ServiceSettings, names: Sequence[str]
) -> dict[TopicPartition, int]:
    places = [TopicPartition(name, number) for name in names for number in range(settings.partitions)]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
    return ends


async def _relay(settings: ServiceSettings, first: Sequence[int]) -> Run:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.relay", settings.kafka_bootstrap, CONVERSATIONS, RELAYED, *map(str, first)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    found = json.loads(out)
    return Run(found["records"], found["seconds"], found["cpu"])


async def _switch(settings: ServiceSettings, log: traffic.Log, probes: int) -> tuple[Run, list[float]]:
    """Takeover from its first partition to the last record that it publishes; then the seconds of single events."""
    async with watching(settings, tuple(log.effects)) as done, takeover(settings) as process:
        expected = await done() + sum(log.effects.values())
        await process.taken()
        began, cpu, memory = time.monotonic(), cpu_seconds(process.pid), 0.0
        async with asyncio.timeout(PATIENCE):
            while await done() < expected:
                memory = max(memory, psutil.Process(process.pid).memory_full_info().pss / 2**20)
                await asyncio.sleep(LOOK)
        run = Run(len(log.events), time.monotonic() - began, cpu_seconds(process.pid) - cpu, memory)
        return run, await hop(settings, CONVERSATIONS, OUTCOMES, probes)


@asynccontextmanager
async def watching(settings: ServiceSettings, names: Sequence[str]) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A function that says how many records these topics have had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()

    async def done() -> int:
        return sum((await _look(consumer, settings, names)).values())

    try:
        yield done
    finally:
        await consumer.stop()


class Takeover:
    """The service as a process; what it says is read on, so that it is never held up by it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self._began = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def taken(self) -> None:
        """Until it has its first partition. Raises TimeoutError, RuntimeError."""
        async with asyncio.timeout(PATIENCE):
            waits = [asyncio.ensure_future(self._began.wait()), self._reading]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not self._began.is_set():
            waits[0].cancel()
            raise RuntimeError("takeover ended before it began")

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for
        while line := await self._process.stdout.readline():
            if TAKEN.encode() in line:
                self._began.set()


@asynccontextmanager
async def takeover(settings: ServiceSettings) -> AsyncIterator[Takeover]:
    environment = os.environ | {
        "CONVOBOSS_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "CONVOBOSS_DATABASE_URL": settings.database_url.get_secret_value(),
        "CONVOBOSS_HTTP_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *_program()),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    found = Takeover(process)
    try:
        yield found
    finally:
        await found.end()


async def hop(
    settings: ServiceSettings, source: str, target: str, count: int, *, committed: bool = False
) -> list[float]:
    """Seconds from a customer's message, one at a time, to its first record in `target`; `committed`: that can be read there
    by one who reads only what was committed.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    await consumer.start()
    publisher = await Publisher.start(settings, source="bench")
    try:
        places = [TopicPartition(target, number) for number in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        await asyncio.gather(*(consumer.position(place) for place in places))
        spans = []
        for number in range(count):
            event = traffic.first_message(time.time_ns() % 10**12 + number)
            began = time.monotonic()
            await publisher.publish([Outgoing(source, event)])
            async with asyncio.timeout(PATIENCE):
                while (await consumer.getone()).key != event.key.encode():
                    pass
            spans.append(time.monotonic() - began)
            await asyncio.sleep(LOOK)
        return spans
    finally:
        await publisher.stop()
        await consumer.stop()


def _program() -> Sequence[str]:
    return ("-m", "bench.profile", PROFILE, "takeover") if PROFILE else ("-m", "takeover")

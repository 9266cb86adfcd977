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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from bench import traffic
from bench.servers import Servers, cpu_seconds
from runtime import topics
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas.base import ConversationEvent
from schemas.topics import BOTS, CONVERSATIONS

Say = Callable[[str], None]
EVENTS: Final = 100_000
CONVERSATIONS_EACH: Final = EVENTS // 20
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
PROFILE: Final = os.environ.get("BENCH_PROFILE")  # a file: takeover is sampled, and slower by that (`bench.profile`)
RELAYED: Final = "bench.relayed"
LOADED: Final = 5_000  # events loaded at once
PATIENCE: Final = 120.0  # seconds for one measurement
TAKEN: Final = "partition taken"  # what takeover logs when it begins
LOOK: Final = 0.02  # seconds between two looks at how far takeover is


@dataclass(frozen=True, slots=True)
class Run:
    events: int
    seconds: float
    cpu: float
    memory: float = 0.0
    """MiB at its most, PSS."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def __str__(self) -> str:
        memory = f", {self.memory:.0f} MiB" if self.memory else ""
        return f"{self.rate:,.0f}/s, {self.cpu / self.events * 1e6:.1f} µs of a core each{memory}"


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    settings = ServiceSettings(
        kafka_bootstrap=servers.bootstrap,
        database_url=SecretStr(await servers.database("switch")),
        kafka_delivery_timeout=60,
    )
    await topics.ensure(settings)
    await _create(settings, RELAYED)
    switched: list[Run] = []
    relayed: list[Run] = []
    for number in range(ROUNDS):
        events = traffic.log(number * CONVERSATIONS_EACH, CONVERSATIONS_EACH, EVENTS)
        if number == 0:
            say("the mix: " + ", ".join(f"{name} {share:.0%}" for name, share in traffic.mix(events.events).items()))
        first = list((await _ends(settings, CONVERSATIONS)).values())
        await _load(settings, events.events, with_settings=number == 0)
        relayed.append(await _relay(settings, first))
        switched.append(await _switch(settings, events))
        say(f"round {number + 1}: relay {relayed[-1]}; switch {switched[-1]}")
    return {
        "switch_ratio": median(ours.rate / bare.rate for ours, bare in zip(switched, relayed, strict=True)),
        "switch_events_per_s": max(run.rate for run in switched),
        "relay_events_per_s": max(run.rate for run in relayed),
        "switch_cpu_us": min(run.cpu / run.events for run in switched) * 1e6,
        "relay_cpu_us": min(run.cpu / run.events for run in relayed) * 1e6,
        "switch_mib": max(run.memory for run in switched),
    }


async def _create(settings: ServiceSettings, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, settings.partitions, 1)])
    finally:
        await admin.close()


async def _load(settings: ServiceSettings, events: Sequence[ConversationEvent], *, with_settings: bool) -> None:
    publisher = await Publisher.start(settings, source="bench")
    try:
        if with_settings:
            await publisher.publish([Outgoing(BOTS, traffic.settings())])
        for begin in range(0, len(events), LOADED):
            await publisher.publish([Outgoing(CONVERSATIONS, event) for event in events[begin : begin + LOADED]])
    finally:
        await publisher.stop()


async def _ends(settings: ServiceSettings, *names: str) -> dict[TopicPartition, int]:
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


async def _switch(settings: ServiceSettings, log: traffic.Log) -> Run:
    """Takeover as a process, from its first partition to the last record that it publishes."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    names = tuple(log.effects)
    expected = sum((await _look(consumer, settings, names)).values()) + sum(log.effects.values())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *_program(),
        env=os.environ
        | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "CONVOBOSS_DATABASE_URL": settings.database_url.get_secret_value(),
            "CONVOBOSS_HTTP_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    drained: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            while TAKEN.encode() not in (line := await process.stdout.readline()):
                if not line:
                    raise RuntimeError("takeover ended before it began")
            began, cpu, memory = time.monotonic(), cpu_seconds(process.pid), 0.0
            drained = asyncio.create_task(process.stdout.read())
            while sum((await _look(consumer, settings, names)).values()) < expected:
                memory = max(memory, psutil.Process(process.pid).memory_full_info().pss / 2**20)
                await asyncio.sleep(LOOK)
            return Run(len(log.events), time.monotonic() - began, cpu_seconds(process.pid) - cpu, memory)
    finally:
        process.terminate()
        await process.wait()
        if drained is not None:
            await drained
        await consumer.stop()


def _program() -> Sequence[str]:
    return ("-m", "bench.profile", PROFILE, "takeover") if PROFILE else ("-m", "takeover")

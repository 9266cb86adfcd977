"""Kafka Streams as a peer of the switch: exactly_once_v2, a bare keyed update (`tests/bench/peers/KeyedUpdate.java`).

Compiled here with the JDK that the machine has; without one it is left out, and that is said.
"""

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from os import pathsep
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from bench.parts import Say
from bench.rates import Run
from bench.servers import cpu_seconds
from local import jars, paths
from local.errors import LocalError
from runtime.settings import ServiceSettings

PEERS: Final = paths.ROOT / "tests" / "bench" / "peers"
PROGRAM: Final = "KeyedUpdate"
HEAP: Final = "-Xmx512m"
THREADS: Final = "1"  # as many as the switch has
BEGUN: Final = b"first"  # what it prints when it has its first record
PATIENCE: Final = 120.0  # seconds for one measurement
COMPILE: Final = 60.0  # seconds
STOP: Final = 20.0  # seconds
LOOK: Final = 0.02  # seconds between two looks at how far it is


async def prepared(folder: Path, say: Say) -> "Streams | None":
    """The compiled peer; None, and a word about it, where it cannot be had."""
    javac = shutil.which("javac")
    if javac is None:
        say("Kafka Streams is left out: there is no JDK (javac) here")
        return None
    wanted = jars.listed(PEERS / "jars.txt")
    try:
        if missing := [jar for jar in wanted if not jar.present]:
            say(f"fetching Kafka Streams: {', '.join(jar.path.name for jar in missing)}")
            await asyncio.to_thread(jars.fetch, missing)
    except LocalError as error:
        say(f"Kafka Streams is left out: {error}")
        return None
    class_path = pathsep.join(str(jar.path) for jar in wanted)
    compiling = await asyncio.create_subprocess_exec(
        *(javac, "-cp", class_path, "-d", str(folder), str(PEERS / f"{PROGRAM}.java"))
    )
    async with asyncio.timeout(COMPILE):
        if await compiling.wait():
            raise RuntimeError(f"{PROGRAM}.java does not compile")
    return Streams(_java_beside(javac), f"{class_path}{pathsep}{folder}", folder)


def _java_beside(javac: str) -> str:
    return str(Path(javac).resolve().parent / "java")


class Streams:
    """The peer, each time in a new JVM, under a new application id and with an empty state."""

    def __init__(self, java: str, class_path: str, folder: Path) -> None:
        self._command = (java, HEAP, "-cp", class_path, PROGRAM)
        self._folder = folder
        self._numbers = count(1)

    @asynccontextmanager
    async def running(
        self, settings: ServiceSettings, source: str, target: str, first: Sequence[int]
    ) -> AsyncIterator["Streaming"]:
        """Reads from the offsets `first`, one a partition."""
        name = f"bench-streams-{next(self._numbers)}"
        await _begin_at(settings, name, source, first)
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *(settings.kafka_bootstrap, source, target, name, str(self._folder / name), THREADS),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        await admin.start()
        try:
            yield Streaming(process, admin, settings, _Reading(name, source, sum(first)))
        finally:
            await admin.close()
            await _end(process)


@dataclass(frozen=True, slots=True)
class _Reading:
    group: str
    source: str
    first: int
    """Sum of the offsets that it began at."""


class Streaming:
    """One JVM at work."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        admin: AIOKafkaAdminClient,
        settings: ServiceSettings,
        reading: _Reading,
    ) -> None:
        self._process = process
        self._admin = admin
        self._settings = settings
        self._reading = reading
        self._done = reading.first
        self._has_begun = False

    async def until_through(self) -> Run:
        """To the present end: from its first record, or, if it had some before, from now. Raises TimeoutError, RuntimeError."""
        async with asyncio.timeout(PATIENCE):
            if not self._has_begun:
                assert self._process.stdout is not None  # noqa: S101 - asked for
                if BEGUN not in await self._process.stdout.readline():
                    raise RuntimeError("Kafka Streams ended before it began")
                self._has_begun = True
            began, cpu = time.monotonic(), cpu_seconds(self._process.pid)
            end = await self._end()
            while await self._committed() < end:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK)
        run = Run(end - self._done, time.monotonic() - began, cpu_seconds(self._process.pid) - cpu)
        self._done = end
        return run

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def _end(self) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            return sum((await consumer.end_offsets(_places(self._settings, self._reading.source))).values())
        finally:
            await consumer.stop()

    async def _committed(self) -> int:
        found = await self._admin.list_consumer_group_offsets(self._reading.group)
        return sum(each.offset for place, each in found.items() if place.topic == self._reading.source)


def _places(settings: ServiceSettings, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(settings.partitions)]


async def _begin_at(settings: ServiceSettings, group: str, source: str, first: Sequence[int]) -> None:
    """As if the group had committed these offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(_places(settings, source))
        await consumer.commit(dict(zip(_places(settings, source), first, strict=True)))
    finally:
        await consumer.stop()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its input's end asks it to."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

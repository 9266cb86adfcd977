"""A real monitor process between a real broker and a real database."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
from monitor_story import Placed
from prometheus_client.parser import text_string_to_metric_families

from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from runtime.topics import ensure

SOON = 60.0  # seconds for a fact to become visible on a busy machine
POLL = 0.1  # seconds


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class World:
    def __init__(self, bootstrap: str, database_url: str, folder: Path, publisher: Publisher) -> None:
        self._bootstrap = bootstrap
        self._database_url = database_url
        self._log = folder / "monitor.log"
        self._publisher = publisher
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._written = 0

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def start(self) -> None:
        """Starts the monitor and waits until it is ready."""
        self._port = free_port()
        environment = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": self._bootstrap,
            "CONVOBOSS_DATABASE_URL": self._database_url,
            "CONVOBOSS_HTTP_PORT": str(self._port),
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": "6",
        }
        with self._log.open("ab") as out:
            command = [sys.executable, "-m", "monitor"]
            self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)  # noqa: ASYNC220
        await self.until(self._is_ready)

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return (await self._get("/readyz"))[0] == 200
        except aiohttp.ClientError:
            return False

    async def _get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self._port}{path}") as answer:
            return answer.status, await answer.text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def publish(self, *records: Placed) -> None:
        await self._publisher.publish([Outgoing(each.topic, each.event) for each in records])
        self._written += len(records)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        _, text = await self._get("/metrics")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())

    async def until_metric(self, name: str, value: float, **labels: str) -> None:
        async def reached() -> bool:
            return await self.metric(name, **labels) == value

        await self.until(reached)

    async def rows(self, query: str) -> Sequence[asyncpg.Record]:
        connection = await asyncpg.connect(self._database_url)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    async def all_read(self) -> None:
        """Returns when everything that was published is taken in."""

        async def read() -> bool:
            (row,) = await self.rows("SELECT sum(next_offset) FROM monitor.consumer_offset WHERE next_offset > 0")
            return int(row[0] or 0) == self._written

        await self.until(read)

    async def until(self, fact: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + SOON
        while not await fact():
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(POLL)


@asynccontextmanager
async def a_world(bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[World]:
    settings = ServiceSettings(kafka_bootstrap=bootstrap)
    await ensure(settings)
    publisher = await Publisher.start(settings, source="takeover")
    world = World(bootstrap, database_url, folder, publisher)
    try:
        yield world
    finally:
        world.kill()
        await publisher.stop()

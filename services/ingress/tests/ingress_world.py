"""A real ingress process on a real broker, and what a test does with it."""

import asyncio
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from ingress.signature import HEADER, sign
from runtime.kafka import Publisher
from runtime.partitions import partitions_of
from runtime.records import Outgoing
from runtime.secrets import SecretBox
from runtime.settings import ServiceSettings
from schemas.base import BaseEvent
from schemas.bots import BotSettings, MessengerChannel
from schemas.envelope import decode, traceparent
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS

KEY = "aW5ncmVzcy10ZXN0cy1pbmdyZXNzLXRlc3RzLWluZ3I="  # 32 bytes: "ingress-tests-ingress-tests-ingr"
UP = 20.0  # seconds for a process to start
SOON = 10.0  # seconds for a fact to become visible
POLL = 0.05  # seconds


def settings_for(bootstrap: str, **more: object) -> ServiceSettings:
    return ServiceSettings(kafka_bootstrap=bootstrap, secret_keys=KEY, **more)


@dataclass
class Page:
    """A page that a bot has, with the secrets of its app."""

    id: str = field(default_factory=lambda: str(secrets.randbelow(10**15) + 10**15))
    app: str = field(default_factory=lambda: str(secrets.randbelow(10**15) + 10**15))
    app_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    verify_token: str = field(default_factory=lambda: f"verify-{secrets.token_hex(8)}")

    def settings(self) -> BotSettings:
        box = SecretBox(settings_for("unused:1").secret_keys)
        channel = MessengerChannel(
            page_id=self.id,
            app_id=self.app,
            app_secret=box.encrypt(self.app_secret),
            verify_token=box.encrypt(self.verify_token),
            page_token=box.encrypt("page-token"),
        )
        bot = f"bot-{self.id}-{self.app}"
        return BotSettings(id=f"{bot}:1", bot=bot, version=1, name="Shop", messenger=(channel,))

    def body(self, *events: dict, array: str = "messaging", page: str | None = None) -> bytes:
        return orjson.dumps({"object": "page", "entry": [{"id": page or self.id, "time": 1, array: list(events)}]})

    def message(self, text: str, *, psid: str = "7", mid: str | None = None) -> dict:
        return {
            "sender": {"id": psid},
            "recipient": {"id": self.id},
            "timestamp": 1_795_500_000_000,
            "message": {"mid": mid or f"m_{secrets.token_hex(8)}", "text": text},
        }

    def signed(self, body: bytes) -> dict[str, str]:
        return {HEADER: sign(body, self.app_secret.encode())}


@dataclass(frozen=True)
class Seen:
    event: BaseEvent
    key: str
    partition: int
    traceparent: str | None


class Ingress:
    """The process. `log` is all it wrote."""

    def __init__(self, bootstrap: str, folder: Path, **env: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.bootstrap = bootstrap
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"ingress-{self.port}.log"
        self._env = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": bootstrap,
            "CONVOBOSS_SECRET_KEYS": KEY,
            "CONVOBOSS_HTTP_PORT": str(self.port),
            "CONVOBOSS_LOG_LEVEL": "debug",
            "CONVOBOSS_WATCH_EVERY": "0",
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self, *, ready: bool = True) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen([sys.executable, "-m", "ingress"], env=self._env, stdout=out, stderr=out)
        deadline = time.monotonic() + UP
        while not self._answers("/readyz" if ready else "/healthz"):
            assert time.monotonic() < deadline, self.log
            assert self._process.poll() is None, self.log
            time.sleep(POLL)  # the process has no other way to say that it is up

    def run_to_its_end(self) -> int:
        with self._log.open("ab") as out:
            return subprocess.call([sys.executable, "-m", "ingress"], env=self._env, stdout=out, stderr=out, timeout=UP)

    async def until_closed(self) -> None:
        """Until it takes no new connections."""
        deadline = time.monotonic() + SOON
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return
            writer.close()
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL)

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    async def readiness(self) -> tuple[int, dict]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
            return answer.status, await answer.json()

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=2) as answer:  # noqa: S310 - ours
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    async def knows(self, page: Page) -> None:
        """Publishes the page's bot and waits until ingress has read it."""
        publisher = await Publisher.start(settings_for(self.bootstrap), source="console")
        try:
            await publisher.publish([Outgoing(BOTS, page.settings())])
        finally:
            await publisher.stop()
        deadline = time.monotonic() + SOON
        while (await self.handshake(page.verify_token))[0] != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL)

    async def handshake(self, token: str, **more: str) -> tuple[int, str]:
        query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "0123", **more}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/webhooks/messenger", params=query) as answer,
        ):
            return answer.status, await answer.text()

    async def post(self, body: object, headers: dict[str, str]) -> tuple[int, dict, dict[str, str]]:
        """Status, JSON and headers of the answer."""
        if isinstance(body, bytes):
            body = io.BytesIO(body)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/webhooks/messenger", data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json(), dict(answer.headers)

    async def metric(self, line: str) -> float:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        return next((float(found.split()[-1]) for found in text.splitlines() if found.startswith(line)), 0.0)

    async def until(self, line: str, value: float) -> None:
        deadline = time.monotonic() + SOON
        while await self.metric(line) != value:
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL)

    async def until_more_than(self, line: str, value: float) -> None:
        deadline = time.monotonic() + SOON
        while await self.metric(line) <= value:
            assert time.monotonic() < deadline
            await asyncio.sleep(POLL)


async def ends(bootstrap: str) -> dict[str, int]:
    """How many records each topic that ingress writes has."""
    return {topic: sum((await _offsets(bootstrap, topic)).values()) for topic in (CONVERSATIONS, DEAD_LETTERS)}


async def _offsets(bootstrap: str, topic: str) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(settings_for(bootstrap).partitions)]
        return await consumer.end_offsets(tps)
    finally:
        await consumer.stop()


async def seen(bootstrap: str, topic: str, key_prefix: str) -> list[Seen]:
    """All records of the topic whose key begins so, in the order of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        tps = [
            TopicPartition(topic, number) for number in range(partitions_of(topic, settings_for(bootstrap).partitions))
        ]
        consumer.assign(tps)
        last = await consumer.end_offsets(tps)
        found = []
        while any([await consumer.position(tp) < last[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [
                    Seen(
                        decode(topic, record.value, record.headers),
                        record.key.decode(),
                        record.partition,
                        traceparent(record.headers),
                    )
                    for record in records
                    if record.key.decode().startswith(key_prefix)
                ]
        return found
    finally:
        await consumer.stop()

"""Two ways to the same servers: containers where an engine answers, ordinary processes elsewhere."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from local import kafka as embedded_kafka
from local import ports
from local.databases import USER, DatabaseServer
from local.errors import StartFailed
from local.postgres import FAST, Postgres
from local.servers import Kafka

KAFKA_IMAGE = "apache/kafka:4.4.0"
POSTGRES_IMAGE = "postgres:18"
PULL_AND_START = 300.0  # seconds: the first run downloads the images


class Server(Protocol):
    """What a fault test does to a server; every step may be repeated, `start` brings it back with its data."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def kill(self) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


class Broker(Server, Protocol):
    @property
    def bootstrap(self) -> str: ...


class _Container:
    """A container that keeps its host port over kill and start."""

    def __init__(self, image: str, port: int, inside: int, env: dict[str, str], command: str | None = None) -> None:
        from testcontainers.core.container import DockerContainer

        self._container = DockerContainer(image, command=command, env=env).with_bind_ports(inside, port)
        self._made = False

    @property
    def host(self) -> str:
        return self._container.get_container_host_ip()

    def start(self) -> None:
        if self._made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._made = True

    def call(self, verb: str) -> None:
        getattr(self._container.get_wrapped_container(), verb)()

    def remove(self) -> None:
        if self._made:
            self._container.stop()


class ContainerPostgres(DatabaseServer):
    def __init__(self, *, durable: bool = False) -> None:
        self.port = ports.reserve()
        settings = {"max_connections": "200"} | ({} if durable else FAST)
        command = " ".join(["postgres", *(f"-c {name}={value}" for name, value in settings.items())])
        env = {"POSTGRES_USER": USER, "POSTGRES_HOST_AUTH_METHOD": "trust"}
        self._container = _Container(POSTGRES_IMAGE, self.port, 5432, env, command)

    async def start(self) -> None:
        await asyncio.to_thread(self._container.start)
        self.host = self._container.host
        await self.answer(time.monotonic() + PULL_AND_START, lambda: None)

    async def stop(self) -> None:
        await asyncio.to_thread(self._container.call, "stop")

    async def kill(self) -> None:
        await asyncio.to_thread(self._container.call, "kill")

    async def pause(self) -> None:
        await asyncio.to_thread(self._container.call, "pause")

    async def resume(self) -> None:
        await asyncio.to_thread(self._container.call, "unpause")

    def close(self) -> None:
        self._container.remove()
        ports.release(self.port)


class ContainerKafka:
    def __init__(self) -> None:
        self._port = ports.reserve()
        settings = embedded_kafka.SETTINGS.format(port=self._port, controller=19093, logs="/tmp/kafka-logs")  # noqa: S108
        env = dict(_as_environment(settings), CLUSTER_ID=embedded_kafka.CLUSTER_ID)
        # inside it listens on every address; outside it is named by the host's
        env["KAFKA_LISTENERS"] = f"BROKER://0.0.0.0:{self._port},CONTROLLER://127.0.0.1:19093"
        self._container = _Container(KAFKA_IMAGE, self._port, self._port, env)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        await asyncio.to_thread(self._container.start)
        deadline = time.monotonic() + PULL_AND_START
        while not await embedded_kafka.acknowledged(self.bootstrap):
            if time.monotonic() > deadline:
                raise StartFailed("Kafka", "no record was acknowledged in time", "")
            await asyncio.sleep(embedded_kafka.POLL)

    async def stop(self) -> None:
        await asyncio.to_thread(self._container.call, "stop")

    async def kill(self) -> None:
        await asyncio.to_thread(self._container.call, "kill")

    async def pause(self) -> None:
        await asyncio.to_thread(self._container.call, "pause")

    async def resume(self) -> None:
        await asyncio.to_thread(self._container.call, "unpause")

    def close(self) -> None:
        self._container.remove()
        ports.release(self._port)


def backend() -> str:
    """`containers` or `embedded`: as CONVOBOSS_TEST_BACKEND says, else containers where an engine answers."""
    named = os.environ.get("CONVOBOSS_TEST_BACKEND")
    if named not in {None, "", "containers", "embedded"}:
        raise ValueError(f"CONVOBOSS_TEST_BACKEND is {named!r}; it is containers or embedded.")
    return named or ("containers" if _engine_answers() else "embedded")


def make_kafka(folder: Path) -> Kafka | ContainerKafka:
    return ContainerKafka() if backend() == "containers" else Kafka(folder)


def make_postgres(folder: Path, *, durable: bool) -> Postgres | ContainerPostgres:
    return ContainerPostgres(durable=durable) if backend() == "containers" else Postgres(folder, durable=durable)


def _engine_answers() -> bool:
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False  # without loading the client, which takes half a second
    import docker
    from docker.errors import DockerException

    try:
        docker.from_env(timeout=3).ping()
    except (DockerException, OSError):
        return False
    return True


def _as_environment(properties: str) -> Iterator[tuple[str, str]]:
    """The image reads `log.dirs` from KAFKA_LOG_DIRS."""
    for line in properties.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield "KAFKA_" + name.upper().replace(".", "_"), value

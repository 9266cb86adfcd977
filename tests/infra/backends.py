"""Two ways to the same servers: containers where an engine answers, ordinary processes elsewhere."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from local import kafka as embedded_kafka
from local import ports
from local.databases import USER, DatabaseServer
from local.errors import StartFailed
from local.postgres import FAST, Postgres
from local.servers import Kafka

KAFKA_IMAGE = "apache/kafka:4.4.0"
POSTGRES_IMAGE = "postgres:18"
CONTROLLER = 19093  # Kafka's second port, inside its container only
PULL_AND_START = 300.0  # seconds: the first run downloads the images


class _Container:
    """A container that keeps its host port and its data over kill and start."""

    def __init__(self, image: str, port: int, inside: int, env: dict[str, str], command: str | None = None) -> None:
        from testcontainers.core.container import DockerContainer

        self._port = port
        self._container = DockerContainer(image, command=command, env=env).with_bind_ports(inside, port)
        self._made = False

    async def begin(self) -> str:
        """Makes it, or starts it again; returns the host it is reached at."""
        await asyncio.to_thread(self._call, "start") if self._made else await asyncio.to_thread(self._container.start)
        self._made = True
        return self._container.get_container_host_ip()

    async def stop(self) -> None:
        await asyncio.to_thread(self._call, "stop")

    async def kill(self) -> None:
        await asyncio.to_thread(self._call, "kill")

    async def pause(self) -> None:
        await asyncio.to_thread(self._call, "pause")

    async def resume(self) -> None:
        container = self._container.get_wrapped_container()
        await asyncio.to_thread(container.reload)
        if container.status == "paused":
            await asyncio.to_thread(container.unpause)

    def close(self) -> None:
        if self._made:
            self._container.stop()
        ports.release(self._port)

    def _call(self, verb: str) -> None:
        getattr(self._container.get_wrapped_container(), verb)()


class ContainerPostgres(_Container, DatabaseServer):
    def __init__(self, *, durable: bool = False) -> None:
        self.port = ports.reserve()
        settings = {"max_connections": "200"} | ({} if durable else FAST)
        command = " ".join(["postgres", *(f"-c {name}={value}" for name, value in settings.items())])
        env = {"POSTGRES_USER": USER, "POSTGRES_HOST_AUTH_METHOD": "trust"}
        super().__init__(POSTGRES_IMAGE, self.port, 5432, env, command)

    async def start(self) -> None:
        self.host = await self.begin()
        await self.answer(time.monotonic() + PULL_AND_START, lambda: None)


class ContainerKafka(_Container):
    def __init__(self) -> None:
        port = ports.reserve()
        settings = embedded_kafka.SETTINGS.format(port=port, controller=CONTROLLER, logs="/tmp/kafka-logs")  # noqa: S108
        env = dict(_as_environment(settings), CLUSTER_ID=embedded_kafka.CLUSTER_ID)
        # inside it listens on every address; clients are told the host's
        env["KAFKA_LISTENERS"] = f"BROKER://0.0.0.0:{port},CONTROLLER://127.0.0.1:{CONTROLLER}"
        self.bootstrap = f"127.0.0.1:{port}"
        super().__init__(KAFKA_IMAGE, port, port, env)

    async def start(self) -> None:
        await self.begin()
        deadline = time.monotonic() + PULL_AND_START
        while not await embedded_kafka.acknowledged(self.bootstrap):
            if time.monotonic() > deadline:
                raise StartFailed("Kafka", "no record was acknowledged in time", "")
            await asyncio.sleep(embedded_kafka.POLL)


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

"""Fixtures for every test in the repository that wants the real thing.

| fixture | scope | is |
|---|---|---|
| `kafka_bootstrap` | session | the address of a real broker |
| `kafka` | test | the broker to kill, pause and restart; running again afterwards |
| `empty_kafka` | test | the broker's address, with every topic deleted |
| `module_kafka` | module | the same, once for a module's tests |
| `postgres` | test | the database server to kill, pause and restart (fsync off); running again afterwards |
| `durable_postgres` | test | a server of its own with fsync on, for tests that kill it and count rows |
| `database_url` | test | an empty database, dropped afterwards |
| `module_database_url` | module | the same, shared by a module's tests |
| `make_database` | test | as many more as a test wants: `await make_database()` |
| `service_env` | test | environment variables that point a service at the two |

A test that asks for none of these starts no server.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from infra.backends import ContainerKafka, ContainerPostgres, make_kafka, make_postgres
from infra.topics import delete_topics
from local.postgres import Postgres
from local.servers import Kafka

FERNET_KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="  # 32 bytes: "tests-only-tests-only-tests-only"


@pytest.fixture(scope="session")
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Session fixtures run in it; tests keep their own loops."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def _kafka(_loop: asyncio.AbstractEventLoop, _folder: Path) -> Iterator[Kafka | ContainerKafka]:
    server = make_kafka(_folder / "kafka")
    _loop.run_until_complete(server.start())
    yield server
    _loop.run_until_complete(server.stop())
    server.close()


@pytest.fixture(scope="session")
def _postgres(_loop: asyncio.AbstractEventLoop, _folder: Path) -> Iterator[Postgres | ContainerPostgres]:
    server = make_postgres(_folder / "postgres", durable=False)
    _loop.run_until_complete(server.start())
    yield server
    _loop.run_until_complete(server.stop())
    server.close()


@pytest.fixture(scope="session")
def kafka_bootstrap(_kafka: Kafka | ContainerKafka) -> str:
    return _kafka.bootstrap


@pytest.fixture
def kafka(_loop: asyncio.AbstractEventLoop, _kafka: Kafka | ContainerKafka) -> Iterator[Kafka | ContainerKafka]:
    yield _kafka
    _loop.run_until_complete(_revive(_kafka))


@pytest.fixture
def postgres(
    _loop: asyncio.AbstractEventLoop, _postgres: Postgres | ContainerPostgres
) -> Iterator[Postgres | ContainerPostgres]:
    yield _postgres
    _loop.run_until_complete(_revive(_postgres))


@pytest.fixture
def durable_postgres(_loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Postgres | ContainerPostgres]:
    server = make_postgres(tmp_path / "postgres", durable=True)
    _loop.run_until_complete(server.start())
    yield server
    _loop.run_until_complete(server.stop())
    server.close()


@pytest.fixture
async def empty_kafka(kafka_bootstrap: str) -> str:
    await delete_topics(kafka_bootstrap)
    return kafka_bootstrap


@pytest.fixture(scope="module")
def module_kafka(_loop: asyncio.AbstractEventLoop, _kafka: Kafka | ContainerKafka) -> str:
    _loop.run_until_complete(delete_topics(_kafka.bootstrap))
    return _kafka.bootstrap


@pytest.fixture
def database_url(_loop: asyncio.AbstractEventLoop, _postgres: Postgres | ContainerPostgres) -> Iterator[str]:
    yield from _database(_loop, _postgres)


@pytest.fixture(scope="module")
def module_database_url(_loop: asyncio.AbstractEventLoop, _postgres: Postgres | ContainerPostgres) -> Iterator[str]:
    yield from _database(_loop, _postgres)


@pytest.fixture
async def make_database(_postgres: Postgres | ContainerPostgres) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    made: list[str] = []

    async def make() -> str:
        made.append(_name())
        return await _postgres.create_database(made[-1])

    yield make
    for name in made:
        await _postgres.drop_database(name)


@pytest.fixture
def service_env(kafka_bootstrap: str, database_url: str) -> dict[str, str]:
    """The whole environment of a child process; for settings in-process, pass it to monkeypatch."""
    return os.environ | {
        "CONVOBOSS_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "CONVOBOSS_DATABASE_URL": database_url,
        "CONVOBOSS_SECRET_KEYS": FERNET_KEY,
        "CONVOBOSS_LOG_LEVEL": "info",
    }


def _database(loop: asyncio.AbstractEventLoop, server: Postgres | ContainerPostgres) -> Iterator[str]:
    name = _name()
    yield loop.run_until_complete(server.create_database(name))
    loop.run_until_complete(server.drop_database(name))


def _name() -> str:
    return f"test_{secrets.token_hex(6)}"


async def _revive(server: Kafka | ContainerKafka | Postgres | ContainerPostgres) -> None:
    await server.resume()
    await server.start()

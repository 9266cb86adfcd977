"""The servers that the parts share: a real broker and a real PostgreSQL, both as durable as in production."""

import os
import resource
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.servers import Kafka, Postgres

KEYS = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="
"""A Fernet key for parts that need one: nobody's."""


@dataclass(frozen=True, slots=True)
class Servers:
    kafka: Kafka
    postgres: Postgres
    folder: Path
    """For what a part writes; gone afterwards."""

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    def postgres_cpu(self) -> float:
        """Processor seconds of the database server and of its children that live."""
        import psutil

        child = self.postgres.child
        assert child is not None  # noqa: S101 - it was started
        server = psutil.Process(child.pid)
        return sum(cpu_seconds(each.pid) for each in (server, *server.children(recursive=True)))

    async def database(self, name: str) -> str:
        """An empty database; returns its URL."""
        return await self.postgres.create_database(name)


@asynccontextmanager
async def running(say: Callable[[str], None]) -> AsyncIterator[Servers]:
    """Starts both and stops them. PostgreSQL flushes to disk at each commit, as it does in production."""
    with tempfile.TemporaryDirectory(prefix="convoboss-bench-") as name:
        folder = Path(name)
        kafka, postgres = Kafka(folder / "kafka", say=say), Postgres(folder / "postgres", durable=True)
        try:
            say("starting Kafka and PostgreSQL")
            await kafka.start()
            await postgres.start()
            yield Servers(kafka, postgres, folder)
        finally:
            await kafka.stop()
            await postgres.stop()
            kafka.close()
            postgres.close()


def cpu_seconds(pid: int | None = None) -> float:
    """Processor seconds, user and system, that a process has used; this one's without a pid."""
    if pid is None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)

"""A Python process of the project as the supervisor sees it: started, asked for its health, stopped."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from local import paths, process
from local.catalogue import Program
from local.errors import StartFailed
from local.nursery import Nursery

START = 60.0  # seconds until it must be ready
STOP = 27.0  # seconds: a service takes 25 at most to drain
ANSWER = 2.0  # seconds for one answer of /readyz
POLL = 0.1  # seconds between two questions while it starts
WRONG_SETTINGS = 2  # exit code: starting again would not help


class Service(process.Owner):
    def __init__(
        self,
        program: Program,
        port: int,
        environment: Mapping[str, str],
        log: Path,
        *,
        nursery: Nursery,
        gate: asyncio.Event,
    ) -> None:
        self.program = program
        self.name = program.name
        self.port = port
        self.log = log
        self._environment = environment
        self._nursery = nursery
        self._gate = gate
        self._started_once = False

    async def start(self) -> None:
        """Returns when /readyz says yes. Raises StartFailed."""
        if not self._gate.is_set():
            self.waits_for = "Kafka, its topics and PostgreSQL"
            await self._gate.wait()
        self.waits_for = "its first answer"
        child = self.child = await self._spawn()
        deadline = time.monotonic() + START
        while reason := await self.check():
            self.waits_for = reason
            if child.returncode is not None:
                raise StartFailed(
                    self.name,
                    f"it ended {process.how_it_ended(child.returncode)}",
                    child.tail(),
                    child.words(),
                    self.log.parent,
                )
            if time.monotonic() > deadline:
                raise StartFailed(self.name, f"after {START:.0f} s it still says: {reason}", child.tail())
            await asyncio.sleep(POLL)

    async def _spawn(self) -> process.Child:
        if not self._started_once:
            self._started_once = True
            return await self._nursery.spawn(self.name, self.program.module, log=self.log, env=self._environment)
        command = [sys.executable, "-P", "-m", self.program.module]
        return process.spawn(self.name, command, log=self.log, env=self._environment, cwd=paths.ROOT)

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, STOP))

    async def check(self) -> str:
        """Why it is not ready; empty when it is."""
        try:
            async with asyncio.timeout(ANSWER):
                status, body = await _get("127.0.0.1", self.port, "/readyz")
        except (OSError, ValueError):
            return "its first answer"
        except TimeoutError:
            return f"no answer within {ANSWER:.0f} s"
        return "" if status == 200 else _reasons(body)


def _reasons(body: bytes) -> str:
    try:
        parts = json.loads(body)["components"].items()
        return (
            "; ".join(f"{name}: {' '.join(part['detail'].split())}" for name, part in parts if not part["ok"])
            or "not ready"
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return "not ready"


async def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    """One small HTTP request. Raises OSError, ValueError when it is no answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body
    except IndexError:
        raise ValueError("no HTTP answer") from None
    finally:
        writer.close()

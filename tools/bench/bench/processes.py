"""Services as the processes they are in production."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from local import ports

READY: Final = 60.0  # seconds; measured 3
STOP: Final = 30.0  # seconds: a service drains for 25 at most
LOOK: Final = 0.1  # seconds


class Ended(Exception):
    """A service ended while it was needed; the text has its last lines."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service of ours, and the port of its pages."""

    name: str
    port: int
    log: Path
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ready(self) -> None:
        """Until `/readyz` says yes. Raises Ended, TimeoutError."""
        await self.alive_until(self._ready())

    async def alive_until(self, fact: Awaitable[None]) -> None:
        """Raises Ended when the process does before the fact has come."""
        waits = [asyncio.ensure_future(fact), asyncio.ensure_future(self.process.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not waits[0].done():
                lines = self.log.read_text(errors="replace").splitlines()[-12:]
                raise Ended(f"{self.name} ended with {self.process.returncode}:\n" + "\n".join(lines))
            waits[0].result()
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _ready(self) -> None:
        async with asyncio.timeout(READY), ClientSession(timeout=ClientTimeout(total=2)) as http:
            while not await _says_yes(http, f"http://127.0.0.1:{self.port}/readyz"):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK)


async def _says_yes(http: ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except (ClientError, TimeoutError):
        return False


@asynccontextmanager
async def running(
    name: str, module: str, environment: Mapping[str, str], folder: Path, arguments: Sequence[str] = ()
) -> AsyncIterator[Running]:
    """`python -m module argument…` with this in its environment and its output in a file of the folder; ended with the block."""
    async with running_command(name, [*command_of(module), *arguments], environment, folder) as started:
        yield started


@asynccontextmanager
async def running_command(
    name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Running]:
    """The same for a program that is not ours; the port that it is to listen on is in CONVOBOSS_HTTP_PORT."""
    port = ports.reserve()
    log = folder / f"{name}.log"
    found = os.environ | dict(environment) | {"CONVOBOSS_HTTP_PORT": str(port)}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*command, env=found, stdout=output, stderr=output)
    try:
        yield Running(name, port, log, process)
    finally:
        await end(process)
        ports.release(port)


def command_of(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", module]


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

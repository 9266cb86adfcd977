"""flow-engine as it runs: a process of its own, and a flow for it."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from local import ports
from schemas.flows import Flow

START = 30.0  # seconds; measured 3, more when the machine is busy
FLOW = Flow.model_validate(
    {
        "id": "salon",
        "name": "Salon",
        "blocks": {
            "start": {"kind": "start"},
            "hi": {"kind": "message", "text": "Hi {{first_name|there}}"},
            "more": {"kind": "message", "text": "More?"},
        },
        "wires": [{"block": "start", "to": "hi"}],
        "default_reply": {"block": "more"},
    }
)


@dataclass
class Engine:
    """flow-engine as a child process."""

    env: dict[str, str]
    log: Path
    program: tuple[str, ...] = ("-m", "flow_engine")
    port: int = field(default_factory=ports.reserve)
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                env=self.env | {"CONVOBOSS_HTTP_PORT": str(self.port)},
                stderr=log,
                stdout=log,
            )

    async def ready(self) -> None:
        """Until `/readyz` says yes."""
        assert self.process is not None
        process = self.process

        async def fact() -> bool:
            assert process.returncode is None, self.log.read_text()
            return await self.is_ready()

        await until(fact, START, self.log.read_text)

    async def says(self, words: str) -> None:
        """Until the log has it."""
        await until(lambda: self._has_said(words), START, self.log.read_text)

    async def _has_said(self, words: str) -> bool:
        return words in self.log.read_text()

    async def is_ready(self) -> bool:
        return await self.get("readyz") == 200

    async def is_not_ready(self) -> bool:
        return await self.get("readyz") != 200

    async def supervised(self) -> None:
        """Started again whenever it ends."""
        while True:
            assert self.process is not None
            await self.process.wait()
            self.deaths += 1
            await self.start()

    async def get(self, page: str) -> int:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.port}/{page}") as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()


async def until(fact: Callable[[], Any], seconds: float, why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not await fact():
        assert time.monotonic() < deadline, why()
        await asyncio.sleep(0.05)

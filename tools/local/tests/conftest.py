import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local import ports

PROGRAMS = Path(__file__).parent / "programs"
DEADLINE = 60.0  # seconds for a fact to come true on a busy machine


async def eventually(fact: Callable[[], object], what: str = "") -> object:
    """Waits for a fact of another process, which no event of ours tells."""
    until = time.monotonic() + DEADLINE
    while not (seen := fact()):
        assert time.monotonic() < until, f"never came true: {what or fact}"
        await asyncio.sleep(0.02)
    return seen


class SmallStack:
    """`make run` with one small service, as a child process."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self._folder = folder
        self.output = folder.with_suffix(".out")
        with self.output.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, PROGRAMS / "small_stack.py", folder, str(port)],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(PROGRAMS)} | environment,
            )
        self.process = psutil.Process(self.popen.pid)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def log(self, name: str) -> str:
        return (self._folder / "logs" / f"{name}.log").read_text()

    async def says(self, text: str) -> str:
        await eventually(lambda: text in self.said or self.popen.poll() is not None, text)
        assert text in self.said, self.said
        return self.said

    async def ended(self) -> int:
        await eventually(lambda: self.popen.poll() is not None, "its end")
        return self.popen.returncode

    def family(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)


@pytest.fixture
def small_stack(tmp_path):
    started = []

    def start(port=None, **environment):
        if port is None:
            port = ports.reserve()
            ports.release(port)  # the stack reserves it for itself
        started.append(SmallStack(tmp_path / "data", port, **environment))
        return started[-1]

    yield start
    for one in started:
        family = one.family() if one.popen.poll() is None else []
        one.popen.kill()
        one.popen.wait()
        psutil.wait_procs(family, DEADLINE)


@pytest.fixture
def light_stack(small_stack, kafka_bootstrap, module_database_url):
    """The same on the test session's servers: what is tested is the supervisor, not the start of Kafka."""

    def start(port=None, **environment):
        servers = {"CONVOBOSS_KAFKA_BOOTSTRAP": kafka_bootstrap, "CONVOBOSS_DATABASE_URL": module_database_url}
        return small_stack(port, **servers, **environment)

    return start


@pytest.fixture
def wait_for():
    return eventually

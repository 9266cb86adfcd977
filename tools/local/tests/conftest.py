import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import termios
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

    def __init__(
        self, folder: Path, port: int, *, machine: str = "", terminal: int | None = None, **environment: str
    ) -> None:
        """`machine`: as programs/outside.py makes the data folder's. `terminal`: the one to be on."""
        self.folder = folder
        self.machine = machine
        self.output = folder.with_suffix(".out")
        outside = [sys.executable, PROGRAMS / "outside.py", machine, folder] if machine else []
        with self.output.open("w") as out:
            self.popen = subprocess.Popen(
                [*outside, sys.executable, PROGRAMS / "small_stack.py", folder, str(port)],
                stdout=out if terminal is None else terminal,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                env=os.environ | {"PYTHONPATH": str(PROGRAMS)} | environment,
                start_new_session=terminal is not None,
                preexec_fn=None if terminal is None else lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            )
        self.process = psutil.Process(self.popen.pid)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text()

    async def says(self, text: str) -> str:
        await eventually(lambda: text in self.said or self.popen.poll() is not None, text)
        assert text in self.said, self.said
        return self.said

    async def ended(self) -> int:
        await eventually(lambda: self.popen.poll() is not None, "its end")
        if self.machine and self.popen.returncode == 77:
            pytest.skip("nobody may mount here: neither root nor a user namespace")
        return self.popen.returncode

    def family(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)

    def names(self) -> set[str]:
        """Of its processes as of now; one may end while it is looked at."""
        found = set()
        for one in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.add(one.name())
        return found


@pytest.fixture
def small_stack(tmp_path):
    started = []

    def start(port=None, data=tmp_path / "data", **how):
        if port is None:
            port = ports.reserve()
            ports.release(port)  # the stack reserves it for itself
        started.append(SmallStack(data, port, **how))
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

"""Starts the project's Python processes as forks of one that has loaded what they all need.

A service loads for a second and more, nearly all of it libraries that every service shares; eight of them on two
cores are a wait that a person notices. So a service's first start is a fork of the nursery, a process of its own
without threads. Later starts are `python -m` as in production, which take changed code in.

Supervisor and nursery speak JSON lines over a socket pair. When the supervisor ends, so does the nursery, and with
it (PR_SET_PDEATHSIG) every fork.
"""

import asyncio
import contextlib
import itertools
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from local import paths, process
from local.errors import LocalError

PRELOAD = (
    "aiohttp",
    "aiokafka",
    "asyncpg",
    "runtime.compacted",
    "runtime.consumer",
    "runtime.http",
    "runtime.outbox",
    "runtime.postgres",
    "runtime.service",
    "schemas.topics",
)
CHUNK = 1 << 16  # bytes of one read


@dataclass(frozen=True, slots=True)
class Request:
    """As `python -m module argument...`, its output in the log file, and `env` as the whole environment."""

    number: int
    name: str
    module: str
    arguments: tuple[str, ...]
    log: str
    env: dict[str, str]


class Nursery:
    """The supervisor's side. `start` returns at once; forks wait until everything is loaded."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._numbers = itertools.count(1)
        self._born: dict[int, asyncio.Future[int]] = {}  # number of the request → pid
        self._ended: dict[int, asyncio.Future[int]] = {}  # number of the request → exit code
        self._channel: socket.socket | None = None
        self._child: process.Child | None = None
        self._reader: asyncio.Task[None] | None = None

    def start(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
            self._child = process.spawn(
                "nursery", command, log=self._log, env=env, cwd=paths.ROOT, pass_fds=(theirs.fileno(),)
            )
        self._channel = ours
        self._reader = asyncio.create_task(self._read(ours))

    async def spawn(
        self, name: str, module: str, arguments: Sequence[str] = (), *, log: Path, env: Mapping[str, str]
    ) -> process.Child:
        """Raises LocalError when the nursery is not there any more."""
        if self._channel is None:
            raise LocalError(self._why())
        loop = asyncio.get_running_loop()
        request = Request(next(self._numbers), name, module, tuple(arguments), str(log), dict(env))
        born = self._born[request.number] = loop.create_future()
        ended = self._ended[request.number] = loop.create_future()
        await loop.sock_sendall(self._channel, json.dumps(asdict(request)).encode() + b"\n")
        return process.Child(name, _Forked(await born, ended), log)

    async def stop(self) -> None:
        """The forks end with it; they should have ended before."""
        if self._child is not None:
            await self._child.stop()
        if self._reader is not None:
            await self._reader

    async def _read(self, channel: socket.socket) -> None:
        loop, lines = asyncio.get_running_loop(), _Lines()
        with channel, contextlib.suppress(OSError):
            while data := await loop.sock_recv(channel, CHUNK):
                for line in lines.feed(data):
                    self._take(json.loads(line))
        self._channel = None
        for waiting in self._born.values():
            if not waiting.done():
                waiting.set_exception(LocalError(self._why()))
        for running in self._ended.values():
            if not running.done():
                running.set_result(-signal.SIGKILL)

    def _why(self) -> str:
        tail = self._child.tail() if self._child is not None else ""
        return f"The process that starts the others has ended; its log is {self._log}\n{tail}".rstrip()

    def _take(self, said: Mapping[str, int]) -> None:
        future, value = (self._born, "pid") if "pid" in said else (self._ended, "code")
        if not future[said["number"]].done():
            future[said["number"]].set_result(said[value])


class _Forked:
    """A fork of the nursery; its exit code comes by message, for it is no child of this process."""

    def __init__(self, pid: int, ended: asyncio.Future[int]) -> None:
        self.pid = pid
        self._ended = ended

    def poll(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def ended(self) -> int:
        return await asyncio.shield(self._ended)


class _Lines:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from lines


def main() -> None:
    """The nursery itself: forks on request until the supervisor is gone. In a fork it becomes what was asked for."""
    process.set_name("nursery")
    for module in PRELOAD:
        with contextlib.suppress(ImportError):  # the process that needs it will say so in its own log
            import_module(module)
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        _become(request)


def _serve(channel: socket.socket) -> Request | None:
    """Returns None when the supervisor is gone, and in every fork what it was made for."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    lines, running = _Lines(), dict[int, int]()  # pid → number of its request
    with selectors.DefaultSelector() as selector, channel, woken, waker:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(CHUNK)
                _report_ended(channel, running)
            if channel not in ready:
                continue
            if not (data := channel.recv(CHUNK)):
                return None
            for line in lines.feed(data):
                request = Request(**json.loads(line))
                if not (pid := os.fork()):
                    return request
                os.setpgid(pid, pid)  # here and there: whoever needs it first finds it done
                running[pid] = request.number
                _send(channel, number=request.number, pid=pid)


def _report_ended(channel: socket.socket, running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _send(channel, number=running.pop(pid), code=os.waitstatus_to_exitcode(status))


def _send(channel: socket.socket, **said: int) -> None:
    channel.sendall(json.dumps(said).encode() + b"\n")


def _become(request: Request) -> None:
    """In a fork: the process that `python -m module` would have been."""
    os.setpgid(0, 0)
    process.die_with_parent()
    process.set_name(request.name)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.environ.clear()
    os.environ.update(request.env)
    sys.argv = [request.module, *request.arguments]
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

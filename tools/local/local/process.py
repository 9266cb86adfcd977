"""Child processes that never outlive this one.

On Linux the kernel kills a child when its parent dies (PR_SET_PDEATHSIG), also after kill -9. "Parent"
means the *thread* that started it: call `spawn` from a thread that lives as long as the child should,
never from an executor. Elsewhere a stopped supervisor still stops its children; only kill -9 of it leaves them,
and the next start ends them by their pid file (`end_leftover`).
"""

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
POLL = 0.05  # seconds, where the kernel has no pidfd
LAST = 64 * 1024  # bytes of a log that are looked at
_FRAME = re.compile(r"\s+at \S+\(|\s*\.\.\. \d+ more|#")  # of a Java exception, and what a JVM says when it crashes
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Handle(Protocol):
    """A process by whichever way it was started."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    async def ended(self) -> int: ...


class Child:
    """A running child, leader of its own process group; its output goes to a file, so nobody has to keep reading."""

    def __init__(self, name: str, handle: Handle, log: Path, began: int = 0) -> None:
        self.name = name
        self.log = log
        self._handle = handle
        self._began = began  # bytes of the log that earlier processes wrote

    @property
    def pid(self) -> int:
        return self._handle.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._handle.poll()

    def send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, also to what it started itself: the kernel tells only the child of its parent's death."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        code = self.returncode
        return await self._handle.ended() if code is None else code

    async def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Sends each signal and waits its seconds; after the last one SIGKILL, which always works."""
        for number, seconds in steps:
            self.send(number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.wait(), seconds)
        self.kill()
        return await self.wait()

    def tail(self, lines: int = 12) -> str:
        """Its own last lines for a person: no places in the code of a Java exception, no JSON."""
        kept = [line for line in self.words().splitlines() if not _FRAME.match(line)]
        return "\n".join(_plain(line) for line in kept[-lines:])

    def words(self) -> str:
        """What it wrote into its log, at most the last 64 KB."""
        return _end_of(self.log, self._began)


class _Spawned:
    """A child of this process."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.pid = popen.pid
        self.poll = popen.poll
        self._popen = popen

    async def ended(self) -> int:
        if hasattr(os, "pidfd_open"):
            await _pidfd_readable(self.pid)
            return self._popen.wait()
        while (code := self.poll()) is None:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(POLL)
        return code


class Owner:
    """Somebody who runs one child, and what a fault test may do to it."""

    name: str
    child: Child | None = None
    waits_for = ""  # what a start under way is waiting for

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.returncode is None

    async def check(self) -> str:
        """Why it cannot work; empty when it can."""
        return "" if self.running else "it does not run"

    async def kill(self) -> None:
        """Kill -9; `start` brings it back."""
        if self.child is not None:
            await self.child.stop()

    async def pause(self) -> None:
        """Stops it in its tracks, as a machine without a processor would."""
        self._signal_family(signal.SIGSTOP)

    async def resume(self) -> None:
        """Fine also when nothing was paused."""
        self._signal_family(signal.SIGCONT)

    def _signal_family(self, number: signal.Signals) -> None:
        if self.child is None or not self.running:
            return
        import psutil  # only needed in tests of faults

        family = psutil.Process(self.child.pid)
        for member in [family, *family.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)


def spawn(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    death_signal: signal.Signals = signal.SIGKILL,
    identity: Callable[[], None] | None = None,
) -> Child:
    """Starts a child in a session of its own: a Ctrl-C at the terminal reaches the supervisor alone.

    `identity` runs in the child first, to change who it is (PostgreSQL refuses to run as root).
    """
    parent = os.getpid()

    def prepare() -> None:
        if identity:
            identity()  # before the death signal: a change of identity clears it
        die_with_parent(death_signal, parent)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        began = output.tell()
        popen = subprocess.Popen(  # noqa: S603 - the command line is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - two system calls, no locks
        )
    return Child(name, _Spawned(popen), log, began)


async def complete(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    within: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    identity: Callable[[], None] | None = None,
) -> Child:
    """Runs a command to its end and returns it; a cancelled wait ends it. Raises TimeoutError."""
    child = spawn(name, command, log=log, env=env, cwd=cwd, identity=identity)
    try:
        async with asyncio.timeout(within):
            await child.wait()
    finally:
        child.kill()
        await child.wait()
    return child


def die_with_parent(number: signal.Signals = signal.SIGKILL, parent: int | None = None) -> None:
    """The calling process gets the signal when its parent ends; it ends here when that has happened already."""
    if _LIBC is None:
        return
    _LIBC.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent if parent is not None else os.getppid() == 1:
        os._exit(1)


def set_name(name: str) -> None:
    """What ps and top call the calling process; the kernel keeps 15 characters."""
    if _LIBC:
        _LIBC.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def how_it_ended(code: int) -> str:
    """For a sentence that begins with its name and "ended"."""
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"


def _plain(line: str) -> str:
    """A JSON line of a service as a sentence; any other line as it is."""
    try:
        said = json.loads(line)
        why = [str(said[name]) for name in ("error", "reason", "why", "exception") if said.get(name)]
        return ": ".join([f"{said['level']}  {said['event']}", *why])
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _end_of(log: Path, began: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(began, log.stat().st_size - LAST))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def end_leftover(pid_file: Path, marker: str) -> None:
    """Ends the process a pid file names, if it is ours (its command line holds `marker`), and removes the file.

    The caller holds the lock of the data folder: whatever still runs there was orphaned.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        pid_file.unlink(missing_ok=True)
        return
    import psutil  # only needed after an accident

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if any(marker in part for part in process.cmdline()):
            process.kill()
            process.wait(10)
    pid_file.unlink(missing_ok=True)


async def _pidfd_readable(pid: int) -> None:
    """Returns when the process has ended; it stays a zombie until its parent waits for it."""
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)

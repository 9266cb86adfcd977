"""Kafka's jars: pinned with hashes in jars.txt, fetched by jgo once, kept in the cache."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from local import paths
from local.errors import LocalError

ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
LIST = Path(__file__).with_name("jars.txt")
TIMEOUT = 60  # seconds for one answer of the repository
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
        return paths.cache() / "jars" / f"{artifact}-{version}.jar"

    @property
    def present(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self.size


def listed() -> list[Jar]:
    lines = (line.split() for line in LIST.read_text().splitlines() if not line.startswith("#"))
    return [Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in lines]


def class_path(say: Say = print) -> list[Path]:
    """All jars, sorted: a class archive belongs to one exact class path. Downloads what is missing."""
    jars = listed()
    missing = [jar for jar in jars if not jar.present]
    if missing:
        fetch(missing, say)
    return sorted(jar.path for jar in jars)


def fetch(jars: Sequence[Jar], say: Say = print) -> None:
    """Downloads the jars, checks their hashes, then moves each into the cache in one step.

    Raises LocalError when one cannot be had or is not what jars.txt names.
    """
    size = sum(jar.size for jar in jars) / 1e6
    say(f"Downloading Kafka: {len(jars)} jars, {size:.0f} MB, kept in {paths.cache() / 'jars'}")
    from jgo.maven import MavenContext

    (paths.cache() / "jars").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.cache()) as folder, ThreadPoolExecutor(PARALLEL) as pool:
        context = MavenContext(repo_cache=Path(folder), timeout=TIMEOUT)

        def one(jar: Jar) -> None:
            path = context.create_dependency(jar.coordinate).artifact.resolve()
            if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
                raise LocalError(f"{jar.coordinate} is not the file that {LIST.name} names; it was not kept.")
            os.replace(path, jar.path)  # noqa: PTH105

        try:
            list(pool.map(one, jars))
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            raise LocalError(f"Kafka's jars cannot be downloaded ({error}). Is there a network?") from error


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
    return Jar(f"{group}:{name}:{version}", path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def write_lock() -> None:
    lines = [f"{jar.coordinate} {jar.size} {jar.sha256}" for jar in resolve()]
    LIST.write_text("\n".join([LIST.read_text().splitlines()[0], *lines]) + "\n")

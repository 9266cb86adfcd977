"""Class archives: the JVM maps the broker's classes instead of parsing them, which halves its start.

The first clean stop on a machine writes the archive (AppCDS on Java 17-24, the AOT cache since 25), later
starts use it. It belongs to one JVM and one exact class path, so both are in its name.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local import paths
from local.java import AOT_SINCE, Java

JVM_FLAGS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class ClassArchive:
    java: Java
    jars: Sequence[Path]

    @property
    def path(self) -> Path:
        stamps = [f"{jar} {jar.stat().st_mtime_ns}" for jar in self.jars]  # the JVM compares them too
        key = "\n".join([str(self.java.binary), self.java.version, *JVM_FLAGS, *stamps])
        return paths.cache() / "kafka" / f"classes-{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    @property
    def present(self) -> bool:
        return self.path.is_file()

    def flags(self, recording: Path) -> list[str]:
        """Uses the archive, or writes one to `recording` when the JVM ends."""
        aot = self.java.major >= AOT_SINCE
        if self.present:
            return [f"-XX:AOTCache={self.path}"] if aot else [f"-XX:SharedArchiveFile={self.path}", "-Xshare:auto"]
        return [f"-XX:{'AOTCacheOutput' if aot else 'ArchiveClassesAtExit'}={recording}"]

    def keep(self, recording: Path) -> None:
        """Moves a written archive into the cache; whoever is first wins."""
        if recording.is_file() and recording.stat().st_size:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            recording.replace(self.path)

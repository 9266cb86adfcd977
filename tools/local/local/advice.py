"""What to do about a failure whose cause can be read from what was said last, by the system or in a server's log."""

import errno
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPACE: Final = 150_000_000  # bytes; an empty stack takes 70 MB, the rest is for what is written next
FULL: Final = 10_000_000  # bytes; with less nothing starts
WIPE: Final = "make reset wipes the data folder (every conversation of this stack is lost); downloads stay."


@dataclass(frozen=True, slots=True)
class Advice:
    """`final`: starting again cannot help."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    advice: Advice


def _rule(pattern: str, text: str, *, final: bool) -> _Rule:
    return _Rule(re.compile(pattern), Advice(text, final))


_KAFKA_BROKEN = (
    r"node ID not found in|No readable meta\.properties|InconsistentClusterId|Invalid cluster\.id"
    r"|No FeatureLevelRecord|CorruptRecordException|QuorumStateStore"
    r"|Metadata log directory|because meta\.properties|EofException|was recovered from snapshot"
)
_POSTGRES_BROKEN = (
    r"database files are incompatible|could not locate a valid checkpoint|could not find the database system"
    r"|incorrect checksum in control file|invalid data in file|invalid page in block|is not a valid data directory"
    r"|contains errors|could not access the server configuration|relation mapping file|PANIC: "
    r"|could not open (?:file|directory) \"(?:global|base|pg_)"
)
RULES: Final = (
    _rule(
        r"No space left on device|Disk quota exceeded|fault occurred in an? (?:recent )?unsafe memory access",
        "There is no space left on the disk. Free some: the next try goes on by itself.",
        final=False,
    ),
    _rule(
        r"Read-only file system",
        "The data folder is read-only. Name one that can be written: CONVOBOSS_DATA=FOLDER make run",
        final=True,
    ),
    _rule(
        r"Cannot allocate memory|There is insufficient memory|Could not reserve enough space for object heap",
        "The machine is out of memory: the stack takes about 640 MB. Close something and start again.",
        final=False,
    ),
    _rule(
        r"ModuleNotFoundError|ImportError",
        "The Python environment is incomplete. Make it anew: rm -rf .venv, then the same command again.",
        final=True,
    ),
    _rule(_KAFKA_BROKEN, f"Kafka's data is damaged. {WIPE}", final=True),
    _rule(_POSTGRES_BROKEN, f"PostgreSQL's data is damaged. {WIPE}", final=True),
)


def read(words: str, near: Path | None = None) -> Advice | None:
    """None when the words are of nothing that is known. `near`: a folder on the disk of the data.

    A full disk cuts logs off and looks like damage in many ways; nobody may be told to wipe data because of it.
    """
    if near is not None and free(near) < FULL:
        return RULES[0].advice
    return next((rule.advice for rule in RULES if rule.pattern.search(words)), None)


def about(error: OSError, data: Path) -> str:
    """A sentence about an error of the system that ended a start."""
    where = error.filename or data
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"There is no space left on the disk of {where} ({free(data) / 1e6:.0f} MB are free where the data lies).\n"
            "Free some and start again, or name another place: CONVOBOSS_DATA=FOLDER make run"
        )
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return (
            f"{where} cannot be written ({error.strerror}). Make it writable,\n"
            "or name another place: CONVOBOSS_DATA=FOLDER for the data, CONVOBOSS_CACHE=FOLDER for downloads"
        )
    return f"{error.strerror or error} ({where})."


def free(folder: Path) -> int:
    """Bytes that are free where the folder is, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free

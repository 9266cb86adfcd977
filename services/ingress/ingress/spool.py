"""Webhooks' records on disk, in order, until the broker has them: files of frames that are whole or are not there.

A frame is one webhook: four marking bytes, the payload's length, a checksum, how many records it holds, when it came, and
the payload. The first marking byte occurs in no UTF-8 text, so that nothing inside a payload can be taken for a frame.
A segment is a file that is only added to, and is deleted once all in it is out. Nothing here knows of the event loop: one
thread at a time calls it.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from runtime.errors import Refused
from runtime.logs import get_logger

MARK: Final = b"\xffCSP"
_HEAD: Final = struct.Struct(">4sIIIQ")  # mark, length of the payload, checksum, records, milliseconds since 1970
_SUMMED: Final = struct.Struct(">IIQ")  # what of the head the checksum covers beside the payload
SEGMENT: Final = 8 * 1024 * 1024  # bytes from which on the next segment is begun, in a spool that may hold many of them
SUFFIX: Final = ".spool"
LOCK: Final = "lock"

log = get_logger(__name__)


class SpoolTaken(Refused):
    """Another process has the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Another process uses {folder}: set CONVOBOSS_SPOOL_DIRECTORY to a folder of its own.")
        self.folder = folder


class SpoolUnusable(Refused):
    """The folder cannot be written."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"CONVOBOSS_SPOOL_DIRECTORY: {folder} cannot be used: {error.strerror or error}.")
        self.folder = folder


class Frame(NamedTuple):
    """One webhook's records. `begin` and `end`: its place in the segment. `at`: milliseconds since 1970."""

    begin: int
    end: int
    at: int
    records: int
    payload: bytes


def framed(payload: bytes, *, records: int, at: int) -> bytes:
    """The frame's bytes."""
    checksum = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(len(payload), records, at)))
    return _HEAD.pack(MARK, len(payload), checksum, records, at) + payload


def frames(data: bytes, first: int = 0) -> Iterator[Frame]:
    """The whole frames in `data`, which stands at offset `first` of its segment. What is damaged is passed over."""
    place = 0
    while (place := data.find(MARK, place)) >= 0:
        frame = _frame(data, place, first)
        if frame is None:
            place += 1
        else:
            yield frame
            place = frame.end - first


def _frame(data: bytes, place: int, first: int) -> Frame | None:
    begin = place + _HEAD.size
    if begin > len(data):
        return None
    _, length, checksum, records, at = _HEAD.unpack_from(data, place)
    payload = data[begin : begin + length]
    if len(payload) != length or zlib.crc32(payload, zlib.crc32(_SUMMED.pack(length, records, at))) != checksum:
        return None
    return Frame(first + place, first + begin + length, at, records, payload)


@dataclass(slots=True)
class _Segment:
    """`good`: bytes that are known to be on the disk. `out`: bytes that the broker has. `at`: when its next frame came."""

    path: Path
    good: int = 0
    out: int = 0
    at: int = 0
    records: int = 0


class Spool:
    """The folder. `size`: bytes that its segments take; `left`, `records`: bytes and records the broker does not have yet."""

    def __init__(self, folder: Path, lock: int, segment: int) -> None:
        self.folder: Final = folder
        self._segment = segment
        self.size = 0
        self.left = 0
        self.records = 0
        self._lock = lock
        self._segments: list[_Segment] = []
        self._number = 0
        self._file: int | None = None  # the last segment, while it may be added to

    @classmethod
    def open(cls, folder: Path, *, segment: int = SEGMENT) -> "Spool":
        """Finds what a process before left, and cuts what it had not finished. Raise SpoolTaken, SpoolUnusable."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                spool = cls(folder, lock, segment)
                spool._find()
            except BaseException:
                os.close(lock)
                raise
        except BlockingIOError:
            raise SpoolTaken(folder) from None
        except OSError as error:
            raise SpoolUnusable(folder, error) from error
        return spool

    @property
    def oldest(self) -> int | None:
        """When the oldest frame came, in milliseconds since 1970; None while there is none."""
        first = next(iter(self._segments), None)  # one look: another thread asks
        return None if first is None else first.at

    def append(self, group: Sequence[bytes], *, records: int, at: int) -> None:
        """All of these frames are on the disk when it returns. `at`: when the first of them came.

        Raises OSError: then none of them counts, and the segment takes no more, for what a disk that has failed to write
        once says afterwards is not to be relied on.
        """
        segment = self._segments[-1] if self._file is not None else self._begun(at)
        file = self._file
        assert file is not None  # noqa: S101 - just begun
        data = b"".join(group)
        try:
            written = 0
            while written < len(data):
                written += os.write(file, data[written:])
            os.fsync(file)
        except OSError:
            self._give_up(segment, file)
            raise
        segment.good += len(data)
        segment.records += records
        self.size += len(data)
        self.left += len(data)
        self.records += records
        if segment.good >= self._segment:
            self._close()

    def read(self) -> list[Frame]:
        """The frames of the oldest segment that are not yet out; none when all are. Raises OSError."""
        while self._segments:
            first = self._segments[0]
            found = list(frames(_bytes_of(first.path, first.out, first.good), first.out))
            if found:
                first.at = found[0].at
                return found
            log.error("a part of the spool cannot be read any more", segment=first.path.name, records=first.records)
            self._drop(first)
        return []

    def release(self, frame: Frame, records: int, following: Frame | None) -> None:
        """The broker has all up to this frame of the oldest segment, which are so many records."""
        first = self._segments[0]
        self.left -= frame.end - first.out
        first.out = frame.end
        first.records -= records
        self.records -= records
        if following is not None:
            first.at = following.at
        if first.out >= first.good:
            self._drop(first)

    def close(self) -> None:
        self._close()
        os.close(self._lock)  # and with it the lock

    def _find(self) -> None:
        for path in sorted(path for path in self.folder.glob(f"*{SUFFIX}") if path.stem.isdecimal()):
            self._number = max(self._number, int(path.stem))
            data = path.read_bytes()
            found = list(frames(data))
            good = found[-1].end if found else 0
            if damaged := len(data) - sum(frame.end - frame.begin for frame in found):
                log.warning(
                    "the spool's end was cut, or a part of it is damaged",
                    segment=path.name,
                    bytes=damaged,
                    records=sum(frame.records for frame in found),
                )
            if not found:
                path.unlink()
                continue
            if good < len(data):
                os.truncate(path, good)
            segment = _Segment(path, good, 0, found[0].at, sum(frame.records for frame in found))
            self._segments.append(segment)
            self.size += good
            self.left += good
            self.records += segment.records

    def _begun(self, at: int) -> _Segment:
        self._number += 1
        path = self.folder / f"{self._number:012}{SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        segment = _Segment(path, at=at)
        try:
            _sync_folder(self.folder)
        except OSError:
            self._give_up(segment, file)
            raise
        self._file = file
        self._segments.append(segment)
        return segment

    def _give_up(self, segment: _Segment, file: int) -> None:
        """Takes back what was not finished, as far as the disk lets us."""
        with contextlib.suppress(OSError):
            os.ftruncate(file, segment.good)
        with contextlib.suppress(OSError):
            os.close(file)
        self._file = None
        if not segment.good:
            if segment in self._segments:
                self._segments.remove(segment)
            with contextlib.suppress(OSError):
                segment.path.unlink()

    def _drop(self, segment: _Segment) -> None:
        if segment is self._segments[-1]:
            self._close()
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:  # the next start says it all once more, and readers pass over it
            log.error("a file of the spool cannot be deleted", segment=segment.path.name, error=str(error))  # noqa: TRY400
        self._segments.remove(segment)
        self.size -= segment.good
        self.left -= segment.good - segment.out
        self.records -= segment.records

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _bytes_of(path: Path, begin: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(begin)
        return file.read(end - begin)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Python loads this at its start: the wall clock of the process is ahead by as many seconds as the file FAULTS_CLOCK says.

The monotonic clock stays, as it does where a machine's time is set. The method of the built-in class is replaced in
place, so that the class remains the one that everybody knows.
"""

import ctypes
import datetime as dt
import gc
import mmap
import os
import struct
import time

_FILE = os.environ.get("FAULTS_CLOCK")


def _shift(path: str) -> None:
    with open(path, "r+b") as file:  # noqa: PTH123 - pathlib would be loaded for nothing
        told = mmap.mmap(file.fileno(), 8)
    real_time, real_now = time.time, dt.datetime.now

    def ahead() -> float:
        seconds: float = struct.unpack_from("d", told)[0]
        return seconds

    def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
        return real_now(tz) + dt.timedelta(seconds=ahead())

    time.time = lambda: real_time() + ahead()
    time.time_ns = lambda: int(time.time() * 1e9)
    own = gc.get_referents(dt.datetime.__dict__)[0]
    own["now"] = classmethod(now)
    own["utcnow"] = classmethod(lambda cls: now(cls, dt.UTC).replace(tzinfo=None))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))


if _FILE:
    _shift(_FILE)

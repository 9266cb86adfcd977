"""Free TCP ports on loopback, reserved against other processes of this project.

Ports come from below the kernel's ephemeral range, so that no outgoing connection can take one
by chance, and each is held by a lock file for the life of the process that reserved it.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

FIRST, LAST = 20_000, 32_000  # Linux hands out 32768-60999 by itself
TRIES = 200

_held: dict[int, int] = {}  # port -> descriptor of its lock file, open until the process ends


def reserve(preferred: int | None = None) -> int:
    """A port nobody listens on: the preferred one when it is free, else a random one.

    Raises OSError (EADDRINUSE) when no free port is found.
    """
    for port in _candidates(preferred):
        if is_free(port) and _lock(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port between {FIRST} and {LAST}")


def release(port: int) -> None:
    """Gives the reservation back; a port that is not held is fine."""
    descriptor = _held.pop(port, None)
    if descriptor is not None:
        os.close(descriptor)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # servers bind with SO_REUSEADDR: a connection in TIME_WAIT must not count as taken
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _candidates(preferred: int | None) -> Iterator[int]:
    if preferred is not None:
        yield preferred
    yield from random.SystemRandom().sample(range(FIRST, LAST), TRIES)


def _lock(port: int) -> bool:
    if port in _held:
        return False
    folder = Path(tempfile.gettempdir()) / f"convoboss-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _held[port] = descriptor
    return True

"""How much is under way, with bounds: a flood is refused while what was taken in is still served."""

from typing import Self

from ingress.refusals import Busy


class Load:
    """Requests and bytes of bodies under way in this process."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self.requests = 0
        self.bytes = 0

    def request(self) -> "Share":
        """One more request, for the length of a `with` block."""
        return Share(self)


class Share:
    """What one request holds; a context manager that raises Busy when there are too many."""

    __slots__ = ("_load", "bytes")

    def __init__(self, load: Load) -> None:
        self._load = load
        self.bytes = 0

    def __enter__(self) -> Self:
        if self._load.requests >= self._load.max_requests:
            raise Busy
        self._load.requests += 1
        return self

    def __exit__(self, *_exception: object) -> None:
        self._load.requests -= 1
        self._load.bytes -= self.bytes

    def grow(self, count: int) -> None:
        """`count` more bytes of the body came. Raise Busy."""
        if self._load.bytes + count > self._load.max_bytes:
            raise Busy
        self.bytes += count
        self._load.bytes += count

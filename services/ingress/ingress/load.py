"""How much is under way, with bounds: a flood is refused while what was taken in is still served."""

from collections.abc import Iterator
from contextlib import contextmanager

from ingress.refusals import Busy


class Share:
    """What one request holds."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self.bytes = 0

    def grow(self, count: int) -> None:
        """`count` more bytes of the body came. Raise Busy."""
        if self._load.bytes + count > self._load.max_bytes:
            raise Busy
        self.bytes += count
        self._load.bytes += count


class Load:
    """Requests and bytes under way in this process."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self.requests = 0
        self.bytes = 0

    @contextmanager
    def request(self) -> Iterator[Share]:
        """One more request, until the end of the block. Raise Busy."""
        if self.requests >= self.max_requests:
            raise Busy
        self.requests += 1
        share = Share(self)
        try:
            yield share
        finally:
            self.requests -= 1
            self.bytes -= share.bytes

"""A client that costs less than any server: prepared bytes over keep-alive connections, one request at a time on each."""

import asyncio
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

LENGTH = b"content-length: "
END = b"\r\n\r\n"
PATIENCE = 30.0  # seconds for the last answers


class BadAnswer(Exception):
    """A server answered something else than 200."""

    def __init__(self, head: bytes) -> None:
        super().__init__(head.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Answers:
    """What a round came to. `times`: milliseconds from the first byte sent to the last received, sorted."""

    seconds: float
    times: Sequence[float]

    @property
    def per_s(self) -> float:
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds that `share` (0 to 1) of the requests did not exceed."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is complete, until the time is up or none is left."""

    def __init__(self, wire: Iterator[bytes], until: float, times: list[float]) -> None:
        self._wire = wire
        self._until = until
        self._times = times
        self._received = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head = received.find(END)
        if head < 0 or len(received) < head + len(END) + self._length(received, head):
            self._received = received
            return
        self._received = b""
        if not received.startswith(b"HTTP/1.1 200"):
            self._end(BadAnswer(received[:head]))
            return
        self._times.append((time.perf_counter() - self._began) * 1000)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server hung up"))

    @staticmethod
    def _length(received: bytes, head: int) -> int:
        lower = received[:head].lower()
        at = lower.index(LENGTH) + len(LENGTH)
        end = lower.find(b"\r", at)
        return int(lower[at : end if end >= 0 else head])

    def _send(self) -> None:
        if self._transport is None:
            return
        self._began = time.perf_counter()
        request = next(self._wire, None) if self._began < self._until else None
        if request is None:
            self._end(None)
        else:
            self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        if self._transport is not None:
            self._transport.close()


async def load(port: int, prepared: Sequence[bytes], *, connections: int, seconds: float) -> Answers:
    """Loads the server on `port` of loopback. Raises `BadAnswer`, and OSError where a connection breaks."""
    return await _load(port, itertools.cycle(prepared), connections=connections, seconds=seconds, patience=PATIENCE)


async def load_once(port: int, prepared: Sequence[bytes], *, connections: int, within: float) -> Answers:
    """Sends each request once, as fast as the connections allow. Raises TimeoutError beside what `load` raises."""
    return await _load(port, iter(prepared), connections=connections, seconds=math.inf, patience=within)


async def _load(port: int, wire: Iterator[bytes], *, connections: int, seconds: float, patience: float) -> Answers:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(wire, began + seconds, times), "127.0.0.1", port)
        for _ in range(connections)
    ]
    async with asyncio.timeout(patience if math.isinf(seconds) else seconds + patience):
        await asyncio.gather(*(connection.done for _, connection in made))
    return Answers(time.perf_counter() - began, sorted(times))

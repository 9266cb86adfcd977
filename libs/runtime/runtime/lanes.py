"""What waits for the broker: by call, for whoever awaits it, and by partition, for its order."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from prometheus_client import Counter

from runtime import metrics
from runtime.packing import Packed

Headers = list[tuple[str, bytes]]


class Builder(Protocol):
    """What of aiokafka's batch is needed: `append` returns None when the batch is full; its first record always fits."""

    append: Callable[..., object]


class Call:
    """What one caller awaits: `done` is set when each of its parts is acknowledged or has failed, or time is up."""

    __slots__ = ("_left", "_parts", "done", "error", "late")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None
        """Why the first part that failed did so."""
        self.late = False
        self._parts: list[tuple[Lane, Part]] = []
        self._left = 0

    def submit(self, lane: "Lane", records: Sequence[Packed]) -> None:
        part = Part(self, records)
        self._parts.append((lane, part))
        self._left += 1
        lane.waiting.append(part)

    def settle(self, error: Exception | None) -> None:
        """One part is through."""
        self._left -= 1
        if error is not None and self.error is None:
            self.error = error
        if not self._left and not self.done.done():
            self.done.set_result(None)

    def expire(self) -> None:
        """Time is up."""
        if not self.done.done():
            self.late = True
            self.done.set_result(None)

    def withdraw(self) -> "list[Lane]":
        """Takes back what is not yet under way; returns the lanes of the call."""
        for lane, part in self._parts:
            if part in lane.waiting:
                lane.waiting.remove(part)
        return [lane for lane, _ in self._parts]


class Part:
    """Records of one call for one partition; the first `taken` of them are in a batch."""

    __slots__ = ("call", "records", "taken")

    def __init__(self, call: Call, records: Sequence[Packed]) -> None:
        self.call = call
        self.records = records
        self.taken = 0


class Lane:
    """One partition: what waits for it goes out in order, one batch at a time, all that came meanwhile in the next."""

    __slots__ = ("_batch", "_published", "_size", "leader", "partition", "since", "topic", "waiting")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic: Final = topic
        self.partition: Final = partition
        self.waiting: deque[Part] = deque()
        self.leader: int | None = None
        """The broker that the last batch went to."""
        self.since: float | None = None
        """When the batch that is under way was begun, in the loop's time; None while there is none."""
        self._batch: list[Part] = []
        self._size = 0
        self._published: Counter = metrics.PUBLISHED.labels(topic)

    def fill(self, builder: Builder, source: tuple[str, bytes]) -> None:
        """Moves what waits into a batch, as much as it holds; the rest of a part goes into the next."""
        append = builder.append
        while self.waiting:
            part = self.waiting[0]
            begun = part.taken
            for each in part.records[begun:] if begun else part.records:
                if append(timestamp=None, key=each.key, value=each.value, headers=[*each.headers, source]) is None:
                    break
                part.taken += 1
            self._size += part.taken - begun
            if part.taken > begun:
                self._batch.append(part)
            if part.taken < len(part.records):
                return
            self.waiting.popleft()

    def finish(self, error: Exception | None) -> None:
        """The batch under way is acknowledged, or has failed: those with a record in it are told, nobody else."""
        batch, size = self._batch, self._size
        self._batch, self._size, self.since = [], 0, None
        if error is None:
            self._published.inc(size)
        for part in batch:
            if error is not None and self.waiting and self.waiting[0] is part:
                self.waiting.popleft()
            if error is not None or part.taken == len(part.records):
                part.call.settle(error)

    def refuse(self, error: Exception) -> None:
        """What waits cannot go out."""
        while self.waiting:
            self.waiting.popleft().call.settle(error)

    def expire(self) -> None:
        """Time is up for all that wait for something of this partition; what is under way stays so."""
        for part in (*self._batch, *self.waiting):
            part.call.expire()

    def calls(self) -> "set[asyncio.Future[None]]":
        """Whoever still waits for something of this partition."""
        return {part.call.done for part in (*self._batch, *self.waiting) if not part.call.done.done()}

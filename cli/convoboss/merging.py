"""Records of many partitions as one stream: by the broker's time, and within a partition always in its order."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiokafka import TopicPartition

MAX_WAITING: Final = 500
"""Records of a partition that wait for their turn; it is not read from while so many do."""


class Raw(Protocol):
    """What of aiokafka's ConsumerRecord is used; `timestamp` in milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


Place = tuple[int, int, int, int]
"""Time, the topic's rank, partition, offset: what records are sorted by."""


@dataclass(slots=True)
class _Lane:
    rank: int
    ahead: bool
    """Whether records are still to come that may belong before those of other partitions."""
    latest: int = 0
    waiting: deque[tuple[Place, Raw]] = field(default_factory=deque)


class Merge:
    """`ahead`: the partitions whose past is still being read. While one of them has nothing waiting, nothing is given out.

    A record counts as no earlier than the one before it in its partition, whatever its time says. Records of the same
    time come in the order of `topics`.
    """

    def __init__(self, topics: Iterable[str], partitions: Mapping[TopicPartition, bool]) -> None:
        ranks = {topic: rank for rank, topic in enumerate(topics)}
        self._lanes = {tp: _Lane(ranks[tp.topic], ahead) for tp, ahead in partitions.items()}
        self._heads: list[tuple[Place, TopicPartition]] = []
        self._unknown = {tp for tp, ahead in partitions.items() if ahead}
        """Partitions ahead with nothing waiting: their next record may be the earliest."""

    def add(self, tp: TopicPartition, records: Iterable[Raw]) -> None:
        lane = self._lanes[tp]
        for raw in records:
            lane.latest = max(lane.latest, raw.timestamp)
            place = (lane.latest, lane.rank, raw.partition, raw.offset)
            if not lane.waiting:
                heapq.heappush(self._heads, (place, tp))
                self._unknown.discard(tp)
            lane.waiting.append((place, raw))

    def caught_up(self, tp: TopicPartition) -> None:
        """The partition's past was read to its end."""
        self._lanes[tp].ahead = False
        self._unknown.discard(tp)

    @property
    def ahead(self) -> frozenset[TopicPartition]:
        return frozenset(tp for tp, lane in self._lanes.items() if lane.ahead)

    @property
    def full(self) -> frozenset[TopicPartition]:
        return frozenset(tp for tp, lane in self._lanes.items() if len(lane.waiting) >= MAX_WAITING)

    def ready(self) -> Iterator[Raw]:
        """What may be given out now, in order."""
        while self._heads and not self._unknown:
            _, tp = heapq.heappop(self._heads)
            lane = self._lanes[tp]
            _, raw = lane.waiting.popleft()
            if lane.waiting:
                heapq.heappush(self._heads, (lane.waiting[0][0], tp))
            elif lane.ahead:
                self._unknown.add(tp)
            yield raw

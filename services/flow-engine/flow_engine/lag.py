"""Whether turns are answered, seen from outside: by what the group has committed and where each partition ends.

The consumer itself is not asked: one that has stopped working says nothing of it.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from flow_engine import metrics
from runtime.broker import connection
from runtime.errors import WrongPartitions
from runtime.health import Component
from runtime.logs import get_logger
from runtime.partitions import partitions_of
from runtime.settings import ServiceSettings

EVERY: Final = 5.0  # seconds between two looks
CLOSE: Final = 2.0  # seconds
SOON: Final = 0.2  # seconds, while partitions are being assigned
ANSWER: Final = 10.0  # seconds for a look
SAID_AFTER: Final = 0.5  # of the time after which the process ends, `/readyz` says it

log = get_logger(__name__)


class TurnsStuck(Exception):
    """Turns are waiting and none was answered for a long time: only a new process helps."""

    def __init__(self, partitions: Collection[int], seconds: float) -> None:
        super().__init__(f"Partitions {sorted(partitions)} have turns waiting and no progress for {seconds:.0f} s.")
        self.partitions = frozenset(partitions)


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one partition: the next offset that is not answered, and the offset that the next record will get."""

    committed: int
    end: int

    @property
    def waiting(self) -> int:
        return max(0, self.end - self.committed)


class Progress:
    """Remembers since when each partition has had turns waiting without one being answered."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}

    def idle(self, standings: Mapping[int, Standing], now: float) -> dict[int, float]:
        """Partition → seconds for which turns have waited there without progress. Partitions that left are forgotten."""
        seen: dict[int, tuple[int, float]] = {}
        for partition, standing in standings.items():
            committed, since = self._seen.get(partition, (standing.committed, now))
            moved = standing.committed != committed or standing.waiting == 0
            seen[partition] = (standing.committed, now if moved else since)
        self._seen = seen
        return {partition: now - since for partition, (_, since) in seen.items() if now > since}


class LagWatch:
    """Looks every `every` seconds; `run` raises `TurnsStuck` when a partition of ours is stuck for too long."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        group: str,
        topic: str,
        owned: Callable[[], Collection[int] | None],
        stopped: Callable[[], Mapping[int, Exception]] = dict,
        stuck_after: float,
        component: Component,
        clock: Callable[[], float],
        every: float = EVERY,
    ) -> None:
        self._settings = settings
        self._group = group
        self._topic = topic
        self._owned = owned
        self._stopped = stopped
        self._stuck_after = stuck_after
        self._component = component
        self._clock = clock
        self._every = every
        self._progress = Progress()

    async def until_there(self) -> None:
        """Wait until the topic is there. Raises `WrongPartitions` for one that was made otherwise."""
        said = False
        while (found := await self._partitions()) == 0:
            self._component.failing(f"topic {self._topic} is not there")
            if not said:
                said = True
                log.warning("waiting for a topic", topic=self._topic)
            await asyncio.sleep(1.0)
        expected = partitions_of(self._topic, self._settings.partitions)
        if found != expected:
            raise WrongPartitions(self._topic, found, expected)

    async def run(self) -> None:
        said = ""
        while True:
            try:
                await self._watch()
            except (KafkaError, OSError, TimeoutError) as error:
                reason = type(error).__name__
                self._component.failing(f"the broker does not tell how far turns are: {reason}")
                if reason != said:  # an outage is said once
                    said = reason
                    log.warning("the broker does not tell how far turns are", error=f"{reason}: {error}")
            await asyncio.sleep(self._every)

    async def _watch(self) -> None:
        kafka = AIOKafkaConsumer(
            **connection(self._settings, f"{self._group}-watch")
        )  # reads nothing: it asks for offsets
        admin = AIOKafkaAdminClient(**connection(self._settings, f"{self._group}-watch"))
        try:
            async with asyncio.timeout(ANSWER):
                await kafka.start()
                await admin.start()
            while True:
                owned = self._owned()
                if owned is None:
                    self._component.failing("partitions are being assigned")
                    await asyncio.sleep(min(SOON, self._every))
                    continue
                async with asyncio.timeout(ANSWER):
                    standings = await self._look(kafka, admin, owned)
                self._judge(standings)
                await asyncio.sleep(self._every)
        finally:
            await _close(kafka.stop())
            await _close(admin.close())

    async def _look(
        self, kafka: AIOKafkaConsumer, admin: AIOKafkaAdminClient, owned: Collection[int]
    ) -> dict[int, Standing]:
        tps = [TopicPartition(self._topic, partition) for partition in sorted(owned)]
        if not tps:
            return {}
        committed = await admin.list_consumer_group_offsets(self._group, partitions=tps)
        begins = await kafka.beginning_offsets(tps)
        ends = await kafka.end_offsets(tps)
        return {tp.partition: Standing(max(committed[tp].offset, begins[tp]), ends[tp]) for tp in tps}

    def _judge(self, standings: Mapping[int, Standing]) -> None:
        metrics.TURNS_WAITING.clear()
        for partition, standing in standings.items():
            metrics.TURNS_WAITING.labels(partition).set(standing.waiting)
        stopped = self._stopped()
        idle = {
            partition: seconds
            for partition, seconds in self._progress.idle(standings, self._clock()).items()
            if partition not in stopped  # a new process would put aside as much again
        }
        longest = max(idle.values(), default=0.0)
        if stopped:
            self._component.failing("; ".join(f"partition {each} stopped: {why}" for each, why in stopped.items()))
        elif longest >= self._stuck_after * SAID_AFTER:
            self._component.failing(f"partitions {sorted(idle)} have turns waiting and no progress for {longest:.0f} s")
        elif standings:
            self._component.ok(
                f"{len(standings)} partitions, {sum(each.waiting for each in standings.values())} waiting"
            )
        else:
            self._component.ok("no partitions: another process has them")
        if longest >= self._stuck_after:
            raise TurnsStuck([each for each, seconds in idle.items() if seconds >= self._stuck_after], longest)

    async def _partitions(self) -> int:
        """How many the topic has; 0 while it, or the broker, is not there."""
        admin = AIOKafkaAdminClient(**connection(self._settings, f"{self._group}-watch"))
        try:
            async with asyncio.timeout(ANSWER):
                await admin.start()
                described = await admin.describe_topics([self._topic])
        except (KafkaError, OSError, TimeoutError):
            return 0
        else:
            return sum(len(topic["partitions"]) for topic in described)
        finally:
            await _close(admin.close())


async def _close(closing: Coroutine[None, None, None]) -> None:
    """End a client, bounded. aiokafka's may raise the cancellation of its own tasks, which is none of ours."""
    try:
        async with asyncio.timeout(CLOSE):
            await closing
    except (KafkaError, OSError, TimeoutError):
        pass
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise

"""One pod of all looks after the pages: the one that has the partition of the topic `pages`.

Kafka's group gives it to another within the session time-out when a pod dies. For some seconds two may believe that it is
theirs; all that they do may be done twice.
"""

import asyncio
import random
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from runtime import backoff
from runtime.broker import connection
from runtime.health import Component
from runtime.logs import get_logger
from runtime.settings import ServiceSettings
from schemas.topics import PAGES

GROUP: Final = "ingress"
POLL: Final = 1000  # ms
RETRY_FIRST: Final = 0.5  # seconds
RETRY_CAP: Final = 10.0  # seconds
STOP: Final = 5.0  # seconds

log = get_logger(__name__)


class Leader:
    """`leads`: whether this process is the one."""

    def __init__(self, settings: ServiceSettings, component: Component) -> None:
        self._settings = settings
        self._component = component
        self.leads = False
        component.ok("another process looks after the pages")

    async def run(self) -> None:
        """Until cancelled."""
        for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
            try:
                await self._take_part()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("nobody can be chosen to look after the pages, trying again", error=str(error))
                self._component.ok(f"the broker was not reached: {error}")  # webhooks are taken all the same
            finally:
                self.leads = False
            await asyncio.sleep(delay)

    async def _take_part(self) -> None:
        consumer = AIOKafkaConsumer(
            **connection(self._settings, GROUP),
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=int(self._settings.kafka_session_timeout * 1000),
            heartbeat_interval_ms=int(self._settings.kafka_session_timeout * 1000 / 3),
        )
        try:
            await consumer.start()
            consumer.subscribe([PAGES], listener=_Assigned(self, consumer))
            while True:
                # Membership is all that is wanted: the partition is paused, and a reader of its own reads the topic.
                await consumer.getmany(timeout_ms=POLL)
        finally:
            # a broker that stands still must not turn a stop into another attempt: what ended this goes on
            with suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(STOP):
                    await consumer.stop()

    def assigned(self, *, leads: bool) -> None:
        if leads and not self.leads:
            log.info("this process looks after the pages")
        elif self.leads and not leads:
            log.info("another process looks after the pages")
        self.leads = leads
        self._component.ok("this process looks after the pages" if leads else "another process looks after the pages")


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, leader: Leader, consumer: AIOKafkaConsumer) -> None:
        self._leader = leader
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - the contract's
        self._leader.assigned(leads=False)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.pause(*assigned)
        self._leader.assigned(leads=bool(assigned))

"""Publishing flows: first the version goes to the broker, and only when it is acknowledged the bot points to it.

A version that is not acknowledged yet waits in its table; any process publishes it again, which writes the same record
once more and changes nothing.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from console import metrics
from console.flow_documents import StoredVersion
from console.repository import flows as repository
from runtime import backoff, tracing
from runtime.errors import passes
from runtime.health import Component, Health
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.outbox import Relay
from runtime.postgres import Pool
from runtime.records import Outgoing
from schemas.topics import FLOWS

POLL: Final = 5.0  # seconds between looks for versions that another process left behind
AT_ONCE: Final = 20  # versions read together
RETRY_FIRST: Final = 0.5  # seconds
RETRY_CAP: Final = 10.0  # seconds

log = get_logger(__name__)


class FlowPublisher:
    def __init__(
        self,
        pool: Pool,
        publisher: Publisher,
        relay: Relay,
        now: Callable[[], datetime],
        health: Health | None = None,
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._relay = relay
        self._now = now
        self._component: Component = (health or Health()).component("flow publisher")

    async def publish(self, version: StoredVersion) -> None:
        """Returns when the broker has it and the bot points to it. Raises what the publisher and the database raise."""
        await self._publisher.publish([Outgoing(FLOWS, version.record(), tracing.current())])
        await repository.version_acknowledged(self._pool, version, self._now())
        self._relay.wake()
        log.info("flow published", flow=version.ref, bot=version.bot)

    async def run(self) -> None:
        """Publishes what was left behind, until cancelled."""
        waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
        while True:
            try:
                await self._publish_pending()
            except Exception as error:
                if not passes(error):
                    raise
                self._component.failing(str(error))
                await asyncio.sleep(next(waits))
            else:
                self._component.ok()
                waits = backoff.delays(RETRY_FIRST, RETRY_CAP, random)
                await asyncio.sleep(POLL)

    async def publish_within(self, version: StoredVersion, seconds: float) -> None:
        """As `publish`, but what is not done in time, or cannot be done now, is left to `run`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                try:
                    await self.publish(version)
                except Exception as error:
                    if not passes(error):
                        raise
                    log.warning("flow waits for the broker", flow=version.ref, error=str(error))

    async def _publish_pending(self) -> None:
        pending = await repository.pending_versions(self._pool, AT_ONCE)
        metrics.FLOWS_PENDING.set(len(pending))
        for version in pending:
            try:
                await self.publish(version)
            except Exception as error:
                if passes(error):
                    raise
                # one version that cannot be published does not hold up the others
                log.exception("a flow cannot be published", flow=version.ref)

"""Wires the spool: the folder, the delivery, the channels of before, and the tasks that go with them."""

import asyncio
from pathlib import Path
from typing import Final

from ingress.channels import Channels
from ingress.delivery import Delivery
from ingress.handlers import Webhook
from ingress.remembered import Memory, remembered
from ingress.settings import IngressSettings
from ingress.spool import SEGMENT, Spool
from runtime.compacted import Apply
from runtime.health import Health
from runtime.kafka import Publisher
from runtime.secrets import SecretBox
from schemas.base import BaseEvent

PARTS: Final = 16  # segments in a full spool, at least: room comes back a segment at a time


class Spooling:
    """For a process that has a spool directory. Raises SpoolTaken, SpoolUnusable."""

    def __init__(self, settings: IngressSettings, health: Health) -> None:
        self._folder = Path(settings.spool_directory)
        self._box = SecretBox(settings.secret_keys)
        self._component = health.component("channels")
        self._component.failing("not known yet")
        spool = Spool.open(self._folder, segment=min(SEGMENT, settings.spool_bytes // PARTS))
        self._delivery = Delivery(spool, limit=settings.spool_bytes, component=health.component("spool"))
        self._memory = Memory(self._folder)
        self.tasks = [asyncio.create_task(self._delivery.run())]

    def open(self, webhook: Webhook) -> None:
        """Takes webhooks at once where a process before has left its channels: the broker may be away for long."""
        bots = remembered(self._folder)
        if not bots:
            return
        channels = Channels(self._box)
        for key, bot in bots.items():
            channels.apply(key, bot)
        webhook.open(self._delivery, channels)
        self._component.ok("as of before: the broker was not asked yet")

    def both(self, apply: Apply) -> Apply:
        """`apply`, and for the next start."""

        def remembering(key: str, event: BaseEvent | None) -> None:
            apply(key, event)
            self._memory.apply(key, event)

        return remembering

    def connect(self, publisher: Publisher, webhook: Webhook) -> None:
        """The broker was reached, and the channels of now are known."""
        self._delivery.connect(publisher)
        webhook.open(self._delivery)
        self._component.ok()
        self.tasks.append(asyncio.create_task(self._memory.run()))

    async def close(self) -> None:
        """When no webhook is under way any more."""
        await self._delivery.close(self.tasks[0])
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

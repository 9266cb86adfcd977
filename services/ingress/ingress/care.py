"""Wires what looks after the pages: the topic `pages`, who leads, the watchdog, catching up, and what waits for a page."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

from graphapi.client import Graph
from ingress import metrics
from ingress.backlog import Backlog
from ingress.catch_up import CatchUp, Demands
from ingress.channels import Channels
from ingress.gate import Gate
from ingress.leader import Leader
from ingress.outages import Outages
from ingress.settings import IngressSettings
from ingress.watchdog import Rhythm, Watchdog
from runtime.compacted import CompactedReader
from runtime.health import Health
from runtime.kafka import Publisher
from runtime.logs import get_logger
from runtime.pages import PageReports
from schemas.base import BaseEvent
from schemas.pages import Aspect, PageStatus
from schemas.topics import PAGES

CONNECTIONS: Final = 8
AGAIN: Final = 30.0  # seconds after a fault of ours

log = get_logger(__name__)


def now() -> datetime:
    return datetime.now(UTC)


class Care:
    """`read` before webhooks are taken, then `run` for the life of the process: nothing in it stops the webhooks."""

    def __init__(
        self,
        settings: IngressSettings,
        publisher: Publisher,
        channels: Channels,
        gate: Gate,
        outages: Outages,
        health: Health,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._channels = channels
        self._gate = gate
        self._outages = outages
        self._leader = Leader(settings, health.component("care of pages"))
        self._reports = PageReports(publisher, now)
        self._demands = Demands(publisher, now)
        self._states: dict[tuple[str, Aspect], bool] = {}
        self._reader = CompactedReader(settings, PAGES, self.apply, health)

    def apply(self, key: str, event: BaseEvent | None) -> None:
        """A record of `pages`."""
        self._gate.apply(key, event)
        self._reports.apply(key, event)
        self._demands.apply(key, event)
        if isinstance(event, PageStatus):
            self._states[event.page, event.aspect] = event.state == "failing"
            failing = Counter(aspect for (_, aspect), is_failing in self._states.items() if is_failing)
            for aspect in get_args(Aspect):
                metrics.FAILING.labels(aspect).set(failing[aspect])

    async def read(self, within: float) -> None:
        """Raises NotCaughtUp, WrongPartitions."""
        await self._reader.catch_up(within)

    async def run(self) -> None:
        """Until cancelled."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            graph = await stack.enter_async_context(
                Graph(settings.graph_url, timeout=settings.graph_timeout, connections=CONNECTIONS)
            )
            backlog = Backlog(settings, self._publisher, self._channels, self._gate, now=now)
            work: list[Callable[[], Awaitable[None]]] = [
                self._reader.run,
                self._leader.run,
                lambda: backlog.run(self._leader),
                lambda: self._outages.run(self._demands.demand, lambda: self._channels.known.pages),
            ]
            if settings.watch_every > 0:
                work += self._watching(graph)
            async with asyncio.TaskGroup() as group:
                for each in work:
                    group.create_task(_kept_up(each))

    def _watching(self, graph: Graph) -> list[Callable[[], Awaitable[None]]]:
        settings = self._settings
        rhythm = Rhythm(every=settings.watch_every, missed_after=settings.missed_after)
        watchdog = Watchdog(graph, self._channels, self._gate, self._reports, self._demands, rhythm, now=now)
        catch_up = CatchUp(
            settings,
            self._publisher,
            graph,
            self._channels,
            self._demands,
            now=now,
            settle=timedelta(seconds=settings.catch_up_after),
        )
        return [lambda: watchdog.run(self._leader), lambda: catch_up.run(self._leader)]


async def _kept_up(work: Callable[[], Awaitable[None]]) -> None:
    """A fault of ours in here must not stop the webhooks: it is logged, and the work begins anew."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("looking after the pages failed and begins anew")
        await asyncio.sleep(AGAIN)

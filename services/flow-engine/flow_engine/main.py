"""Wires the flow engine: flow versions from the topic `flows`, turns from `turns`, answers to the log."""

import asyncio
import time
from collections.abc import Coroutine

from flow_engine import metrics
from flow_engine.faust_turns import FaustTurns
from flow_engine.flows import Flows
from flow_engine.handlers import Drill, TurnHandler
from flow_engine.lag import LagWatch
from flow_engine.settings import FlowEngineSettings
from runtime import service
from runtime.compacted import CompactedReader
from runtime.errors import Later
from runtime.health import Health
from runtime.http import HttpServer
from runtime.kafka import Publisher
from runtime.logs import get_logger
from schemas.topics import FLOWS, TURNS

GROUP = "flow-engine"
CATCH_UP = 60.0  # seconds for one attempt to read all flow versions
AGAIN = 1.0  # seconds

log = get_logger(__name__)


class PartEnded(Exception):
    """A part of the engine ended by itself; only all of them together are of use."""


async def run(settings: FlowEngineSettings) -> None:
    health = Health()
    async with HttpServer(settings, health):
        publisher = await Publisher.start(settings, source=GROUP, health=health)
        try:
            await _serve(settings, health, publisher)
        finally:
            await publisher.stop()


async def _serve(settings: FlowEngineSettings, health: Health, publisher: Publisher) -> None:
    flows = Flows(in_memory=settings.flows_in_memory, clock=time.monotonic)
    metrics.FLOWS.set_function(lambda: len(flows))
    reader = CompactedReader(settings, FLOWS, flows.apply, health)
    handler = TurnHandler(
        flows=flows,
        log=publisher,
        flow_wait=settings.flow_wait,
        drill=Drill(settings.drill_slow_keyword, settings.drill_slow_seconds),
    )
    turns = FaustTurns(settings, group=GROUP, topic=TURNS)
    watch = LagWatch(
        settings,
        group=GROUP,
        topic=TURNS,
        owned=turns.owned,
        stopped=turns.stopped,
        stuck_after=settings.stuck_after,
        component=health.component("turns"),
        clock=time.monotonic,
    )
    await watch.until_there()
    await _read_all(reader)
    await _together(reader.run(), watch.run(), turns.run(handler))


async def _read_all(reader: CompactedReader) -> None:
    """A turn must not find its flow missing because the engine has just begun."""
    while True:
        try:
            await reader.catch_up(CATCH_UP)
        except Later as error:
            log.warning("flow versions are not read yet", error=str(error))
            await asyncio.sleep(AGAIN)
        else:
            return


async def _together(*works: Coroutine[None, None, None]) -> None:
    """Run all until one ends; raise what it raised, as it is."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():  # by a library; the process was not asked to stop
                raise PartEnded
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def start() -> None:
    service.main(run, FlowEngineSettings, GROUP)

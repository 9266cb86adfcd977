"""The switch with 1, 2 and 4 takeover processes in one group, told without a goal: the cores are what they share."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

from bench import traffic
from bench.parts import Say
from bench.rates import Run
from bench.servers import Servers, cores, cpu_seconds
from bench.switch import LOOK, PATIENCE, load, prepared, takeover, watching
from runtime.settings import ServiceSettings

PROCESSES: Final = (1, 2, 4)
EVENTS: Final = 60_000
EACH: Final = 20  # events of a conversation


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """`switch_events_per_s_<n>`: from when each of n processes has a partition, to the last record."""
    settings = await prepared(servers, "scale")
    found: dict[int, Run] = {}
    await load(settings, [], with_settings=True)
    for number, processes in enumerate(PROCESSES):
        conversations = EVENTS // EACH
        log = traffic.log(number * conversations, conversations, EVENTS)
        await load(settings, log.events, with_settings=False)
        found[processes] = await _together(settings, log, processes)
        say(f"{processes} processes on {cores()} cores: {found[processes]}")
    return {f"switch_events_per_s_{count}": run.rate for count, run in found.items()} | {
        f"switch_cpu_us_{count}": run.cpu / run.events * 1e6 for count, run in found.items()
    }


async def _together(settings: ServiceSettings, log: traffic.Log, count: int) -> Run:
    async with watching(settings, tuple(log.effects)) as done, AsyncExitStack() as stack:
        effects = sum(log.effects.values())
        expected = await done() + effects
        processes = [await stack.enter_async_context(takeover(settings)) for _ in range(count)]
        await asyncio.gather(*(process.taken() for process in processes))
        began, cpu = time.monotonic(), sum(cpu_seconds(process.pid) for process in processes)
        left = expected - await done()
        async with asyncio.timeout(PATIENCE):
            while await done() < expected:  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(LOOK)
        used = sum(cpu_seconds(process.pid) for process in processes) - cpu
        events = round(len(log.events) * left / effects)  # the first process may have begun before the last was there
        return Run(events, time.monotonic() - began, used)

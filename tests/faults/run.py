"""One run from beginning to end: start, load, faults, rest, evidence, verdict."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from faults.chaos import Chaos, Done, Planned
from faults.checker import Verdict, check
from faults.evidence import Evidence, collect, quiescent
from faults.stack import SERVICES, Stack
from faults.traffic import Traffic

REST: Final = 240.0  # seconds until everything is done; turns are asked again after 30 s, then 60, then 120
WARM: Final = 5.0  # seconds of load before the first fault
AFTER: Final = 8.0  # seconds of load after the last one

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """`seconds`: how long faults begin for; None: until the deck is through. Once through, it is begun anew."""

    seed: int
    deck: Callable[[], Sequence[Planned]]
    customers: int
    seconds: float | None = None


@dataclass(frozen=True)
class Result:
    plan: Plan
    verdict: Verdict
    faults: Sequence[Done]
    load: Mapping[str, int]
    seconds: float
    """Of load."""
    rested: float
    """Seconds until everything was done."""
    still_open: Sequence[str]
    ends: Mapping[str, int] = field(default_factory=dict)
    """How often a process was started again."""

    @property
    def clean(self) -> bool:
        return not self.verdict.findings and not self.still_open

    def shown(self) -> dict[str, object]:
        """As it is written down."""
        return {
            **self.verdict.counts(),
            "faults": [fault.shown() for fault in self.faults],
            "load": {
                "seed": self.plan.seed,
                "seconds": round(self.seconds),
                "rested_seconds": round(self.rested),
                "customers": self.plan.customers,
                "offered": dict(self.load),
                "seen": dict(sorted(self.verdict.seen.items())),
                "restarts": dict(self.ends),
            },
            **({"still_open": list(self.still_open)} if self.still_open else {}),
        }


async def run(plan: Plan, folder: Path, say: Say, keep: Callable[[Evidence], None] | None = None) -> Result:
    """Everything that was started has ended when it returns or raises."""
    stack = Stack(folder)
    traffic = Traffic(stack, plan.seed, customers=plan.customers)
    try:
        await stack.up()
        say("Everything runs; the load begins.")
        chaos, began = Chaos(stack), time.monotonic()
        await traffic.start()
        await asyncio.sleep(WARM)
        while True:
            await chaos.run(plan.deck(), say, until=plan.seconds)
            if plan.seconds is None or time.monotonic() - began > plan.seconds:
                break
        await asyncio.sleep(AFTER)
        await traffic.stop()
        seconds = time.monotonic() - began
        say(f"The load is over after {seconds:.0f} s; what is left is done now.")
        await stack.ready(*SERVICES)
        still_open = await quiescent(stack, REST)
        rested = time.monotonic() - began - seconds
        evidence = await collect(stack, traffic.load.accepted)
        if keep:
            keep(evidence)
        verdict = check(evidence)
        if len(evidence.two_voices) != verdict.counts()["two_voices"]:
            still_open = [*still_open, f"the monitor counted {len(evidence.two_voices)} two voices"]
        ends: dict[str, int] = {}
        for end in stack.ends:
            ends[end.name] = ends.get(end.name, 0) + 1
        return Result(plan, verdict, chaos.done, traffic.load.counts, seconds, rested, still_open, ends)
    finally:
        await traffic.abandon()
        await stack.down()

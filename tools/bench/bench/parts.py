"""What is measured: the parts by name, and the goal of each figure."""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from bench.servers import Servers

Say = Callable[[str], None]
Measure = Callable[[Servers, Say], Awaitable[Mapping[str, float]]]
"""Measures a part; says what it is at. Figure's name → value."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module of this package with a function `measure`."""

    name: str
    about: str

    def measure(self) -> Measure:
        return cast("Measure", importlib.import_module(f"bench.{self.name}").measure)


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. `goal` None: told, not held against anything."""

    name: str
    unit: str
    about: str
    goal: float | None = None
    better: Literal["more", "less"] = "more"

    def met(self, value: float) -> bool | None:
        if self.goal is None:
            return None
        return value >= self.goal if self.better == "more" else value <= self.goal


PARTS: Final = (
    Part("switch", "takeover's switch beside a bare relay of the same messages"),
    Part("intake", "ingress beside a bare aiohttp handler, 32 connections"),
    Part("turns", "flow-engine's turns a second in one process"),
    Part("reply", "a customer's message to the bot's answer, beside the bare broker hops of it"),
    Part("timers", "a million pending timers: many due at once, and spread over time"),
    Part("memory", "all processes together, with 20 conversations under way"),
)

FIGURES: Final = (
    Figure("switch_ratio", "of the bare relay", "events through takeover's switch with all its rules", 0.45),
    Figure("switch_events_per_s", "1/s", "the same, absolute"),
    Figure("ingress_ratio", "of bare aiohttp", "webhooks taken in: signature, parse, acknowledged publish", 0.3),
    Figure("ingress_requests_per_s", "1/s", "the same, absolute"),
    Figure("turns_per_s", "1/s", "flow-engine's turns, one process, with Faust", 3000),
    Figure(
        "reply_p50_over_hops",
        "times",
        "webhook in to the bot's message at the Graph API, over its bare hops",
        2.0,
        "less",
    ),
    Figure("reply_p50_ms", "ms", "the same, absolute, one conversation at a time"),
    Figure("reply_p99_ms", "ms", "the same, the slowest of a hundred"),
    Figure("timers_fired_per_s", "1/s", "timers fired of 50,000 that are due at once, a million pending", 20_000),
    Figure("timer_drift_p99_ms", "ms", "how late a timer fires, 50,000 over a minute, a million pending", 250, "less"),
    Figure("memory_mib", "MiB", "PSS of all processes, broker and database included", 640, "less"),
)

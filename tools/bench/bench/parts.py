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
    Part("switch", "takeover's switch beside a bare relay and Kafka Streams on the same messages"),
    Part("scale", "the switch with 1, 2 and 4 takeover processes"),
    Part("growth", "what an event costs with 1,000, 100,000 and 1,000,000 conversations in the table"),
    Part("intake", "ingress beside a bare aiohttp handler and one in Node, 32 connections; 10,000 customers at once"),
    Part("turns", "flow-engine's turns a second in one process"),
    Part("reply", "a customer's message to the bot's answer, beside the bare broker hops of it"),
    Part(
        "races", "customer and operator at the same moment, with a bot that answers at once and one that takes 300 ms"
    ),
    Part("timers", "a million pending timers: many due at once, and spread over time"),
    Part("memory", "all processes together, with 20 conversations under way"),
)

FIGURES: Final = (
    Figure("switch_ratio", "of the bare relay", "events through takeover's switch with all its rules", 0.45),
    Figure("switch_events_per_s", "1/s", "the same, absolute"),
    Figure(
        "switch_over_streams", "times", "the same, over Kafka Streams' exactly_once_v2 bare keyed update, cold", 1.0
    ),
    Figure(
        "hop_over_streams", "of theirs", "one event through the switch, over one through Kafka Streams", 0.1, "less"
    ),
    Figure("streams_cold_events_per_s", "1/s", "Kafka Streams in a new JVM"),
    Figure("streams_warm_events_per_s", "1/s", "Kafka Streams in a JVM that has done as much before"),
    Figure("switch_events_per_s_1", "1/s", "the switch, one process"),
    Figure("switch_events_per_s_2", "1/s", "the switch, two processes"),
    Figure("switch_events_per_s_4", "1/s", "the switch, four processes"),
    Figure(
        "growth_few", "times", "processor of an event, 1,000,000 conversations in the table over 1,000", 1.2, "less"
    ),
    Figure("growth_many", "times", "the same, each event of another one, 1,000,000 over 100,000", 1.2, "less"),
    Figure("ingress_ratio", "of bare aiohttp", "webhooks taken in: signature, parse, acknowledged publish", 0.36),
    Figure("ingress_over_node", "times", "the same, over fastify and kafkajs with an acknowledged produce", 2.0),
    Figure("ingress_requests_per_s", "1/s", "the same, absolute"),
    Figure("intake_crowd_lost", "", "of 10,000 customers who write at once, those who are not in the log", 0, "less"),
    Figure("intake_crowd_p99_ms", "ms", "how long the slowest hundred of them wait, over 256 connections"),
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
    Figure("reply_busy_per_s", "1/s", "20 customers who each write again as soon as they are answered", 500),
    Figure("reply_sustained_per_s", "1/s", "over 1,000 conversations, half of the answers within 200 ms"),
    Figure(
        "race_two_voices",
        "",
        "bot's messages after the operator's, quick and slow bot, by channel and by log",
        0,
        "less",
    ),
    Figure("race_answered_next", "", "bot's answers to the message after that", 0, "less"),
    Figure("race_lost", "", "operator's messages of the races that were lost, refused or sent twice", 0, "less"),
    Figure("race_slow_accepted_p50_ms", "ms", "operator's message to the console's 2xx, bot takes 300 ms", 10, "less"),
    Figure("race_slow_graph_p50_ms", "ms", "operator's message to the Graph API, bot takes 300 ms", 20, "less"),
    Figure("race_quick_graph_p50_ms", "ms", "the same, bot answers at once", 20, "less"),
    Figure("race_quick_silence_p99_ms", "ms", "takeover's acceptance to the bot's last message having left"),
    Figure(
        "return_late_p99_ms", "ms", "how late a takeover of 20 s goes back to the bot, under the races", 250, "less"
    ),
    Figure("timers_fired_per_s", "1/s", "timers fired of 50,000 that are due at once, a million pending", 20_000),
    Figure("timer_drift_p99_ms", "ms", "how late a timer fires, 50,000 over a minute, a million pending", 250, "less"),
    Figure("memory_mib", "MiB", "PSS of all processes, broker and database included", 640, "less"),
)

"""flow-engine's turns a second: the service's own process, a real broker, the turns in the topic before it starts.

The rate is taken from the log itself: how many answers there are, and the broker's time of the first and of the last.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from typing import Final, Self

import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import processes
from bench.parts import Say
from bench.servers import Servers, cpu_seconds
from flow_engine.interpreter import take_turn
from runtime import topics
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from schemas.bots import FlowPublished
from schemas.conversations import TurnCompleted
from schemas.flows import Flow, choice_payload
from schemas.messages import CustomerInput, Profile
from schemas.topics import CONVERSATIONS, FLOWS, TURNS
from schemas.turns import TurnAsked, TurnInput

ROUNDS: Final = 3
TURNS_A_ROUND: Final = 24_000
CONVERSATIONS_AT_ONCE: Final = 4_000
REF: Final = "salon@1"
# What a customer of the example flow says: greeted, asks for the hours, books in three answers, is greeted anew.
SAID: Final = (
    CustomerInput(text="hello"),
    CustomerInput(kind="quick_reply", text="Opening hours", payload=choice_payload("greet", "hours")),
    CustomerInput(text="I would like to book a visit"),
    CustomerInput(text="Friday at ten"),
    CustomerInput(text="mia.winter@example.com"),
    CustomerInput(text="menu"),
)
PATIENCE: Final = 120.0  # seconds for a round


@dataclass(frozen=True, slots=True)
class Round:
    """`per_s`: from the first answer in the log to the last. `cpu_us`: of the process, for each turn, its start left out."""

    per_s: float
    cpu_us: float


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """`turns_per_s`: the best of the rounds, each in a new process. Raises TimeoutError for a round without an end."""
    settings = ServiceSettings(kafka_bootstrap=servers.bootstrap)
    await topics.ensure(settings)
    publisher = await Publisher.start(settings, source="bench")
    flow = example_flow()
    try:
        await publisher.publish([Outgoing(FLOWS, FlowPublished(id="f1", ref=REF, bot="salon", document=flow))])
        rounds = [await _round(servers, publisher, flow, number, say) for number in range(ROUNDS)]
    finally:
        await publisher.stop()
    best = max(rounds, key=lambda each: each.per_s)
    return {"turns_per_s": best.per_s, "turn_cpu_us": min(each.cpu_us for each in rounds)}


def example_flow() -> Flow:
    return Flow.model_validate(yaml.safe_load((files("flow_engine") / "examples" / "salon.yaml").read_text("utf-8")))


def turns(flow: Flow, number: int) -> Sequence[TurnAsked]:
    """A round's turns: each conversation goes through what its customer says, one conversation after the other in turn."""
    said: list[list[TurnAsked]] = [[] for _ in SAID]
    session = None
    numbers = count()
    for place, message in enumerate(SAID * (TURNS_A_ROUND // CONVERSATIONS_AT_ONCE // len(SAID))):
        for customer in range(CONVERSATIONS_AT_ONCE):
            said[place % len(SAID)].append(_turn(f"{number}-{next(numbers)}", customer, message, session))
        ended = take_turn(flow, said[place % len(SAID)][-1])
        session = ended.session if isinstance(ended, TurnCompleted) else None
    return [each for step in said for each in step]


def _turn(number: str, customer: int, message: CustomerInput, session: object) -> TurnAsked:
    return TurnAsked.model_validate(
        {
            "id": f"messenger:104821769032215:{7_000_000_000_000_000 + customer}:{number}",
            "conversation": f"messenger:104821769032215:{7_000_000_000_000_000 + customer}",
            "bot": "salon",
            "turn": f"m_{number}",
            "epoch": 0,
            "flow": REF,
            "session": session,
            "input": TurnInput(reason="message", message=message),
            "profile": Profile(first_name="Mia", last_name="Winter"),
        }
    )


async def _round(servers: Servers, publisher: Publisher, flow: Flow, number: int, say: Say) -> Round:
    asked = turns(flow, number)
    async with Log(servers.bootstrap) as log:
        before = await log.ends()
        for begin in range(0, len(asked), 2000):
            await publisher.publish([Outgoing(TURNS, each) for each in asked[begin : begin + 2000]])
        environment = {"CONVOBOSS_KAFKA_BOOTSTRAP": servers.bootstrap}
        async with processes.running("flow-engine", "flow_engine", environment, servers.folder) as engine:
            await engine.alive_until(log.grown(before, 1))
            first = cpu_seconds(engine.pid)
            await engine.alive_until(log.grown(before, len(asked)))
            used = cpu_seconds(engine.pid) - first
        spent = await log.seconds_since(before)
    found = Round(len(asked) / spent, used / len(asked) * 1e6)
    say(f"round {number + 1}: {found.per_s:,.0f} turns/s, {found.cpu_us:,.0f} µs of a core each")
    return found


class Log:
    """The topic `conversations`, from outside."""

    def __init__(self, bootstrap: str) -> None:
        self._kafka = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=4 << 20)

    async def __aenter__(self) -> Self:
        await self._kafka.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._kafka.stop()

    async def ends(self) -> dict[TopicPartition, int]:
        places = [TopicPartition(CONVERSATIONS, each) for each in range(ServiceSettings().partitions)]
        return dict(await self._kafka.end_offsets(places))

    async def grown(self, before: Mapping[TopicPartition, int], by: int) -> None:
        """Returns when so many records were added. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while sum((await self.ends()).values()) - sum(before.values()) < by:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def seconds_since(self, before: Mapping[TopicPartition, int]) -> float:
        """Between the broker's times of the first and of the last record that were added."""
        self._kafka.assign(list(before))
        ends = await self.ends()
        first: list[int] = []
        last: list[int] = []
        for tp, offset in before.items():
            if ends[tp] > offset:
                first.append(await self._at(tp, offset))
                last.append(await self._at(tp, ends[tp] - 1))
        return (max(last) - min(first)) / 1000

    async def _at(self, tp: TopicPartition, offset: int) -> int:
        self._kafka.seek(tp, offset)
        record = await self._kafka.getone(tp)
        return int(record.timestamp)

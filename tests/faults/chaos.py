"""The faults, each by its name, and the order in which they come. The same seed gives the same order and the same targets."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from aiohttp import ClientSession, ClientTimeout
from aiokafka.admin import AIOKafkaAdminClient

from faults.stack import SERVICES, SESSION, SPARE, Stack, names_of
from local.cluster import NODES, Node
from schemas.topics import CONVERSATIONS, TOPICS

GAP: Final = 4.0  # seconds, at least, between the ends of one fault and the beginning of the next
IN_STEP: Final = 60.0  # seconds until all brokers hold everything again
ARMED: Final = 6.0  # seconds in which a commit should come that can be cut
AWAY: Final = 4.0  # seconds that something which was killed stays away
# Of what is stored together with a decision: that statement is a commit of its own.
DECIDED: Final = (b"COMMIT", b"message.send.v1", b"turn.asked.v1", b"customer.said.v1", b"message.sent.v1")


@dataclass(frozen=True, slots=True)
class Planned:
    name: str
    target: str
    detail: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """`at`: seconds since the load began; `lasted`: until it was mended. `note`: what is worth knowing."""

    name: str
    at: float
    target: str
    lasted: float
    note: str = ""

    def shown(self) -> dict[str, object]:
        return asdict(self)


def whole(rng: random.Random) -> list[Planned]:
    """Every fault, each service in turn, in a random order."""
    takeovers, handovers = names_of("takeover"), names_of("fb-handover")
    deck = [Planned("kill -9", name) for name in SERVICES]
    deck += [Planned("kill -9 at random", rng.choice(SERVICES)) for _ in range(2)]
    deck += [Planned("kill the broker that leads", "kafka"), Planned("restart", "postgres")]
    deck += [Planned("kill -9", "postgres")]
    deck += [
        Planned(f"cut {when} the commit", name)
        for when in ("before", "after")
        for name in (rng.choice(takeovers), rng.choice(handovers), "notifier")
    ]
    deck += [Planned("cut all connections", name) for name in (rng.choice(takeovers), "console")]
    deck += [Planned("partition from the database", name, SESSION + 3) for name in (*takeovers, rng.choice(handovers))]
    deck += [Planned("a third takeover comes and goes", SPARE, 6.0)]
    zombies = (rng.choice(takeovers), rng.choice(takeovers), rng.choice(handovers), "flow-engine", "notifier")
    deck += [Planned("stopped beyond its session", name, SESSION + 4) for name in zombies]
    jumps = [3600.0, -3600.0, 45.0, -45.0]
    deck += [
        Planned("clock jumps", name, rng.choice(jumps))
        for name in (*takeovers, *handovers, "flow-engine", "ingress", "console", "notifier")
    ]
    deck += [Planned("answers lost after accepting", name, 6) for name in ("facebook", "mail")]
    rng.shuffle(deck)
    return deck


def telling(rng: random.Random) -> list[Planned]:
    """One round of those that find most, for every day. A round of the whole deck takes ten minutes."""
    one, other = rng.sample(names_of("takeover"), 2)
    sender = rng.choice(names_of("fb-handover"))
    return [
        Planned("answers lost after accepting", "facebook", 4),
        Planned("kill -9", one),
        Planned("answers lost after accepting", "mail", 2),
        Planned("cut after the commit", other),
        Planned("kill the broker that leads", "kafka"),
        Planned("clock jumps", sender, rng.choice((3600.0, -3600.0))),
        Planned("stopped beyond its session", other, SESSION + 3),
        Planned("kill -9", sender),
        Planned("restart", "postgres"),
        Planned("partition from the database", one, SESSION + 2),
        Planned("kill -9", "flow-engine"),
        Planned("kill -9", "ingress"),
    ]


class Chaos:
    """Does what was planned, one after the other, and mends it again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._began = time.monotonic()
        self.done: list[Done] = []
        self._faults: dict[str, Callable[[Planned], Awaitable[str]]] = {
            "kill -9": self._kill,
            "kill -9 at random": self._kill,
            "kill the broker that leads": self._kill_leader,
            "restart": self._restart_postgres,
            "cut before the commit": self._cut_commit,
            "cut after the commit": self._cut_commit,
            "cut all connections": self._cut,
            "partition from the database": self._part,
            "a third takeover comes and goes": self._rebalance,
            "stopped beyond its session": self._zombie,
            "clock jumps": self._jump,
            "answers lost after accepting": self._lose,
        }

    async def run(self, deck: Sequence[Planned], say: Callable[[str], None], *, until: float | None = None) -> None:
        """`until`: seconds since the beginning after which nothing new begins."""
        for planned in deck:
            if until is not None and time.monotonic() - self._began > until:
                return
            began = time.monotonic()
            note = await self._faults[planned.name](planned)
            done = Done(
                planned.name,
                round(began - self._began, 1),
                planned.target,
                round(time.monotonic() - began, 1),
                note,
            )
            say(f"{done.at:6.1f} s  {done.name}: {done.target}{f' ({note})' if note else ''}")
            self.done.append(done)
            await asyncio.sleep(GAP)

    async def _kill(self, planned: Planned) -> str:
        if planned.target == "postgres":
            await self._stack.postgres.kill()
            await asyncio.sleep(AWAY)
            await self._stack.postgres.start()
            return ""
        self._stack.children[planned.target].kill()
        return ""

    async def _kill_leader(self, _planned: Planned) -> str:
        node = await self._leader()
        await node.kill()
        await asyncio.sleep(AWAY)
        await node.start()
        await self._in_step()
        return node.name

    async def _restart_postgres(self, _planned: Planned) -> str:
        await self._stack.postgres.stop()
        await asyncio.sleep(1.0)
        await self._stack.postgres.start()
        return ""

    async def _cut_commit(self, planned: Planned) -> str:
        proxy, fired = self._stack.proxies[planned.target], asyncio.Event()
        verdict = planned.name.removesuffix(" the commit")

        def cut(data: bytes) -> str:
            if not any(mark in data for mark in DECIDED):
                return "pass"
            proxy.on_request = lambda _data: "pass"
            fired.set()
            return verdict

        proxy.on_request = cut
        with suppress(TimeoutError):
            await asyncio.wait_for(fired.wait(), ARMED)
        proxy.on_request = lambda _data: "pass"
        return "" if fired.is_set() else "none came"

    async def _cut(self, planned: Planned) -> str:
        self._stack.proxies[planned.target].cut()
        return ""

    async def _part(self, planned: Planned) -> str:
        proxy = self._stack.proxies[planned.target]
        proxy.part()
        await asyncio.sleep(planned.detail)
        proxy.join()
        return f"{planned.detail:.0f} s"

    async def _rebalance(self, planned: Planned) -> str:
        self._stack.run(SPARE)
        await self._stack.ready(SPARE)
        await asyncio.sleep(planned.detail)
        return f"exit code {await self._stack.leave(SPARE)}"

    async def _zombie(self, planned: Planned) -> str:
        child = self._stack.children[planned.target]
        child.send(signal.SIGSTOP)
        await asyncio.sleep(planned.detail)
        child.send(signal.SIGCONT)
        return f"{planned.detail:.0f} s"

    async def _jump(self, planned: Planned) -> str:
        self._stack.set_clock(planned.target, planned.detail)
        await asyncio.sleep(8.0)
        self._stack.set_clock(planned.target, 0.0)
        return f"{planned.detail:+.0f} s"

    async def _lose(self, planned: Planned) -> str:
        """The stand-in does what it is asked and the connection dies: what nobody asked for within the time does not count."""
        page, times = ("box/faults", planned.detail) if planned.target == "facebook" else ("faults", planned.detail)
        address = f"{self._stack.at(planned.target)}/{page}"
        async with ClientSession(timeout=ClientTimeout(total=10)) as http:
            async with http.put(address, json={"lose_answers": int(times)}) as answer:
                answer.raise_for_status()
            deadline = time.monotonic() + 20.0
            left = int(times)
            while left and time.monotonic() < deadline:
                await asyncio.sleep(0.5)
                async with http.get(address) as answer:
                    left = (await answer.json())["lose_answers"]
            async with http.delete(address) as answer:
                answer.raise_for_status()
        return f"{int(times) - left} answers"

    async def _leader(self) -> Node:
        """The broker that leads most partitions of the log."""
        leads = Counter(partition["leader"] for partition in (await self._partitions())[CONVERSATIONS])
        number = max(leads, key=lambda each: leads[each])
        return next(node for node in self._stack.cluster.nodes if node.number == number)

    async def _in_step(self) -> None:
        """Until each broker holds each partition: then another may die."""
        deadline = time.monotonic() + IN_STEP
        while time.monotonic() < deadline:
            with suppress(OSError, TimeoutError):
                found = await self._partitions()
                if all(len(each["isr"]) == NODES for topic in TOPICS for each in found[topic]):
                    return
            await asyncio.sleep(0.5)
        raise TimeoutError("the brokers do not come into step")

    async def _partitions(self) -> dict[str, list[dict[str, Any]]]:  # aiokafka's answer has no types
        admin = AIOKafkaAdminClient(bootstrap_servers=self._stack.cluster.bootstrap)
        try:
            await admin.start()
            return {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
        finally:
            await admin.close()

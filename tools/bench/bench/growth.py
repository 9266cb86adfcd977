"""What an event costs takeover and its database with 1,000, 100,000 and 1,000,000 conversations in the table.

Two ways at each size: a log of the same few conversations, which takeover remembers after their first event (equal
locality), and one event each of many, so that each is read from the table and written to a place of its own. The
conversations that take part were in the table before, spread evenly over it, in the state in which their log goes on.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

import asyncpg

from bench import traffic
from bench.parts import Say
from bench.servers import Servers, cpu_seconds
from bench.switch import LOOK, PATIENCE, load, prepared, takeover, watching
from bench.timers import copy
from runtime.migrations import migrate
from runtime.partitions import partition_of
from runtime.settings import ServiceSettings
from schemas.base import ConversationEvent
from takeover.decide import decide, first_contact
from takeover.state import Conversation

SIZES: Final = (1_000, 100_000, 1_000_000)
FEW: Final = 1_000  # conversations that a log is of
FEW_EVENTS: Final = 20  # of each, in a round
ROUNDS: Final = 2  # of the few: the best counts
MANY: Final = 6_000
BEFORE: Final = 6  # events that each conversation has had: what its state in the table is of
AHEAD: Final = timedelta(minutes=10)
"""A conversation's time never goes back: those whose last event is of later than now stand still, so that nothing in their state
grows old between its making and its log (what follows would be other than what was folded)."""
FILLING: Final = f"messenger:{traffic.PAGE}:1"
"""The conversations that take no part are this and nine digits."""


@dataclass(frozen=True, slots=True)
class Going:
    """Conversations under way: their states, and what happens from there on."""

    states: Mapping[str, Conversation]
    events: Sequence[ConversationEvent]

    def rounds(self, count: int) -> list[traffic.Log]:
        """The events in so many logs, one after the other, each with what takeover makes of it."""
        states = dict(self.states)
        length = len(self.events) // count
        parts = [self.events[begin : begin + length] for begin in range(0, length * count, length)]
        return [traffic.Log(part, fold(states, part)) for part in parts]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor an event."""

    takeover: float
    database: float

    @property
    def both(self) -> float:
        return self.takeover + self.database

    def __str__(self) -> str:
        return f"takeover {self.takeover:.0f} µs, PostgreSQL {self.database:.0f} µs an event"


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """`growth_few` and `growth_many`: both processors at the largest size over the smallest that was measured."""
    settings = await prepared(servers, "growth")
    await migrate(settings, "takeover", "takeover")
    database = await asyncpg.connect(
        settings.database_url.get_secret_value(), server_settings={"search_path": "takeover"}
    )
    few: dict[int, Cost] = {}
    many: dict[int, Cost] = {}
    held, first = 0, 0
    await load(settings, [], with_settings=True)
    try:
        for size in SIZES:
            ours = going(first, FEW, BEFORE, FEW_EVENTS * ROUNDS)
            others = going(first + FEW, MANY, BEFORE, 1) if size > FEW + MANY else None
            first += FEW + MANY
            began = time.monotonic()
            held += await fill(
                database, [part.states for part in (ours, others) if part is not None], size - held, held
            )
            say(f"{held:,} conversations in the table after {time.monotonic() - began:.0f} s")
            few[size] = min(
                [await _cost(servers, settings, log) for log in ours.rounds(ROUNDS)], key=lambda cost: cost.both
            )
            say(f"  {FEW * FEW_EVENTS:,} events of {FEW:,} conversations: {few[size]}")
            if others is not None:
                (log,) = others.rounds(1)
                many[size] = await _cost(servers, settings, log)
                say(f"  {MANY:,} events of {MANY:,} conversations: {many[size]}")
    finally:
        await database.close()
    figures = {"growth_few": _over(few), "growth_many": _over(many)}
    for name, found in (("few", few), ("many", many)):
        for size, cost in found.items():
            figures |= {
                f"growth_{name}_{size}_takeover_us": cost.takeover,
                f"growth_{name}_{size}_database_us": cost.database,
            }
    return figures


def _over(found: Mapping[int, Cost]) -> float:
    return found[max(found)].both / found[min(found)].both


def going(first: int, conversations: int, before: int, events: int) -> Going:
    """`before` events of each are folded, `events` of each are to come; how their story would end is left out."""
    length = before + events + traffic.TURN
    whole = traffic.log(first, conversations, conversations * length, ahead=AHEAD).events
    states: dict[str, Conversation] = {}
    fold(states, whole[: conversations * before])
    return Going(states, whole[conversations * before : conversations * (before + events)])


def fold(states: dict[str, Conversation], events: Sequence[ConversationEvent]) -> Counter[str]:
    """Brings the states to what they are after the events; returns how many records that leads to, by topic."""
    bot = traffic.settings()
    effects: Counter[str] = Counter()
    for event in events:
        state = states.get(event.conversation) or first_contact(event.conversation, bot.bot)
        decision = decide(state, event, cast("datetime", event.occurred_at), bot)  # `traffic` gives each event one
        states[event.conversation] = decision.state
        effects.update(effect.topic for effect in decision.effects)
    return effects


async def fill(
    database: asyncpg.Connection, parts: Sequence[Mapping[str, Conversation]], count: int, number: int
) -> int:
    """Adds so many rows, those of the parts spread evenly among them; returns how many. `number`: rows there were before."""
    partitions = ServiceSettings().partitions
    mine = [state for part in parts for state in part.values()]
    every = count // len(mine)
    sample = mine[0]
    text = sample.to_json()

    def lines() -> Iterator[str]:
        waiting = iter(mine)
        for place in range(count):
            state = next(waiting, None) if place % every == 0 else None
            if state is not None:
                yield _row(state, state.id, partition_of(state.id, partitions), state.to_json())
            else:
                key = f"{FILLING}{number + place:09}"
                yield _row(sample, key, place % partitions, text.replace(sample.id, key))

    await copy(
        database, "conversation", ("id", "partition", "bot", "owner", "epoch", "seq", "state", "updated_at"), lines()
    )
    await database.execute("VACUUM ANALYZE conversation")
    await database.execute("CHECKPOINT")
    return count


def _row(state: Conversation, key: str, partition: int, text: str) -> str:
    document = text.replace("\\", "\\\\")  # COPY's own escape
    return f"{key}\t{partition}\t{state.bot}\t{state.owner}\t{state.epoch}\t{state.seq}\t{document}\t{state.last_at}\n"


async def _cost(servers: Servers, settings: ServiceSettings, log: traffic.Log) -> Cost:
    await load(settings, log.events, with_settings=False)
    async with watching(settings, tuple(log.effects)) as done, takeover(settings) as process:
        expected = await done() + sum(log.effects.values())
        await process.taken()
        ours, theirs = cpu_seconds(process.pid), servers.postgres_cpu()
        async with asyncio.timeout(PATIENCE):
            while await done() < expected:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK)
        events = len(log.events) / 1e6
        return Cost((cpu_seconds(process.pid) - ours) / events, (servers.postgres_cpu() - theirs) / events)

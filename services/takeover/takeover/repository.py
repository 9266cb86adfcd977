"""takeover's tables: conversations, episodes, timers, and the settings that were in force."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, NamedTuple, cast

import orjson
from pydantic import Field, TypeAdapter

from runtime.postgres import Connection, Pool, statements
from schemas.bots import BotSettings
from schemas.outcomes import TakeoverAnswered, TakeoverEnded, TakeoverStarted
from takeover.effects import Effect
from takeover.state import Conversation
from takeover.timers import Firing, Kind, Timer, timers

SQL = statements("takeover")
WRITES: Final = SQL["writes"]
"""The arguments of `Writes` go into these parts of a statement; see `runtime.handler.Handler.writes`."""
_ALONE: Final = f"WITH moved AS (SELECT), {WRITES} SELECT"
FIRING: TypeAdapter[Firing] = TypeAdapter(Annotated[Firing, Field(discriminator="type")])


class NextTimer(NamedTuple):
    """Both in seconds since 1970 by the database's clock. `due_at` None: the partition has no timer."""

    partition: int
    now: float
    due_at: float | None


async def load(database: Connection | Pool, ids: Sequence[str]) -> dict[str, Conversation]:
    rows = await database.fetch(SQL["load"], ids)
    return {row["id"]: _state(row["state"], row["updated_at"]) for row in rows}


def _state(document: str, last_at: datetime) -> Conversation:
    """The time is the column's: the document is of the last event that changed more than that."""
    state = Conversation.from_json(document)
    state.last_at = last_at
    return state


@dataclass(frozen=True, slots=True)
class Writes:
    """The arguments of the statement that stores a batch, and when the soonest of its new timers is due."""

    arguments: tuple[object, ...]
    soonest: datetime | None


def writes(
    partition: int,
    before: Mapping[str, Conversation],
    after: Mapping[str, Conversation],
    effects: Iterable[Effect] = (),
    settings: Sequence[BotSettings] = (),
    offset: int = 0,
) -> Writes:
    """What differs between the states `before`, as the tables have them, and `after`; and what `effects` tell of episodes.

    `settings`: versions that are in force in the partition from `offset` on; does nothing where that is recorded. Of a state in which nothing differs but the time, only that is written.
    """
    changed: list[Conversation] = []
    touched: list[Conversation] = []
    fresh: list[tuple[str, Kind, Timer]] = []
    gone: list[tuple[str, Kind]] = []
    for key, state in after.items():
        stored = before.get(key)
        if stored is not None and state.differs_in_time_alone(stored):
            touched.append(state)
            continue
        changed.append(state)
        if stored is None or _timers_may_differ(stored, state):
            old: Mapping[Kind, Timer] = timers(stored) if stored is not None else {}
            new = timers(state)
            fresh += [(key, kind, timer) for kind, timer in new.items() if old.get(kind) != timer]
            gone += [(key, kind) for kind in old if kind not in new]
    arguments = (
        [state.id for state in touched],
        [state.last_at for state in touched],
        partition,
        [state.id for state in changed],
        [state.bot for state in changed],
        [state.owner for state in changed],
        [state.epoch for state in changed],
        [state.seq for state in changed],
        [state.to_json() for state in changed],
        [state.last_at for state in changed],
        [each[0] for each in gone],
        [each[1] for each in gone],
        [each[0] for each in fresh],
        [each[1] for each in fresh],
        [each[2].due_at for each in fresh],
        [each[2].event.model_dump_json() for each in fresh],
        *_episodes(effects),
        _rows(
            [{"bot": each.bot, "version": each.version, "document": each.model_dump(mode="json")} for each in settings]
        ),
        offset,
    )
    return Writes(arguments, min((each[2].due_at for each in fresh), default=None))


async def write(tx: Connection, batch: Writes) -> None:
    """Stores it as one statement of `tx`."""
    await tx.execute(_ALONE, *batch.arguments)


def _timers_may_differ(before: Conversation, after: Conversation) -> bool:
    """Whether a value that timers follow from was replaced; a decision never changes one in place."""
    return (
        before.episode is not after.episode
        or before.turn is not after.turn
        or before.delay is not after.delay
        or before.reading is not after.reading
        or before.naming is not after.naming
        or before.check_at != after.check_at
        or before.epoch != after.epoch
    )


def _episodes(effects: Iterable[Effect]) -> tuple[str, str]:
    """Rows of episodes that began, and what became of earlier ones; each episode is in one of the two, once."""
    begun: dict[str, dict[str, object]] = {}
    followed: dict[str, dict[str, object]] = {}
    for _, event in effects:
        kind = type(event)  # a model's isinstance() is a call of Python
        if kind is TakeoverStarted:
            started = cast("TakeoverStarted", event)
            begun[str(started.episode)] = {
                "id": started.episode,
                "conversation": started.conversation,
                "bot": started.bot,
                "cause": started.cause,
                "block": started.block,
                "started_at": started.at,
            }
        elif kind is TakeoverAnswered or kind is TakeoverEnded:
            told = cast("TakeoverAnswered | TakeoverEnded", event)
            row = begun.get(str(told.episode)) or followed.setdefault(str(told.episode), {"id": told.episode})
            if isinstance(told, TakeoverEnded):
                row |= {"ended_at": told.at, "end_cause": told.cause}
            elif "taken_up_at" not in row:
                row |= {"taken_up_at": told.at, "taken_up_by": told.holder.name if told.holder else "Page Inbox"}
    return _rows(begun.values()), _rows(followed.values())


def _rows(found: Collection[Mapping[str, object]]) -> str:
    return orjson.dumps(list(found)).decode() if found else "[]"


async def fire_timers(tx: Connection, partition: int, most: int) -> list[Firing]:
    """Takes the partition's timers that are due by the database's clock out of the table, oldest first."""
    rows = await tx.fetch(SQL["fire_timers"], partition, most)
    return [FIRING.validate_json(row["event"]) for row in rows]


async def timers_behind(database: Pool, partitions: Sequence[int], most: int) -> int:
    """How many timers of these partitions are due by the database's clock; of each no more than `most` are counted."""
    found: int = await database.fetchval(SQL["timers_behind"], partitions, most)
    return found


async def next_timers(database: Connection | Pool, partitions: Sequence[int]) -> list[NextTimer]:
    """The next timer of each partition: each is asked by itself, over the index."""
    rows = await database.fetch(SQL["next_timers"], partitions)
    return [NextTimer(row["partition"], row["now"], row["due_at"]) for row in rows]

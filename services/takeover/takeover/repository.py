"""takeover's tables: conversations, episodes, timers, and the settings that were in force."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter

from runtime.postgres import Connection, Pool, statements
from schemas.bots import BotSettings
from schemas.outcomes import TakeoverAnswered, TakeoverEnded, TakeoverStarted
from takeover.effects import Effect
from takeover.state import Conversation
from takeover.timers import Firing, Kind, Timer, timers

SQL = statements("takeover")
FIRING: TypeAdapter[Firing] = TypeAdapter(Annotated[Firing, Field(discriminator="type")])


class NextTimer(NamedTuple):
    """Both in seconds since 1970 by the database's clock. `due_at` None: the partition has no timer."""

    partition: int
    now: float
    due_at: float | None


async def load(tx: Connection, ids: Sequence[str]) -> dict[str, Conversation]:
    rows = await tx.fetch(SQL["load"], ids)
    return {row["id"]: _state(row["state"], row["updated_at"]) for row in rows}


def _state(document: str, last_at: datetime) -> Conversation:
    """The time is the column's: the document is of the last event that changed more than that."""
    state = Conversation.from_json(document)
    state.last_at = last_at
    return state


async def save(
    tx: Connection, partition: int, states: Sequence[Conversation], stored: Mapping[str, Conversation]
) -> None:
    """`stored`: the states as the table has them. Where nothing differs but the time, only that is written."""
    changed: list[Conversation] = []
    touched: list[Conversation] = []
    for state in states:
        before = stored.get(state.id)
        (changed if before is None or not state.differs_in_time_alone(before) else touched).append(state)
    if touched:
        await tx.execute(SQL["touch"], [state.id for state in touched], [state.last_at for state in touched])
    if changed:
        await tx.execute(
            SQL["save"],
            [state.id for state in changed],
            partition,
            [state.bot for state in changed],
            [state.owner for state in changed],
            [state.epoch for state in changed],
            [state.seq for state in changed],
            [state.to_json() for state in changed],
            [state.last_at for state in changed],
        )


async def save_timers(
    tx: Connection, partition: int, changes: Iterable[tuple[Conversation | None, Conversation]]
) -> datetime | None:
    """Stores the difference between the timers of each state before and after; returns when the soonest new one is due."""
    fresh: list[tuple[str, Kind, Timer]] = []
    gone: list[tuple[str, Kind]] = []
    for before, after in changes:
        if before is not None and not _may_differ(before, after):
            continue
        old: Mapping[Kind, Timer] = timers(before) if before is not None else {}
        new = timers(after)
        fresh += [(after.id, kind, timer) for kind, timer in new.items() if old.get(kind) != timer]
        gone += [(after.id, kind) for kind in old if kind not in new]
    if gone:
        await tx.execute(SQL["drop_timers"], [each[0] for each in gone], [each[1] for each in gone])
    if fresh:
        await tx.execute(
            SQL["set_timers"],
            partition,
            [each[0] for each in fresh],
            [each[1] for each in fresh],
            [each[2].due_at for each in fresh],
            [each[2].event.model_dump_json() for each in fresh],
        )
    return min((each[2].due_at for each in fresh), default=None)


def _may_differ(before: Conversation, after: Conversation) -> bool:
    """Whether a value that timers follow from was replaced; a decision never changes one in place."""
    return (
        before.episode is not after.episode
        or before.turn is not after.turn
        or before.delay is not after.delay
        or before.reading is not after.reading
        or before.naming is not after.naming
        or before.epoch != after.epoch
    )


async def save_episodes(tx: Connection, effects: Iterable[Effect]) -> None:
    """A statement for all that began, one for all that were taken up, one for all that ended; in this order."""
    started: list[TakeoverStarted] = []
    answered: list[TakeoverAnswered] = []
    ended: list[TakeoverEnded] = []
    for _, event in effects:
        if type(event) is TakeoverStarted:  # a model's isinstance() is a call of Python
            started.append(event)
        elif type(event) is TakeoverAnswered:
            answered.append(event)
        elif type(event) is TakeoverEnded:
            ended.append(event)
    if started:
        await tx.execute(
            SQL["start_episodes"],
            [event.episode for event in started],
            [event.conversation for event in started],
            [event.bot for event in started],
            [event.cause for event in started],
            [event.block for event in started],
            [event.at for event in started],
        )
    if answered:
        await tx.execute(
            SQL["take_up_episodes"],
            [event.episode for event in answered],
            [event.at for event in answered],
            [event.holder.name if event.holder else "Page Inbox" for event in answered],
        )
    if ended:
        await tx.execute(
            SQL["end_episodes"],
            [event.episode for event in ended],
            [event.at for event in ended],
            [event.cause for event in ended],
        )


async def keep_settings(tx: Connection, partition: int, settings: BotSettings, from_offset: int) -> None:
    """From this offset of the partition on, this version is in force; does nothing where that is recorded."""
    await tx.execute(
        SQL["keep_settings"], partition, settings.bot, settings.version, settings.model_dump_json(), from_offset
    )


async def fire_timers(tx: Connection, partition: int, most: int) -> list[Firing]:
    """Takes the partition's timers that are due by the database's clock out of the table, oldest first."""
    rows = await tx.fetch(SQL["fire_timers"], partition, most)
    return [FIRING.validate_json(row["event"]) for row in rows]


async def next_timers(database: Connection | Pool, partitions: Sequence[int]) -> list[NextTimer]:
    """The next timer of each partition: each is asked by itself, over the index."""
    rows = await database.fetch(SQL["next_timers"], partitions)
    return [NextTimer(row["partition"], row["now"], row["due_at"]) for row in rows]

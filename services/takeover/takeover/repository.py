"""takeover's tables: conversations, episodes, timers, and the settings that were in force."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from runtime.postgres import Connection, Pool, statements
from schemas.bots import BotSettings
from schemas.outcomes import TakeoverAnswered, TakeoverEnded, TakeoverStarted
from takeover.effects import Effect
from takeover.state import Conversation
from takeover.timers import Firing, Kind, Timer, timers

SQL = statements("takeover")
FIRING: TypeAdapter[Firing] = TypeAdapter(Firing)


class DueTimer(NamedTuple):
    conversation: str
    kind: Kind
    due_at: datetime
    event: Firing


async def load(tx: Connection, ids: Sequence[str]) -> dict[str, Conversation]:
    rows = await tx.fetch(SQL["load"], ids)
    states = (Conversation.model_validate_json(row["state"]) for row in rows)
    return {state.id: state for state in states}


async def save(tx: Connection, partition: int, states: Sequence[Conversation]) -> None:
    if states:
        await tx.execute(
            SQL["save"],
            [state.id for state in states],
            partition,
            [state.bot for state in states],
            [state.owner for state in states],
            [state.epoch for state in states],
            [state.seq for state in states],
            [state.model_dump_json(exclude_defaults=True) for state in states],
            [state.last_at for state in states],
        )


async def save_timers(
    tx: Connection, partition: int, changes: Iterable[tuple[Conversation | None, Conversation]]
) -> None:
    """Stores the difference between the timers of each state before and after."""
    fresh: list[tuple[str, Kind, Timer]] = []
    gone: list[tuple[str, Kind]] = []
    for before, after in changes:
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


async def save_episodes(tx: Connection, effects: Iterable[Effect]) -> None:
    for _, event in effects:
        match event:
            case TakeoverStarted():
                await _run(
                    tx,
                    "start_episode",
                    event.episode,
                    event.conversation,
                    event.bot,
                    event.cause,
                    event.block,
                    event.at,
                )
            case TakeoverAnswered():
                by = event.holder.name if event.holder else "Page Inbox"
                await _run(tx, "take_up_episode", event.episode, event.at, by)
            case TakeoverEnded():
                await _run(tx, "end_episode", event.episode, event.at, event.cause)
            case _:
                pass


async def _run(tx: Connection, statement: str, *values: Any) -> None:
    await tx.execute(SQL[statement], *values)


async def keep_settings(tx: Connection, partition: int, settings: BotSettings, from_offset: int) -> None:
    """From this offset of the partition on, this version is in force; does nothing where that is recorded."""
    await tx.execute(
        SQL["keep_settings"], partition, settings.bot, settings.version, settings.model_dump_json(), from_offset
    )


async def due_timers(pool: Pool, partition: int, most: int) -> list[DueTimer]:
    """The partition's timers that are due by the database's clock, oldest first."""
    rows = await pool.fetch(SQL["due_timers"], partition, most)
    return [
        DueTimer(row["conversation"], row["kind"], row["due_at"], FIRING.validate_json(row["event"])) for row in rows
    ]


async def next_timer(pool: Pool, partition: int) -> float | None:
    """Seconds until the partition's next timer by the database's clock, None: there is none."""
    seconds: float | None = await pool.fetchval(SQL["next_timer"], partition)
    return seconds


async def fired(pool: Pool, due: Sequence[DueTimer]) -> None:
    """The log has them. A timer that was set anew meanwhile stays."""
    await pool.execute(
        SQL["fired_timers"],
        [timer.conversation for timer in due],
        [timer.kind for timer in due],
        [timer.due_at for timer in due],
    )

"""The timers that a state implies. A decision stores the difference; a timer that fires late is void by comparison."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from schemas.conversations import DelayElapsed, ReadOverdue, SessionExpired, TurnOverdue
from takeover.state import Conversation

Kind = Literal["expiry", "turn", "delay", "thread", "profile"]
Firing = SessionExpired | TurnOverdue | DelayElapsed | ReadOverdue


class Timer(NamedTuple):
    due_at: datetime
    event: Firing


def timers(state: Conversation) -> Mapping[Kind, Timer]:
    """At most one timer of a kind. Event ids are deterministic, so that firing twice is one event."""
    found: dict[Kind, Timer] = {}
    episode = state.episode
    if episode is not None and episode.deadline is not None:
        found["expiry"] = Timer(
            episode.deadline,
            SessionExpired(
                id=f"{state.id}:{state.epoch}:expired:{episode.deadline.isoformat()}",
                conversation=state.id,
                epoch=state.epoch,
                deadline=episode.deadline,
            ),
        )
    turn = state.turn
    if turn is not None:
        found["turn"] = Timer(
            turn.overdue_at,
            TurnOverdue(
                id=f"{turn.id}:overdue:{turn.attempt}", conversation=state.id, turn=turn.id, attempt=turn.attempt
            ),
        )
    if state.delay is not None:
        found["delay"] = Timer(
            state.delay.due_at,
            DelayElapsed(
                id=f"{state.delay.turn}:elapsed", conversation=state.id, epoch=state.epoch, turn=state.delay.turn
            ),
        )
    if state.reading is not None:
        found["thread"] = Timer(state.reading.due_at, _overdue(state.id, state.reading.command))
    if state.naming is not None:
        found["profile"] = Timer(state.naming.due_at, _overdue(state.id, state.naming.command))
    return found


def _overdue(conversation: str, command: str) -> ReadOverdue:
    return ReadOverdue(id=f"{command}:overdue", conversation=conversation, command=command)

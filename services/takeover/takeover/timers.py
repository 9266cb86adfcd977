"""The timers that a state implies. A decision stores the difference; a timer that fires late is void by comparison."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from schemas.conversations import DelayElapsed, ReadOverdue, SessionExpired, ThreadCheckDue, TurnOverdue
from takeover.state import Conversation

Kind = Literal["expiry", "turn", "delay", "thread", "profile", "check"]
Firing = SessionExpired | TurnOverdue | DelayElapsed | ReadOverdue | ThreadCheckDue


class Timer(NamedTuple):
    due_at: datetime
    event: Firing


class Lateness(NamedTuple):
    kind: Kind
    seconds: float


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
    if state.check_at is not None:
        found["check"] = Timer(
            state.check_at,
            ThreadCheckDue(
                id=f"{state.id}:{state.epoch}:check:{state.check_at.isoformat()}",
                conversation=state.id,
                epoch=state.epoch,
                due_at=state.check_at,
            ),
        )
    return found


def lateness(state: Conversation, event: Firing, at: datetime) -> Lateness | None:
    """How late a timer's event came into the log. None where the state before it no longer says when it was due."""
    kind: Kind
    match event:
        case SessionExpired():
            kind, due_at = "expiry", event.deadline
        case TurnOverdue() if state.turn is not None and (state.turn.id, state.turn.attempt) == (
            event.turn,
            event.attempt,
        ):
            kind, due_at = "turn", state.turn.overdue_at
        case DelayElapsed() if state.delay is not None and state.delay.turn == event.turn:
            kind, due_at = "delay", state.delay.due_at
        case ReadOverdue() if state.reading is not None and state.reading.command == event.command:
            kind, due_at = "thread", state.reading.due_at
        case ReadOverdue() if state.naming is not None and state.naming.command == event.command:
            kind, due_at = "profile", state.naming.due_at
        case ThreadCheckDue():
            kind, due_at = "check", event.due_at
        case _:
            return None
    return Lateness(kind, (at - due_at).total_seconds())


def _overdue(conversation: str, command: str) -> ReadOverdue:
    return ReadOverdue(id=f"{command}:overdue", conversation=conversation, command=command)

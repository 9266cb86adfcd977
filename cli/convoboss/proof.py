"""Whether tables and topics hold what the log leads to, or the first event where they differ. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import orjson

from convoboss.evidence import PUBLISHED, Evidence, Place, Row
from schemas.base import BaseEvent
from schemas.outcomes import Outcome
from schemas.topics import CONVERSATIONS
from takeover.effects import Effect
from takeover.folding import Fold, Folded, How, Logged
from takeover.state import Conversation
from takeover.timers import timers

Verdict = Literal["equal", "different", "unproven"]
"""`unproven`: they differ, or nothing is there, but the log's beginning is gone, so that it says nothing."""

_COUNT: Final = re.compile(r"!(?P<count>\d+)(:\d+)?")
_MISSING: Final = "(nothing)"


class FieldDifference(NamedTuple):
    """`log`: as the log leads to it; `found`: as it is in the table or the topic."""

    field: str
    log: str
    found: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event where what is found is not what it leads to. `event` None: there is no event that could lead to it."""

    event: Logged | None
    where: str
    sentence: str
    fields: tuple[FieldDifference, ...] = ()


@dataclass(slots=True)
class Proof:
    """`compared`: topic → records that are equal. `gone`: as many that retention may have taken. `pending`: in the outbox.

    `later`: fields of the state that the version which wrote the row did not have; the row says nothing of them.
    """

    conversation: str
    verdict: Verdict = "equal"
    state: Conversation | None = None
    difference: Difference | None = None
    beginning_gone: bool = False
    events: dict[How, int] = field(default_factory=dict)
    unreadable: int = 0
    first: int | None = None
    last: int | None = None
    compared: dict[str, int] = field(default_factory=dict)
    gone: int = 0
    pending: int = 0
    later: tuple[str, ...] = ()


def bot_of(evidence: Evidence, place: Place) -> str | None:
    return evidence.row.bot if evidence.row is not None else place.settings.bot_of(evidence.conversation)


def folded(evidence: Evidence, place: Place) -> Iterator[Folded]:
    """Every event that takeover has decided, and what came of it."""
    fold = Fold(evidence.conversation, bot_of(evidence, place), place.settings, evidence.letters)
    for logged in evidence.log:
        if logged.offset < place.next_offset:
            yield fold.take(logged)


def prove(evidence: Evidence, place: Place) -> Proof:
    """Folds the log and compares: what was published, in order; then the row, then the timers."""
    proof = Proof(evidence.conversation)
    steps: list[tuple[Logged, Effect]] = []
    proof.unreadable = sum(offset < place.next_offset for offset in evidence.unreadable)
    for each in folded(evidence, place):
        proof.events[each.how] = proof.events.get(each.how, 0) + 1
        proof.first = each.logged.offset if proof.first is None else proof.first
        proof.last = each.logged.offset
        proof.state = each.after
        steps += [(each.logged, effect) for effect in each.effects]
    proof.beginning_gone = place.reach(CONVERSATIONS).begin > 0 and not begins_here(evidence)
    found = [
        *_Published(evidence, place, proof).differences(steps),
        *_row_differences(evidence, place, proof),
    ]
    if found:
        proof.difference = min(found, key=lambda each: each.event.offset if each.event else -1)
        proof.verdict = "unproven" if proof.beginning_gone else "different"
    return proof


def begins_here(evidence: Evidence) -> bool:
    """Whether the first record that was ever made for the conversation, as its number tells, follows from what the log has."""
    numbered = [
        (int(match["count"]), event)
        for topic in PUBLISHED
        for event in evidence.published.get(topic, {}).values()
        if (match := _COUNT.fullmatch(event.id.removeprefix(evidence.conversation))) is not None
    ]
    told = [each for each in numbered if isinstance(each[1], Outcome)]
    if not told or min(numbered, key=lambda each: each[0])[0] != 1:
        return False
    first = min(told, key=lambda each: each[0])[1]
    return isinstance(first, Outcome) and any(logged.event.id == first.cause_id for logged in evidence.log)


# --- what was published


class _Published:
    def __init__(self, evidence: Evidence, place: Place, proof: Proof) -> None:
        self._evidence = evidence
        self._place = place
        self._proof = proof
        later = [logged for logged in evidence.log if logged.offset >= place.next_offset]
        self._goes_on = bool(later)

    def differences(self, steps: Sequence[tuple[Logged, Effect]]) -> Iterator[Difference]:
        """At most one of each topic."""
        for topic in PUBLISHED:
            mine = [(logged, effect.event) for logged, effect in steps if effect.topic == topic]
            found = self._first(topic, mine)
            if found is not None:
                yield found

    def _first(self, topic: str, wanted: Sequence[tuple[Logged, BaseEvent]]) -> Difference | None:
        found = list(self._evidence.published.get(topic, {}).values())
        names = {event.id for _, event in wanted}
        at = 0
        for logged, event in wanted:
            if at < len(found) and found[at].id == event.id:
                if (fields := _fields_of(event, found[at])) != ():
                    return Difference(logged, topic, f"{_named(event)} was published with another content.", fields)
                at += 1
                self._proof.compared[topic] = self._proof.compared.get(topic, 0) + 1
            elif event.id in self._evidence.published.get(topic, {}):
                extra = found[at]
                if extra.id in names:
                    return Difference(logged, topic, f"{_named(extra)} was published before {_named(event)}.")
                return Difference(logged, topic, f"{_named(extra)} was published, and nothing in the log leads to it.")
            elif not self._may_be_missing(topic, logged, event):
                return Difference(logged, topic, f"{_named(event)} was never published.")
        extra_events = found[at:]
        if extra_events and not self._goes_on:
            return Difference(
                self._cause_of(extra_events[0]),
                topic,
                f"{_named(extra_events[0])} was published, and nothing in the log leads to it.",
            )
        return None

    def _may_be_missing(self, topic: str, logged: Logged, event: BaseEvent) -> bool:
        if event.id in self._place.pending:
            self._proof.pending += 1
            return True
        if self._place.reach(topic).lost(logged.at):
            self._proof.gone += 1
            return True
        return False

    def _cause_of(self, event: BaseEvent) -> Logged | None:
        cause = event.cause_id if isinstance(event, Outcome) else None
        return next((logged for logged in self._evidence.log if logged.event.id == cause), None)


def _named(event: BaseEvent) -> str:
    return f"{event.type} {event.id}"


def _fields_of(wanted: BaseEvent, found: BaseEvent) -> tuple[FieldDifference, ...]:
    return tuple(_differing(_flat_of(wanted.model_dump_json()), _flat_of(found.model_dump_json())))


# --- the row and the timers


def _row_differences(evidence: Evidence, place: Place, proof: Proof) -> Iterator[Difference]:
    row, state = evidence.row, proof.state
    if row is None or state is None:
        if row is not None:
            yield Difference(None, "row", "There is a row, and no event in the log leads to one.")
        elif state is not None:
            first = next(each.logged for each in folded(evidence, place) if each.after is not None)
            yield Difference(first, "row", "There is no row, and the log leads to one.")
        return
    document = orjson.loads(row.state)
    log = values(state)
    proof.later = tuple(path for path in log if _is_later(document, path))
    fields = tuple(_differing(_known(log, document), _known(values_of_row(row), document)))
    if fields:
        yield _where_the_row_parts(evidence, place, row, fields)
        return  # the timers follow from the state
    yield from _timer_differences(evidence, place, state)


def _where_the_row_parts(evidence: Evidence, place: Place, row: Row, fields: tuple[FieldDifference, ...]) -> Difference:
    """A row that lags is as it was before some event; another one's fields were set by events: the first of those counts."""
    document = orjson.loads(row.state)
    wanted = _known(values_of_row(row), document)
    names = {each.field for each in fields}
    before: Mapping[str, str] = {}
    set_by: dict[str, Logged] = {}
    lacks: Logged | None = None
    was_equal = False
    for each in folded(evidence, place):
        if each.after is None:
            continue
        now = _known(values(each.after), document)
        if was_equal and now != wanted:
            lacks = each.logged
        was_equal = now == wanted
        lacks = None if was_equal else lacks
        set_by |= {name: each.logged for name in names if now.get(name) != before.get(name)}
        before = now
    if lacks is not None:
        return Difference(lacks, "row", "The row is as it was before this event.", fields)
    first = min(set_by.values(), key=lambda logged: logged.offset, default=None)
    return Difference(first, "row", "The row holds something else than this event and those after it lead to.", fields)


def _known(told: Mapping[str, str], document: Mapping[str, object]) -> dict[str, str]:
    """Without the fields that came later than the row: all that a version knows it writes, also where nothing is in it."""
    return {path: value for path, value in told.items() if not _is_later(document, path)}


def _is_later(document: Mapping[str, object], path: str) -> bool:
    """Only of the state's own fields and those of its parts: what is deeper may be a customer's data."""
    first, *deeper = path.split(".")
    if first not in document:
        return first in Conversation.__dataclass_fields__
    part = document[first]
    return len(deeper) == 1 and isinstance(part, dict) and deeper[0] not in part


def _timer_differences(evidence: Evidence, place: Place, state: Conversation) -> Iterator[Difference]:
    fired = {logged.event.id for logged in evidence.log} | place.pending
    wanted = timers(state)
    last = next((logged for logged in reversed(evidence.log) if logged.offset < place.next_offset), None)
    for kind, timer in wanted.items():
        found = evidence.timers.get(kind)
        if found is None and timer.event.id not in fired:
            fields = (FieldDifference("due_at", timer.due_at.isoformat(), _MISSING),)
            yield Difference(last, "timer", f"The timer {kind} is not in the table, and has not fired.", fields)
        elif found is not None and (found.due_at, found.event) != (timer.due_at, timer.event.id):
            fields = (FieldDifference("due_at", timer.due_at.isoformat(), found.due_at.isoformat()),)
            yield Difference(last, "timer", f"The timer {kind} is another one than the state leads to.", fields)
    for name, more in evidence.timers.items():
        if name not in wanted:
            fields = (FieldDifference("due_at", _MISSING, more.due_at.isoformat()),)
            yield Difference(last, "timer", f"There is a timer {name}, and the state leads to none.", fields)


# --- values as text


def values(state: Conversation) -> dict[str, str]:
    """Path of each value → the value as JSON; `updated_at` is the time of the last event, the row's other columns twice."""
    told = _flat_of(state.to_json())
    del told["last_at"]
    at = None if state.last_at is None else state.last_at.timestamp()
    columns = {f"column {name}": told[name] for name in ("bot", "owner", "epoch", "seq")}
    return told | columns | {"updated_at": orjson.dumps(at).decode()}


def values_of_row(row: Row) -> dict[str, str]:
    told = values(Conversation.from_json(row.state))
    columns = {"bot": row.bot, "owner": row.owner, "epoch": row.epoch, "seq": row.seq}
    told |= {f"column {name}": orjson.dumps(value).decode() for name, value in columns.items()}
    told["updated_at"] = orjson.dumps(row.updated_at.timestamp()).decode()
    return told


def _flat_of(text: str) -> dict[str, str]:
    return dict(_flat(orjson.loads(text)))


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Objects are gone into, lists are not."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    else:
        yield path, orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _differing(log: Mapping[str, str], found: Mapping[str, str]) -> Iterator[FieldDifference]:
    for name in dict.fromkeys((*log, *found)):
        here, there = log.get(name, _MISSING), found.get(name, _MISSING)
        if here != there:
            yield FieldDifference(name, here, there)

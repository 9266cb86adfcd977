"""What `convoboss timeline` does."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import orjson

from convoboss.collecting import collect
from convoboss.evidence import Evidence, Place
from convoboss.lines import stamp
from convoboss.moments import ERASED, PERSONAL, Line, actor_of, lines, standing
from convoboss.proof import begins_here, folded
from convoboss.telling import tell
from convoboss.terminal import Look, columns, escaped, visible, wrapped
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.conversations import ErasureAsked
from schemas.topics import CONVERSATIONS
from takeover.folding import Folded

ACTOR: Final = 10  # columns
NARROWEST: Final = 30  # columns that are left for text
COLOURS: Final = {"human": "magenta", "bot": "blue", "nobody": "dim"}


async def timeline(conversation: str, at: datetime | None, *, as_json: bool) -> int:
    """`at` None: now. Raises CommandError."""
    evidence, place = await collect(load(ServiceSettings), conversation)
    until = at or datetime.now(UTC)
    steps = [each for each in folded(evidence, place) if each.logged.at <= until]
    gone = place.reach(CONVERSATIONS).begin > 0 and not begins_here(evidence)
    waiting = list(_undecided(evidence, place, until))
    if as_json:
        for line in (*lines(steps), *waiting):
            print(escaped(orjson.dumps(asdict(line) | {"at": stamp(line.at)}).decode()))
        print(escaped(orjson.dumps(_standing_facts(steps, until, gone=gone)).decode()))
    else:
        print("\n".join(text(evidence, place, steps, waiting, until, gone=gone, look=Look.of(sys.stdout))))
    return 0


def _undecided(evidence: Evidence, place: Place, until: datetime) -> Iterator[Line]:
    """Events that takeover has not come to."""
    erased = any(isinstance(each.event, ErasureAsked) for each in evidence.log)
    for logged in evidence.log:
        if logged.offset >= place.next_offset and logged.at <= until:
            event = logged.event
            told = ERASED if erased and isinstance(event, PERSONAL) else tell(event)
            what = f"{event.type.rpartition('.')[0]}: {told}  (not decided yet)"
            yield Line(logged.at, logged.offset, "", 0, "undecided", actor_of(event), what, event.type, event.id)


def text(
    evidence: Evidence,
    place: Place,
    steps: list[Folded],
    waiting: list[Line],
    until: datetime,
    *,
    gone: bool,
    look: Look,
) -> Iterator[str]:
    yield look.paint(visible(evidence.conversation), "bold")
    if gone:
        yield from _wrapped(
            f"The log's beginning is gone: retention took the first {place.reach(CONVERSATIONS).begin} offsets of"
            f" partition {place.partition}. What follows is decided anew from nothing, so owner, epoch and numbers may be"
            " others than they were.",
            look,
        )
    for line in (*lines(steps), *waiting):
        yield _shown(line, look)
    yield ""
    yield look.paint(f"At {stamp(until)}", "bold")
    for sentence in _standing(steps, until):
        yield from _wrapped(sentence, look)


def _standing(steps: list[Folded], until: datetime) -> list[str]:
    state = steps[-1].after if steps else None
    if state is None:
        return ["Nothing had been decided yet."]
    began = next(each.logged.at for each in steps if each.after is not None)
    return list(standing(state, began, until))


def _standing_facts(steps: list[Folded], until: datetime, *, gone: bool) -> dict[str, object]:
    state = steps[-1].after if steps else None
    return {
        "sort": "standing",
        "at": stamp(until),
        "beginning_gone": gone,
        "owner": None if state is None else state.owner,
        "epoch": None if state is None else state.epoch,
        "deadline": None
        if state is None or state.episode is None or state.episode.deadline is None
        else stamp(state.episode.deadline),
        "told": _standing(steps, until),
    }


def _shown(line: Line, look: Look) -> str:
    mark = {"decision": "→ ", "timer": "⏲ "}.get(line.sort, "")
    epoch = f"e{line.epoch}" if line.owner else "--"
    cells = [
        (stamp(line.at), "dim"),
        (f"@{line.offset}".ljust(7), "dim"),
        (epoch.ljust(3), "dim"),
        ((line.owner or "?").ljust(6), COLOURS.get(line.owner, "yellow")),
        (visible(line.actor).ljust(ACTOR), "bold"),
    ]
    head = "  ".join(look.paint(words, colour) for words, colour in cells)
    used = sum(columns(words) for words, _ in cells) + 2 * len(cells)
    what = visible(mark + line.what)
    if look.width is None or used + columns(what) <= look.width:
        return f"{head}  {what}"
    if look.width - used >= NARROWEST:
        first, *more = wrapped(what, look.width - used)
        return "\n".join([f"{head}  {first}", *(f"{'':{used}}{piece}" for piece in more)])
    return "\n".join([head, *(f"    {piece}" for piece in wrapped(what, max(NARROWEST, look.width - 4)))])


def _wrapped(sentence: str, look: Look) -> Iterator[str]:
    told = visible(sentence)
    return iter([told]) if look.width is None else wrapped(told, look.width)

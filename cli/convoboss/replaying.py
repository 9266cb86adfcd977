"""What `convoboss replay` does."""

import sys
from collections.abc import Iterator
from typing import Final

import orjson

from convoboss.collecting import collect
from convoboss.errors import DIFFERENT, UNPROVEN
from convoboss.evidence import Place
from convoboss.lines import stamp
from convoboss.proof import Difference, Proof, Verdict, prove
from convoboss.terminal import Look, escaped, visible, wrapped
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.topics import CONVERSATIONS
from takeover.folding import How

CODES: Final[dict[Verdict, int]] = {"equal": 0, "different": DIFFERENT, "unproven": UNPROVEN}
COLOURS: Final[dict[Verdict, str]] = {"equal": "green", "different": "red", "unproven": "yellow"}
INDENT: Final = 4  # columns
MAX_VALUE: Final = 300  # characters of a value that differs


async def replay(conversation: str, *, as_json: bool) -> int:
    """Prints the proof; the exit code is its verdict's. Raises CommandError."""
    evidence, place = await collect(load(ServiceSettings), conversation)
    proof = prove(evidence, place)
    if as_json:
        print(escaped(orjson.dumps(facts(proof, place)).decode()))
    else:
        look = Look.of(sys.stdout)
        for line in text(proof, place, look):
            print(*_fitted(line, look), sep="\n")
    return CODES[proof.verdict]


def text(proof: Proof, place: Place, look: Look) -> Iterator[str]:
    reach = place.reach(CONVERSATIONS)
    yield look.paint(visible(proof.conversation), "bold")
    yield (
        f"The log: partition {place.partition}, offsets {reach.begin} to {reach.end}; takeover has decided those below"
        f" {place.next_offset}."
    )
    if proof.beginning_gone:
        since = "" if reach.first_at is None else f" What is left begins at {stamp(reach.first_at)}."
        yield f"Its beginning is gone: retention took the first {reach.begin} offsets of the partition.{since}"
    yield f"Folded {_counted(proof)}."
    if proof.compared or proof.gone or proof.pending:
        yield f"Published and equal: {_compared(proof)}."
    if proof.state is not None and proof.difference is None:
        state = proof.state
        yield f"The row is equal: owner {state.owner}, epoch {state.epoch}, entry {state.seq}. So are its timers."
    if proof.later:
        yield f"The row is of an earlier version, which did not have these: {', '.join(proof.later)}."
    if proof.difference is not None:
        yield from difference_text(proof.difference)
    yield look.paint(_verdict(proof), COLOURS[proof.verdict])


def difference_text(difference: Difference) -> Iterator[str]:
    logged = difference.event
    if logged is None:
        yield f"They differ, and no event of the log explains it ({difference.where}):"
    else:
        event = logged.event
        yield (
            f"The first event where they differ: offset {logged.offset}, {stamp(logged.at)}, {event.type},"
            f" {visible(event.id)} ({difference.where}):"
        )
    yield f"  {visible(difference.sentence)}"
    for each in difference.fields:
        yield f"  {each.field}"
        yield f"    by the log  {_short(each.log)}"
        yield f"    found       {_short(each.found)}"


def _short(value: str) -> str:
    shown = visible(value)
    return shown if len(shown) <= MAX_VALUE else f"{shown[:MAX_VALUE]}… ({len(shown)} characters)"


def _counted(proof: Proof) -> str:
    words: dict[How, str] = {
        "decided": "decided",
        "copy": "dropped (seen before)",
        "fault": "given to a person (the rules raised)",
        "aside": "put aside",
    }
    total = sum(proof.events.values())
    events = "1 event" if total == 1 else f"{total} events"
    where = "" if proof.first is None else f" (offsets {proof.first} to {proof.last})"
    kinds = [f"{proof.events[how]} {word}" for how, word in words.items() if proof.events.get(how)]
    if proof.unreadable:
        kinds.append(f"{proof.unreadable} that nobody can read")
    return f"{events}{where}{': ' if kinds else ''}{', '.join(kinds)}"


def _compared(proof: Proof) -> str:
    parts = [f"{count} of {topic}" for topic, count in proof.compared.items()]
    if proof.pending:
        parts.append(f"{proof.pending} that still wait in takeover's outbox")
    if proof.gone:
        parts.append(f"{proof.gone} more could not be compared, retention took them")
    return ", ".join(parts)


def _verdict(proof: Proof) -> str:
    if proof.verdict == "equal":
        return "Equal: the log leads to what the tables and the topics hold."
    if proof.verdict == "different":
        return "Different."
    return (
        "Not proven: the log's beginning is gone, so that folding what is left starts from nothing. That the row is wrong"
        " is not shown by this, nor that it is right; what was published since can still be seen with `convoboss timeline`."
    )


def _fitted(line: str, look: Look) -> Iterator[str]:
    if look.width is None or line.startswith("\x1b"):
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    pieces = list(wrapped(line.lstrip(" "), max(20, look.width - indent - INDENT)))
    for number, piece in enumerate(pieces):
        yield f"{'':{indent if number == 0 else indent + INDENT}}{piece}"


def facts(proof: Proof, place: Place) -> dict[str, object]:
    """The proof as JSON values."""
    difference = proof.difference
    return {
        "conversation": proof.conversation,
        "verdict": proof.verdict,
        "partition": place.partition,
        "next_offset": place.next_offset,
        "log_begins": place.reach(CONVERSATIONS).begin,
        "beginning_gone": proof.beginning_gone,
        "events": proof.events,
        "unreadable": proof.unreadable,
        "first_offset": proof.first,
        "last_offset": proof.last,
        "published_equal": proof.compared,
        "published_gone": proof.gone,
        "published_pending": proof.pending,
        "fields_not_in_the_row": list(proof.later),
        "difference": None if difference is None else difference_facts(difference),
    }


def difference_facts(difference: Difference) -> dict[str, object]:
    logged = difference.event
    return {
        "where": difference.where,
        "sentence": difference.sentence,
        "offset": None if logged is None else logged.offset,
        "at": None if logged is None else stamp(logged.at),
        "event": None if logged is None else logged.event.id,
        "type": None if logged is None else logged.event.type,
        "fields": [each._asdict() for each in difference.fields],
    }

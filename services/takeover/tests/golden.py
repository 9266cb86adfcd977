"""Golden conversations: a log, and the rows and effects that the rules make of it, as a person reads them.

    python services/takeover/tests/golden.py --write            writes golden/*.txt anew: what the rules make of the logs
    python services/takeover/tests/golden.py --record [NAME …]  tells the stories again and writes their logs too

`NAME.jsonl`: the settings, then an event a line with its log time. `NAME.txt`: what came of it. Times are of one day.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from golden_stories import STORIES
from pydantic import TypeAdapter
from takeover_world import MIA

from schemas.base import Document
from schemas.bots import BotSettings
from schemas.conversations import LogEvent
from schemas.messages import Profile
from takeover.decide import decide, first_contact
from takeover.state import Conversation
from takeover.timers import timers

FOLDER: Final = Path(__file__).parent / "golden"
REPAIR: Final = "python services/takeover/tests/golden.py --write"
_EVENT: Final[TypeAdapter[Any]] = TypeAdapter(LogEvent)
_CONSTANT: Final = {"type", "conversation", "bot", "at", "cause_id"}
_UNSEEN: Final = {
    "id",
    "last_at",
    "count",
    "seq",
    "recent",
    "heard_at",
}  # of a row: told otherwise, or moved by every event


@dataclass(frozen=True)
class Log:
    """A conversation's events with their log times. `known`: the customer's name was read before it begins."""

    title: str
    settings: BotSettings
    known: bool
    events: tuple[tuple[datetime, Any], ...]

    @classmethod
    def read(cls, path: Path) -> "Log":
        head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        events = tuple((datetime.fromisoformat(line["at"]), _EVENT.validate_python(line["event"])) for line in lines)
        return cls(head["title"], BotSettings.model_validate(head["settings"]), head["known"], events)

    def text(self) -> str:
        head = {"title": self.title, "known": self.known, "settings": _plain(self.settings)}
        lines = [{"at": at.isoformat(), "event": {"type": event.type, **_plain(event)}} for at, event in self.events]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [head, *lines])


def told(name: str) -> Log:
    """A story's log, as the rules of today make it."""
    teller = STORIES[name]
    world = teller()
    title = " ".join((teller.__doc__ or name.replace("-", " ")).split())
    return Log(title, world.settings, world.known, tuple(world.log))


def page(log: Log) -> str:
    """What the rules make of a log: each event, its effects, what it changed in the row, and the timers after it."""
    return "\n".join([log.title, *_lines(log)]) + "\n"


def _lines(log: Log) -> Iterator[str]:
    state = first_contact(MIA, log.settings.bot)
    if log.known:
        state.profile = Profile(first_name="Mia")
    for at, event in log.events:
        yield f"\n{_time(at)} {event.type} {_fields(event, {'type', 'conversation', 'occurred_at'})}"
        before, (state, effects) = state, decide(state, event, at, log.settings)
        for effect in effects:
            yield f"    > {effect.event.type} {_fields(effect.event, _CONSTANT)}"
        yield from (f"      {line}" for line in _changes(before, state))
    yield "\nThe row after it:"
    yield from (f"      {name}: {_short(value)}" for name, value in _row(state).items())
    yield from (f"      remembered: {_short(_json(said))}" for said in state.recent)


def _changes(before: Conversation, after: Conversation) -> Iterator[str]:
    old, new = _row(before), _row(after)
    for name in [*new, *(name for name in old if name not in new)]:
        if old.get(name) != new.get(name):
            yield f"{name}: {_short(new.get(name, 'nothing'))}"
    yield from (f"remembered: {_short(_json(said))}" for said in after.recent if said not in before.recent)
    due = {kind: _time(timer.due_at) for kind, timer in timers(after).items()}
    if due != {kind: _time(timer.due_at) for kind, timer in timers(before).items()}:
        yield f"timers: {', '.join(f'{kind} {at}' for kind, at in due.items()) or 'none'}"


def _row(state: Conversation) -> dict[str, str]:
    """Each part of the row as text, a part of a nested value by itself, without what has its default."""
    found: dict[str, str] = {}
    for name, value in vars(state).items():
        if name in _UNSEEN:
            continue
        if isinstance(value, Document):
            found |= {f"{name}.{inner}": _json(part) for inner, part in _plain(value).items()}
        elif value is not None:
            found[name] = _json(value)
    return found


def _plain(model: Any) -> dict[str, Any]:
    """JSON of a model without what has its default."""
    return model.model_dump(mode="json", exclude_defaults=True)


def _json(value: object) -> str:
    def inner(each: Any) -> object:
        return _plain(each) if hasattr(each, "model_dump") else str(each)

    return json.dumps(value, default=inner, ensure_ascii=False)


def _fields(event: Any, without: set[str]) -> str:
    shown = {name: value for name, value in _plain(event).items() if name not in without}
    return _short(" ".join(f"{name}={_json(value)}" for name, value in shown.items()))


def _short(text: str) -> str:
    return text.replace(MIA, "mia")


def _time(at: datetime) -> str:
    return f"{at:%d %H:%M:%S}.{at.microsecond // 1000:03}"


def differences(names: Iterable[str]) -> str:
    """A unified diff from the pages to what the rules make of the logs now; empty when they agree."""
    found = []
    for name in names:
        path = FOLDER / f"{name}.txt"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = page(Log.read(FOLDER / f"{name}.jsonl"))
        found += difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"golden/{name}.txt",
            "what the rules make of its log now",
        )
    return "".join(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="only the pages")
    choice.add_argument(
        "--record", nargs="*", metavar="NAME", help="the logs and their pages; of all stories without names"
    )
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if arguments.record is not None:
        for name in arguments.record or STORIES:
            (FOLDER / f"{name}.jsonl").write_text(told(name).text(), encoding="utf-8")
    names = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
    sys.stdout.write(differences(names))
    for name in names:
        (FOLDER / f"{name}.txt").write_text(page(Log.read(FOLDER / f"{name}.jsonl")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

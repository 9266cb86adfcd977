"""An entry as a line for people, or as a line of JSON for programs."""

from datetime import datetime
from typing import Any, Final

import orjson

from convoboss.entries import Entry
from convoboss.telling import tell
from convoboss.terminal import Look, columns, escaped, visible, wrapped
from schemas.base import BaseEvent
from schemas.topics import BOTS, CONVERSATIONS, DEAD_LETTERS, FLOWS, MESSENGER_COMMANDS, OUTCOMES, PAGES, TURNS

_COLOURS: Final = {
    CONVERSATIONS: "cyan",
    TURNS: "blue",
    MESSENGER_COMMANDS: "magenta",
    OUTCOMES: "green",
    BOTS: "yellow",
    FLOWS: "yellow",
    PAGES: "yellow",
    DEAD_LETTERS: "red",
}
PLACE_WIDTH: Final = 8  # columns of partition@offset
TYPE_WIDTH: Final = 24  # columns of the type
INDENT: Final = 4  # columns
NARROWEST: Final = 20  # columns that are left for text, however narrow the terminal


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Lines:
    """Lines for people. `topic_width`: columns of the topic, so that what follows stands in line. `keys` False: no key."""

    def __init__(self, look: Look, topic_width: int, *, keys: bool) -> None:
        self._look = look
        self._topic_width = topic_width
        self._keys = keys

    def line(self, entry: Entry) -> str:
        """One line; on a terminal that is too narrow, what tells is below, indented."""
        cells = [
            (stamp(entry.at), "dim"),
            (entry.topic.ljust(self._topic_width), _COLOURS.get(entry.topic, "bold")),
            (f"{entry.partition}@{entry.offset}".ljust(PLACE_WIDTH), "dim"),
            (visible(entry.type).ljust(TYPE_WIDTH), "bold" if entry.readable else "red"),
        ]
        if self._keys:
            cells.append((visible(entry.key), "dim"))
        head = "  ".join(self._look.paint(text, colour) for text, colour in cells)
        used = sum(columns(text) for text, _ in cells) + 2 * (len(cells) - 1)
        told = visible(_told(entry))
        if not told:
            return head
        if self._look.width is None or used + 2 + columns(told) <= self._look.width:
            return f"{head}  {told}"
        room = max(NARROWEST, self._look.width - INDENT)
        return "\n".join([head, *(f"{'':{INDENT}}{piece}" for piece in wrapped(told, room))])


def _told(entry: Entry) -> str:
    if isinstance(entry.what, BaseEvent):
        return tell(entry.what)
    if entry.size is None:
        return entry.what
    return f"{entry.what} ({entry.size} bytes)"


def json_line(entry: Entry) -> str:
    """All of an entry. `event` is null where the record could not be read; then `problem` says why."""
    told: dict[str, Any] = {  # JSON values of every type
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
        "at": stamp(entry.at),
        "key": entry.key,
        "type": entry.type,
        "source": entry.source,
        "traceparent": entry.traceparent,
        "bytes": entry.size,
        "event": entry.what.model_dump(mode="json") if isinstance(entry.what, BaseEvent) else None,
    }
    if not entry.readable:
        told["problem"] = entry.what
    return escaped(orjson.dumps(told).decode())

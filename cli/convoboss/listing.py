"""What `convoboss topics` shows."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from convoboss import broker
from convoboss.errors import BrokerAway
from convoboss.terminal import Look, wrapped
from runtime.partitions import partitions_of
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.topics import DAY, TOPICS

INDENT: Final = 4  # columns
PLAIN_WIDTH: Final = 110  # columns, where the output is no terminal


@dataclass(frozen=True, slots=True)
class Line:
    """A topic of the catalogue. `found`: its partitions at the broker, 0 where it is missing, None where none answers."""

    topic: str
    partitions: int
    found: int | None
    keeps: str
    keyed_by: str
    holds: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]

    @property
    def at_broker(self) -> tuple[str, str]:
        """In words, and a colour."""
        if self.found is None:
            return "broker not asked", "yellow"
        if self.found == 0:
            return "missing", "red"
        if self.found != self.partitions:
            return f"there with {self.found} partitions", "red"
        return "there", "green"


async def show(*, as_json: bool) -> int:
    """Prints the catalogue even where no broker answers; the exit code tells so."""
    settings = load(ServiceSettings)
    away: BrokerAway | None = None
    present: Mapping[str, int] | None = None
    try:
        present = await broker.partitions(settings)
    except BrokerAway as error:
        away = error
    found = list(lines(present, settings.partitions))
    if as_json:
        print(json.dumps([asdict(line) for line in found], ensure_ascii=False, indent=2))
    else:
        print("\n".join(text(found, Look.of(sys.stdout))))
    sys.stdout.flush()
    if away is not None:
        raise away
    return 0


def lines(present: Mapping[str, int] | None, common: int) -> Iterator[Line]:
    for topic in TOPICS.values():
        yield Line(
            topic=topic.name,
            partitions=partitions_of(topic.name, common),
            found=None if present is None else present.get(topic.name, 0),
            keeps=keeps(topic.cleanup, topic.retention_ms),
            keyed_by=topic.keyed_by,
            holds=topic.holds,
            written_by=topic.written_by,
            read_by=topic.read_by,
        )


def keeps(cleanup: str, retention: int) -> str:
    if cleanup == "compact":
        return "the last of each key"
    days = retention / DAY
    return f"{days:g} {'day' if days == 1 else 'days'}"


def text(found: list[Line], look: Look) -> Iterator[str]:
    """Two lines a topic, and more where the terminal is narrow."""
    width = max(len(line.topic) for line in found)
    for line in found:
        state, colour = line.at_broker
        number = "1 partition" if line.partitions == 1 else f"{line.partitions} partitions"
        facts = f"{number} by {line.keyed_by}, keeps {line.keeps}"
        yield f"{look.paint(line.topic.ljust(width), 'bold')}  {look.paint(state, colour)}  {facts}"
        more = f"{line.holds}. Written by {', '.join(line.written_by)}; read by {', '.join(line.read_by)}."
        for piece in wrapped(more, (look.width or PLAIN_WIDTH) - INDENT):
            yield f"{'':{INDENT}}{piece}"

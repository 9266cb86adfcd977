"""What `convoboss tail` does: chooses partitions, reads them, prints what fits."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from convoboss import broker
from convoboss.entries import Entry, entry, type_of
from convoboss.errors import USAGE, BrokerAway, CommandError, TopicsMissing
from convoboss.lines import Lines, json_line
from convoboss.merging import Raw
from convoboss.reading import Reading
from convoboss.start import Start
from convoboss.terminal import Look
from runtime.partitions import partition_of
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.topics import TOPICS


@dataclass(frozen=True, slots=True)
class Options:
    """`topics` empty: all that are keyed by conversation. `types` empty: all; else names with `*`."""

    topics: tuple[str, ...]
    conversation: str | None
    types: tuple[str, ...]
    start: Start
    follow: bool
    limit: int | None
    as_json: bool


class NotByConversation(CommandError):
    """A topic whose records belong to no conversation."""

    code = USAGE

    def __init__(self, topic: str) -> None:
        super().__init__(f"{topic} is keyed by {TOPICS[topic].keyed_by}: leave --conversation out, or the topic.")
        self.topic = topic


async def tail(options: Options) -> None:
    """Prints until the present end, the limit, or Ctrl-C. Raises CommandError."""
    settings = load(ServiceSettings)
    partitions = chosen(options, await broker.partitions(settings), settings.kafka_bootstrap)
    printer = _Printer(options, Look.of(sys.stdout), list(dict.fromkeys(tp.topic for tp in partitions)))
    async with broker.reader(settings) as consumer:
        reading = Reading(consumer, partitions, printer.topics, _say)
        async with broker.told(settings):
            await reading.begin(options.start)
        if options.follow and sys.stderr.isatty():
            _say("Reading; Ctrl-C ends this.")
        try:
            async for records in reading.records(follow=options.follow):
                if printer.show(records):
                    return
        except KafkaError as error:
            raise BrokerAway(settings.kafka_bootstrap, str(error)) from error


def chosen(options: Options, present: Mapping[str, int], bootstrap: str) -> list[TopicPartition]:
    """The partitions to read, in the order of the topics. Raises NotByConversation, TopicsMissing."""
    asked = options.topics or tuple(name for name, topic in TOPICS.items() if topic.partitions is None)
    missing = tuple(name for name in asked if name not in present)
    if len(missing) == len(asked):
        raise TopicsMissing(missing, bootstrap)
    if missing:
        _say(f"The broker has no topic {', '.join(missing)}; reading the others.")
    found: list[TopicPartition] = []
    for name in asked:
        if options.conversation is not None and TOPICS[name].partitions is not None:
            raise NotByConversation(name)
        found += [TopicPartition(name, number) for number in _numbers(options, present.get(name, 0))]
    return found


def _numbers(options: Options, partitions: int) -> list[int]:
    if options.conversation is None or partitions == 0:
        return list(range(partitions))
    return [partition_of(options.conversation, partitions)]


class _Printer:
    """Prints what fits, and counts it."""

    def __init__(self, options: Options, look: Look, topics: list[str]) -> None:
        self.topics = topics
        self._options = options
        self._key = None if options.conversation is None else options.conversation.encode()
        self._since = int(options.start.timestamp() * 1000) if isinstance(options.start, datetime) else -1
        self._left = options.limit
        lines = Lines(look, max(map(len, topics)), keys=options.conversation is None)
        self._write: Callable[[Entry], str] = json_line if options.as_json else lines.line

    def show(self, records: list[Raw]) -> bool:
        """Whether the limit is reached. Whoever reads our output gets all that was there at once."""
        for raw in records:
            if not self._fits(raw):
                continue
            print(self._write(entry(raw)))
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    break
        sys.stdout.flush()
        return self._left == 0

    def _fits(self, raw: Raw) -> bool:
        if self._key is not None and raw.key != self._key:
            return False
        if raw.timestamp < self._since:
            return False  # the broker begins at the first record that is late enough; an earlier one may follow it
        types = self._options.types
        return not types or any(fnmatchcase(type_of(raw), pattern) for pattern in types)


def _say(text: str) -> None:
    """Beside the records, not among them."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()

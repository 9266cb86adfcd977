"""What `convoboss pages` shows, and what `convoboss catch-up` asks for."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from convoboss import broker
from convoboss.entries import entry
from convoboss.errors import BrokerAway, CommandError, TopicsMissing
from convoboss.lines import stamp
from convoboss.reading import Reading
from convoboss.terminal import Look, visible, wrapped
from runtime.errors import PublishFailed, Refused
from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.service import load
from runtime.settings import ServiceSettings
from schemas.base import BaseEvent
from schemas.pages import PageCatchUp, PageOpened, PageStatus, PageUnknown
from schemas.topics import PAGES

INDENT: Final = 4  # columns
PLAIN_WIDTH: Final = 110  # columns, where the output is no terminal
PUBLISH: Final = 20.0  # seconds
_COLOURS: Final = {"ok": "green", "failing": "red", "unknown": "yellow"}


async def show(page: str | None, *, as_json: bool) -> int:
    """Raises CommandError."""
    facts = [fact for fact in (await _facts(load(ServiceSettings))).values() if page in {None, _page(fact)}]
    statuses = sorted(
        (fact for fact in facts if isinstance(fact, PageStatus)), key=lambda fact: (fact.page, fact.aspect)
    )
    if as_json:
        print(json.dumps([status.model_dump(mode="json") for status in statuses], ensure_ascii=False, indent=2))
    elif not facts:
        print("Nothing is known of any page." if page is None else f"Nothing is known of page {visible(page)}.")
    else:
        print("\n".join(_lines(statuses, facts, Look.of(sys.stdout))))
    return 0


async def catch_up(page: str, since: datetime) -> int:
    """Raises CommandError."""
    settings, now = load(ServiceSettings), datetime.now(UTC)
    demand = PageCatchUp(
        id=f"page-catch-up:{page}:{int(now.timestamp() * 1000)}",
        occurred_at=now,
        page=page,
        state="due",
        missed_since=since,
        asked_at=now,
        reason="Asked for by ops.",
    )
    try:
        async with asyncio.timeout(PUBLISH):
            publisher = await Publisher.start(settings, source=broker.NAME)
            try:
                await publisher.publish([Outgoing(PAGES, demand)])
            finally:
                await publisher.stop()
    except (PublishFailed, KafkaError, TimeoutError, OSError) as error:
        raise BrokerAway(settings.kafka_bootstrap, str(error) or "it does not answer") from error
    except Refused as error:
        raise CommandError(str(error)) from error
    print(
        f"Asked for: page {page}, what was missed since {stamp(since)}. `convoboss pages {page}` shows when it is done."
    )
    return 0


async def _facts(settings: ServiceSettings) -> Mapping[str, BaseEvent]:
    """The last record of each key. Raises CommandError."""
    present = await broker.partitions(settings)
    if PAGES not in present:
        raise TopicsMissing((PAGES,), settings.kafka_bootstrap)
    partitions = [TopicPartition(PAGES, number) for number in range(present[PAGES])]
    found: dict[str, BaseEvent] = {}
    async with broker.reader(settings) as consumer:
        reading = Reading(consumer, partitions, [PAGES], lambda text: print(text, file=sys.stderr))
        async with broker.told(settings):
            await reading.begin("beginning")
            async for records in reading.records(follow=False):
                for each in map(entry, records):
                    if isinstance(each.what, BaseEvent):
                        found[each.key] = each.what
                    elif each.size is None:
                        found.pop(each.key, None)
    return found


def _page(fact: BaseEvent) -> str | None:
    return fact.page if isinstance(fact, PageStatus | PageCatchUp | PageUnknown | PageOpened) else None


def _lines(statuses: list[PageStatus], facts: list[BaseEvent], look: Look) -> Iterator[str]:
    for page in sorted({name for fact in facts if (name := _page(fact)) is not None}):
        yield look.paint(visible(page), "bold")
        for status in statuses:
            if status.page == page:
                yield from _status(status, look)
        for fact in facts:
            if isinstance(fact, PageCatchUp) and fact.page == page:
                yield from _indented(_caught_up(fact), look)


def _status(status: PageStatus, look: Look) -> Iterator[str]:
    state = look.paint(f"{status.state:<8}", _COLOURS[status.state])
    yield f"  {status.aspect:<9} {state} since {stamp(status.since)}, seen {stamp(status.checked_at)}"
    if status.reason:
        yield from _indented(status.reason, look)
    if status.state != "ok":
        for number, step in enumerate(status.steps, 1):
            older = f" (before: {step.older})" if step.older else ""
            yield from _indented(f"{number}. {step.text}{older}", look)


def _caught_up(fact: PageCatchUp) -> str:
    if fact.state == "due" or fact.done_at is None:
        return f"What was missed since {stamp(fact.missed_since)} is being read. {fact.reason}"
    return (
        f"What was missed since {stamp(fact.missed_since)} was read until {stamp(fact.done_at)}:"
        f" {fact.messages} messages in {fact.conversations} conversations. {fact.reason}"
    )


def _indented(text: str, look: Look) -> Iterator[str]:
    for piece in wrapped(visible(text), (look.width or PLAIN_WIDTH) - INDENT):
        yield f"{'':{INDENT}}{piece}"

"""What is told of a page: the last word counts, and since when it is so lasts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from runtime.pages import PageReports
from runtime.records import Outgoing
from schemas.pages import PageStatus, Step
from schemas.topics import PAGES

BEGIN = datetime(2026, 11, 24, 9, tzinfo=UTC)


class Told:
    """Takes down what is published. The broker's part is shown where services run."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        self.records += outgoing


class Clock:
    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> datetime:
        return self.at


async def test_a_state_keeps_its_begin_while_it_is_told_again_and_the_last_good_time_outlasts_a_failure() -> None:
    told, clock = Told(), Clock()
    reports = PageReports(told, clock)
    await reports.tell("1", "webhooks", "ok", check_in=300)
    clock.at += timedelta(minutes=5)
    await reports.tell("1", "webhooks", "ok", check_in=300)
    clock.at += timedelta(minutes=5)
    failing = await reports.tell("1", "webhooks", "failing", code="unsubscribed", steps=(Step(text="subscribe"),))
    clock.at += timedelta(minutes=5)
    await reports.tell("1", "webhooks", "failing", code="unsubscribed")

    statuses = [record.event for record in told.records]
    assert all(record.topic == PAGES and record.event.key == "1:webhooks" for record in told.records)
    assert all(isinstance(status, PageStatus) for status in statuses)
    begins = [status.since - BEGIN for status in statuses if isinstance(status, PageStatus)]
    assert [begin.total_seconds() for begin in begins] == [0, 0, 600, 600]
    assert failing.ok_at == BEGIN + timedelta(minutes=5)
    assert len({status.id for status in statuses}) == len(statuses)


async def test_another_process_goes_on_with_what_the_topic_holds() -> None:
    told, clock = Told(), Clock()
    before = await PageReports(told, clock).tell("1", "token", "failing", code="dead_token")
    clock.at += timedelta(hours=1)
    other = PageReports(told, clock)
    other.apply(before.key, before)
    assert (await other.tell("1", "token", "failing", code="dead_token")).since == BEGIN
    assert (await other.tell("1", "token", "failing", code="no_permission")).since == clock.at, "another trouble"
    assert (await other.tell("2", "token", "failing", code="dead_token")).since == clock.at, "another page"

"""While the broker is away webhooks are answered 200 from the disk, and are in the log in their order when it is back."""

import asyncio
import time
from collections import defaultdict

import pytest
from ingress_world import Ingress, Page, seen

from ingress.spool import SUFFIX
from schemas.topics import CONVERSATIONS

FACEBOOK_WAITS = 5.0  # seconds
BACK = 60.0  # seconds for a broker to start and to be found
RECORDS = "convoboss_ingress_spool_records"


@pytest.fixture
def spooling(kafka_bootstrap, ingress, tmp_path, request):
    """A process with a spool. The fixture `ingress` has made the topics."""
    process = Ingress(
        kafka_bootstrap,
        tmp_path,
        CONVOBOSS_WEBHOOK_BUDGET="2.5",
        CONVOBOSS_SPOOL_DIRECTORY=str(tmp_path / "spool"),
        CONVOBOSS_SPOOL_BYTES=str(getattr(request, "param", 64) * 1024 * 1024),
    )
    process.start()
    yield process
    assert process.stop() == 0, process.log


class Talk:
    """A customer who writes the next message when the last one was answered 200."""

    def __init__(self, ingress: Ingress, page: Page, psid: str) -> None:
        self._ingress = ingress
        self._page = page
        self._psid = psid
        self.said: list[str] = []

    async def says(self, count: int) -> None:
        for _ in range(count):
            text = str(len(self.said))
            body = self._page.body(self._page.message(text, psid=self._psid, mid=f"{self._psid}-{text}"))
            began = time.monotonic()
            status, answer, _ = await self._ingress.post(body, self._page.signed(body))
            assert (status, answer) == (200, {"received": 1})
            assert time.monotonic() - began < FACEBOOK_WAITS
            self.said.append(text)

    async def until(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            await self.says(1)


async def emptied(ingress: Ingress) -> None:
    deadline = time.monotonic() + BACK
    while await ingress.metric(RECORDS) or await ingress.metric("convoboss_ingress_spool_bytes"):
        assert time.monotonic() < deadline, ingress.log
        await asyncio.sleep(0.05)


async def in_the_log(ingress: Ingress, page: Page) -> dict[str, list[str]]:
    """What each customer said, as a reader sees it who passes over the ids that he has seen."""
    found = defaultdict(list)
    ids = set()
    for record in await seen(ingress.bootstrap, CONVERSATIONS, f"messenger:{page.id}:"):
        if record.event.id not in ids:
            ids.add(record.event.id)
            found[record.key.rpartition(":")[2]].append(record.event.input.text)
    return found


async def test_a_dead_broker_costs_no_webhook_and_no_order_not_even_with_a_killed_process(spooling, kafka, tmp_path):
    page = Page()
    await spooling.knows(page)
    talks = [Talk(spooling, page, str(number)) for number in range(20)]

    async def all_say(count):
        await asyncio.gather(*(talk.says(count) for talk in talks))

    await all_say(2)
    assert await spooling.metric(RECORDS) == 0
    await kafka.kill()
    await all_say(3)
    assert await spooling.metric(RECORDS) >= 60, "behind what is in the spool goes all else"
    assert await spooling.metric("convoboss_ingress_spool_bytes") > 0
    assert await spooling.metric("convoboss_ingress_spool_age_seconds") > 0
    status, report = await spooling.readiness()
    assert status == 200, "whoever takes webhooks must be sent them"
    assert "records wait on disk" in report["components"]["spool"]["detail"]

    # the process dies in the middle of a write, and comes back before the broker does
    writing = asyncio.gather(*(talk.says(1000) for talk in talks), return_exceptions=True)
    await spooling.until_more_than(RECORDS, 100)
    await asyncio.to_thread(spooling.kill)
    assert all(isinstance(each, Exception) for each in await writing)
    last = max((tmp_path / "spool").glob(f"*{SUFFIX}"))
    with last.open("ab") as torn:
        torn.write(last.read_bytes()[:50])
    await asyncio.to_thread(spooling.start)
    assert "the spool's end was cut" in spooling.log
    stranger = Page()
    body = stranger.body(stranger.message("hi"))
    status, answer, _ = await spooling.post(body, stranger.signed(body))
    assert (status, answer) == (503, {"error": "starting"}), "a page that was added meanwhile is no forger"
    await all_say(2)

    # webhooks come all the time while the spool goes out
    enough = asyncio.Event()
    going_on = [asyncio.create_task(talk.until(enough)) for talk in talks]
    await kafka.start()
    await emptied(spooling)
    enough.set()
    await asyncio.gather(*going_on)
    await all_say(1)
    await emptied(spooling)
    assert list((tmp_path / "spool").glob(f"*{SUFFIX}")) == []
    found = await in_the_log(spooling, page)
    for number, talk in enumerate(talks):
        # a message that was under way when the process was killed may be there without having been acknowledged
        assert [text for text in found[str(number)] if text in set(talk.said)] == talk.said
    assert (await spooling.readiness())[1]["components"]["spool"]["detail"] == "empty"


@pytest.mark.parametrize("spooling", [2], indirect=True)  # MiB
async def test_a_broker_that_stands_still_sends_all_who_wait_to_the_disk_and_a_full_spool_is_told(spooling, kafka):
    page = Page()
    await spooling.knows(page)
    talks = [Talk(spooling, page, str(number)) for number in range(50)]
    await kafka.pause()
    began = time.monotonic()
    await asyncio.gather(*(talk.says(1) for talk in talks))
    assert time.monotonic() - began < FACEBOOK_WAITS

    large = "x" * 100_000
    taken = []
    for number in range(40):
        body = page.body(page.message(large, psid="large", mid=f"large-{number}"))
        status, answer, headers = await spooling.post(body, page.signed(body))
        if status != 200:
            assert (status, answer) == (503, {"error": "spool_full"})
            assert "Retry-After" in headers
            break
        taken.append(f"messenger:{page.id}:large-{number}")
    assert 10 < len(taken) < 21
    assert (await spooling.readiness())[0] == 503

    await kafka.resume()
    await emptied(spooling)
    assert (await spooling.readiness())[0] == 200
    body = page.body(page.message("small again", psid="large"))
    assert (await spooling.post(body, page.signed(body)))[0] == 200
    records = await seen(spooling.bootstrap, CONVERSATIONS, f"messenger:{page.id}:large")
    ids = list(dict.fromkeys(record.event.id for record in records))
    assert ids[:-1] == taken
    found = await in_the_log(spooling, page)
    assert [found[str(number)] for number in range(50)] == [["0"]] * 50


async def test_what_is_left_at_a_stop_is_first_at_the_next_start(spooling, kafka):
    page = Page()
    await spooling.knows(page)
    talk = Talk(spooling, page, "7")
    await kafka.pause()
    await talk.says(3)
    assert await asyncio.to_thread(spooling.stop) == 0
    assert "are left in the spool for the next start" in spooling.log
    await kafka.resume()
    await asyncio.to_thread(spooling.start)
    await talk.says(2)
    await emptied(spooling)
    assert (await in_the_log(spooling, page))["7"] == talk.said

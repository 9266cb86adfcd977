"""Order by lane, side by side across lanes, in batches."""

import asyncio

import pytest

from flow_engine.lanes import Lanes


class Work:
    """Handles what it is given when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.at_work = 0
        self.most_at_work = 0

    async def __call__(self, batch: list[int]) -> None:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.open.wait()
            self.batches.append(batch)
        finally:
            self.at_work -= 1


async def until(fact) -> None:
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - the fact has no event of its own
            await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_under_way_goes_in_the_next_one_in_order():
    work = Work()
    lanes = Lanes(work, size=100, batch=4)
    work.open.clear()
    for number in range(8):
        await lanes.put(0, number)
        if number == 0:
            await until(lambda: work.at_work == 1)
    work.open.set()
    await until(lambda: sum(map(len, work.batches)) == 8)
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]
    assert work.most_at_work == 1
    await lanes.drain(1)


async def test_a_slow_lane_does_not_hold_up_another_and_a_full_one_holds_back_its_giver():
    slow = asyncio.Event()
    done: list[int] = []

    async def handle(batch: list[int]) -> None:
        if batch[0] < 10:
            await slow.wait()
        done.extend(batch)

    lanes = Lanes(handle, size=2, batch=1)
    for number in range(3):  # one under way, two waiting
        await lanes.put(0, number)
        await asyncio.sleep(0)
    await lanes.put(1, 10)
    await until(lambda: done == [10])
    giver = asyncio.create_task(lanes.put(0, 3))
    await asyncio.sleep(0)
    assert not giver.done()
    slow.set()
    await giver
    await until(lambda: done == [10, 0, 1, 2, 3])
    await lanes.drain(1)


async def test_a_failure_comes_out_and_nothing_more_of_that_lane_is_taken():
    async def handle(batch: list[int]) -> None:
        raise ZeroDivisionError(str(batch))

    lanes = Lanes(handle, size=2, batch=1)
    await lanes.put(0, 1)
    with pytest.raises(ZeroDivisionError):
        await lanes.failure()
    for number in range(10):  # more than the lane holds: a giver is not left waiting for ever
        await asyncio.wait_for(lanes.put(0, number), 1)
    await lanes.drain(1)


async def test_draining_lets_a_batch_end_and_drops_what_waits():
    work = Work()
    lanes = Lanes(work, size=10, batch=1)
    work.open.clear()
    for number in range(3):
        await lanes.put(0, number)
    await until(lambda: work.at_work == 1)
    draining = asyncio.create_task(lanes.drain(5))
    await asyncio.sleep(0)
    work.open.set()
    await draining
    assert work.batches == [[0]]
    await lanes.put(0, 9)
    assert work.batches == [[0]]


async def test_draining_does_not_wait_longer_than_it_was_told():
    work = Work()
    lanes = Lanes(work, size=10, batch=1)
    work.open.clear()
    await lanes.put(0, 0)
    await until(lambda: work.at_work == 1)
    async with asyncio.timeout(3):
        await lanes.drain(0.01)
    assert (work.batches, work.at_work) == ([], 0)


async def test_draining_before_anything_came_is_at_once():
    await Lanes(Work(), size=1, batch=1).drain(1)


async def test_after_a_batch_a_lane_rests_as_long_as_it_took_and_items_gather_meanwhile():
    ended: list[float] = []
    began: list[float] = []
    batches: list[list[int]] = []
    now = asyncio.get_running_loop().time
    took = asyncio.Event()

    async def handle(batch: list[int]) -> None:
        began.append(now())
        batches.append(batch)
        await took.wait()
        ended.append(now())

    lanes = Lanes(handle, size=100, batch=10, rest=3600)
    before = now()
    await lanes.put(0, 0)
    await until(lambda: batches == [[0]])  # it had nothing to rest from
    assert began[0] - before < 1
    for number in range(1, 6):
        await lanes.put(0, number)
    await until(lambda: now() > began[0] + 0.02)
    took.set()
    await until(lambda: len(batches) == 2)
    assert batches[1] == [1, 2, 3, 4, 5]
    assert began[1] - ended[0] >= (ended[0] - began[0]) * 0.9
    await lanes.drain(1)


async def test_a_full_batch_does_not_wait_for_the_end_of_a_rest():
    work = Work()
    lanes = Lanes(work, size=100, batch=2, rest=3600)
    work.open.clear()
    await lanes.put(0, 0)
    await until(lambda: work.at_work == 1)
    loop = asyncio.get_running_loop()
    until_then = loop.time() + 0.3
    await lanes.put(0, 1)
    await lanes.put(0, 2)
    await until(lambda: loop.time() > until_then)
    work.open.set()
    began = loop.time()
    await until(lambda: work.batches == [[0], [1, 2]])
    assert loop.time() - began < 0.25
    await lanes.drain(1)

"""What the delivery says when neither broker nor disk take a webhook's records."""

import asyncio
import errno
import os

import pytest

from ingress.delivery import Delivery
from ingress.refusals import DiskFailed, NotStored
from ingress.spool import SUFFIX, Spool
from runtime.errors import PublishFailed
from runtime.health import Health
from runtime.packing import Packed


class Away:
    """A broker that acknowledges nothing until it is `back`."""

    def __init__(self) -> None:
        self.back = False
        self.published: list[Packed] = []
        self.came = asyncio.Event()

    async def publish_packed(self, packed, /, *, within=None):
        if not self.back:
            raise PublishFailed("away", frozenset({"conversations"}))
        self.published += packed
        self.came.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.published) < count:
                self.came.clear()
                await self.came.wait()

    def give_up(self):
        """Nobody waits here."""


def record(number: int) -> Packed:
    return Packed("conversations", b"messenger:1:7", b'{"n":%d}' % number, [("ce_id", b"messenger:1:m_%d" % number)])


@pytest.fixture
async def world(tmp_path):
    health, broker = Health(), Away()
    delivery = Delivery(Spool.open(tmp_path), limit=2**20, component=health.component("spool"))
    delivery.connect(broker)
    running = asyncio.create_task(delivery.run())
    yield delivery, broker, health
    broker.back = True
    await delivery.close(running)


async def test_a_disk_that_fails_is_told_and_taken_again_when_it_is_well(world, tmp_path, monkeypatch):
    delivery, broker, health = world
    real = os.fsync

    def failing(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DiskFailed):
        await delivery.publish_packed([record(1)], within=4.0)
    assert list(tmp_path.glob(f"*{SUFFIX}")) == [], "what was answered 503 is nobody's"
    monkeypatch.setattr(os, "fsync", real)
    await delivery.publish_packed([record(2), record(3)], within=4.0)
    assert health.report().ready
    broker.back = True
    await broker.until(2)
    assert broker.published == [record(2), record(3)]


async def test_a_disk_that_stands_still_is_no_reason_to_be_late(world, monkeypatch):
    delivery, _, _ = world
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = os.fsync

    def slow(file):
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
        real(file)

    monkeypatch.setattr(os, "fsync", slow)
    began = loop.time()
    with pytest.raises(NotStored):
        await delivery.publish_packed([record(1)], within=0.3)
    assert loop.time() - began < 3.0
    go_on.set()


async def test_records_come_out_as_they_went_in_and_in_their_order(world):
    delivery, broker, _ = world
    await asyncio.gather(*(delivery.publish_packed([record(number)], within=4.0) for number in range(50)))
    broker.back = True
    await broker.until(50)
    assert broker.published == [record(number) for number in range(50)]
    await delivery.publish_packed([record(50)], within=4.0)
    await broker.until(51)
    assert broker.published[-1] == record(50)

"""Work that keeps its order by lane and goes on side by side across lanes, in batches of whatever has come meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Handle = Callable[[list[T]], Awaitable[None]]
CANCEL_TIMEOUT: Final = 2.0  # seconds for a batch that is cancelled to let go


class Lanes(Generic[T]):
    """Gives what is `put` to `handle`, batch after batch, one batch of a lane at a time.

    A lane holds at most `size` items; `put` waits while it is full. After a batch a lane rests for as long as that batch
    took, at most `rest` seconds: at rest items gather, and a few large batches cost less than many small ones when the
    machine is busy. A lane that has rested hands on at once. What `handle` raises comes out of `failure`, and nothing is
    taken after it.
    """

    def __init__(self, handle: Handle[T], *, size: int, batch: int, rest: float = 0.0) -> None:
        self._handle = handle
        self._size = size
        self._batch = batch
        self._rest = rest
        self._queues: dict[int, asyncio.Queue[T]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._busy: set[int] = set()
        self._closing = False
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def put(self, lane: int, item: T) -> None:
        """Once the lanes are closed or have failed, items are dropped: whoever gave them keeps them."""
        if self._closing or self._failure.done():
            return
        if lane not in self._queues:
            self._queues[lane] = asyncio.Queue(self._size)
            self._workers[lane] = asyncio.create_task(self._work(lane))
        await self._queues[lane].put(item)

    def failure(self) -> "asyncio.Future[None]":
        """Raises what `handle` raised; never done otherwise."""
        return self._failure

    async def drain(self, seconds: float) -> None:
        """Take no more; let the batches under way end, within `seconds`; drop what waits."""
        self._closing = True
        for lane, worker in self._workers.items():
            if lane not in self._busy:
                worker.cancel()
        if not self._workers:
            return
        _, late = await asyncio.wait(self._workers.values(), timeout=seconds)
        for worker in late:
            worker.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_TIMEOUT)

    async def _work(self, lane: int) -> None:
        queue = self._queues[lane]
        now = asyncio.get_running_loop().time
        rested = now()
        while not self._closing:
            batch = [await queue.get()]
            if len(batch) + queue.qsize() < self._batch:
                await asyncio.sleep(rested - now())
            while len(batch) < self._batch and not queue.empty():
                batch.append(queue.get_nowait())
            began = now()
            if not await self._done(lane, batch):
                return
            ended = now()
            rested = ended + min(ended - began, self._rest)

    async def _done(self, lane: int, batch: list[T]) -> bool:
        self._busy.add(lane)
        try:
            await self._handle(batch)
        except Exception as error:  # noqa: BLE001 - it comes out of `failure`
            if not self._failure.done():
                self._failure.set_exception(error)
            return False
        finally:
            self._busy.discard(lane)
        return True

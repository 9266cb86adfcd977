"""A customer's message to the bot's answer: a signed webhook into ingress, until the Graph API has the message.

All services run as processes. A reply goes through four topics; beside it, message by message in turn with ours, a record
goes through four bare ones (`bench.hops`).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Final, TypeVar

from bench import hops, processes, product
from bench.parts import Say
from bench.product import Page
from bench.servers import Servers

T = TypeVar("T")
ALONE: Final = 320  # replies, one at a time
WARM: Final = 20  # of them before the first that counts
KNOWN: Final = 40  # conversations of these
NEW: Final = 60  # first contacts
CROWD: Final = 1000  # conversations with many at once
RATES: Final = (20.0, 40.0, 60.0, 80.0, 100.0)  # messages a second of the crowd, tried in this order
RATE_SECONDS: Final = 8.0
HELD: Final = 200.0  # ms: a rate counts as sustained where half of the answers take less
MEETING: Final = 40.0  # first contacts a second, before that
BUSY: Final = 20  # customers who each write again as soon as they are answered
BUSY_SECONDS: Final = 10.0
SETTLED: Final = 0.04  # seconds after an answer for what comes after it, such as the echo


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """Seconds are told in ms. Raises TimeoutError where an answer does not come, Ended where a service ends."""
    async with product.running(servers, "reply", say) as ours_running, _hops(servers) as chain:
        page = ours_running.page
        first = [await page.asks(f"8{number:015}") for number in range(NEW)]
        say(f"first contacts: {told(first)}")
        known = [f"7{number:015}" for number in range(KNOWN)]
        for customer in known:
            await page.asks(customer)
        ours, bare = await _alone(page, chain, known)
        say(f"one at a time: {told(ours)}; bare hops: {told(bare)}")
        busy = await _busy(page, known[:BUSY])
        say(f"{BUSY} customers who write again at once: {len(busy) / BUSY_SECONDS:.1f} a second; {told(busy)}")
        crowd = [f"6{number:015}" for number in range(CROWD)]
        await _many(page, crowd, CROWD, MEETING)
        rates = await _rates(page, crowd, say)
    return {
        "reply_p50_over_hops": median(ours) / median(bare),
        "reply_p50_ms": milliseconds(ours, 0.5),
        "reply_p99_ms": milliseconds(ours, 0.99),
        "reply_hops_p50_ms": milliseconds(bare, 0.5),
        "reply_hops_p99_ms": milliseconds(bare, 0.99),
        "reply_first_p50_ms": milliseconds(first, 0.5),
        "reply_busy_per_s": len(busy) / BUSY_SECONDS,
        "reply_busy_p50_ms": milliseconds(busy, 0.5),
        "reply_busy_p99_ms": milliseconds(busy, 0.99),
        "reply_sustained_per_s": max((rate for rate, p50 in rates.items() if p50 < HELD), default=0.0),
    } | {f"reply_{rate:.0f}_per_s_p50_ms": p50 for rate, p50 in rates.items()}


async def _busy(page: Page, customers: Sequence[str]) -> list[float]:
    """Each customer writes again as soon as the answer is there."""
    end = time.monotonic() + BUSY_SECONDS

    async def writes(customer: str) -> list[float]:
        took = []
        while time.monotonic() < end:
            took.append(await page.asks(customer))
        return took

    return [each for took in await asyncio.gather(*map(writes, customers)) for each in took]


async def _rates(page: Page, crowd: Sequence[str], say: Say) -> dict[float, float]:
    """Rate → p50 in ms, up to the first rate that queues."""
    found: dict[float, float] = {}
    for rate in RATES:
        took = await _many(page, crowd, int(rate * RATE_SECONDS), rate)
        found[rate] = milliseconds(took, 0.5)
        say(f"{rate:.0f} a second over {len(crowd)} conversations: {told(took)}")
        if found[rate] >= HELD:
            break
    return found


async def _alone(page: Page, chain: hops.Chain, customers: Sequence[str]) -> tuple[list[float], list[float]]:
    """Ours and the bare hops in turn: what slows the machine down for a while slows both."""
    ours: list[float] = []
    bare: list[float] = []
    for number in range(WARM + ALONE):
        ours.append(await page.asks(customers[number % len(customers)]))
        await asyncio.sleep(SETTLED)
        bare.append(await chain.take())
    return ours[WARM:], bare[WARM:]


async def _many(page: Page, customers: Sequence[str], count: int, rate: float) -> list[float]:
    """Each customer in turn, in an order by chance."""
    order = random.Random(1).sample(customers, len(customers))
    numbers = iter(range(count))
    return await paced(lambda: page.asks(order[next(numbers) % len(order)]), count, rate)


async def paced(begin: Callable[[], Awaitable[T]], count: int, rate: float) -> list[T]:
    """`rate` a second, whether or not those before have ended."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    under_way = []
    for number in range(count):
        await asyncio.sleep(start + number / rate - loop.time())
        under_way.append(asyncio.ensure_future(begin()))
    return list(await asyncio.gather(*under_way))


@asynccontextmanager
async def _hops(servers: Servers) -> AsyncIterator[hops.Chain]:
    await hops.create(servers.bootstrap)
    async with AsyncExitStack() as stack:
        for number, names in enumerate(hops.relays()):
            arguments = [servers.bootstrap, *names]
            await stack.enter_async_context(
                processes.running(f"hops-{number}", "bench.hops", {}, servers.folder, arguments)
            )
        yield await stack.enter_async_context(hops.Chain.running(servers.bootstrap))


def milliseconds(seconds: Sequence[float], share: float) -> float:
    """The `share` of `seconds` is not longer than this many ms."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000


def told(seconds: Sequence[float]) -> str:
    return f"p50 {milliseconds(seconds, 0.5):.1f} ms, p99 {milliseconds(seconds, 0.99):.1f} ms of {len(seconds)}"

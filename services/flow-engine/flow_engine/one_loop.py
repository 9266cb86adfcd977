"""Faust's Kafka client in the event loop of the process.

Faust runs the client in a thread with a loop of its own, so that a stream that computes for seconds does not hold up its
heartbeats. A turn takes less than a millisecond, and the engine lets others have their turn after 50 of them at most.
What the thread costs is more: a record changes threads twice, each time both wait for Python's lock and for a selector.

What Faust asks of its thread's service stays; it is a service like any other here, and its calls are awaited as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faust.transport.drivers import aiokafka as driver
from mode import Service


class _Client(driver.AIOKafkaConsumerThread):
    """A thread in name only: `mode.threads.ServiceThread` brought back to the `mode.Service` that it is made of."""

    wait_for_shutdown = False

    start = Service.start
    maybe_start = Service.maybe_start
    stop = Service.stop
    crash = Service.crash  # type: ignore[assignment]  # the same with another name of its argument
    set_shutdown = Service.set_shutdown
    _stopped_set = Service._stopped_set  # noqa: SLF001
    _stop_children = Service._stop_children  # noqa: SLF001
    _stop_futures = Service._stop_futures  # noqa: SLF001
    _stop_exit_stacks = Service._stop_exit_stacks  # noqa: SLF001

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What the thread's queue of calls does, without a queue."""
        result = fun(*args, **kwargs)
        return await result if isinstance(result, Awaitable) else result

    async def on_stop(self) -> None:
        await self.on_thread_stop()


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _Client:
        loop = asyncio.get_running_loop()
        return _Client(self, loop=loop, thread_loop=loop, beacon=self.beacon)


class Transport(driver.Transport):
    """`faust.App.transport` for an app whose streams do not compute for long."""

    Consumer = _Consumer

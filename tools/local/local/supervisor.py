"""Brings processes up together, brings back the ones that die, and takes all of them down in order."""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from local import advice, process
from local.errors import LocalError, StartFailed
from local.service import WRONG_SETTINGS
from local.status import Board, Kind

UP = 90.0  # seconds for everything to be ready; measured 6 warm, 12 cold
LOOK = 1.0  # seconds between two looks at everybody's health
DRAW = 0.25  # seconds between two refreshes of the board
FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0  # seconds before a dead process is started again
STEADY = 30.0  # seconds after which a process that dies starts with the first delay again


class Managed(Protocol):
    """A server or a service."""

    name: str
    log: Path
    waits_for: str
    child: process.Child | None

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def check(self) -> str: ...


class Supervisor:
    """`groups` go down one after the other, the first group first; they come up all at once."""

    def __init__(self, groups: Sequence[Sequence[Managed]], board: Board) -> None:
        self._groups = groups
        self._board = board
        self._ready = {managed.name: asyncio.Event() for managed in self._all}
        self._tasks: list[asyncio.Task[None]] = []

    async def up(self) -> None:
        """Returns when everybody is ready. Raises StartFailed for the first that does not come up."""
        keepers = [asyncio.create_task(self._keep(managed)) for managed in self._all]
        self._tasks = [*keepers, asyncio.create_task(self._watch())]
        everybody = asyncio.create_task(self._everybody())
        self._tasks.append(everybody)
        await asyncio.wait([everybody, *keepers], return_when=asyncio.FIRST_COMPLETED)
        for task in (task for task in keepers if task.done()):
            task.result()  # raises

    @property
    def names(self) -> list[str]:
        return list(self._ready)

    async def ready(self, name: str) -> None:
        await self._ready[name].wait()

    async def down(self) -> None:
        """Stops everybody; each stop is bounded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for group in self._groups:
            await asyncio.gather(*(self._stop(managed) for managed in group))

    def kill(self) -> None:
        """For a person in a hurry: a second Ctrl-C."""
        for managed in self._all:
            if managed.child is not None:
                managed.child.kill()

    @property
    def _all(self) -> list[Managed]:
        return [managed for group in self._groups for managed in group]

    async def _everybody(self) -> None:
        await asyncio.gather(*(event.wait() for event in self._ready.values()))

    async def _keep(self, managed: Managed) -> None:
        """Starts it, waits for its end, starts it again. Only a failure of the first start ends this.

        What failed is said when it is news: a disk that stays full is one message, not one every ten seconds.
        """
        delays, give_up, said = _delays(), time.monotonic() + UP, ""
        while True:
            began = time.monotonic()
            self._board.set(managed.name, Kind.STARTING)
            try:
                await managed.start()
            except StartFailed as error:
                if not self._ready_once(managed) and (_hopeless(managed, error) or time.monotonic() > give_up):
                    raise
                reason = str(error)
            except (LocalError, OSError) as error:
                reason = advice.about(error, managed.log.parent) if isinstance(error, OSError) else str(error)
                if not self._ready_once(managed):
                    raise LocalError(reason) from error
            else:
                self._ready[managed.name].set()
                self._board.set(managed.name, Kind.READY)
                reason = await _end_of(managed)
            delays = _delays() if time.monotonic() - began > STEADY else delays
            if (gist := re.sub(r"\d+", "", reason)) != said:  # without times and process numbers
                self._board.say(f"{reason}\n  its whole log: {managed.log}")
            said = gist
            await self._again(managed, next(delays))

    async def _again(self, managed: Managed, delay: float) -> None:
        self._board.set(managed.name, Kind.DOWN, f"starting again in {delay:.1f} s")
        if managed.child is not None:
            await managed.child.stop()
        await asyncio.sleep(delay)

    def _ready_once(self, managed: Managed) -> bool:
        return self._ready[managed.name].is_set()

    async def _watch(self) -> None:
        looked = 0.0
        while True:
            if time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                await asyncio.gather(*(self._look(managed) for managed in self._all))
            self._board.refresh()
            await asyncio.sleep(DRAW)

    async def _look(self, managed: Managed) -> None:
        kind = self._board.kind(managed.name)
        if kind is Kind.STARTING:
            self._board.set(managed.name, Kind.STARTING, managed.waits_for)
        elif kind in {Kind.READY, Kind.FAILING}:
            reason = await managed.check()
            if self._board.kind(managed.name) is kind:  # it may have died meanwhile
                self._board.set(managed.name, Kind.FAILING if reason else Kind.READY, reason)

    async def _stop(self, managed: Managed) -> None:
        if managed.child is not None and managed.child.returncode is None:
            self._board.set(managed.name, Kind.STOPPING)
            await managed.stop()
        self._board.set(managed.name, Kind.STOPPED)


async def until(stopped: asyncio.Event, work: Awaitable[int]) -> int | None:
    """The result of the work; None when a person stopped it before."""
    task, asked = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for one in (task, asked):
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # its error was raised above
                await one


async def _end_of(managed: Managed) -> str:
    child = managed.child
    if child is None:
        raise RuntimeError(f"{managed.name} was not started")
    code = await child.wait()
    return f"{managed.name} ended {process.how_it_ended(code)}. Its last lines:\n{child.tail(5)}"


def _hopeless(managed: Managed, failed: StartFailed) -> bool:
    return failed.final or (managed.child is not None and managed.child.returncode == WRONG_SETTINGS)


def _delays() -> Iterator[float]:
    from runtime.backoff import delays

    return delays(FIRST_DELAY, LONGEST_DELAY, random)

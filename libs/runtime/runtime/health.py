"""Health: whether a process can do its work, which is more than being alive.

Each part of a service has a component. A component is ready when it said `ok`, and when no watch of it finds it stuck.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

STUCK_AFTER: Final = 30.0  # seconds without progress while there is work

Clock = Callable[[], float]
Watch = Callable[[], str | None]


class ComponentReport(BaseModel):
    ok: bool
    detail: str


class Report(BaseModel):
    """The body of `/readyz`."""

    ready: bool
    components: dict[str, ComponentReport]


class Patience:
    """Counts how long work waits without progress: from the first look at which it was there, not from when it was idle."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting_since: float | None = None

    def idle(self, *, waiting: bool, progress_at: float) -> float:
        """Seconds without progress, 0 while nothing waits."""
        now = self._clock()
        if not waiting:
            self._waiting_since = None
            return 0.0
        if self._waiting_since is None:
            self._waiting_since = now
        return now - max(self._waiting_since, progress_at)


@dataclass(slots=True)
class Component:
    """One part of a service. It begins as failing, until its first `ok`."""

    name: str
    clock: Clock
    _ok: bool = False
    _text: str = "not started"
    _progress_at: float = 0.0
    _watches: tuple[Watch, ...] = ()

    def ok(self, detail: str = "") -> None:
        self._ok, self._text = True, detail

    def failing(self, reason: str) -> None:
        self._ok, self._text = False, reason

    def progress(self) -> None:
        """Work was done: called after each unit of work."""
        self._progress_at = self.clock()

    def watch(self, check: Watch) -> None:
        """`check` is asked at each report; what it returns, unless None, is why the component is failing."""
        self._watches = (*self._watches, check)

    def expects_progress(self, waiting: Callable[[], bool], within: float = STUCK_AFTER) -> None:
        """Failing when there was work at each report, and no `progress`, for `within` seconds."""
        patience = Patience(self.clock)

        def check() -> str | None:
            idle = patience.idle(waiting=waiting(), progress_at=self._progress_at)
            return f"work is waiting and no progress for {idle:.0f} s" if idle >= within else None

        self.watch(check)

    def report(self) -> ComponentReport:
        if not self._ok:
            return ComponentReport(ok=False, detail=self._text)
        reasons = [reason for reason in (check() for check in self._watches) if reason is not None]
        return ComponentReport(ok=not reasons, detail="; ".join(reasons) or self._text)


class Health:
    """All components of a process."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._components: dict[str, Component] = {}

    def component(self, name: str) -> Component:
        """The component of that name; made at the first call."""
        if name not in self._components:
            self._components[name] = Component(name, self._clock)
        return self._components[name]

    def report(self) -> Report:
        """Ready when all components are well, and there is one: at the very start nothing is known yet."""
        reports = {name: component.report() for name, component in self._components.items()}
        return Report(ready=bool(reports) and all(report.ok for report in reports.values()), components=reports)

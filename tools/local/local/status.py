"""What a person sees: lines as things happen, and on a terminal a block below them that stays current."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

SILENCE = 1.0  # seconds: a shorter wait is not mentioned
FIRST_ANSWER = "its first answer"
AGAIN = 5.0  # seconds between two mentions of the same wait


class Kind(Enum):
    STARTING = "starting"
    READY = "ready"
    FAILING = "not ready"
    DOWN = "down"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True)
class _State:
    kind: Kind
    detail: str
    since: float  # monotonic seconds
    mentioned: float | None = None


class Board:
    """The state of every process. On a terminal it is drawn in place, elsewhere each change is a line."""

    def __init__(
        self,
        out: TextIO = sys.stdout,
        *,
        live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._live = out.isatty() if live is None else live
        self._clock = clock
        self._began = clock()
        self._states: dict[str, _State] = {}
        self._drawn = 0  # lines of the block that are on the screen
        self.footer = ""

    def say(self, text: str) -> None:
        self._erase()
        self._write(f"{text}\n")
        self._draw()

    def set(self, name: str, kind: Kind, detail: str = "") -> None:
        """Says it when it is news; the same again is silent."""
        before = self._states.get(name)
        if before and (before.kind, before.detail) == (kind, detail):
            return
        now = self._clock()
        changed = before is None or before.kind is not kind
        since = now if before is None or changed else before.since
        self._states[name] = _State(kind, detail, since, None if changed or before is None else before.mentioned)
        if changed and not self._live and (line := _news(name, kind, detail, before, now)):
            self.say(line)
        else:
            self.refresh()

    def kind(self, name: str) -> Kind | None:
        state = self._states.get(name)
        return state.kind if state else None

    def refresh(self) -> None:
        """Called about twice a second: redraws, or mentions waits that have become long."""
        if self._live:
            self._erase()
            self._draw()
            return
        now = self._clock()
        due: dict[str, list[str]] = {}
        for name, state in self._states.items():
            if state.kind is Kind.STARTING and self._due(state, now):
                state.mentioned = now
                due.setdefault(f"{state.detail or FIRST_ANSWER} ({now - state.since:.0f} s)", []).append(name)
        for reason, names in due.items():
            self.say(f"  waiting for {', '.join(names)}: {reason}")

    def close(self) -> None:
        """Leaves the lines, removes the block."""
        self._erase()
        self._live = False

    @property
    def elapsed(self) -> float:
        """Seconds since the board was made."""
        return self._clock() - self._began

    def _due(self, state: _State, now: float) -> bool:
        return now - state.since >= SILENCE and (state.mentioned is None or now - state.mentioned >= AGAIN)

    def _draw(self) -> None:
        if not self._live or not self._states:
            return
        width = shutil.get_terminal_size().columns - 1
        lines = [line[:width] for line in self._block()]
        self._write("".join(f"{line}\n" for line in lines))
        self._drawn = len(lines)

    def _block(self) -> list[str]:
        now = self._clock()
        ready = [name for name, state in self._states.items() if state.kind is Kind.READY]
        lines = ["─" * 60, f"ready {len(ready)}/{len(self._states)}: {' '.join(ready)}"]
        lines += [
            f"{state.kind.value:9} {name}: {state.detail or FIRST_ANSWER} ({now - state.since:.0f} s)"
            for name, state in self._states.items()
            if state.kind is not Kind.READY
        ]
        return [*lines, *([self.footer] if self.footer else [])]

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):  # the terminal may be gone; the stack still has to stop
            mute(self._out)


def mute(out: TextIO) -> None:
    """For a terminal that went away: what is written from now on goes nowhere, also when Python ends."""
    with contextlib.suppress(OSError, ValueError):  # no file of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def _news(name: str, kind: Kind, detail: str, before: _State | None, now: float) -> str:
    if kind is Kind.READY:
        took = f" ({now - before.since:.1f} s)" if before else ""
        return f"  {name} is ready{' again' if before and before.kind is Kind.FAILING else ''}{took}"
    if kind in {Kind.FAILING, Kind.DOWN}:
        return f"  {name} is {kind.value}: {detail}"
    return ""

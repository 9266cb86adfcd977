"""The laws, held for longer than a test may take: `make laws`. Prints how far it is; ends with 1 at the first law that breaks.

Every order of the cast's moves to a depth, then conversations of the machine of all writers, at most so many minutes each.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from interleavings import FOUND, OPENINGS, Count, explore
from laws import LawBroken
from ownership_machine import Ownership

from takeover import decide as real_rules

SERIES: Final = 500  # conversations under one seed: what a broken law's seed repeats
STEPS: Final = 50  # moves of a conversation, at most
TELL: Final = 30.0  # seconds between two lines of progress


class TimeIsOver(Exception):
    """So far no law was broken."""


class Watch:
    """Says how far it is, and when to stop."""

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._until = self._began + 60 * minutes
        self._told = self._began

    @property
    def minutes(self) -> float:
        return (self._now() - self._began) / 60

    def over(self) -> bool:
        return self._now() > self._until

    def check(self, what: Callable[[], str]) -> None:
        """Raises TimeIsOver."""
        if self.over():
            raise TimeIsOver
        self.tell(what)

    def tell(self, what: Callable[[], str]) -> None:
        """Not more often than every `TELL` seconds."""
        if self._now() > self._told + TELL:
            self._told = self._now()
            self.say(what())

    def say(self, what: str) -> None:
        print(f"{self.minutes:6.1f} min, {_mebibytes():4d} MiB: {what}", flush=True)


def orders(depth: int, minutes: float) -> Count:
    """Raises LawBroken."""
    watch, count = Watch(minutes), Count()
    names = list(OPENINGS)

    def heard(opening: str, deep: int, so_far: Count) -> None:
        count.nodes, count.steps = so_far.nodes, so_far.steps
        where = f"opening {names.index(opening) + 1} of {len(names)}, move {deep} of {depth}"
        watch.check(lambda: f"{so_far.nodes:,} states, {so_far.steps:,} decisions; {where}")

    try:
        count = explore(real_rules, depth, heard)
    except TimeIsOver:
        watch.say(
            f"out of time: {count.nodes:,} states, {count.steps:,} decisions, each held to the laws; not all orders"
        )
    else:
        watch.say(
            f"every order to depth {depth}: {count.nodes:,} states, {count.steps:,} decisions, each held to the laws"
        )
        if depth in FOUND and count != FOUND[depth]:
            watch.say(f"not what is written in FOUND: {FOUND[depth]}")
    return count


class Counting(Ownership):
    """Counts what it plays."""

    conversations = 0
    events = 0

    def teardown(self) -> None:
        super().teardown()
        Counting.conversations += 1
        if hasattr(self, "play"):
            Counting.events += len(self.play.log)


def play(runs: int, minutes: float, first: int) -> int:
    """Conversations in series, each of a seed of its own; returns how many. Raises LawBroken, after telling the seed."""
    watch = Watch(minutes)
    number = first
    while Counting.conversations < runs and not watch.over():
        machine: Any = type("Seeded", (Counting,), {})
        seed(number)(machine)
        try:
            run_state_machine_as_test(machine, settings=_settings(min(SERIES, runs - Counting.conversations)))
        except BaseException:
            print(f"SEED={number} plays it again", flush=True)
            raise
        number += 1
        watch.tell(_played)
    watch.say(f"{_played()}, each step held to the laws; seeds {first} to {number - 1}")
    return Counting.conversations


def _played() -> str:
    return f"{Counting.conversations:,} conversations, {Counting.events:,} events"


def _settings(examples: int) -> settings:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=checks,
        print_blob=True,
    )


def _mebibytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=6, help="moves behind each opening; 0: no orders")
    parser.add_argument("--runs", type=int, default=20_000, help="conversations of the machine; 0: none")
    parser.add_argument("--minutes", type=float, default=30.0, help="at most so long for each of the two")
    parser.add_argument("--seed", type=int, default=1, help="of the first series of conversations")
    given = parser.parse_args()
    try:
        if given.depth:
            orders(given.depth, given.minutes)
        if given.runs:
            play(given.runs, given.minutes, given.seed)
    except LawBroken as broken:
        print(f"broken: {broken}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""When so much of a partition goes to dead letters that it cannot be the records: the rule, without I/O.

A single bad record is put aside, so that it does not stop those behind it. Many mean that something else is wrong, such as a
version that cannot read what another writes, and then putting aside would empty the log into `dead-letters`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 1000  # records that the share is taken of
LEAST: Final = 50  # dead letters among them before a share means anything


@dataclass(frozen=True, slots=True)
class Limit:
    """Past `run` dead letters in a row, or `percent` of the last `WINDOW` records, a partition stops. 0: no such limit."""

    run: int
    percent: int


class Tally:
    """What became of a partition's last records: taken, or put aside. Records that nobody looked into do not count."""

    __slots__ = ("_aside", "_count", "_run")

    def __init__(self) -> None:
        self._count = 0
        self._run = 0
        self._aside: deque[int] = deque()  # the numbers of those among the last WINDOW that were put aside, ascending

    def taken(self, count: int) -> None:
        """The next `count` records were read and handled. Costs next to nothing while none is put aside."""
        if count:
            self._count += count
            self._run = 0
            if self._aside:
                self._forget()

    def put_aside(self) -> None:
        """The next record goes to dead letters."""
        self._count += 1
        self._run += 1
        self._aside.append(self._count)
        self._forget()

    def with_letters(self, after: Sequence[int], records: int, limit: Limit) -> "tuple[Tally, str | None]":
        """The tally after a batch of `records` that were read, and of letters each of which stands behind so many of them.

        Also the first reason in it to stop before the batch, None where there is none. This tally stays as it is.
        """
        then = Tally()
        then._count, then._run, then._aside = self._count, self._run, self._aside.copy()
        why: str | None = None
        passed = 0
        for place in after:
            then.taken(place - passed)
            passed = place
            then.put_aside()
            why = why or then.too_many(limit)
        then.taken(records - passed)
        return then, why

    def too_many(self, limit: Limit) -> str | None:
        """Why the partition has to stop, in words; None while it may go on."""
        if limit.run and self._run > limit.run:
            return f"{self._run} records in a row"
        among = min(self._count, WINDOW)
        found = len(self._aside)
        if limit.percent and found >= LEAST and found * 100 > limit.percent * among:
            return f"{found} of the last {among} records"
        return None

    def _forget(self) -> None:
        oldest = self._count - WINDOW
        while self._aside and self._aside[0] <= oldest:
            self._aside.popleft()

"""How long to wait before trying again."""

from collections.abc import Iterator
from typing import Protocol


class Rng(Protocol):
    """What of `random.Random` is needed."""

    def uniform(self, a: float, b: float, /) -> float: ...


def delays(first: float, cap: float, rng: Rng) -> Iterator[float]:
    """Seconds to wait before each next attempt, without end: full jitter below a bound that doubles from `first` up to `cap`.

    Full jitter, because clients that failed together must not come back together.
    """
    bound = first
    while True:
        yield rng.uniform(0.0, bound)
        bound = min(bound * 2.0, cap)

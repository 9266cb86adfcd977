"""Which turns go alone, because one of them may have ended the process that had it before.

A turn that ends its process, by a fault outside Python or by so much memory that it is killed, leaves no event behind, and a
broker gives it to the next process too. So that it harms no other conversation, a turn under suspicion is acknowledged before
it is taken: it is done once, and if it does not end, the switch asks it again, and at last calls a person.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from math import inf
from typing import Final, TypeVar

T = TypeVar("T")

CAREFUL: Final = 4
"""The first turns of a partition that this process was given go one by one, so that the one that ends it comes first next time."""
WARY: Final = 256
"""Until so many, parts double: whichever ends the process, a few starts later it comes first, and a backlog is hardly held up."""
_FIRST_ASKING: Final = b'"attempt":1,'  # in a text the quotation marks are escaped


class Care(Enum):
    TOGETHER = "acknowledged when all are answered"
    TOLD = "acknowledged when all are answered, and the broker is told at once"
    SUSPECT = "acknowledged before it is taken, and the broker is told"


def is_asked_again(value: bytes | None) -> bool:
    """Whether a record of `turns` is not the first asking of its turn."""
    return value is not None and _FIRST_ASKING not in value


def by_care(turns: Sequence[T], value: Callable[[T], bytes | None], taken: int) -> Iterator[tuple[Care, Sequence[T]]]:
    """`turns` of one partition, in order, in parts that are taken one after the other.

    `taken`: how many of the partition this process has taken since it was given to it.
    """
    together: list[T] = []
    begun = taken  # number of the first of `together`
    for number, turn in enumerate(turns, start=taken):
        suspect = number == 0 or is_asked_again(value(turn))
        if together and (suspect or len(together) >= _most(begun)):
            yield _care(begun), together
            together = []
        if suspect:
            yield Care.SUSPECT, [turn]
        else:
            begun = begun if together else number
            together.append(turn)
    if together:
        yield _care(begun), together


def _most(number: int) -> float:
    """Turns that go together from this one on."""
    if number < CAREFUL:
        return 1
    return number if number < WARY else inf


def _care(number: int) -> Care:
    return Care.TOLD if number < WARY else Care.TOGETHER

"""Whether an echo can still be in the log unheard: a clock alone does not tell, when a consumer is behind or was replaced."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from fb_handover.repository import taken_in
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.postgres import Pool
from schemas.topics import CONVERSATIONS

ECHOES: Final = "fb-handover-echoes"
"""The consumer group that hears echoes."""

MARKS: Final = 10_000  # questions remembered; one that is forgotten begins its wait anew

log = get_logger(__name__)

Bounds = Callable[[str, int], Awaitable[tuple[int, int]]]
"""Topic and partition to the offset that is first there, and the one after the last."""


class Hearing:
    def __init__(self, pool: Pool, bounds: Bounds) -> None:
        self._pool = pool
        self._bounds = bounds
        self._marks: OrderedDict[str, int] = OrderedDict()  # question → where the log ended when it was first asked

    async def heard_all(self, partition: int, question: str) -> bool:
        """Whether all was taken in that was in the log of this partition when `question` was first asked.

        What came since does not count: in a busy log something is always unheard. False where broker or database are away.
        """
        try:
            if question not in self._marks:
                self._mark(question, await self._bounds(CONVERSATIONS, partition))
            following = await taken_in(self._pool, ECHOES, CONVERSATIONS, partition)
        except Exception as error:
            if not passes(error):
                raise
            log.warning("cannot tell whether all echoes were heard", error=f"{type(error).__name__}: {error}")
            return False
        if following < self._marks[question]:
            return False
        del self._marks[question]
        return True

    def _mark(self, question: str, bounds: tuple[int, int]) -> None:
        first, end = bounds
        self._marks[question] = end if end > first else -1  # an empty log holds nothing to hear
        while len(self._marks) > MARKS:
            self._marks.popitem(last=False)

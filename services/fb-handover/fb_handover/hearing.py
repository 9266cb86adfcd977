"""Whether an echo can still be in the log unheard: a clock alone does not tell, when a consumer is behind or was replaced."""

from collections.abc import Awaitable, Callable
from typing import Final

from fb_handover.repository import taken_in
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.postgres import Pool
from schemas.topics import CONVERSATIONS

ECHOES: Final = "fb-handover-echoes"
"""The consumer group that hears echoes."""

log = get_logger(__name__)

Bounds = Callable[[str, int], Awaitable[tuple[int, int]]]
"""Topic and partition to the offset that is first there, and the one after the last."""


class Hearing:
    def __init__(self, pool: Pool, bounds: Bounds) -> None:
        self._pool = pool
        self._bounds = bounds

    async def heard_all(self, partition: int) -> bool:
        """Whether all that is in the log of this partition now was taken in. False where broker or database are away."""
        try:
            first, end = await self._bounds(CONVERSATIONS, partition)
            following = await taken_in(self._pool, ECHOES, CONVERSATIONS, partition)
        except Exception as error:
            if not passes(error):
                raise
            log.warning("cannot tell whether all echoes were heard", error=f"{type(error).__name__}: {error}")
            return False
        return max(following, first) >= end

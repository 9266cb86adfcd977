"""What is known of the Facebook pages, as the topic `pages` tells: shown in Publishing Configuration, and what bears on the

rules of ownership reaches the bot's settings: whether conversations of the page find their way back to us.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, get_args

import asyncpg

from runtime.errors import passes
from runtime.logs import get_logger
from schemas.base import BaseEvent
from schemas.pages import Aspect, PageStatus, Routing

RETRY: Final = 5.0  # seconds
_ORDER: Final[tuple[Aspect, ...]] = get_args(Aspect)

log = get_logger(__name__)

Adopt = Callable[[str, bool], Awaitable[None]]


class PageBook:
    """The last status of each aspect of each page. `apply` is fed from a reader of `pages`."""

    def __init__(self) -> None:
        self._statuses: dict[str, dict[Aspect, PageStatus]] = {}
        self._told: dict[str, bool] = {}
        """Pages of which it was told whether there is a way back, and that is not yet in a bot's settings."""
        self._news = asyncio.Event()

    def apply(self, _key: str, event: BaseEvent | None) -> None:
        """A record of `pages`."""
        if not isinstance(event, PageStatus):
            return
        self._statuses.setdefault(event.page, {})[event.aspect] = event
        if event.routing is not None and event.routing.has_default_app is not None:
            self._told[event.page] = event.routing.has_default_app
            self._news.set()

    def statuses(self, page: str) -> tuple[PageStatus, ...]:
        """In a fixed order of aspects."""
        known = self._statuses.get(page, {})
        return tuple(known[aspect] for aspect in _ORDER if aspect in known)

    def routing(self, page: str) -> Routing | None:
        """What Facebook told of the page's routing; None: nothing yet."""
        status = self._statuses.get(page, {}).get("routing")
        return status.routing if status is not None else None

    async def run(self, adopt: Adopt) -> None:
        """Hands on what was told: page, and whether there is a way back. Until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._told:
                page, way_back = self._told.popitem()
                try:
                    await adopt(page, way_back)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                    if not passes(error):
                        raise
                    log.warning("what Facebook told of a page is not stored yet", page=page, error=str(error))
                    self._told.setdefault(page, way_back)
                    await asyncio.sleep(RETRY)

"""Which pages' events go to the log at once, and which wait in the dead letters for their page.

A page that no bot has waits; and goes on waiting after a bot has it, until what waited is in the log: else its new events
would overtake the old ones. All pods read in the topic `pages` when that is so.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ingress.channels import Known
from schemas.base import BaseEvent
from schemas.pages import PageOpened, PageUnknown

HOLD: Final = 2.0  # seconds for which the events of a page that opens wait, until the last of the letters is in the log
RECENT: Final = timedelta(minutes=1)  # an opening that is read later than this is over


@dataclass(frozen=True, slots=True)
class Through:
    """`pages`: those whose events go to the log."""

    pages: frozenset[str]
    known: Known
    apps: frozenset[str]
    waiting: Mapping[str, PageUnknown]
    now: datetime

    def why(self, page: str) -> str:
        """Why a page's event does not."""
        if page in self.waiting or page not in self.known.pages:
            return ""
        return f"signed by an app that does not serve the page ({', '.join(sorted(self.apps))})"

    def unknown(self, page: str) -> PageUnknown | None:
        """What is told of a page that no bot has; None: all pods know, or it is another app's page and does not wait."""
        if page in self.known.pages or page in self.waiting:
            return None
        return PageUnknown(
            id=f"page-unknown:{page}:{int(self.now.timestamp() * 1000)}",
            occurred_at=self.now,
            page=page,
            apps=tuple(sorted(self.apps)),
        )


class Gate:
    """`apply` is fed from a reader of `pages`. Of the two records about a page the later one counts."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._clock = clock
        self._waiting: dict[str, PageUnknown] = {}
        self._opened: dict[str, PageOpened] = {}
        self._holds: dict[str, float] = {}

    def apply(self, _key: str, event: BaseEvent | None) -> None:
        """A record of `pages`."""
        if isinstance(event, PageUnknown):
            self._waiting[event.page] = event
            self._holds.pop(event.page, None)
        elif isinstance(event, PageOpened):
            self._waiting.pop(event.page, None)
            self._opened[event.page] = event
            if event.opens_at > self._now() - RECENT:
                # counted from now and not by the record's time: clocks of pods differ
                self._holds[event.page] = self._clock() + HOLD

    @property
    def waiting(self) -> Mapping[str, PageUnknown]:
        """Pages whose events go to the dead letters, known or not."""
        return self._waiting

    def opened(self, page: str) -> PageOpened | None:
        """The last time that the page's letters were taken in."""
        return self._opened.get(page)

    @property
    def openings(self) -> Sequence[PageOpened]:
        return tuple(self._opened.values())

    def through(self, known: Known, apps: frozenset[str], now: datetime) -> "Through":
        """What may go to the log of a webhook that one of `apps` signed."""
        pages = known.spoken_for(apps)
        return Through(pages.difference(self._waiting) if self._waiting else pages, known, apps, self._waiting, now)

    async def settled(self, pages: Callable[[], Collection[str]], within: float) -> None:
        """Waits while one of these pages opens, at most `within` seconds. `pages` is asked only where a page opens."""
        if not self._holds:
            return
        now = self._clock()
        self._holds = {page: until for page, until in self._holds.items() if until > now}
        if self._holds and (longest := max((self._holds.get(page, now) for page in pages()), default=now)) > now:
            await asyncio.sleep(min(longest - now, within))

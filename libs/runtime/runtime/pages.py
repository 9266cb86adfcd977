"""Tells in the topic `pages` how a Facebook page is. Whoever finds something out tells it; the last word of an aspect counts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from runtime.logs import get_logger
from runtime.records import Outgoing
from schemas.base import BaseEvent
from schemas.pages import Aspect, Health, PageStatus, Routing, Step
from schemas.topics import PAGES

log = get_logger(__name__)


class Publishes(Protocol):
    """What of the publisher is needed."""

    async def publish(self, outgoing: Sequence[Outgoing]) -> None: ...


class PageReports:
    """Remembers what was told, so that `since` and `ok_at` last: what others told comes by `apply`, from a reader of `pages`."""

    def __init__(self, publisher: Publishes, now: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._now = now
        self._last: dict[tuple[str, Aspect], PageStatus] = {}

    def apply(self, _key: str, event: BaseEvent | None) -> None:
        """A record of `pages`; of other types than statuses nothing is remembered."""
        if isinstance(event, PageStatus):
            self._last[event.page, event.aspect] = event

    def status(self, page: str, aspect: Aspect) -> PageStatus | None:
        return self._last.get((page, aspect))

    async def tell(
        self,
        page: str,
        aspect: Aspect,
        state: Health,
        *,
        code: str = "",
        reason: str = "",
        steps: Sequence[Step] = (),
        check_in: float | None = None,
        until: datetime | None = None,
        routing: Routing | None = None,
        details: Mapping[str, str] | None = None,
    ) -> PageStatus:
        """Returns when the broker has it. `check_in`: seconds until it is looked at again. Raises what the publisher raises.

        A second copy does no harm: tell as often as there is something to tell, at most once for each look.
        """
        now = self._now()
        before = self.status(page, aspect)
        same = before is not None and (before.state, before.code) == (state, code)
        status = PageStatus(
            id=f"page-status:{page}:{aspect}:{int(now.timestamp() * 1000)}",
            occurred_at=now,
            page=page,
            aspect=aspect,
            state=state,
            code=code,
            reason=reason,
            steps=tuple(steps),
            since=before.since if before is not None and same else now,
            checked_at=now,
            ok_at=now if state == "ok" else before.ok_at if before is not None else None,
            check_at=now + timedelta(seconds=check_in) if check_in is not None else None,
            until=until,
            routing=routing,
            details=dict(details or {}),
        )
        await self._publisher.publish([Outgoing(PAGES, status)])
        self._last[page, aspect] = status
        if not same and state == "failing":
            log.warning("a page needs its admin", page=page, aspect=aspect, reason=code, why=reason)
        elif not same and before is not None and before.state == "failing":
            log.info("a page is well again", page=page, aspect=aspect)
        return status

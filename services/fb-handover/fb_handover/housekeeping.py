"""Old rows go, and the age of what waits is measured."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from fb_handover import metrics
from fb_handover.repository import SWEEP_AT_ONCE, Outbound
from runtime.errors import passes
from runtime.logs import get_logger

LOOK_EVERY: Final = 5.0  # seconds
SWEEP_EVERY: Final = 720  # looks: one hour

log = get_logger(__name__)


class Owner(Protocol):
    @property
    def owned(self) -> Sequence[int]: ...


class Housekeeping:
    """`keep`: seconds that closed commands stay for whoever looks into what happened."""

    def __init__(self, outbound: Outbound, owner: Owner, *, keep: float) -> None:
        self._outbound = outbound
        self._owner = owner
        self._keep = keep

    async def run(self) -> None:
        """Until cancelled."""
        looks = 0
        while True:
            try:
                await self.measure()
                if looks % SWEEP_EVERY == 0:
                    await self.sweep()
            except Exception as error:
                if passes(error):
                    log.warning("housekeeping put off", error=f"{type(error).__name__}: {error}")
                else:
                    log.exception("housekeeping put off")
            looks += 1
            await asyncio.sleep(LOOK_EVERY)

    async def measure(self) -> None:
        ages = await self._outbound.oldest(self._owner.owned)
        metrics.BACKLOG_AGE.set(max(ages.values(), default=0.0))

    async def sweep(self) -> None:
        """In short transactions, so that nobody waits for it."""
        while True:
            gone = await self._outbound.sweep(self._keep)
            metrics.SWEPT.inc(gone)
            if gone < SWEEP_AT_ONCE:
                return

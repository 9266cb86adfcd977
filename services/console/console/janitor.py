"""Drops what is not needed any more, in small steps: old live events, commands, sessions."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from console.repository import trim
from console.settings import ConsoleSettings
from runtime.errors import passes
from runtime.logs import get_logger
from runtime.postgres import Pool

PAUSE: Final = 60.0  # seconds between rounds
STEP: Final = 5000  # rows dropped in one statement
COMMANDS_KEPT: Final = timedelta(days=14)  # as long as anybody may ask what became of one

log = get_logger(__name__)


async def run(pool: Pool, settings: ConsoleSettings, now: Callable[[], datetime]) -> None:
    """Until cancelled."""
    while True:
        try:
            await clean(pool, settings, now())
        except Exception as error:
            if not passes(error):
                raise
            log.warning("could not clean up", error=str(error))
        await asyncio.sleep(PAUSE)


async def clean(pool: Pool, settings: ConsoleSettings, now: datetime) -> None:
    """One round."""
    while await trim.live_events(pool, now - timedelta(seconds=settings.live_retention), STEP) == STEP:
        pass
    while await trim.commands(pool, now - COMMANDS_KEPT, STEP) == STEP:
        pass
    idle, lifetime = timedelta(seconds=settings.session_idle), timedelta(seconds=settings.session_lifetime)
    await trim.sessions(pool, now - idle, now - lifetime)

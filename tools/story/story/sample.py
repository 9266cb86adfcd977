"""A part of `story.regimes` that is quick: each regime once, and the faults that bear on order and on threads."""

from pathlib import Path
from typing import Final

from story.doors import Refused
from story.play import PARTS
from story.regime import Regime
from story.regimes import FAULTS, shows, tell
from story.seed import Login, Places, Say

__all__ = ["Refused", "play"]

REGIMES: Final = (
    Regime("routing"),
    Regime("routing_no_take"),
    Regime("roles"),
    Regime("zero_config", notification=False, receiver=False),
)
WITH: Final = {"the answer of a take lost", "a send done and answered HTTP 500", "every webhook twice"}
WITHOUT: Final = {"Anouk", "Sofía", "كريم"}  # what they show has little to do with the page


async def play(places: Places, login: Login, *, say: Say, report: Path) -> bool:
    """As `story.regimes.play`."""
    parts = [part for part in PARTS if part.first_name not in WITHOUT]
    faults = [fault for fault in FAULTS if fault.name in WITH]
    return await tell(places, login, shows(REGIMES, faults, parts), say=say, report=report)

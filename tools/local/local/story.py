"""What the stack asks of the package `story`: to seed the example bot, and to play the story.

It is looked up when it is needed: the stack also runs, and says so, without it.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from local.credentials import Credentials
from local.places import Places

Say = Callable[[str], None]


class RefusedByDoor(Exception):
    """As `story.doors.Refused`."""

    status: int  # of HTTP


class RefusedPage(Protocol):
    """What to tell of a page whose token Facebook refuses, and whether it is the story's page."""

    @property
    def text(self) -> str: ...
    @property
    def in_story(self) -> bool: ...


class Seeding(Protocol):
    """The module `story.seed`. Everything goes through the console's HTTP API and may be repeated."""

    BadChannelFile: type[Exception]  # its text is a sentence for the person who wrote the file
    Refused: type[RefusedByDoor]  # by the console

    def read_channel(self, file: Path) -> object:
        """Raises BadChannelFile."""

    async def seed(self, places: Places, login: Credentials, *, say: Say) -> None:
        """The example bot with its flow published and its page connected. Raises when the console refuses."""

    async def import_channel(self, places: Places, login: Credentials, file: Path, *, say: Say) -> None:
        """A Messenger channel from a YAML file (`make run CHANNEL=file.yaml`)."""

    async def refused_page(self, places: Places, login: Credentials, channel: Path | None) -> RefusedPage | None:
        """None when Facebook takes the page token of the file, or without one that of the box's page."""


class Playing(Protocol):
    """The module `story.play`, or one that plays more of it."""

    Refused: type[RefusedByDoor]

    async def play(self, places: Places, login: Credentials, *, say: Say, report: Path) -> bool:
        """Plays every step, says each as it goes and writes `report` (JSON). Whether all went as told."""


def seeding() -> Seeding | None:
    return cast("Seeding | None", _module("story.seed"))


def playing(name: str) -> Playing | None:
    return cast("Playing | None", _module(f"story.{name}"))


def _module(name: str) -> object | None:
    package = name.partition(".")[0]
    return import_module(name) if find_spec(package) and find_spec(name) else None

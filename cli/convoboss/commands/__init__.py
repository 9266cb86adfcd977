"""The commands, in the order of the help. A new one is a module with a `COMMAND`, and a line here."""

from typing import Final

from convoboss.command import Command
from convoboss.commands import catch_up, erase, migrate, pages, replay, roles, tail, timeline, topics, verify

COMMANDS: Final[tuple[Command, ...]] = (
    timeline.COMMAND,
    replay.COMMAND,
    verify.COMMAND,
    erase.COMMAND,
    pages.COMMAND,
    catch_up.COMMAND,
    tail.COMMAND,
    topics.COMMAND,
    migrate.COMMAND,
    roles.COMMAND,
)

"""The commands. A new one is a module with a `COMMAND`, and a line here."""

from typing import Final

from convoboss.command import Command
from convoboss.commands import migrate, roles, tail, topics

COMMANDS: Final[tuple[Command, ...]] = (tail.COMMAND, topics.COMMAND, migrate.COMMAND, roles.COMMAND)

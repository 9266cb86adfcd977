"""`convoboss topics`: the catalogue, and what the broker has of it."""

from argparse import ArgumentParser, Namespace
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Lists the topics of the catalogue: partitions, how long they keep records, their key, what they hold, who writes and reads
them, and whether the broker has them as they should be.
"""
EXAMPLES: Final = """\
examples:
  convoboss topics
  convoboss topics --json | jq -r '.[] | select(.found == 0) | .topic'
      the names of the topics that are missing (`make topics` makes them)
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a JSON array, for programs")


async def _run(arguments: Namespace) -> int:
    from convoboss import listing

    return await listing.show(as_json=arguments.json)


COMMAND: Final = Command("topics", "list the topics and what they hold", DESCRIPTION, EXAMPLES, _add_arguments, _run)

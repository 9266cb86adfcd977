"""`convoboss replay`: the log of one conversation, folded again and compared."""

from argparse import ArgumentParser, Namespace
from typing import Final

from convoboss import arguments as given
from convoboss.command import Command

DESCRIPTION: Final = """\
Folds the log of one conversation again: each event with the settings that were in force at its place, second copies
dropped, up to where takeover is. Then compares what that leads to with what is there: takeover's row of the conversation
and its timers, and every record of outcomes, messenger.commands and turns, by id, in order.

Where they differ it shows the first event from which on they do, and the fields. It only reads: one read-only transaction,
no consumer group.

It folds by the rules of this version. What an earlier one decided by other rules is told as a difference; fields that an
earlier version did not have yet are named, and are none.

Exit code 0: equal. 7: different. 8: the log's beginning is gone (it keeps 30 days), and what is left does not lead to the
row: nothing is proven. 9: no such conversation.
"""
EXAMPLES: Final = """\
examples:
  convoboss replay messenger:104821769032215:73105284619001
      is what the table says of this conversation what the log leads to?
  convoboss replay messenger:104821769032215:73105284619001 --json | jq .difference
      the first event where they differ, for programs
  convoboss verify --all
      the same for every conversation
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("conversation", type=given.conversation, metavar="CONVERSATION", help="its id")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


async def _run(arguments: Namespace) -> int:
    from convoboss import replaying

    return await replaying.replay(arguments.conversation, as_json=arguments.json)


COMMAND: Final = Command(
    "replay", "fold a conversation's log again, and compare", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

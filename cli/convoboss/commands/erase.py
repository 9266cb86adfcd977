"""`convoboss erase`: a customer is forgotten."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

from convoboss import arguments as given
from convoboss.command import Command

DESCRIPTION: Final = """\
Erases what is kept of a customer: name, picture, texts, attachments, attributes, place in the flow, what waits for an
answer. The skeleton stays: who had the conversation, when, why, epochs. It shows first what there is and what it will not
reach, and asks.

It writes one event, erasure.asked.v1, into the log. takeover, console, fb-handover and notifier do the rest, each in its own
tables, in order with everything else; `convoboss replay` proves the row equal afterwards as before. The log itself still
holds what was said until its retention; the date is shown. docs/retention.md tells what is kept where and for how long.
"""
EXAMPLES: Final = """\
examples:
  convoboss erase messenger:104821769032215:73105284619001 --dry-run
      what there is of this customer and until when the log has it; nothing is changed
  convoboss erase messenger:104821769032215:73105284619001 --by "Privacy desk, request 118"
      asks, erases, waits until the services have done it
  convoboss erase messenger:104821769032215:73105284619001 --yes
      without asking, for scripts

Exit code 0: done. 1: it is in the log, and not everybody has done it after a minute. 9: no such conversation.
"""
MAX_BY: Final = 100  # characters


def _by(text: str) -> str:
    if not 0 < len(text) <= MAX_BY:
        raise ArgumentTypeError(f"a name of 1 to {MAX_BY} characters")
    return text


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("conversation", type=given.conversation, metavar="CONVERSATION", help="its id")
    parser.add_argument("--dry-run", action="store_true", help="only show what there is")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--by", type=_by, default="ops", metavar="NAME", help="who asks for it, kept in the timeline (default: ops)"
    )


async def _run(arguments: Namespace) -> int:
    from convoboss import erasing

    return await erasing.erase(arguments.conversation, arguments.by, dry_run=arguments.dry_run, yes=arguments.yes)


COMMAND: Final = Command("erase", "erase what is kept of a customer", DESCRIPTION, EXAMPLES, _add_arguments, _run)

"""`convoboss timeline`: what happened in one conversation, and how it stood at a moment."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from typing import Final

from convoboss import arguments as given
from convoboss.command import Command

DESCRIPTION: Final = """\
Tells one conversation in the order of the log, one line for each event and for each thing that was decided on it:

  time (UTC)  @offset  epoch  who has it after this  who did it  what

  →  a decision: what was said, who has it and why, what was suppressed, refused, asked of the flow or of Facebook
  ⏲  a timer that was set, moved, or is gone

Then who has it, why, since when, until when, and what comes next. The log is folded again with the rules and the settings
that were in force; `convoboss replay` proves that the tables say the same. What a customer was erased of is not shown.
"""
EXAMPLES: Final = """\
examples:
  convoboss timeline messenger:104821769032215:73105284619001
      all of it, up to now
  convoboss timeline messenger:104821769032215:73105284619001 --at -10m
      who had it ten minutes ago, and what had happened until then
  convoboss timeline messenger:104821769032215:73105284619001 --at 2026-11-24T09:30+01:00
  convoboss timeline messenger:104821769032215:73105284619001 --json | jq -r 'select(.type == "answer.suppressed.v1").what'
      what the bot was stopped from saying; the last object tells how the conversation stands
"""
FORMS: Final = "a time as 2026-11-24T09:30+01:00 (UTC where it names no zone), or a time ago as -30s, -10m, -2h or -1d"


def _at(text: str) -> datetime:
    from convoboss.start import parse_start

    try:
        found = parse_start(text, datetime.now(UTC))
    except ValueError:
        found = "beginning"
    if not isinstance(found, datetime):
        raise ArgumentTypeError(f"{text!r} is no moment; give {FORMS}")
    if not text.startswith("-") and datetime.fromisoformat(text).tzinfo is None:
        sys.stderr.write(f"{text} names no zone: taken as UTC.\n")
    return found.astimezone(UTC)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("conversation", type=given.conversation, metavar="CONVERSATION", help="its id")
    parser.add_argument("--at", type=_at, metavar="TIME", help=f"as of this moment: {FORMS} (default: now)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


async def _run(arguments: Namespace) -> int:
    from convoboss import timing

    return await timing.timeline(arguments.conversation, arguments.at, as_json=arguments.json)


COMMAND: Final = Command(
    "timeline", "who had a conversation, why, and what was said", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

"""`convoboss verify`: every conversation's log, folded again and compared."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Does for every conversation of a partition, or of all, what `convoboss replay` does for one: folds the log again and
compares with takeover's rows and timers, and with every record that was published. Services may go on working meanwhile.

Memory holds one conversation at a time. The partition that is being verified is put on disk for it, in the folder that
TMPDIR names: some more room than the partition takes at the broker in five topics, given back at the end. It only reads:
one short read-only transaction a partition, no consumer group.

Exit code 0: all equal. 7: some differ. 8: none differs, but of some the log's beginning is gone (it keeps 30 days).
"""
EXAMPLES: Final = """\
examples:
  convoboss verify --all
      a table by partition, and the first event of each conversation that differs
  convoboss verify --partition 3 --partition 4
  TMPDIR=/var/tmp convoboss verify --all --json | jq '[.[].different] | add'
      how many differ, for programs
"""


def _partition(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no partition's number; they begin at 0")
    return int(text)


def _add_arguments(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="every partition of the log")
    which.add_argument(
        "--partition",
        type=_partition,
        action="append",
        dest="partitions",
        metavar="N",
        help="this partition; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="one JSON array, for programs")


async def _run(arguments: Namespace) -> int:
    from convoboss import verifying

    chosen = None if arguments.all else tuple(dict.fromkeys(arguments.partitions))
    return await verifying.verify(chosen, as_json=arguments.json)


COMMAND: Final = Command(
    "verify", "fold all conversations' logs again, and compare", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

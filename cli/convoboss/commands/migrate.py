"""`convoboss migrate`: changes of the database's schemas, apart from the services' start."""

from argparse import ArgumentParser, Namespace
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Applies the migrations of the services' schemas, each once, in order.

  pre    what the new version needs; it only adds, so the old version goes on working: before the new one starts
  post   what only the old version used goes: after its last process has ended

Connects as CONVOBOSS_DATABASE_URL says, as the role that owns the schemas. Two of these at a time wait for each other.
"""
EXAMPLES: Final = """\
examples:
  convoboss migrate pre --dry-run
      the SQL that would be applied, and nothing is changed
  convoboss migrate pre
      before a rolling update; services that run with CONVOBOSS_MIGRATE=by-command wait for it
  convoboss migrate post --service takeover
      when takeover's old version is gone
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "phase", choices=("pre", "post"), help="before the new version starts, or after the old is gone"
    )
    parser.add_argument(
        "--service",
        choices=("takeover", "fb-handover", "notifier", "console", "monitor"),
        action="append",
        dest="services",
        metavar="NAME",
        help="this service's schema; may be given several times (default: all)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the SQL and change nothing")


async def _run(arguments: Namespace) -> int:
    from convoboss import migrating

    return await migrating.migrate(arguments.phase, tuple(arguments.services or ()), dry_run=arguments.dry_run)


COMMAND: Final = Command(
    "migrate", "apply what changes the database's schemas", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

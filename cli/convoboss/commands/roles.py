"""`convoboss roles`: a role of least rights for each service that has a schema."""

from argparse import ArgumentParser, Namespace
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Makes a role for each service, named after its schema: convoboss_takeover, convoboss_fb_handover, convoboss_notifier,
convoboss_console, convoboss_monitor. It may read and write rows of the tables of that schema, those to come included, and
nothing else: it makes and drops no tables, and sees no other schema. May be repeated; roles that are there are brought in line.

Connects as CONVOBOSS_DATABASE_URL says: as the role that owns the schemas (the one that runs `convoboss migrate`), which
must be a superuser or have CREATEROLE where roles are missing.

A password comes from CONVOBOSS_TAKEOVER_DATABASE_PASSWORD, or from the file that CONVOBOSS_TAKEOVER_DATABASE_PASSWORD_FILE
names, and so on for FB_HANDOVER, NOTIFIER, CONSOLE and MONITOR. PostgreSQL is given its SCRAM-SHA-256 verifier only.
Without one the role keeps the password that it has; a new role cannot sign in with a password then.
"""
EXAMPLES: Final = """\
examples:
  convoboss roles --dry-run
      the SQL, with the passwords left out
  CONVOBOSS_TAKEOVER_DATABASE_PASSWORD_FILE=/run/secrets/takeover convoboss roles
      takeover's role gets (or changes to) the password in that file
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the SQL and change nothing")


async def _run(arguments: Namespace) -> int:
    from convoboss import granting

    return await granting.grant(dry_run=arguments.dry_run)


COMMAND: Final = Command(
    "roles", "make a role of least rights for each service", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

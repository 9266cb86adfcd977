"""Parses the command line and runs one command."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from convoboss.commands import COMMANDS
from convoboss.errors import INTERRUPTED, CommandError

ABOUT = """\
Looks into a running Convoboss, proves what it did, and prepares its database. Nothing here changes a conversation but
erase, which asks for it in the log, and catch-up, which has ingress add what Facebook's webhooks did not bring.
"""
EPILOG = """\
exit codes:
  0    done
  1    something failed that is not in this list
  2    an argument or a setting is wrong
  3    no Kafka broker answers
  4    the broker has none of the topics asked for
  5    the database does not answer, or does not let us in
  6    refused: the migrations do not fit together, or the role may not do it
  7    replay, verify: the log and what was made of it differ
  8    replay, verify: the log's beginning is gone, so that it proves nothing
  9    no such conversation
  130  ended by Ctrl-C

settings: the same environment variables as the services have (docs/settings.md), above all
  CONVOBOSS_KAFKA_BOOTSTRAP   the brokers to begin with (default 127.0.0.1:9092)
  CONVOBOSS_DATABASE_URL      the database, for all but tail and topics
  NO_COLOR                    no colours, even on a terminal

convoboss <command> --help shows examples.
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{self.prog} --help shows how to use it.\n")
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="convoboss",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="<command>", title="commands")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=command.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def joined(arguments: Sequence[str]) -> list[str]:
    """`--from -5m` as `--from=-5m`: argparse takes what begins with a minus for an option."""
    found: list[str] = []
    for argument in arguments:
        if found and found[-1] in {"--from", "--at"} and argument.startswith("-") and argument[1:2].isdigit():
            found[-1] = f"{found[-1]}={argument}"
        else:
            found.append(argument)
    return found


def main() -> NoReturn:
    logging.basicConfig(handlers=[logging.NullHandler()])  # the Kafka client tells of each attempt; a sentence will do
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream that somebody replaced
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # suppressed where it is not there
    sys.exit(_run(parser().parse_args(joined(sys.argv[1:]))))


def _run(arguments: argparse.Namespace) -> int:
    try:
        code: int = asyncio.run(arguments.run(arguments))
        sys.stdout.flush()
    except CommandError as error:
        sys.stderr.write(f"convoboss {arguments.command}: {error}\n")
        return error.code
    except BrokenPipeError:
        # whoever read our output has enough of it, e.g. `head`; Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code

"""The command line of the local stack."""

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import NoReturn

from local import advice, paths
from local.errors import LocalError

TEXT = """\
The whole product on this machine, from real parts: Apache Kafka, PostgreSQL, every service, a mail catcher and
Facebook in a box. No Docker, no root, nothing installed outside the clone.

  run     everything, until Ctrl-C         (make run)
  demo    plays the story once and checks  (make demo)
  regimes plays it on every kind of page   (make regimes)
  reset   wipes the data of run            (make reset)
"""
SETTINGS = """\
settings that connect the real world; what they name is not started here:
  CONVOBOSS_GRAPH_URL        Facebook's Graph API instead of Facebook in a box
  CONVOBOSS_SMTP_URL         a mail server instead of the mail catcher
  CONVOBOSS_KAFKA_BOOTSTRAP  a Kafka that runs already
  CONVOBOSS_DATABASE_URL     a PostgreSQL that runs already
  CONVOBOSS_PUBLIC_URL       where people reach the console, for links in e-mails
and of the stack itself:
  CONVOBOSS_DATA             the data folder (default .data in the clone)
  CONVOBOSS_CACHE            downloads and class archives (default .cache in the clone)
  CONVOBOSS_POSTGRES_BIN     folder of another PostgreSQL's initdb and postgres
  JAVA_HOME                  another Java, 17 or newer

exit codes: 0 stopped when it was up; 1 it cannot run, and says why; 128 and the signal's number when a signal came before it was up
"""


def main() -> None:
    asyncio.run(_to_the_end(_parser().parse_args()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description=TEXT,
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start everything and stay")
    run.add_argument("--channel", type=Path, help="a Messenger channel to import (YAML; the README shows one)")
    run.add_argument("--data", type=Path, default=paths.data(), help="the data folder (default: %(default)s)")
    run.add_argument("--parent", type=int, help="stops when the process with this number is its parent no more")
    demo = commands.add_parser("demo", help="start everything, play the story, stop; exit code 1 when a step failed")
    demo.add_argument("--data", type=Path, default=paths.ROOT / "build" / "demo", help="default: %(default)s")
    demo.add_argument("--parent", type=int, help="as for run")
    regimes = commands.add_parser("regimes", help="as demo, on every kind of Facebook page and with every fault")
    regimes.add_argument("--data", type=Path, default=paths.ROOT / "build" / "regimes", help="default: %(default)s")
    regimes.add_argument(
        "--report", type=Path, default=paths.ROOT / "build" / "regimes.json", help="default: %(default)s"
    )
    regimes.add_argument("--sample", action="store_true", help="each regime once and some faults: a minute")
    regimes.add_argument("--parent", type=int, help="as for run")
    reset = commands.add_parser("reset", help="wipe the data folder")
    reset.add_argument("--data", type=Path, default=paths.data(), help="default: %(default)s")
    commands.add_parser("lock-jars", help="write Kafka's jars and their hashes anew (for maintainers)")
    return parser


async def _to_the_end(arguments: argparse.Namespace) -> NoReturn:
    """Everything has been stopped by now: one more Ctrl-C must not change how this ended, nor a thread hold it up."""
    code = await _command(arguments)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


async def _command(arguments: argparse.Namespace) -> int:
    try:
        return await _obeyed(arguments)
    except LocalError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(advice.about(error, getattr(arguments, "data", paths.data())))


async def _obeyed(arguments: argparse.Namespace) -> int:
    from local import stack

    report = paths.ROOT / "build" / "story.json"
    match arguments.command:
        case "run":
            options = stack.Options(
                arguments.data, report, stay=True, channel=arguments.channel, parent=arguments.parent
            )
            return await stack.run(options)
        case "demo":
            return await stack.demo(stack.Options(arguments.data, report, stay=False, parent=arguments.parent))
        case "regimes":
            story = "sample" if arguments.sample else "regimes"
            options = stack.Options(arguments.data, arguments.report, stay=False, parent=arguments.parent, story=story)
            return await stack.demo(options)
        case "reset":
            return await stack.reset(arguments.data)
        case _:
            from local import jars

            await asyncio.to_thread(jars.write_lock)
            return 0


def _complain(text: str) -> int:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"\n{text}", file=sys.stderr)
    return 1

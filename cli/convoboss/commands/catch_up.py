"""`convoboss catch-up`: what webhooks did not bring is read from Facebook."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Demands that a page's conversations are read from Facebook, and what the log lacks of them is added: the last 20 messages of
each conversation in which something was said since then. ingress does it, and does so by itself after it found that
webhooks were missed. What the log has already is not added again. Seven days back at most.
"""
EXAMPLES: Final = """\
examples:
  convoboss catch-up 104821769032215
      what was missed in the last hour
  convoboss catch-up 104821769032215 --from 2026-11-24T08:00
  convoboss pages 104821769032215
      whether it is done
"""


def _page(text: str) -> str:
    if not text.isdecimal() or len(text) > 32:
        raise ArgumentTypeError(f"{text!r} is no page's id, which is a number, e.g. 104821769032215")
    return text


def _since(text: str) -> datetime:
    from convoboss.start import parse_start

    try:
        found = parse_start(text, datetime.now(UTC))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if not isinstance(found, datetime):
        raise ArgumentTypeError("a time, as -2h or 2026-11-24T09:30")
    return found


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("page", type=_page, metavar="PAGE", help="the page's id")
    parser.add_argument(
        "--from", dest="since", type=_since, default="-1h", metavar="TIME", help="missed from then on (default: -1h)"
    )


async def _run(arguments: Namespace) -> int:
    from convoboss import page_health

    return await page_health.catch_up(arguments.page, arguments.since)


COMMAND: Final = Command(
    "catch-up", "have what webhooks did not bring read from Facebook", DESCRIPTION, EXAMPLES, _add_arguments, _run
)

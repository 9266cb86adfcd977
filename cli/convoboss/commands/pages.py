"""`convoboss pages`: how the Facebook pages are."""

from argparse import ArgumentParser, Namespace
from typing import Final

from convoboss.command import Command

DESCRIPTION: Final = """\
Shows how each Facebook page is: whether its webhooks come, its token is good, how its conversations are routed, whether it
may send; for what is not well, since when and what the page's admin does about it. Pages that no bot has and whose webhooks
come are among them: their events wait in dead-letters and are taken in by themselves once a bot has the page.
"""
EXAMPLES: Final = """\
examples:
  convoboss pages
  convoboss pages 104821769032215
      one page
  convoboss pages --json | jq -r '.[] | select(.state == "failing") | [.page, .aspect, .code] | @tsv'
      what is not well

Exit code 0 also where something is not well; 4: the topic pages is missing.
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("page", nargs="?", metavar="PAGE", help="a page's id; without it all pages")
    parser.add_argument("--json", action="store_true", help="a JSON array, for programs")


async def _run(arguments: Namespace) -> int:
    from convoboss import page_health

    return await page_health.show(arguments.page, as_json=arguments.json)


COMMAND: Final = Command("pages", "show how the Facebook pages are", DESCRIPTION, EXAMPLES, _add_arguments, _run)

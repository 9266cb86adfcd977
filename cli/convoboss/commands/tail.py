"""`convoboss tail`: records of any topic as they are, decoded."""

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from convoboss import arguments as given
from convoboss.command import Command
from convoboss.start import FORMS, Start, parse_start

DESCRIPTION: Final = """\
Prints the records of topics, decoded, one line each:

  time (UTC)  topic  partition@offset  type  key  what it tells

The key is left out where --conversation gives it. Records of several topics are merged by the broker's time; within a partition they keep its order. No consumer group is
used and nothing is committed: looking changes nothing. A record that this version cannot read is shown as such.
"""
EXAMPLES: Final = """\
examples:
  convoboss tail
      everything that happens from now on, all topics of conversations
  convoboss tail --conversation messenger:104821769032215:73105284619001
      the whole story of one conversation, and on (reads only its partition of each topic)
  convoboss tail --topic outcomes --type 'takeover.*' --from -2h --no-follow
      the takeovers that began, were answered or ended in the last two hours
  convoboss tail --topic bots --topic flows --no-follow
      the bots' settings and the published flows; secrets are not shown
  convoboss tail --topic dead-letters --from beginning --no-follow --json | jq .event.error
      why records could not be handled
  convoboss tail --type 'customer.*' --limit 1
      waits for the next message of a customer, prints it, and ends
"""


def _topic(text: str) -> str:
    from schemas.topics import TOPICS

    if text not in TOPICS:
        raise ArgumentTypeError(f"there is no topic {text!r}; there are {', '.join(TOPICS)}")
    return text


def _start(text: str) -> Start:
    try:
        return parse_start(text, datetime.now(UTC))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _type(text: str) -> str:
    from schemas.envelope import event_types
    from schemas.topics import TOPICS

    known = [name for topic in TOPICS for name in event_types(topic)]
    if not any(fnmatchcase(name, text) for name in known):
        raise ArgumentTypeError(f"no type is called {text!r}; there are {', '.join(known)}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--conversation",
        type=given.any_conversation,
        metavar="ID",
        help="only this conversation, e.g. messenger:<page id>:<PSID>",
    )
    parser.add_argument(
        "--topic",
        type=_topic,
        action="append",
        dest="topics",
        metavar="TOPIC",
        help="this topic; may be given several times (default: all that are keyed by conversation)",
    )
    parser.add_argument(
        "--type",
        type=_type,
        action="append",
        dest="types",
        metavar="TYPE",
        help="only events of this type, with * for any letters; may be given several times",
    )
    parser.add_argument(
        "--from",
        type=_start,
        dest="start",
        metavar="WHEN",
        help=f"{FORMS} (default: beginning with --conversation or --no-follow, else end)",
    )
    parser.add_argument(
        "--follow",
        action=BooleanOptionalAction,
        default=True,
        help="go on with what comes, until Ctrl-C (default), or end at the present end",
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="end after N records")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with all of the event")


async def _run(arguments: Namespace) -> int:
    from convoboss import tailing

    usual: Start = "beginning" if arguments.conversation or not arguments.follow else "end"
    await tailing.tail(
        tailing.Options(
            topics=tuple(dict.fromkeys(arguments.topics or ())),
            conversation=arguments.conversation,
            types=tuple(arguments.types or ()),
            start=arguments.start or usual,
            follow=arguments.follow,
            limit=arguments.limit,
            as_json=arguments.json,
        )
    )
    return 0


COMMAND: Final = Command("tail", "print records of topics, decoded", DESCRIPTION, EXAMPLES, _add_arguments, _run)

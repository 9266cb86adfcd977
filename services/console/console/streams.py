"""Live events: which stream tells what. Within a stream they are numbered without gaps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Literal

from console.projection import SUMMARY_FIELDS, conversation_of
from console.state import View
from console.views import CommandState, Entry

CONVERSATION: Final = "conversation:"
INBOX: Final = "inbox:"
_SUMMARY: Final = set(SUMMARY_FIELDS)
_of_summary: Final = attrgetter(*SUMMARY_FIELDS)

EventType = Literal["entry.changed", "conversation.changed", "command.decided", "inbox.changed"]


@dataclass(frozen=True, slots=True)
class News:
    """An event that has no number yet. `body` is JSON: the frame's fields beside those of all events."""

    stream: str
    type: EventType
    body: str


def conversation_stream(conversation: str) -> str:
    return CONVERSATION + conversation


def inbox_stream(bot: str) -> str:
    return INBOX + bot


def conversation_news(before: View, after: View) -> Iterator[News]:
    """What a change of a conversation tells; nobody is told of one whose bot is not known."""
    if after.bot is None:
        return
    whole = conversation_of(after)
    yield News(conversation_stream(after.id), "conversation.changed", f'{{"conversation":{whole.model_dump_json()}}}')
    if before.bot is None or _of_summary(conversation_of(before)) != _of_summary(whole):
        summary = whole.model_dump_json(include=_SUMMARY)
        yield News(inbox_stream(after.bot), "inbox.changed", f'{{"conversation":{summary}}}')


def entry_news(conversation: str, entries: Iterable[Entry]) -> Iterator[News]:
    for entry in entries:
        yield News(conversation_stream(conversation), "entry.changed", f'{{"entry":{entry.model_dump_json()}}}')


def command_news(commands: Iterable[CommandState]) -> Iterator[News]:
    for command in commands:
        body = f'{{"command":{command.model_dump_json()}}}'
        yield News(conversation_stream(command.conversation), "command.decided", body)

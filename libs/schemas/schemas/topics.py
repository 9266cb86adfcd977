"""The catalogue of topics: what is in them, how they are keyed, how long they keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from schemas.bots import BotSettings, FlowPublished
from schemas.commands import MessengerCommand
from schemas.conversations import LogEvent
from schemas.deadletters import DeadLetter
from schemas.outcomes import AnyOutcome
from schemas.pages import PageFact
from schemas.turns import TurnAsked

DAY: Final = 24 * 3600 * 1000  # milliseconds


@dataclass(frozen=True, slots=True)
class Topic:
    """`partitions` None: the common number, so that a conversation has one order everywhere."""

    name: str
    holds: str
    keyed_by: str
    union: Any  # a pydantic-annotated union; typing has no name for it
    partitions: int | None = None
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = 14 * DAY
    log_append_time: bool = False
    written_by: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()

    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.union)


CONVERSATIONS: Final = "conversations"
TURNS: Final = "turns"
MESSENGER_COMMANDS: Final = "messenger.commands"
OUTCOMES: Final = "outcomes"
BOTS: Final = "bots"
FLOWS: Final = "flows"
PAGES: Final = "pages"
DEAD_LETTERS: Final = "dead-letters"

TOPICS: Final[Mapping[str, Topic]] = {
    topic.name: topic
    for topic in (
        Topic(
            CONVERSATIONS,
            "the log: everything that happened in a conversation, in the order that decides",
            "conversation",
            LogEvent,
            retention_ms=30 * DAY,
            log_append_time=True,
            written_by=("ingress", "flow-engine", "console", "fb-handover", "takeover"),
            read_by=("takeover", "fb-handover", "monitor"),
        ),
        Topic(
            TURNS,
            "turns that the bot has to take",
            "conversation",
            TurnAsked,
            written_by=("takeover",),
            read_by=("flow-engine",),
        ),
        Topic(
            MESSENGER_COMMANDS,
            "what has to happen at Facebook, in this order",
            "conversation",
            MessengerCommand,
            written_by=("takeover",),
            read_by=("fb-handover", "console", "monitor"),
        ),
        Topic(
            OUTCOMES,
            "every visible outcome of a decision",
            "conversation",
            AnyOutcome,
            retention_ms=30 * DAY,
            written_by=("takeover",),
            read_by=("notifier", "console", "monitor"),
        ),
        Topic(
            BOTS,
            "a bot's settings and channels as of now",
            "bot",
            BotSettings,
            partitions=1,
            cleanup="compact",
            retention_ms=-1,
            written_by=("console",),
            read_by=("takeover", "ingress", "fb-handover", "notifier"),
        ),
        Topic(
            FLOWS,
            "published flow versions, immutable",
            "flow@version",
            FlowPublished,
            partitions=1,
            cleanup="compact",
            retention_ms=-1,
            written_by=("console",),
            read_by=("flow-engine",),
        ),
        Topic(
            PAGES,
            "what is known of a Facebook page as of now: its health, and what was missed",
            "page:aspect",
            PageFact,
            partitions=1,
            cleanup="compact",
            retention_ms=-1,
            written_by=("ingress", "fb-handover", "ops"),
            read_by=("ingress", "fb-handover", "console", "ops"),
        ),
        Topic(
            DEAD_LETTERS,
            "what could not be handled, with origin, reason and the original bytes",
            "origin's key",
            DeadLetter,
            retention_ms=90 * DAY,
            written_by=("ingress", "flow-engine", "takeover", "fb-handover", "notifier", "console", "monitor"),
            read_by=("ingress", "ops"),
        ),
    )
}

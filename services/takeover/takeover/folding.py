"""Folds a conversation's log once more, as it was decided: the same rules, the settings then in force, the same copies dropped.

Pure. What it gives is what the tables and the topics have to hold.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from schemas.base import ConversationEvent, ConversationId
from schemas.bots import BotSettings
from takeover.bots import UnknownBot
from takeover.decide import decide, decide_fault, first_contact
from takeover.effects import Effect
from takeover.state import Conversation

WEEK: Final = 7 * 24 * 3600  # seconds; event ids are remembered by week, the present one and the one before
NO_BOT: Final = UnknownBot.__name__
"""How the error of a dead letter begins, where the event came before the page had a bot: nothing was decided then."""

How = Literal["decided", "copy", "fault", "aside"]
"""`copy`: seen before, dropped. `fault`: the rules raised, a person got it. `aside`: a dead letter, and nothing else."""


class Logged(NamedTuple):
    """An event at its place in the log."""

    offset: int
    at: datetime
    event: ConversationEvent


class InForce(NamedTuple):
    """A version of a bot's settings, and from which offset of the partition on it was in force."""

    from_offset: int
    settings: BotSettings


class Settings:
    """The settings that were in force in one partition, by place."""

    def __init__(self, versions: Iterable[InForce]) -> None:
        self._versions: dict[str, list[InForce]] = {}
        for each in sorted(versions, key=lambda each: (each.from_offset, each.settings.version)):
            self._versions.setdefault(each.settings.bot, []).append(each)

    def at(self, bot: str, offset: int) -> BotSettings | None:
        """None: the bot had none yet, so that an event was put aside."""
        versions = self._versions.get(bot, [])
        place = bisect_right(versions, offset, key=lambda each: each.from_offset)
        return versions[place - 1].settings if place else None

    def bot_of(self, conversation: str) -> str | None:
        """The bot that last had the page, for a conversation that has no row."""
        page = ConversationId.parse(conversation).account
        had = [
            (each.from_offset, bot)
            for bot, versions in self._versions.items()
            for each in versions
            if each.settings.channel(page) is not None
        ]
        return max(had)[1] if had else None


@dataclass(frozen=True, slots=True)
class Folded:
    """One event, and what came of it. `before` None: the conversation was not met yet."""

    logged: Logged
    how: How
    before: Conversation | None
    after: Conversation | None
    effects: tuple[Effect, ...] = ()
    reason: str = ""
    """Why the rules could not take it."""


class Fold:
    """`letters`: offset → error of the dead letter that was written for what is there."""

    def __init__(self, conversation: str, bot: str | None, settings: Settings, letters: Mapping[int, str]) -> None:
        self.state: Conversation | None = None
        self._id = conversation
        self._bot = bot
        self._settings = settings
        self._letters = letters
        self._seen: dict[str, int] = {}

    def take(self, logged: Logged) -> Folded:
        """Events come in the order of the log."""
        if self._is_copy(logged):
            return Folded(logged, "copy", self.state, self.state)
        settings = None if self._bot is None else self._settings.at(self._bot, logged.offset)
        letter = self._letters.get(logged.offset, "")
        if settings is None or self._bot is None or letter.startswith(NO_BOT):
            return Folded(logged, "aside", self.state, self.state, reason=letter or "no bot has this page")
        before = self.state
        base = before if before is not None else first_contact(self._id, self._bot)
        try:
            how, (after, effects), reason = self._decided(base, logged, settings, letter)
        except Exception as error:  # noqa: BLE001 - then takeover's own last word failed too, and the letter is all there is
            return Folded(logged, "aside", before, before, reason=_sentence(error))
        self.state = after
        return Folded(logged, how, before, after, effects, reason)

    def _is_copy(self, logged: Logged) -> bool:
        """By the log's time, which stands for that at which takeover met the event."""
        week = int(logged.at.timestamp()) // WEEK
        seen = self._seen.get(logged.event.id)
        if seen is not None and week - seen <= 1:
            return True
        self._seen[logged.event.id] = week
        return False

    @staticmethod
    def _decided(
        state: Conversation, logged: Logged, settings: BotSettings, letter: str
    ) -> tuple[How, tuple[Conversation, tuple[Effect, ...]], str]:
        try:
            if not letter:
                return "decided", decide(state, logged.event, logged.at, settings), ""
            # the rules may have been mended since: what counts is that they raised then
            decide(state, logged.event, logged.at, settings)
            reason = letter
        except Exception as error:  # noqa: BLE001 - whatever the rules raise is a fault of ours, as it is in takeover
            reason = _sentence(error)
        return "fault", decide_fault(state, logged.event, logged.at, settings, reason), reason


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

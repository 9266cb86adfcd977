"""The names of bots, from the topic `bots`."""

from schemas.base import BaseEvent
from schemas.bots import BotSettings


class BotNames:
    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def apply(self, key: str, event: BaseEvent | None) -> None:
        """A bot's settings changed; None: the bot was deleted, and is still called as before."""
        if isinstance(event, BotSettings):
            self._names[key] = event.name

    def of(self, bot: str) -> str:
        """The bot's name; its key where it is not known."""
        return self._names.get(bot, bot)

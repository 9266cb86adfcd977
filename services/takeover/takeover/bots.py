"""The bots' settings as of now, and which bot a conversation belongs to."""

from schemas.base import BaseEvent, ConversationId
from schemas.bots import BotSettings


class UnknownBot(Exception):
    """No bot has the page of this conversation."""

    def __init__(self, conversation: str) -> None:
        super().__init__(f"{conversation}: no bot has this page")
        self.conversation = conversation


class Bots:
    """Fed from the compacted topic `bots`. A bot that was removed keeps its last settings for conversations under way."""

    def __init__(self) -> None:
        self._bots: dict[str, BotSettings] = {}
        self._pages: dict[str, str] = {}

    def apply(self, bot: str, event: BaseEvent | None) -> None:
        """Takes a record of `bots`; None is the removal of the bot."""
        self._pages = {page: owner for page, owner in self._pages.items() if owner != bot}
        if isinstance(event, BotSettings):
            self._bots[bot] = event
            self._pages.update({channel.page_id: bot for channel in event.messenger})

    def owner_of(self, conversation: str) -> str:
        """The bot of a conversation that was never met; raises UnknownBot."""
        bot = self._pages.get(ConversationId.parse(conversation).account)
        if bot is None:
            raise UnknownBot(conversation)
        return bot

    def settings(self, bot: str) -> BotSettings:
        """Raises UnknownBot."""
        try:
            return self._bots[bot]
        except KeyError:
            raise UnknownBot(bot) from None

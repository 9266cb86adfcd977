"""The pages that we speak for, as the topic `bots` tells; their secrets stay encrypted until the first request is made."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from graphapi.request import Credentials
from runtime.health import Component
from runtime.logs import get_logger
from runtime.secrets import SecretBox, Undecryptable
from schemas.base import BaseEvent
from schemas.bots import BotSettings, MessengerChannel

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connected:
    """A page that we can speak for. `version`: of its bot's settings."""

    channel: MessengerChannel
    credentials: Credentials
    version: int


ASKED_FOR: Final = 60.0  # seconds that a page which commands asked for in vain is named in health
NAMED: Final = 5


class Channels:
    """Page id → channel. Not more than the pages of all bots."""

    def __init__(self, secrets: SecretBox, component: Component, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets = secrets
        self._clock = clock
        self._bots: dict[str, BotSettings] = {}
        self._pages: dict[str, tuple[MessengerChannel, int]] = {}
        self._connected: dict[str, Connected] = {}
        """What was decrypted once, which takes a fifth of a millisecond; as long as the page's settings stay."""
        self._asked_for: dict[str, float] = {}
        component.ok()
        component.watch(self._complaint)

    def apply(self, bot: str, event: BaseEvent | None) -> None:
        """A record of `bots`; None removes the bot."""
        before = self._bots.pop(bot, None)
        for channel in before.messenger if before else ():
            self._pages.pop(channel.page_id, None)
            self._connected.pop(channel.page_id, None)
        if isinstance(event, BotSettings):
            self._bots[bot] = event
            for channel in event.messenger:
                self._pages[channel.page_id] = channel, event.version
                self._connected.pop(channel.page_id, None)

    def connected(self, page: str) -> Connected | None:
        """None for a page that no bot has, or whose secrets cannot be read; health says which."""
        known = self._connected.get(page)
        if known is not None:
            return known
        if page in self._pages:
            channel, version = self._pages[page]
            try:
                found = Connected(channel, self._credentials(channel), version)
            except Undecryptable:
                log.warning("the page's secrets cannot be decrypted; see CONVOBOSS_SECRET_KEYS", page=page)
            else:
                self._asked_for.pop(page, None)
                self._connected[page] = found
                return found
        self._asked_for[page] = self._clock()
        return None

    def has(self, page: str) -> bool:
        return page in self._pages

    def pages_of(self, app: str) -> list[str]:
        """The pages that are connected by this app."""
        return sorted(page for page, (channel, _) in self._pages.items() if channel.app_id == app)

    def _credentials(self, channel: MessengerChannel) -> Credentials:
        return Credentials.of(self._secrets.decrypt(channel.page_token), self._secrets.decrypt(channel.app_secret))

    def _complaint(self) -> str | None:
        since = self._clock() - ASKED_FOR
        self._asked_for = {page: at for page, at in self._asked_for.items() if at > since}
        if not self._asked_for:
            return None
        named = ", ".join(sorted(self._asked_for)[:NAMED])
        return f"commands wait for pages that are not connected or cannot be read: {named}"

"""The Messenger channels of all bots as of now: whose webhooks are taken, and by which secrets they are checked."""

from collections.abc import Iterator
from dataclasses import dataclass

from ingress import metrics
from runtime.logs import get_logger
from runtime.secrets import SecretBox, Undecryptable
from schemas.base import BaseEvent
from schemas.bots import BotSettings, MessengerChannel

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Channel:
    """A page with its secrets in clear. They are kept in memory only and never shown."""

    page: str
    app_secret: bytes
    verify_token: bytes

    def __repr__(self) -> str:
        return f"Channel(page={self.page!r})"


@dataclass(frozen=True, slots=True)
class Known:
    """What all channels come to. Pages whose secrets could not be decrypted are known all the same."""

    pages: frozenset[str] = frozenset()
    app_secrets: tuple[bytes, ...] = ()
    verify_tokens: tuple[bytes, ...] = ()
    unusable: tuple[str, ...] = ()
    """Pages whose secrets none of the present keys decrypts: their webhooks are refused."""

    def __repr__(self) -> str:
        return f"Known(pages={len(self.pages)}, apps={len(self.app_secrets)}, unusable={self.unusable})"


class Channels:
    """Follows the topic `bots`. Secrets are decrypted once for each version of a bot's settings."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._bots: dict[str, tuple[tuple[str, Channel | None], ...]] = {}
        self.known = Known()

    def apply(self, key: str, event: BaseEvent | None) -> None:
        """A bot's settings changed; None: the bot was deleted."""
        if event is None:
            self._bots.pop(key, None)
        elif isinstance(event, BotSettings):
            self._bots[key] = tuple((told.page_id, self._opened(key, told)) for told in event.messenger)
        self.known = _summed(page for pages in self._bots.values() for page in pages)
        metrics.PAGES.set(len(self.known.pages))
        metrics.UNUSABLE.set(len(self.known.unusable))

    def _opened(self, bot: str, told: MessengerChannel) -> Channel | None:
        try:
            return Channel(
                told.page_id,
                self._box.decrypt(told.app_secret).get_secret_value().encode(),
                self._box.decrypt(told.verify_token).get_secret_value().encode(),
            )
        except Undecryptable:
            log.exception("a page's secrets cannot be read: its webhooks are refused", bot=bot, page=told.page_id)
            return None


def _summed(pages: Iterator[tuple[str, Channel | None]]) -> Known:
    listed = list(pages)
    opened = [channel for _, channel in listed if channel is not None]
    return Known(
        pages=frozenset(page for page, _ in listed),
        app_secrets=tuple(dict.fromkeys(channel.app_secret for channel in opened if channel.app_secret)),
        verify_tokens=tuple(dict.fromkeys(channel.verify_token for channel in opened if channel.verify_token)),
        unusable=tuple(page for page, channel in listed if channel is None),
    )

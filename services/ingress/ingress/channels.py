"""The Messenger channels of all bots as of now: whose webhooks are taken, by which secrets they are checked, who asks Facebook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from graphapi.request import Credentials
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
    app: str
    app_secret: bytes
    verify_token: bytes
    page_token: SecretStr
    page_inbox: str

    def __repr__(self) -> str:
        return f"Channel(page={self.page!r}, app={self.app!r})"

    def page_credentials(self) -> Credentials:
        return Credentials.of(self.page_token, SecretStr(self.app_secret.decode()))

    def app_credentials(self) -> Credentials:
        """An app speaks for itself with `id|secret`."""
        secret = self.app_secret.decode()
        return Credentials.of(SecretStr(f"{self.app}|{secret}"), SecretStr(secret))


@dataclass(frozen=True, slots=True)
class Known:
    """What all channels come to. Pages whose secrets could not be decrypted are known all the same."""

    pages: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Page → the apps that serve it."""
    apps: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    """App secret → the apps that have it."""
    verify_tokens: tuple[bytes, ...] = ()
    unusable: tuple[str, ...] = ()
    """Pages whose secrets none of the present keys decrypts: their webhooks are refused."""
    channels: tuple[Channel, ...] = ()
    _spoken_for: dict[frozenset[str], frozenset[str]] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"Known(pages={len(self.pages)}, apps={len(self.apps)}, unusable={self.unusable})"

    @property
    def app_secrets(self) -> tuple[bytes, ...]:
        return tuple(self.apps)

    def spoken_for(self, apps: frozenset[str]) -> frozenset[str]:
        """The pages that a webhook signed by one of these apps may tell of: those that the app serves, and no others."""
        found = self._spoken_for.get(apps)
        if found is None:
            found = frozenset(page for page, serving in self.pages.items() if serving & apps)
            self._spoken_for[apps] = found
        return found


class Channels:
    """Follows the topic `bots`. Secrets are decrypted once for each version of a bot's settings."""

    def __init__(self, box: SecretBox) -> None:
        self._box = box
        self._bots: dict[str, tuple[tuple[MessengerChannel, Channel | None], ...]] = {}
        self.known = Known()

    def apply(self, key: str, event: BaseEvent | None) -> None:
        """A bot's settings changed; None: the bot was deleted."""
        if event is None:
            self._bots.pop(key, None)
        elif isinstance(event, BotSettings):
            self._bots[key] = tuple((told, self._opened(key, told)) for told in event.messenger)
        self.known = _summed(page for pages in self._bots.values() for page in pages)
        metrics.PAGES.set(len(self.known.pages))
        metrics.UNUSABLE.set(len(self.known.unusable))

    def _opened(self, bot: str, told: MessengerChannel) -> Channel | None:
        try:
            return Channel(
                told.page_id,
                told.app_id,
                self._box.decrypt(told.app_secret).get_secret_value().encode(),
                self._box.decrypt(told.verify_token).get_secret_value().encode(),
                self._box.decrypt(told.page_token),
                told.page_inbox_app,
            )
        except Undecryptable:
            log.exception("a page's secrets cannot be read: its webhooks are refused", bot=bot, page=told.page_id)
            return None


def _summed(pages: Iterator[tuple[MessengerChannel, Channel | None]]) -> Known:
    listed = list(pages)
    opened = [channel for _, channel in listed if channel is not None]
    serving: dict[str, frozenset[str]] = {}
    for told, _ in listed:
        serving[told.page_id] = serving.get(told.page_id, frozenset()) | {told.app_id}
    apps: dict[bytes, frozenset[str]] = {}
    for channel in opened:
        if channel.app_secret:
            apps[channel.app_secret] = apps.get(channel.app_secret, frozenset()) | {channel.app}
    return Known(
        pages=serving,
        apps=apps,
        verify_tokens=tuple(dict.fromkeys(channel.verify_token for channel in opened if channel.verify_token)),
        unusable=tuple(told.page_id for told, channel in listed if channel is None),
        channels=tuple(opened),
    )

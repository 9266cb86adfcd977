"""Compacted topics `bots` (settings and channels as of now) and `flows` (published versions, immutable)."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import BaseEvent, Document
from schemas.flows import Flow
from schemas.handover import MAX_GOODBYE, MAX_RETURN
from schemas.messages import ADDRESS

PAGE_INBOX_APP = "263902037430900"
DEFAULT_EXPIRY = 60 * 60  # seconds
FALLBACK = "Sorry, something went wrong on our side. A person will help you."


class TakeoverSettings(Document):
    """*Settings > Behaviors > Human Takeover*. A change applies to sessions that begin later."""

    default_session_expiry: Annotated[int, Field(ge=1, le=MAX_RETURN)] | None = DEFAULT_EXPIRY
    """Seconds; None: a session never expires by itself."""
    counts_from: Literal["first response", "every response"] = "first response"
    back_to_bot_message: Annotated[str, Field(max_length=MAX_GOODBYE)] = ""
    """For takeovers that no block began."""
    say_after_expiry: bool = False
    """Say the Back to Bot Message before the bot's first answer after an expiry."""


class MessengerChannel(Document):
    """A Facebook page. `app_secret`, `verify_token` and `page_token` are encrypted with the keys of CONVOBOSS_SECRET_KEYS."""

    page_id: Annotated[str, Field(pattern=r"^\d{1,32}$")]
    page_name: Annotated[str, Field(max_length=200)] = ""
    app_id: Annotated[str, Field(pattern=r"^\d{1,32}$")]
    app_secret: str
    verify_token: str
    page_token: str
    messenger_inbox_notification: bool = False
    """*Messenger > Notifications > Enable Human Takeover Notification via Messenger Inbox*."""
    page_inbox_app: str = PAGE_INBOX_APP
    has_default_app: bool = True
    bot_apps: tuple[str, ...] = ()
    """Other apps whose messages are a bot's, not staff's."""
    automatic_replies: tuple[str, ...] = ()
    """Texts that the page itself sends (greeting, away message): never an act of staff."""
    human_agent: bool = True
    """Operators' answers go out for seven days after the customer's last act: the app has Facebook's Human Agent feature."""
    operator_name: Literal["off", "first_name", "full"] = "off"
    """What the customer sees of an operator's display name."""
    operator_picture_url: Annotated[str, Field(max_length=ADDRESS)] = ""
    """Shown beside it; empty: the page's own picture."""


class BotSettings(BaseEvent):
    """A bot as of now. `version` rises with each change; `flow` is `<flow>@<version>`, None: nothing published."""

    type: Literal["bot.settings.v1"] = "bot.settings.v1"
    bot: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    version: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    flow: str | None = None
    takeover: TakeoverSettings = TakeoverSettings()
    fallback_text: Annotated[str, Field(min_length=1, max_length=MAX_GOODBYE)] = FALLBACK
    messenger: tuple[MessengerChannel, ...] = ()

    @property
    def key(self) -> str:
        return self.bot

    def channel(self, page_id: str) -> MessengerChannel | None:
        for channel in self.messenger:  # asked for each event
            if channel.page_id == page_id:
                return channel
        return None


class FlowPublished(BaseEvent):
    """One published version of a flow. `ref` is `<flow>@<version>`; it is never edited."""

    type: Literal["flow.published.v1"] = "flow.published.v1"
    ref: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}@[1-9]\d*$")]
    bot: str
    document: Flow

    @property
    def key(self) -> str:
        return self.ref

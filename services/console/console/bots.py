"""Bots: what is edited, what of it is shown, and the record that is published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, SecretStr

from console.operators import BotId
from console.problems import FieldProblem, Refusal, all_invalid
from console.registry import Input, Output
from schemas.bots import DEFAULT_EXPIRY, FALLBACK, PAGE_INBOX_APP, BotSettings, MessengerChannel, TakeoverSettings
from schemas.handover import MAX_GOODBYE, MAX_RETURN
from schemas.messages import ADDRESS
from schemas.pages import Aspect, DefaultApp, Health, PageStatus, Routing

MAX_NAME: Final = 100  # characters
MAX_SECRET: Final = 1000  # characters
MAX_CHANNELS: Final = 50  # pages of one bot
MAX_APPS: Final = 50
MAX_REPLIES: Final = 50
MAX_REPLY: Final = 2000  # characters
SECRETS: Final = ("app_secret", "verify_token", "page_token")

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Fallback = Annotated[str, Field(min_length=1, max_length=MAX_GOODBYE)]
Digits = Annotated[str, Field(pattern=r"^\d{1,32}$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=MAX_SECRET, json_schema_extra={"writeOnly": True})]


# --- what is stored


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot as of now; secrets of its channels are encrypted. `flow_order` grows with each publication."""

    id: str
    name: str
    fallback_text: str
    takeover: TakeoverSettings
    version: int
    flow: str | None
    flow_order: int
    messenger: tuple[MessengerChannel, ...]
    updated_at: datetime
    updated_by: str | None = None

    def channel(self, page: str) -> MessengerChannel | None:
        return next((channel for channel in self.messenger if channel.page_id == page), None)

    def with_channel(self, channel: MessengerChannel) -> "Bot":
        others = [each for each in self.messenger if each.page_id != channel.page_id]
        return replace(self, messenger=tuple(sorted((*others, channel), key=lambda each: each.page_id)))

    def without_channel(self, page: str) -> "Bot":
        return replace(self, messenger=tuple(each for each in self.messenger if each.page_id != page))

    def points_to(self, flow: str, order: int) -> "Bot":
        """The bot with that flow version, unless it has one that was published later."""
        return replace(self, flow=flow, flow_order=order) if order > self.flow_order else self

    def settings(self) -> BotSettings:
        """The record for the topic `bots`; its id says which version of which bot it is."""
        return BotSettings(
            id=f"bot:{self.id}:{self.version}",
            occurred_at=self.updated_at,
            bot=self.id,
            version=self.version,
            name=self.name,
            flow=self.flow,
            takeover=self.takeover,
            fallback_text=self.fallback_text,
            messenger=self.messenger,
        )


# --- what is asked


class NewBot(Input):
    id: BotId
    name: Name
    fallback_text: Fallback = FALLBACK


class BotChange(Input):
    """What is left out stays as it is."""

    name: Name | None = None
    fallback_text: Fallback | None = None


class TakeoverSettingsBody(Input):
    """*Settings > Behaviors > Human Takeover*, all of it. `default_session_expiry` in seconds; null: never."""

    default_session_expiry: Annotated[int, Field(ge=1, le=MAX_RETURN)] | None = DEFAULT_EXPIRY
    counts_from: Literal["first response", "every response"] = "first response"
    back_to_bot_message: Annotated[str, Field(max_length=MAX_GOODBYE)] = ""
    say_after_expiry: bool = False


class ChannelBody(Input):
    """A Facebook page. The secrets are needed the first time; left out later, they stay as they are."""

    page_name: Annotated[str, Field(max_length=200)] = ""
    app_id: Digits
    app_secret: Secret | None = None
    verify_token: Secret | None = None
    page_token: Secret | None = None


class PublishingBody(Input):
    """*Publishing Configuration > Messenger > Notifications*, and what of Facebook's set-up bears on it.

    `human_agent`: operators' answers go out for seven days; the app needs Facebook's Human Agent feature. `operator_name`: what
    the customer sees of an operator's; `operator_picture_url`: shown beside it, empty: the page's picture.
    `has_default_app` counts only while Facebook does not tell whether conversations come back to us; else what it tells does.
    """

    messenger_inbox_notification: bool = False
    page_inbox_app: Digits = PAGE_INBOX_APP
    has_default_app: bool = True
    human_agent: bool = True
    operator_name: Literal["off", "first_name", "full"] = "off"
    operator_picture_url: Annotated[str, Field(pattern=r"^(https://\S+)?$", max_length=ADDRESS)] = ""
    bot_apps: Annotated[tuple[Digits, ...], Field(max_length=MAX_APPS)] = ()
    automatic_replies: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=MAX_REPLY)], ...], Field(max_length=MAX_REPLIES)
    ] = ()


# --- what is shown


class TakeoverSettingsView(Output):
    default_session_expiry: int | None
    counts_from: Literal["first response", "every response"]
    back_to_bot_message: str
    say_after_expiry: bool


class ChannelView(Output):
    """Secrets are never shown, only whether they are set."""

    page_id: str
    page_name: str
    app_id: str
    app_secret_set: bool
    verify_token_set: bool
    page_token_set: bool


class BotView(Output):
    """`version` rises with each change. `flow`: the published version that new conversations follow."""

    id: str
    name: str
    fallback_text: str
    version: int
    flow: str | None
    takeover: TakeoverSettingsView
    messenger: tuple[ChannelView, ...]
    updated_at: AwareDatetime


class TakeoverSettingsAnswer(Output):
    settings: TakeoverSettingsView
    version: int


class PublishingView(Output):
    messenger_inbox_notification: bool
    page_inbox_app: str
    has_default_app: bool
    human_agent: bool
    operator_name: Literal["off", "first_name", "full"]
    operator_picture_url: str
    bot_apps: tuple[str, ...]
    automatic_replies: tuple[str, ...]


class PublishingProblem(Output):
    """A step to do at Facebook, or a choice that cannot be made as things are."""

    code: Literal["no_way_back"]
    text: str


class StepView(Output):
    """What the page's admin does. `older`: in the words that Facebook used before, where they differ."""

    text: str
    older: str


class PageStatusView(Output):
    """One aspect of the page's health. `since`: of this state; `check_at`: by when it is looked at again; `until`: when it

    passes by itself, where that is known.
    """

    aspect: Aspect
    state: Health
    code: str
    reason: str
    steps: tuple[StepView, ...]
    since: AwareDatetime
    checked_at: AwareDatetime
    check_at: AwareDatetime | None
    until: AwareDatetime | None


class RoutingView(Output):
    """How Facebook divides the page's conversations among apps, as far as it tells; null: it does not."""

    default_app: DefaultApp
    older_roles: bool | None
    inbox_is_receiver: bool | None
    has_default_app: bool | None
    set_up: Literal["done_and_main", "main_only", "unknown"]


class PublishingAnswer(Output):
    """`page`: how the page is, by aspect; `routing` null: not looked at yet."""

    configuration: PublishingView
    problems: tuple[PublishingProblem, ...]
    page: tuple[PageStatusView, ...]
    routing: RoutingView | None
    version: int


NO_WAY_BACK: Final = PublishingProblem(
    code="no_way_back",
    text="The page has no default app, so nobody could give a conversation back to the bot: the notification cannot be "
    "switched on. In the page's settings, Advanced Messaging > Conversation Routing, make this app the default app.",
)


def bot_view(bot: Bot) -> BotView:
    return BotView(
        id=bot.id,
        name=bot.name,
        fallback_text=bot.fallback_text,
        version=bot.version,
        flow=bot.flow,
        takeover=takeover_view(bot.takeover),
        messenger=tuple(channel_view(channel) for channel in bot.messenger),
        updated_at=bot.updated_at,
    )


def takeover_view(settings: TakeoverSettings) -> TakeoverSettingsView:
    return TakeoverSettingsView(**settings.model_dump())


def channel_view(channel: MessengerChannel) -> ChannelView:
    return ChannelView(
        page_id=channel.page_id,
        page_name=channel.page_name,
        app_id=channel.app_id,
        app_secret_set=bool(channel.app_secret),
        verify_token_set=bool(channel.verify_token),
        page_token_set=bool(channel.page_token),
    )


def publishing_answer(
    channel: MessengerChannel, version: int, statuses: Sequence[PageStatus], routing: Routing | None
) -> PublishingAnswer:
    return PublishingAnswer(
        configuration=PublishingView(**{name: getattr(channel, name) for name in PublishingView.model_fields}),
        problems=() if channel.has_default_app else (NO_WAY_BACK,),
        page=tuple(_status_view(status) for status in statuses),
        routing=RoutingView(**routing.model_dump()) if routing is not None else None,
        version=version,
    )


def _status_view(status: PageStatus) -> PageStatusView:
    shown = {name: getattr(status, name) for name in PageStatusView.model_fields if name != "steps"}
    return PageStatusView(**shown, steps=tuple(StepView(**step.model_dump()) for step in status.steps))


# --- changes


def changed_channel(
    page: str, body: ChannelBody, before: MessengerChannel | None, encrypt: Callable[[str], str]
) -> MessengerChannel:
    """The page's channel after an edit, its secrets encrypted. Raises `Refusal` where one is missing."""
    given: Mapping[str, SecretStr | None] = {name: getattr(body, name) for name in SECRETS}
    missing = [name for name in SECRETS if given[name] is None and before is None]
    if missing:
        raise all_invalid([FieldProblem(field=name, reason="needed to connect the page") for name in missing])
    kept = {name: getattr(before, name) for name in SECRETS} if before else {}
    new = {name: encrypt(secret.get_secret_value()) for name, secret in given.items() if secret is not None}
    unchanged = before.model_dump(exclude={"page_id", "page_name", "app_id", *SECRETS}) if before else {}
    return MessengerChannel(**{**unchanged, **kept, **new}, page_id=page, page_name=body.page_name, app_id=body.app_id)


def changed_publishing(body: PublishingBody, before: MessengerChannel, routing: Routing | None) -> MessengerChannel:
    """Raises `Refusal` where a conversation could not come back from the Page Inbox."""
    told = routing.has_default_app if routing is not None else None
    way_back = body.has_default_app if told is None else told
    if body.messenger_inbox_notification and not way_back:
        raise _no_way_back()
    return before.model_copy(update={**body.model_dump(), "has_default_app": way_back})


def _no_way_back() -> Refusal:
    return all_invalid([FieldProblem(field="messenger_inbox_notification", reason=NO_WAY_BACK.text)])

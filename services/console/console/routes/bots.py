"""Bots, their settings and their channels."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from console import bots as rules
from console.bots import (
    MAX_CHANNELS,
    Bot,
    BotChange,
    BotView,
    ChannelBody,
    ChannelView,
    NewBot,
    PublishingAnswer,
    PublishingBody,
    TakeoverSettingsAnswer,
    TakeoverSettingsBody,
    bot_view,
    channel_view,
    publishing_answer,
    takeover_view,
)
from console.paging import PageQuery, decoded, encoded
from console.paths import BotPath, ChannelPath
from console.preconditions import etag, wanted_version
from console.problems import refuse, unknown
from console.registry import Call, Nothing, Output, Reply, Routes
from console.repository import bots as repository
from console.repository.bots import Edit
from console.services import Services
from schemas.bots import TakeoverSettings

routes = Routes("Bots")

P = TypeVar("P", bound=BotPath)
B = TypeVar("B", bound=BaseModel)


class BotPage(Output):
    items: tuple[BotView, ...]
    next: str | None


class ChannelList(Output):
    items: tuple[ChannelView, ...]
    version: int


class ChannelAnswer(ChannelView):
    """`version`: of the bot, after the change."""

    version: int


@routes.route("GET", "/bots", "listBots", query=PageQuery, responses={200: BotPage})
async def list_bots(call: Call[Nothing, PageQuery, Nothing]) -> Reply:
    """The operator's bots, by id."""
    after = decoded(call.query.cursor, 1)
    found = await repository.list_bots(
        call.services.pool, call.operator.visible_bots, after[0] if after else "", call.query.limit + 1
    )
    items = tuple(bot_view(bot) for bot in found[: call.query.limit])
    more = len(found) > call.query.limit
    return Reply(200, BotPage(items=items, next=encoded(items[-1].id) if more else None))


@routes.route("POST", "/bots", "createBot", body=NewBot, responses={201: BotView}, problems=(409,))
async def create_bot(call: Call[Nothing, Nothing, NewBot]) -> Reply:
    """Makes a bot; it says nothing until a flow is published and a page is connected."""
    body = call.body
    bot = Bot(
        id=body.id,
        name=body.name,
        fallback_text=body.fallback_text,
        takeover=TakeoverSettings(),
        version=1,
        flow=None,
        flow_order=0,
        messenger=(),
        updated_at=call.services.now(),
        updated_by=call.operator.id,
    )
    await repository.add_bot(call.services.pool, bot)
    call.services.relay.wake()
    return Reply(201, bot_view(bot), etag(bot.version))


@routes.route("GET", "/bots/{bot}", "getBot", path_model=BotPath, responses={200: BotView})
async def get_bot(call: Call[BotPath, Nothing, Nothing]) -> Reply:
    """A bot with its settings and channels."""
    bot = await repository.get_bot(call.services.pool, call.path.bot)
    return Reply(200, bot_view(bot), etag(bot.version))


@routes.route(
    "PATCH", "/bots/{bot}", "updateBot", path_model=BotPath, body=BotChange, responses={200: BotView}, if_match=True
)
async def update_bot(call: Call[BotPath, Nothing, BotChange]) -> Reply:
    """Changes a bot's name or fallback text."""
    body = call.body

    def change(bot: Bot) -> Bot:
        return replace(bot, name=body.name or bot.name, fallback_text=body.fallback_text or bot.fallback_text)

    bot = await _changed(call, change)
    return Reply(200, bot_view(bot), etag(bot.version))


@routes.route(
    "GET",
    "/bots/{bot}/settings/human-takeover",
    "getTakeoverSettings",
    path_model=BotPath,
    responses={200: TakeoverSettingsAnswer},
)
async def get_takeover_settings(call: Call[BotPath, Nothing, Nothing]) -> Reply:
    """*Settings > Behaviors > Human Takeover*."""
    bot = await repository.get_bot(call.services.pool, call.path.bot)
    return _settings(bot)


@routes.route(
    "PUT",
    "/bots/{bot}/settings/human-takeover",
    "putTakeoverSettings",
    path_model=BotPath,
    body=TakeoverSettingsBody,
    responses={200: TakeoverSettingsAnswer},
    if_match=True,
)
async def put_takeover_settings(call: Call[BotPath, Nothing, TakeoverSettingsBody]) -> Reply:
    """*Settings > Behaviors > Human Takeover*: takes force for sessions that begin later."""
    settings = TakeoverSettings(**call.body.model_dump())
    return _settings(await _changed(call, lambda bot: replace(bot, takeover=settings)))


@routes.route(
    "GET",
    "/bots/{bot}/channels/messenger",
    "listMessengerChannels",
    path_model=BotPath,
    responses={200: ChannelList},
)
async def list_messenger_channels(call: Call[BotPath, Nothing, Nothing]) -> Reply:
    """The Facebook pages that the bot answers for."""
    bot = await repository.get_bot(call.services.pool, call.path.bot)
    items = tuple(channel_view(channel) for channel in bot.messenger)
    return Reply(200, ChannelList(items=items, version=bot.version), etag(bot.version))


@routes.route(
    "PUT",
    "/bots/{bot}/channels/messenger/{page}",
    "putMessengerChannel",
    path_model=ChannelPath,
    body=ChannelBody,
    responses={200: ChannelAnswer},
    problems=(409,),
    if_match=True,
)
async def put_messenger_channel(call: Call[ChannelPath, Nothing, ChannelBody]) -> Reply:
    """Connects a Facebook page, or changes how it is connected. Secrets are written and never shown."""
    body, page, encrypt = call.body, call.path.page, call.services.box.encrypt

    def change(bot: Bot) -> Bot:
        before = bot.channel(page)
        if before is None and len(bot.messenger) >= MAX_CHANNELS:
            raise refuse(409, "too_many_pages", "The bot has as many pages as it can.", f"At most {MAX_CHANNELS}.")
        return bot.with_channel(rules.changed_channel(page, body, before, encrypt))

    bot = await _changed(call, change)
    channel = bot.channel(page)
    if channel is None:
        raise unknown("page")
    answer = ChannelAnswer(**channel_view(channel).model_dump(), version=bot.version)
    return Reply(200, answer, etag(bot.version))


@routes.route(
    "DELETE",
    "/bots/{bot}/channels/messenger/{page}",
    "deleteMessengerChannel",
    path_model=ChannelPath,
    responses={204: None},
    if_match=True,
)
async def delete_messenger_channel(call: Call[ChannelPath, Nothing, Nothing]) -> Reply:
    """Disconnects a Facebook page; its secrets are forgotten."""
    page = call.path.page

    def change(bot: Bot) -> Bot:
        if bot.channel(page) is None:
            raise unknown("page")
        return bot.without_channel(page)

    bot = await _changed(call, change)
    return Reply(204, headers=etag(bot.version))


@routes.route(
    "GET",
    "/bots/{bot}/publishing/messenger/{page}",
    "getMessengerPublishing",
    path_model=ChannelPath,
    responses={200: PublishingAnswer},
)
async def get_messenger_publishing(call: Call[ChannelPath, Nothing, Nothing]) -> Reply:
    """*Publishing Configuration > Messenger > Notifications*, with what there is to do at Facebook."""
    bot = await repository.get_bot(call.services.pool, call.path.bot)
    return _publishing(call.services, bot, call.path.page)


@routes.route(
    "PUT",
    "/bots/{bot}/publishing/messenger/{page}",
    "putMessengerPublishing",
    path_model=ChannelPath,
    body=PublishingBody,
    responses={200: PublishingAnswer},
    if_match=True,
)
async def put_messenger_publishing(call: Call[ChannelPath, Nothing, PublishingBody]) -> Reply:
    """*Enable Human Takeover Notification via Messenger Inbox*, and what of Facebook's set-up bears on it."""
    body, page = call.body, call.path.page

    def change(bot: Bot) -> Bot:
        before = bot.channel(page)
        if before is None:
            raise unknown("page")
        return bot.with_channel(rules.changed_publishing(body, before, call.services.pages.routing(page)))

    return _publishing(call.services, await _changed(call, change), page)


async def _changed(call: Call[P, Nothing, B], change: Callable[[Bot], Bot]) -> Bot:
    services: Services = call.services
    edit = Edit(by=call.operator.id, at=services.now(), version=wanted_version(call.request.headers))
    changed = await repository.change_bot(services.pool, call.path.bot, edit, change)
    services.relay.wake()
    return changed


def _settings(bot: Bot) -> Reply:
    answer = TakeoverSettingsAnswer(settings=takeover_view(bot.takeover), version=bot.version)
    return Reply(200, answer, etag(bot.version))


def _publishing(services: Services, bot: Bot, page: str) -> Reply:
    channel = bot.channel(page)
    if channel is None:
        raise unknown("page")
    known = services.pages
    answer = publishing_answer(channel, bot.version, known.statuses(page), known.routing(page))
    return Reply(200, answer, etag(bot.version))

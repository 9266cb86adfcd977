"""Bots and their channels. Each change raises the version and puts the whole bot into the outbox, in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from console.bots import Bot
from console.preconditions import check_version
from console.problems import refuse, unknown
from console.projection import Row
from runtime import tracing
from runtime.outbox import enqueue
from runtime.postgres import Connection, Pool, statements, transaction
from runtime.records import Outgoing
from schemas.bots import MessengerChannel, TakeoverSettings
from schemas.topics import BOTS

_SQL: Final = statements("console")
CHANNEL_COLUMNS: Final = (
    "page_id",
    "page_name",
    "app_id",
    "app_secret",
    "verify_token",
    "page_token",
    "messenger_inbox_notification",
    "page_inbox_app",
    "has_default_app",
    "bot_apps",
    "automatic_replies",
    "human_agent",
    "operator_name",
    "operator_picture_url",
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a bot: who makes it, when, and to which version (None: whatever is there)."""

    by: str | None
    at: datetime
    version: int | None


async def get_bot(source: Pool | Connection, bot: str) -> Bot:
    """Raises `Refusal` (404)."""
    row = await source.fetchrow(_SQL["bot_get"], bot)
    if row is None:
        raise unknown("bot")
    return _bot(row, await _channels(source, [bot]))


async def list_bots(pool: Pool, bots: Sequence[str] | None, after: str, limit: int) -> list[Bot]:
    """`bots` None: all."""
    rows = await pool.fetch(_SQL["bot_list"], None if bots is None else list(bots), after, limit)
    channels = await _channels(pool, [row["id"] for row in rows])
    return [_bot(row, channels) for row in rows]


async def bot_ids(pool: Pool) -> list[str]:
    return [row["id"] for row in await pool.fetch(_SQL["bot_ids"])]


async def add_bot(pool: Pool, bot: Bot) -> Bot:
    """Raises `Refusal` (409)."""
    async with transaction(pool) as tx:
        added = await tx.fetchval(
            _SQL["bot_add"],
            bot.id,
            bot.name,
            bot.fallback_text,
            bot.takeover.model_dump_json(),
            bot.updated_at,
            bot.updated_by,
        )
        if added is None:
            raise refuse(409, "bot_taken", "A bot has this id already.", field="id")
        await _announce(tx, bot)
    return bot


async def change_bot(pool: Pool, bot: str, edit: Edit, change: Callable[[Bot], Bot]) -> Bot:
    """The bot after `change`; one that changes nothing makes no version. Raises `Refusal`: 404, 409, 412."""
    async with transaction(pool) as tx:
        return await change_bot_in(tx, bot, edit, change)


async def change_bot_in(tx: Connection, bot: str, edit: Edit, change: Callable[[Bot], Bot]) -> Bot:
    """As `change_bot`, in the caller's transaction; the bot's row stays locked, so its versions go out in order."""
    row = await tx.fetchrow(_SQL["bot_lock"], bot)
    if row is None:
        raise unknown("bot")
    before = _bot(row, await _channels(tx, [bot]))
    check_version(edit.version, before.version)
    changed = change(before)
    if changed == before:
        return before
    after = replace(changed, version=before.version + 1, updated_at=edit.at, updated_by=edit.by)
    await tx.execute(
        _SQL["bot_store"],
        after.id,
        after.name,
        after.fallback_text,
        after.takeover.model_dump_json(),
        after.version,
        after.flow,
        after.flow_order,
        after.updated_at,
        after.updated_by,
    )
    await _store_channels(tx, before, after)
    await _announce(tx, after)
    return after


async def adopt_way_back(pool: Pool, page: str, *, way_back: bool, at: datetime) -> bool:
    """Facebook tells whether the page's conversations find their way back to us; returns whether that is news."""
    async with transaction(pool) as tx:
        bot = await tx.fetchval(_SQL["channel_bot"], page)
        if bot is None:
            return False
        before = await get_bot(tx, bot)
        known = before.channel(page)
        if known is None or known.has_default_app == way_back:
            return False

        def change(found: Bot) -> Bot:
            channel = found.channel(page)
            if channel is None:
                return found
            return found.with_channel(channel.model_copy(update={"has_default_app": way_back}))

        return await change_bot_in(tx, bot, Edit(by=None, at=at, version=None), change) != before


async def uses_human_agent(pool: Pool, page: str) -> bool:
    """Whether operators' answers go out under the tag; so too for a page that no bot has any more."""
    found: bool | None = await pool.fetchval(_SQL["channel_human_agent"], page)
    return found is not False


async def _announce(tx: Connection, bot: Bot) -> None:
    await enqueue(tx, [Outgoing(BOTS, bot.settings(), tracing.current())])


async def _store_channels(tx: Connection, before: Bot, after: Bot) -> None:
    kept = {channel.page_id for channel in after.messenger}
    for channel in before.messenger:
        if channel.page_id not in kept:
            await tx.fetchval(_SQL["channel_remove"], channel.page_id, before.id)
    for channel in after.messenger:
        if channel != before.channel(channel.page_id):
            page, *others = (_column(getattr(channel, name)) for name in CHANNEL_COLUMNS)
            if await tx.fetchval(_SQL["channel_store"], page, after.id, *others) is None:
                raise refuse(409, "page_taken", "Another bot has this page.", field="page")


def _column(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


async def _channels(source: Pool | Connection, bots: Iterable[str]) -> dict[str, list[MessengerChannel]]:
    found: dict[str, list[MessengerChannel]] = {}
    for row in await source.fetch(_SQL["channel_list"], list(bots)):
        channel = MessengerChannel(**{name: row[name] for name in CHANNEL_COLUMNS})
        found.setdefault(row["bot"], []).append(channel)
    return found


def _bot(row: Row, channels: Mapping[str, Sequence[MessengerChannel]]) -> Bot:
    return Bot(
        id=row["id"],
        name=row["name"],
        fallback_text=row["fallback_text"],
        takeover=TakeoverSettings.model_validate_json(row["takeover_text"]),
        version=row["version"],
        flow=row["flow"],
        flow_order=row["flow_order"],
        messenger=tuple(channels.get(row["id"], ())),
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
    )

"""Secrets at rest are encrypted anew under the first key, bot by bot: each bot is one transaction, so it may end anywhere

and be repeated; what is under the first key already stays as it is.
"""

from dataclasses import dataclass
from datetime import datetime

from console.bots import SECRETS, Bot
from console.problems import Refusal
from console.repository import bots as repository
from console.repository.bots import Edit
from runtime.postgres import Pool
from runtime.secrets import SecretBox, Undecryptable
from schemas.bots import MessengerChannel


@dataclass(frozen=True, slots=True)
class Rotated:
    """`changed`, `current`: secrets that were, or would be, encrypted anew, and those that need not be. `unreadable`: pages."""

    bots: int
    changed: int
    current: int
    unreadable: tuple[str, ...]


async def rotate(pool: Pool, box: SecretBox, at: datetime, *, dry_run: bool) -> Rotated:
    """Each changed bot gets a new version, which the running console publishes."""
    bots = changed = current = 0
    unreadable: list[str] = []
    for name in await repository.bot_ids(pool):
        try:
            before = await repository.get_bot(pool, name)
            readable = [channel for channel in before.messenger if _readable(channel, box)]
            unreadable += [channel.page_id for channel in before.messenger if channel not in readable]
            secrets = [getattr(channel, name) for channel in readable for name in SECRETS]
            old = sum(not box.is_under_first_key(secret) for secret in secrets)
            current += len(secrets) - old
            if old and not dry_run:
                edit = Edit(by=None, at=at, version=None)
                await repository.change_bot(pool, name, edit, lambda bot: _renewed(bot, box))
            changed, bots = changed + old, bots + bool(old)
        except Refusal:
            continue  # the bot was deleted meanwhile
    return Rotated(bots, changed, current, tuple(unreadable))


def _readable(channel: MessengerChannel, box: SecretBox) -> bool:
    try:
        for name in SECRETS:
            box.decrypt(getattr(channel, name))
    except Undecryptable:
        return False
    return True


def _renewed(bot: Bot, box: SecretBox) -> Bot:
    for channel in bot.messenger:
        if _readable(channel, box):
            new = {name: box.under_first_key(getattr(channel, name)) for name in SECRETS}
            bot = bot.with_channel(channel.model_copy(update=new))
    return bot

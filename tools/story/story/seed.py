"""The example bot: its flow published, its page connected, its settings. May be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import yaml
from pydantic import SecretStr

from story import page_token
from story.channel_file import BadChannelFile, ChannelFile, read_channel
from story.doors import Console, Facebook, Refused

__all__ = ["BadChannelFile", "Refused", "import_channel", "read_channel", "refused_page", "seed"]

BOT = "salon"  # also that of a channel file that names none
NAME = "Salon Mira"
FLOW = "salon"
NOTE = "The example flow"
BACK = "You are talking to our assistant again."
APP = "640571102938471"
PAGE = "104821769032215"
PAGE_NAME = "Salon Mira"

Say = Callable[[str], None]


class Places(Protocol):
    @property
    def console(self) -> str: ...
    @property
    def ingress(self) -> str: ...
    @property
    def graph(self) -> str: ...
    @property
    def facebook(self) -> str | None: ...
    @property
    def mail(self) -> str | None: ...


class Login(Protocol):
    @property
    def email(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def app_secret(self) -> str: ...
    @property
    def verify_token(self) -> str: ...
    @property
    def page_token(self) -> str: ...


async def seed(places: Places, login: Login, *, say: Say) -> None:
    """The bot, its published flow and settings; with Facebook in a box also its page. Raises Refused.

    What somebody has changed since the first time stays as it is.
    """
    async with Console(places.console) as console:
        await console.sign_in(login.email, login.password)
        await make_bot(console, BOT, NAME)
        is_new = (await console.ask("GET", f"/bots/{BOT}"))["flow"] is None
        if is_new:
            await console.ask("PUT", f"/bots/{BOT}/settings/human-takeover", SETTINGS, **{"If-Match": "*"})
        if places.facebook is not None:
            await connect(console, channel_of_box(login))
            if is_new:
                await set_notification(console, BOT, PAGE, on=True)
            await shake_hands(places.facebook, say)
        version = await publish(console, say)  # last: a start that breaks off before it is begun anew
        say(f"The bot {NAME} answers with {version}.")


async def shake_hands(facebook: str, say: Say) -> None:
    """Facebook in a box verifies the webhook, which knows the page by now."""
    async with Facebook(facebook) as box:
        answer = await box.ask("POST", f"/box/apps/{APP}/verify", {})
        if not answer["verified"]:
            say(f"Facebook in a box could not verify the webhook: {answer['detail']}")


SETTINGS = {
    "default_session_expiry": 3600,
    "counts_from": "first response",
    "back_to_bot_message": BACK,
    "say_after_expiry": False,
}


async def make_bot(console: Console, bot: str, name: str) -> None:
    try:
        await console.ask("POST", "/bots", {"id": bot, "name": name})
    except Refused as refused:
        if refused.status != 409:  # it is there already
            raise


def example_flow() -> str:
    return (files("flow_engine") / "examples" / "salon.yaml").read_text("utf-8")


async def publish(console: Console, say: Say) -> str:
    """Publishes the example flow, unless that very document is published already, or somebody has changed it."""
    document = yaml.safe_load(example_flow())
    path = f"/bots/{BOT}/flows/{FLOW}"
    versions = (await console.ask("GET", f"{path}/versions"))["items"] if await has_draft(console, path) else []
    bot = await console.ask("GET", f"/bots/{BOT}")
    if bot["flow"] and bot["flow"].rpartition("@")[0] != FLOW:
        return str(bot["flow"])
    if bot["flow"] and versions:
        latest = await console.ask("GET", f"{path}/versions/{bot['flow'].rpartition('@')[2]}")
        draft = (await console.ask("GET", f"{path}/draft"))["document"]
        if latest["document"] == document or latest["document"] != draft or latest["note"] != NOTE:
            return str(bot["flow"])
    draft = await console.ask("PUT", f"{path}/draft", document, **{"If-Match": "*"})
    for problem in draft["problems"]:
        say(f"{problem['severity']}: {problem['block']}: {problem['text']}")
    body = {"note": NOTE}
    version = await console.ask("POST", f"{path}/publish", body, **{"If-Match": f'"{draft["revision"]}"'})
    return str(version["ref"])


async def has_draft(console: Console, path: str) -> bool:
    try:
        await console.ask("GET", f"{path}/draft")
    except Refused as refused:
        if refused.status == 404:
            return False
        raise
    return True


def channel_of_box(login: Login) -> ChannelFile:
    return ChannelFile(
        page_id=PAGE,
        page_name=PAGE_NAME,
        app_id=APP,
        app_secret=SecretStr(login.app_secret),
        verify_token=SecretStr(login.verify_token),
        page_token=SecretStr(login.page_token),
        messenger_inbox_notification=True,
    )


async def connect(console: Console, channel: ChannelFile) -> None:
    secrets = {name: getattr(channel, name).get_secret_value() for name in ("app_secret", "verify_token", "page_token")}
    body = {"page_name": channel.page_name, "app_id": channel.app_id, **secrets}
    path = f"/bots/{channel.bot}/channels/messenger/{channel.page_id}"
    await console.ask("PUT", path, body, **{"If-Match": "*"})


async def set_notification(console: Console, bot: str, page: str, *, on: bool) -> None:
    """*Enable Human Takeover Notification via Messenger Inbox*."""
    path = f"/bots/{bot}/publishing/messenger/{page}"
    configuration = (await console.ask("GET", path))["configuration"]
    changed = {**configuration, "messenger_inbox_notification": on}
    await console.ask("PUT", path, changed, **{"If-Match": "*"})


async def import_channel(places: Places, login: Login, file: Path, *, say: Say) -> None:
    """A Messenger channel from a YAML file. Raises BadChannelFile, Refused."""
    channel = read_channel(file)
    async with Console(places.console) as console:
        await console.sign_in(login.email, login.password)
        await make_bot(console, channel.bot, NAME if channel.bot == BOT else channel.bot)
        await connect(console, channel)
        await set_notification(console, channel.bot, channel.page_id, on=channel.messenger_inbox_notification)
    say(
        f"Page {channel.page_id} is connected to the bot {channel.bot}. Facebook's callback URL is "
        "<your public address>/webhooks/messenger; its verify token is the one in the file."
    )


@dataclass(frozen=True, slots=True)
class RefusedPage:
    """`text`: what Facebook says, and where to mend it. `in_story`: the page is the one that the story plays on."""

    text: str
    in_story: bool


async def refused_page(places: Places, login: Login, channel: Path | None) -> RefusedPage | None:
    """None when Facebook takes the page token that was connected last.

    With a file that is the file's page, else that of Facebook in a box, which is asked like Facebook. Raises
    BadChannelFile.
    """
    if channel is not None:
        found, mend = read_channel(channel), f"put a token of this page into {channel}, field page_token"
    elif places.facebook is not None:
        found, mend = channel_of_box(login), "unset CONVOBOSS_FACEBOOK_PAGE_TOKEN"
    else:
        return None
    text = await page_token.complaint(places.graph, found, mend)
    return RefusedPage(text, found.page_id == PAGE and places.facebook is not None) if text else None

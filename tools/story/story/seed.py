"""The example bot: its flow published, its page connected, its settings. May be repeated."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from story.doors import Console, Facebook, Refused

BOT = "salon"
NAME = "Salon Mira"
FLOW = "salon"
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


class BadChannelFile(Exception):
    """The channel file cannot be used; the text names the field and what it should be."""


class ChannelFile(BaseModel):
    """A Messenger channel as a person writes it down. Secrets go to the console only, encrypted at rest."""

    model_config = ConfigDict(extra="forbid")

    bot: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = BOT
    page_id: Annotated[str, Field(pattern=r"^\d{1,32}$")]
    page_name: str = ""
    app_id: Annotated[str, Field(pattern=r"^\d{1,32}$")]
    app_secret: SecretStr
    verify_token: SecretStr
    page_token: SecretStr
    messenger_inbox_notification: bool = False


async def seed(places: Places, login: Login, *, say: Say) -> None:
    """The bot, its published flow and settings; with Facebook in a box also its page. Raises Refused."""
    async with Console(places.console) as console:
        await console.sign_in(login.email, login.password)
        await make_bot(console, BOT, NAME)
        version = await publish(console, say)
        await console.ask("PUT", f"/bots/{BOT}/settings/human-takeover", SETTINGS, **{"If-Match": "*"})
        if places.facebook is not None:
            await connect(console, channel_of_box(login))
            await shake_hands(places.facebook, say)
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
    """Publishes the example flow, unless that very document is published already."""
    document = yaml.safe_load(example_flow())
    path = f"/bots/{BOT}/flows/{FLOW}"
    versions = (await console.ask("GET", f"{path}/versions"))["items"] if await has_draft(console, path) else []
    bot = await console.ask("GET", f"/bots/{BOT}")
    if bot["flow"] and versions:
        latest = await console.ask("GET", f"{path}/versions/{bot['flow'].rpartition('@')[2]}")
        if latest["document"] == (await console.ask("GET", f"{path}/draft"))["document"]:
            return str(bot["flow"])
    draft = await console.ask("PUT", f"{path}/draft", document, **{"If-Match": "*"})
    for problem in draft["problems"]:
        say(f"{problem['severity']}: {problem['block']}: {problem['text']}")
    body = {"note": "The example flow"}
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
    await set_notification(console, channel.bot, channel.page_id, on=channel.messenger_inbox_notification)


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
    say(
        f"Page {channel.page_id} is connected to the bot {channel.bot}. Facebook's callback URL is "
        "<your public address>/webhooks/messenger; its verify token is the one in the file."
    )


def read_channel(file: Path) -> ChannelFile:
    """Raises BadChannelFile, which names the field and never shows a secret."""
    try:
        return ChannelFile.model_validate(yaml.safe_load(file.read_text("utf-8")))
    except OSError as error:
        raise BadChannelFile(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        raise BadChannelFile(f"{file}{line} is not YAML.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise BadChannelFile(f"{file}: {field}: {first['msg']}.") from None

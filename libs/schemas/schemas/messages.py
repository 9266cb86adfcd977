"""What customers, bots and people say: content only, no addressing."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Document, Word

QUICK_REPLY_TITLE = 20  # characters; Facebook cuts longer ones
QUICK_REPLIES = 13
BUTTONS = 3
PAYLOAD = 1000  # characters
TEXT = 2000  # characters; Facebook takes fewer than this
BUTTON_TEXT = 640  # characters of text above buttons
MAX_TYPING = 3.0  # seconds shown as typing before a message


class Attachment(Document):
    """A file, picture, sticker, place or shared thing, as the channel described it."""

    kind: str
    url: str | None = None
    title: str | None = None
    sticker_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class CustomerInput(Document):
    """What a customer did: wrote, clicked a quick reply, or pressed a button (postback)."""

    kind: Literal["text", "quick_reply", "postback"] = "text"
    text: str = ""
    payload: str | None = None
    attachments: tuple[Attachment, ...] = ()


class QuickReply(Document):
    title: Annotated[str, Field(min_length=1, max_length=QUICK_REPLY_TITLE)]
    payload: Annotated[str, Field(min_length=1, max_length=PAYLOAD)]


class Button(Document):
    """A button under a text: a link (`url`) or a postback (`payload`)."""

    title: Annotated[str, Field(min_length=1, max_length=QUICK_REPLY_TITLE)]
    payload: Annotated[str, Field(max_length=PAYLOAD)] | None = None
    url: str | None = None


class OutMessage(Document):
    """One message to a customer. `block` is the flow block that says it, empty for people and greetings."""

    text: Annotated[str, Field(max_length=TEXT)] = ""
    image_url: str | None = None
    quick_replies: Annotated[tuple[QuickReply, ...], Field(max_length=QUICK_REPLIES)] = ()
    buttons: Annotated[tuple[Button, ...], Field(max_length=BUTTONS)] = ()
    typing: Annotated[float, Field(ge=0, le=MAX_TYPING)] = 0.0
    block: str = ""


class Speaker(Word):
    CUSTOMER = "customer"
    BOT = "bot"
    OPERATOR = "operator"
    STAFF = "staff"
    """Somebody who answered in Facebook's Page Inbox."""


class Person(Document):
    """An operator, as the console knows them."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=100)]


class Profile(Document):
    """What the channel tells of a customer."""

    first_name: str = ""
    last_name: str = ""
    picture_url: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Said(Document):
    """One line of a conversation, short: for e-mails and for refusals that show what was newer."""

    seq: int
    speaker: Speaker
    by: str = ""
    """The operator's id; empty for the others."""
    name: str = ""
    text: str

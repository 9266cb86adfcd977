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
CARDS = 10
CARD_TITLE = 80  # characters of a card's title, and of its subtitle
ADDRESS = 2000  # characters of a web address
PHONE_PATTERN = r"^\+[1-9]\d{4,14}$"
"""Country code and number, as a phone button needs it. Source: ITU-T E.164."""
MAX_TYPING = 3.0  # seconds shown as typing before a message


class Attachment(Document):
    """A file, picture, sticker, place or shared thing, as the channel described it."""

    kind: str
    url: str | None = None
    title: str | None = None
    sticker_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    reference: str | None = None
    """The channel's own id of what is shared: a reel, a post, a product."""


class Quoted(Document):
    """What a message answers: another message by `mid` (which may be none that we know), or a story of the page."""

    mid: str = ""
    own: bool = False
    """The customer quotes themselves."""
    story_id: str = ""
    story_url: str = ""


class Referral(Document):
    """By which link, ad or shop a customer came. `kind`: OPEN_THREAD, LEAD_COMPLETE, …; empty: not told."""

    ref: str = ""
    source: str = ""
    kind: str = ""
    ad_id: str = ""


class CustomerInput(Document):
    """What a customer did: wrote, clicked a quick reply, or pressed a button (postback)."""

    kind: Literal["text", "quick_reply", "postback"] = "text"
    text: str = ""
    payload: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reply_to: Quoted | None = None
    referral: Referral | None = None


class QuickReply(Document):
    """An answer to press. `kind` `email` or `phone`: the channel shows the customer's own in place of the title and sends it

    as what the customer wrote; where it knows none, it shows nothing.
    """

    title: Annotated[str, Field(min_length=1, max_length=QUICK_REPLY_TITLE)]
    payload: Annotated[str, Field(min_length=1, max_length=PAYLOAD)]
    kind: Literal["text", "email", "phone"] = "text"


class Button(Document):
    """A button under a text or a card: a link (`url`), a call (`phone`), or a postback (`payload`)."""

    title: Annotated[str, Field(min_length=1, max_length=QUICK_REPLY_TITLE)]
    payload: Annotated[str, Field(max_length=PAYLOAD)] | None = None
    url: str | None = None
    phone: Annotated[str, Field(pattern=PHONE_PATTERN)] | None = None


MediaKind = Literal["image", "audio", "video", "file"]


class Media(Document):
    """A file that the channel fetches from its address; at most 25 MB on Messenger."""

    kind: MediaKind
    url: Annotated[str, Field(max_length=ADDRESS)]


class Card(Document):
    """A card of a carousel. `url`: the page that a press of the card opens."""

    title: Annotated[str, Field(min_length=1, max_length=CARD_TITLE)]
    subtitle: Annotated[str, Field(max_length=CARD_TITLE)] = ""
    image_url: Annotated[str, Field(max_length=ADDRESS)] | None = None
    url: Annotated[str, Field(max_length=ADDRESS)] | None = None
    buttons: Annotated[tuple[Button, ...], Field(max_length=BUTTONS)] = ()


class OutMessage(Document):
    """One message to a customer: image, file, text with its buttons and cards, in this order; quick replies go with the last.

    `block` is the flow block that says it, empty for people and greetings.
    """

    text: Annotated[str, Field(max_length=TEXT)] = ""
    image_url: str | None = None
    quick_replies: Annotated[tuple[QuickReply, ...], Field(max_length=QUICK_REPLIES)] = ()
    buttons: Annotated[tuple[Button, ...], Field(max_length=BUTTONS)] = ()
    typing: Annotated[float, Field(ge=0, le=MAX_TYPING)] = 0.0
    block: str = ""
    media: Media | None = None
    cards: Annotated[tuple[Card, ...], Field(max_length=CARDS)] = ()

    @property
    def says_something(self) -> bool:
        return bool(self.text or self.image_url or self.media or self.cards)

    @property
    def preview(self) -> str:
        """A line for lists and e-mails."""
        if self.text:
            return self.text
        if self.cards:
            return " | ".join(card.title for card in self.cards)
        if self.media is not None:
            return f"[{self.media.kind}]"
        return "[image]" if self.image_url else ""


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

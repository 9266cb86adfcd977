"""The flow document: what a bot says, asks and decides, drawn as blocks and wires.

A document is checked by `schemas.flows.check` before it is published; a published version is never edited.
Limits of texts and titles: https://developers.facebook.com/docs/messenger-platform/reference/send-api (text, quick
replies), .../reference/templates/button (text above buttons) and .../reference/templates/generic (cards). Facebook publishes
none for addresses; 2000 characters is what browsers and its own tools take.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field

from schemas.base import Document
from schemas.handover import MAX_GOODBYE, MAX_RETURN, HumanTakeover, Port
from schemas.messages import (
    ADDRESS,
    BUTTON_TEXT,
    BUTTONS,
    CARD_TITLE,
    CARDS,
    MAX_TYPING,
    PHONE_PATTERN,
    QUICK_REPLIES,
    QUICK_REPLY_TITLE,
    TEXT,
    MediaKind,
)

MAX_BLOCKS: Final = 1000
MAX_WIRES: Final = 5000
MAX_KEYWORDS: Final = 500
MAX_BRANCHES: Final = 20
MAX_COMPARISONS: Final = 10
MAX_ATTEMPTS: Final = 10
MAX_TEXT: Final = TEXT - 1  # characters; the channel takes fewer than TEXT
MAX_DOCUMENT: Final = 800_000  # bytes of JSON; with what surrounds it a record has to stay below 900 kB

NEXT: Final = "next"
FAILED: Final = "failed"
ELSE: Final = "else"

GO_PAYLOAD: Final = "convoboss:go:"
CHOICE_PAYLOAD: Final = "convoboss:choice:"
PLAIN_PAYLOAD: Final = "convoboss:text"
"""The payload of a quick reply or button that leads nowhere: its title counts as what the customer wrote."""

BlockId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
PortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Title = Annotated[str, Field(min_length=1, max_length=QUICK_REPLY_TITLE, coerce_numbers_to_str=True)]
Text = Annotated[str, Field(max_length=MAX_TEXT, coerce_numbers_to_str=True)]
WebAddress = Annotated[str, Field(pattern=r"^https?://\S+$", max_length=ADDRESS)]
Phone = Annotated[str, Field(pattern=PHONE_PATTERN)]
CardTitle = Annotated[str, Field(min_length=1, max_length=CARD_TITLE, coerce_numbers_to_str=True)]
CardSubtitle = Annotated[str, Field(max_length=CARD_TITLE, coerce_numbers_to_str=True)]
Typing = Annotated[float, Field(ge=0, le=MAX_TYPING)]


def jump_payload(block: str) -> str:
    """The payload by which a press goes on at `block`, from anywhere in the flow."""
    return GO_PAYLOAD + block


def parse_jump(payload: str | None) -> str | None:
    """The block that a payload of `jump_payload` names; None for every other payload."""
    return payload.removeprefix(GO_PAYLOAD) if payload and payload.startswith(GO_PAYLOAD) else None


def choice_payload(block: str, choice: str) -> str:
    """The payload of a question's choice."""
    return f"{CHOICE_PAYLOAD}{block}:{choice}"


def parse_choice(payload: str | None) -> tuple[str, str] | None:
    """Question and choice that a payload of `choice_payload` names; None for every other payload."""
    if not payload or not payload.startswith(CHOICE_PAYLOAD):
        return None
    block, _, choice = payload.removeprefix(CHOICE_PAYLOAD).partition(":")
    return block, choice


class Choice(Document):
    """A quick reply. `id` is the name of its port."""

    id: PortName
    title: Title

    def payload(self, target: str | None) -> str:
        """What a press of it sends, when its port leads to `target`."""
        return PLAIN_PAYLOAD if target is None else jump_payload(target)


class FlowButton(Choice):
    """A button under a text or a card. With `url` it opens a page, with `phone` it calls; then it has no port."""

    url: WebAddress | None = None
    phone: Phone | None = None

    @property
    def has_port(self) -> bool:
        return self.url is None and self.phone is None


class FlowMedia(Document):
    """A picture, a sound, a video or another file, by its address. The channel fetches it, up to 25 MB."""

    kind: MediaKind
    url: WebAddress


class FlowCard(Document):
    """A card of a carousel. `url`: the page that a press of the card opens."""

    title: CardTitle
    subtitle: CardSubtitle = ""
    image_url: WebAddress | None = None
    url: WebAddress | None = None
    buttons: Annotated[tuple[FlowButton, ...], Field(max_length=BUTTONS)] = ()


class Filled(NamedTuple):
    """A text of a block that may hold `{{attribute}}`. `limit`: UTF-16 units that it may have when said; None: it is not."""

    field: str
    text: str
    limit: int | None = None


class Placed(Document):
    """What all blocks have: a name for people, and a place on a canvas."""

    name: Annotated[str, Field(max_length=100)] = ""
    x: float | None = None
    y: float | None = None

    def ports(self) -> tuple[str, ...]:
        """The ways out, in the order in which a page shows them."""
        return (NEXT,)

    def needed_ports(self) -> tuple[str, ...]:
        """Those whose missing wire leaves a customer without an answer."""
        return (NEXT,)

    def texts(self) -> tuple[Filled, ...]:
        """All that may hold `{{attribute}}`."""
        return ()


class Start(Placed):
    """Where a conversation begins. Exactly one in a flow."""

    kind: Literal["start"] = "start"


class Message(Placed):
    """Says an image, a file, a text, cards, or some of them, in this order; quick replies go with the last.

    With `next` wired the flow goes on at once; else it waits for the customer.
    """

    kind: Literal["message"] = "message"
    text: Text = ""
    image_url: WebAddress | None = None
    quick_replies: Annotated[tuple[Choice, ...], Field(max_length=QUICK_REPLIES)] = ()
    buttons: Annotated[tuple[FlowButton, ...], Field(max_length=BUTTONS)] = ()
    typing: Typing = 0.0
    """Seconds shown as typing before it."""
    media: FlowMedia | None = None
    cards: Annotated[tuple[FlowCard, ...], Field(max_length=CARDS)] = ()

    def ports(self) -> tuple[str, ...]:
        return (NEXT, *self.needed_ports())

    def needed_ports(self) -> tuple[str, ...]:
        return tuple(choice.id for choice in self.choices() if not isinstance(choice, FlowButton) or choice.has_port)

    def choices(self) -> tuple[Choice, ...]:
        """All that a customer can press."""
        return (*self.quick_replies, *self.buttons, *(button for card in self.cards for button in card.buttons))

    def texts(self) -> tuple[Filled, ...]:
        return (
            Filled("text", self.text, BUTTON_TEXT if self.buttons else MAX_TEXT),
            *_titles("quick_replies", self.quick_replies),
            *_titles("buttons", self.buttons),
            *(text for i, card in enumerate(self.cards) for text in _card(f"cards[{i}]", card)),
        )


class Question(Placed):
    """Asks, waits for the answer, and keeps it in `attribute`. An answer that does not fit is asked for again.

    Each choice may have a wire of its own; `next` takes the others. After `max_attempts` answers that did not fit the
    flow goes on at `failed`.
    """

    kind: Literal["question"] = "question"
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    attribute: AttributeName
    check: Literal["text", "email", "number", "choice", "phone"] = "text"
    choices: Annotated[tuple[Choice, ...], Field(max_length=QUICK_REPLIES)] = ()
    retry_text: Text = ""
    """Empty: the question again."""
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = None
    typing: Typing = 0.0
    suggest: bool = False
    """Offer the e-mail address or the phone number that the channel knows of the customer, where `check` is one of these."""

    def ports(self) -> tuple[str, ...]:
        failed = () if self.max_attempts is None else (FAILED,)
        return (NEXT, *failed, *(choice.id for choice in self.choices))

    def needed_ports(self) -> tuple[str, ...]:
        return (NEXT,) if self.max_attempts is None else (NEXT, FAILED)

    def texts(self) -> tuple[Filled, ...]:
        return (
            Filled("text", self.text, MAX_TEXT),
            Filled("retry_text", self.retry_text, MAX_TEXT),
            *_titles("choices", self.choices),
        )


class Comparison(Document):
    """A test of one attribute. `greater` and `less` compare numbers; the others compare texts without regard to case."""

    attribute: AttributeName
    test: Literal["equals", "not equals", "contains", "greater", "less", "is set"]
    value: Text = ""


class Branch(Document):
    """A way out of a condition, taken when all (or any) of its comparisons hold. `id` is the name of its port."""

    id: PortName
    match: Literal["all", "any"] = "all"
    comparisons: Annotated[tuple[Comparison, ...], Field(min_length=1, max_length=MAX_COMPARISONS)]


class Condition(Placed):
    """Goes on at the first branch that holds, else at `else`."""

    kind: Literal["condition"] = "condition"
    branches: Annotated[tuple[Branch, ...], Field(min_length=1, max_length=MAX_BRANCHES)]

    def ports(self) -> tuple[str, ...]:
        return (*(branch.id for branch in self.branches), ELSE)

    def needed_ports(self) -> tuple[str, ...]:
        return tuple(branch.id for branch in self.branches)

    def texts(self) -> tuple[Filled, ...]:
        return tuple(
            Filled(f"branches[{i}].comparisons[{j}].value", comparison.value)
            for i, branch in enumerate(self.branches)
            for j, comparison in enumerate(branch.comparisons)
        )


class SetAttribute(Placed):
    """Keeps a value under a name; an empty value removes it."""

    kind: Literal["set_attribute"] = "set_attribute"
    attribute: AttributeName
    value: Text = ""

    def texts(self) -> tuple[Filled, ...]:
        return (Filled("value", self.value),)


class GoTo(Placed):
    """Goes on at another block without a wire across the canvas."""

    kind: Literal["go_to"] = "go_to"
    target: BlockId

    def ports(self) -> tuple[str, ...]:
        return ()

    def needed_ports(self) -> tuple[str, ...]:
        return ()


class Delay(Placed):
    """Waits, then goes on by itself."""

    kind: Literal["delay"] = "delay"
    seconds: Annotated[float, Field(gt=0, le=MAX_RETURN)]


class LetHumanTakeover(Placed, HumanTakeover):
    """*Let Human Takeover*: the flow stops, and the customer waits for a person.

    `next` takes every way in which the takeover ends; `operator`, `customer`, `expired` and `page_inbox` win where they
    are wired; none need be.
    """

    kind: Literal["human_takeover"] = "human_takeover"

    def ports(self) -> tuple[str, ...]:
        return tuple(port.value for port in Port)

    def needed_ports(self) -> tuple[str, ...]:
        return ()

    def texts(self) -> tuple[Filled, ...]:
        return (
            Filled("goodbye_message", self.goodbye_message, MAX_GOODBYE),
            Filled("back_to_bot_button", self.back_to_bot_button, QUICK_REPLY_TITLE),
            Filled("back_to_bot_message", self.back_to_bot_message, MAX_GOODBYE),
        )


Block = Annotated[
    Start | Message | Question | Condition | SetAttribute | GoTo | Delay | LetHumanTakeover,
    Field(discriminator="kind"),
]


class Wire(Document):
    """Where the flow goes on after `port` of `block`."""

    block: BlockId
    port: PortName = NEXT
    to: BlockId


class Keyword(Document):
    """Words that lead to a block from anywhere. `exact`: the customer wrote just that; `contains`: it is in what she wrote."""

    words: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100, coerce_numbers_to_str=True)], ...],
        Field(min_length=1, max_length=50),
    ]
    match: Literal["exact", "contains"] = "exact"
    to: BlockId


class DefaultReply(Document):
    """The answer to what nothing else answers: a text, or a block to go on at. The block wins where both are given."""

    text: Text = ""
    block: BlockId | None = None


class Flow(Document):
    """A bot's flow. `blocks` by id; ids are stable, since sessions and buttons in old messages name them."""

    format: Literal[1] = 1
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    blocks: Annotated[dict[BlockId, Block], Field(max_length=MAX_BLOCKS)]
    wires: Annotated[tuple[Wire, ...], Field(max_length=MAX_WIRES)] = ()
    keywords: Annotated[tuple[Keyword, ...], Field(max_length=MAX_KEYWORDS)] = ()
    default_reply: DefaultReply = DefaultReply()

    @cached_property
    def start(self) -> str | None:
        """The id of the Start block; None in a document that was never checked."""
        return next((block_id for block_id, block in self.blocks.items() if isinstance(block, Start)), None)

    @cached_property
    def _targets(self) -> Mapping[tuple[str, str], str]:
        return {(wire.block, wire.port): wire.to for wire in self.wires}

    def target(self, block: str, port: str) -> str | None:
        """The block that `port` of `block` leads to."""
        return self._targets.get((block, port))


def _titles(field: str, choices: tuple[Choice, ...]) -> tuple[Filled, ...]:
    return tuple(Filled(f"{field}[{i}].title", choice.title, QUICK_REPLY_TITLE) for i, choice in enumerate(choices))


def _card(field: str, card: FlowCard) -> tuple[Filled, ...]:
    return (
        Filled(f"{field}.title", card.title, CARD_TITLE),
        Filled(f"{field}.subtitle", card.subtitle, CARD_TITLE),
        *_titles(f"{field}.buttons", card.buttons),
    )

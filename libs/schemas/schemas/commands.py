"""Topic `messenger.commands`: what has to happen at Facebook, in this order."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.base import ConversationEvent
from schemas.messages import OutMessage, Person, Speaker

LONGEST_EXTENSION = 7 * 24 * 3600  # seconds; Facebook's bound


class Command(ConversationEvent):
    """`id` is the command's id; `epoch` is the conversation's when it was given."""

    epoch: int


class SendMessage(Command):
    """Say something to the customer.

    `at` is the place's time in the log. `then_pass`: thread control goes to the Page Inbox with this message, riding on it
    where Facebook allows. `retake`: refused because another app has the thread, take it and send once more (a person's message).
    """

    type: Literal["message.send.v1"] = "message.send.v1"
    seq: int
    at: AwareDatetime
    speaker: Literal[Speaker.BOT, Speaker.OPERATOR]
    operator: Person | None = None
    episode: str | None = None
    turn: str | None = None
    reply: str | None = None
    """The id of the operator's command that this message comes from."""
    client_id: str = ""
    message: OutMessage
    then_pass: bool = False
    retake: bool = False
    acted_at: AwareDatetime | None = None
    """Of the customer's last act, which opened the window for answers (`schemas.window`); None: not known."""
    again: str = ""
    """The id of the command that this one repeats, whose message was lost or refused: it is not sent if that one has arrived."""


class PassThread(Command):
    """Give thread control to the Page Inbox: the conversation rests in Main."""

    type: Literal["thread.pass.v1"] = "thread.pass.v1"
    target: str
    """App id."""


class TakeThread(Command):
    """Take thread control back: Done."""

    type: Literal["thread.take.v1"] = "thread.take.v1"


class ExtendThread(Command):
    """Keep the thread that is ours: Facebook frees it after 24 hours without a word of the customer's, 7 days at most."""

    type: Literal["thread.extend.v1"] = "thread.extend.v1"
    seconds: Annotated[int, Field(ge=1, le=LONGEST_EXTENSION)]
    """From now."""


class ReadThread(Command):
    """Ask Facebook who has the thread."""

    type: Literal["thread.read.v1"] = "thread.read.v1"


class ReadProfile(Command):
    """Ask Facebook for the customer's name."""

    type: Literal["profile.read_command.v1"] = "profile.read_command.v1"


class Silence(Command):
    """A person has the conversation: what has a lower epoch than this and is not yet being sent never leaves."""

    type: Literal["silence.v1"] = "silence.v1"


class Erase(Command):
    """What was said up to entry `seq` is to be forgotten wherever commands are kept. It neither says nor moves anything."""

    type: Literal["erase.v1"] = "erase.v1"
    seq: int
    at: AwareDatetime


MessengerCommand = Annotated[
    SendMessage | PassThread | TakeThread | ExtendThread | ReadThread | ReadProfile | Silence | Erase,
    Field(discriminator="type"),
]

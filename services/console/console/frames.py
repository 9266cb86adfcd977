"""The frames of the live socket.

Within a stream `seq` has no gaps: a client drops what it has, and asks for a hole instead of passing over it. Countdowns
run on `server_time`.
"""

import json
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, RootModel, TypeAdapter

from console.commands import MAX_NUMBER
from console.operators import Operator
from console.problems import Problem
from console.registry import Input, Output
from console.streams import CONVERSATION, INBOX
from console.views import CommandState, Conversation, ConversationSummary, Entry

VERSION: Final = 1
MAX_STREAM: Final = 320  # characters
STREAM_PATTERN: Final = rf"^({CONVERSATION}|{INBOX})\S+$"

StreamName = Annotated[str, Field(max_length=MAX_STREAM, pattern=STREAM_PATTERN)]


# --- from the browser


class Subscribe(Input):
    """`after`: the last number the client has; without it events from now on."""

    type: Literal["subscribe"]
    stream: StreamName
    after: Annotated[int, Field(ge=0, le=MAX_NUMBER)] | None = None


class Unsubscribe(Input):
    type: Literal["unsubscribe"]
    stream: StreamName


class Ping(Input):
    type: Literal["ping"]


class ClientFrame(RootModel[Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="type")]]):
    """What a browser may send."""

    model_config = ConfigDict(hide_input_in_errors=True)


# --- from the console


class Hello(Output):
    """The first frame."""

    type: Literal["hello"] = "hello"
    v: Literal[1] = VERSION
    server_time: AwareDatetime
    operator: Operator


class Subscribed(Output):
    """Events follow from `after` + 1; `last` is the newest number now."""

    type: Literal["subscribed"] = "subscribed"
    stream: str
    after: int
    last: int


class Unsubscribed(Output):
    """Asked for, or the stream is not the operator's any more."""

    type: Literal["unsubscribed"] = "unsubscribed"
    stream: str


class Gap(Output):
    """What follows the client's number is not kept any more: read by REST, subscribe anew from its `stream_seq`."""

    type: Literal["gap"] = "gap"
    stream: str
    after: int
    last: int


class Pong(Output):
    type: Literal["pong"] = "pong"
    server_time: AwareDatetime


class Refused(Output):
    """A frame was refused; the socket stays."""

    type: Literal["problem"] = "problem"
    stream: str | None = None
    problem: Problem


class Event(Output):
    """What all events have."""

    v: Literal[1] = VERSION
    stream: str
    seq: int
    event_id: str
    at: AwareDatetime


class EntryChanged(Event):
    """An entry is new, or more is known of it: the whole entry, by its `seq`."""

    type: Literal["entry.changed"] = "entry.changed"
    entry: Entry


class ConversationChanged(Event):
    type: Literal["conversation.changed"] = "conversation.changed"
    conversation: Conversation


class CommandDecided(Event):
    type: Literal["command.decided"] = "command.decided"
    command: CommandState


class InboxChanged(Event):
    """A row of the list is new or has changed."""

    type: Literal["inbox.changed"] = "inbox.changed"
    conversation: ConversationSummary


AnyServerFrame = (
    Hello
    | Subscribed
    | Unsubscribed
    | Gap
    | Pong
    | Refused
    | EntryChanged
    | ConversationChanged
    | CommandDecided
    | InboxChanged
)


class ServerFrame(RootModel[Annotated[AnyServerFrame, Field(discriminator="type")]]):
    """What the console sends."""


CLIENT_FRAMES: Final[TypeAdapter[ClientFrame]] = TypeAdapter(ClientFrame)


def event_text(kind: str, stream: str, seq: int, at: datetime, body: str) -> str:
    """An event as it is sent; `body` is the stored JSON of its own fields, which is not read again."""
    head = json.dumps(
        {"type": kind, "v": VERSION, "stream": stream, "seq": seq, "event_id": f"{stream}#{seq}", "at": at.isoformat()}
    )
    return f"{head[:-1]}, {body.lstrip()[1:]}"

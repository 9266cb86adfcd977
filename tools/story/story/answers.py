"""What the story reads in the answers of the console, of Facebook in a box and of the mail catcher."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(Answer):
    id: str
    name: str


class ThreadView(Answer):
    """As the console knows it."""

    owner: str = "unknown"
    reason: str = ""


class Conversation(Answer):
    """As the console shows it."""

    id: str
    owner: str
    epoch: int
    seq: int
    waiting: bool = False
    attended: bool = False
    venue: str | None = None
    holder: Person | None = None
    cause: str | None = None
    since: datetime | None = None
    deadline: datetime | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    thread: ThreadView = ThreadView()


class ConversationAnswer(Answer):
    conversation: Conversation


class Delivery(Answer):
    state: str
    reason: str = ""


class Entry(Answer):
    """A line of the console's transcript."""

    seq: int
    at: datetime
    epoch: int
    speaker: str | None = None
    text: str = ""
    delivery: Delivery | None = None
    content: dict[str, Any]  # one shape a kind; the story reads single fields of it

    @property
    def kind(self) -> str:
        return str(self.content.get("kind", ""))


class Entries(Answer):
    items: tuple[Entry, ...]


class Sent(Answer):
    """A command that was handed in."""

    command: str


class Command(Answer):
    status: str
    code: str | None = None
    reason: str | None = None


class Choice(Answer):
    title: str
    payload: str | None = None


class Line(Answer):
    """A line of a conversation at Facebook."""

    at: datetime
    side: str
    text: str | None = None
    quick_replies: tuple[Choice, ...] = ()


class Thread(Answer):
    owner: str | None = None
    folder: str


class Chat(Answer):
    """A conversation at Facebook."""

    conversation: Thread
    lines: tuple[Line, ...]


class ThreadChange(Answer):
    """Of Facebook's record. `by`: an app's id."""

    action: str
    by: str | None = None
    previous_owner: str | None = None
    new_owner: str | None = None


class ThreadChanges(Answer):
    entries: tuple[ThreadChange, ...]


class Mail(Answer):
    subject: str = ""
    text: str = ""
    message_id: str = ""

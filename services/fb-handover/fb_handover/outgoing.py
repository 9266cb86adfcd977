"""What stands in the table `outgoing`: one command of a conversation and how far it has come."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.commands import ExtendThread, PassThread, ReadProfile, ReadThread, SendMessage, TakeThread

QueuedCommand = SendMessage | PassThread | TakeThread | ExtendThread | ReadThread | ReadProfile
"""Every command but `Silence` and `Erase`, which act when they are stored."""


class State(StrEnum):
    """`waiting` and `sending` are open; a conversation's later commands wait until the first open one is closed."""

    WAITING = "waiting"
    SENDING = "sending"
    """A request was begun. Found without anybody working on it: its outcome is unknown."""
    DONE = "done"
    SUPPRESSED = "suppressed"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"

    @property
    def is_open(self) -> bool:
        return self in {State.WAITING, State.SENDING}


class Step(StrEnum):
    """What is asked of Facebook next for a command. Each step is one request."""

    TYPING = "typing"
    SEND = "send"
    TAKE = "take"
    PASS = "pass"  # noqa: S105 - thread control, not a password
    EXTEND = "extend"
    READ_OWNER = "read_owner"
    READ_PROFILE = "read_profile"


@dataclass(frozen=True, slots=True)
class Row:
    """One command of a conversation and how far it has come.

    `part`: which of the message's parts is next. `riding`: thread control goes with the message in one request.
    `retaken`: control was taken for this message. `unknowns`: requests whose outcome never became known.
    `mid`: the message id that an answer or an echo told for the present part. `age` and `sending_for`: seconds.
    `silenced`: `Silence` met the command while it was being sent, so it does not begin again.
    """

    position: int
    command: QueuedCommand
    state: State
    step: Step
    part: int = 0
    riding: bool = True
    retaken: bool = False
    unknowns: int = 0
    attempts: int = 0
    mid: str | None = None
    age: float = 0.0
    sending_for: float = 0.0
    silenced: bool = False
    traceparent: str | None = None


FIRST_STEPS: dict[type[QueuedCommand], Step] = {
    SendMessage: Step.SEND,
    PassThread: Step.PASS,
    TakeThread: Step.TAKE,
    ExtendThread: Step.EXTEND,
    ReadThread: Step.READ_OWNER,
    ReadProfile: Step.READ_PROFILE,
}


def first_step(command: QueuedCommand) -> Step:
    if isinstance(command, SendMessage) and command.message.typing > 0:
        return Step.TYPING
    return FIRST_STEPS[type(command)]

"""Topic `turns`: what the bot has to do next."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import ConversationEvent, Document
from schemas.handover import Port
from schemas.messages import CustomerInput, Profile
from schemas.sessions import Session


class Resume(Document):
    """A takeover ended. `block` None: it did not begin at a block; the flow goes on where it stopped."""

    block: str | None = None
    port: Port = Port.NEXT


class TurnInput(Document):
    """Why the turn is taken.

    `message`: the customer's input; with `resume` it is the first input at a takeover's port (after an expiry).
    `resume`: a takeover ended and the bot goes on at once. `delay`: a Delay block has run out. `start`: begin anew.
    """

    reason: Literal["message", "resume", "delay", "start"]
    message: CustomerInput | None = None
    resume: Resume | None = None


class TurnAsked(ConversationEvent):
    """One turn. Asked again under the same `turn` until it ends in exactly one event; `attempt` counts from 1."""

    type: Literal["turn.asked.v1"] = "turn.asked.v1"
    bot: str
    turn: str
    epoch: int
    attempt: Annotated[int, Field(ge=1)] = 1
    flow: str
    """The published flow as of now, `<flow>@<version>`; a session under way stays on its own."""
    session: Session | None = None
    input: TurnInput
    profile: Profile = Profile()
    may_ask_person: bool = True
    """False right after the Back to Bot click: the same click must not ask for a person again."""


Turn = TurnAsked

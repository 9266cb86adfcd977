"""Whether a message may still go out, and how, by the time since the customer's last act.

Takeover looked at it when the message was commanded; since then it may have waited for Facebook, for a page, for a network.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from graphapi.errors import TAGS_STOPPED
from schemas.commands import SendMessage
from schemas.messages import Speaker
from schemas.window import CLOSED, CLOSED_FOR_ALL, NO_HUMAN_AGENT, Window

Tags = Literal["on", "off", "stopped"]
"""Whether the page uses the tag HUMAN_AGENT, does not, or is not let by Facebook for a while."""

NEXT_STEPS: Final = {
    CLOSED_FOR_ALL: "wait_for_customer",
    NO_HUMAN_AGENT: "human_agent",
    TAGS_STOPPED: "wait_for_customer",
}


@dataclass(frozen=True, slots=True)
class TooLate:
    reason: str
    next_step: str = ""


def too_late(command: SendMessage, at: datetime, tags: Tags) -> TooLate | None:
    """Why Facebook would refuse it; None: it may go out. The tag is never a bot's."""
    window = Window.after(command.acted_at, human_agent=tags == "on")
    if command.speaker is Speaker.BOT:
        return None if window.takes_bots(at) else TooLate(CLOSED)
    if window.person(at) != "none":
        return None
    reason = window.reason(at)
    if reason == NO_HUMAN_AGENT and tags == "stopped":
        reason = TAGS_STOPPED
    return TooLate(reason, NEXT_STEPS[reason])


def is_tagged(command: SendMessage, at: datetime, tags: Tags) -> bool:
    """Whether it goes out as a person's after the window for ordinary messages."""
    if command.speaker is Speaker.BOT:
        return False
    return Window.after(command.acted_at, human_agent=tags == "on").person(at) == "human_agent"

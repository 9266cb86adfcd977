"""How long a customer may be answered after their last act, by the channel's rules.

Source: Meta's messaging policy. 24 hours after a message, a postback, a referral or a reaction of the customer anything may
be sent; 7 days after it what a person wrote, under the tag HUMAN_AGENT, which needs App Review. An echo opens nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

OPEN: Final = timedelta(hours=24)
HUMAN_AGENT: Final = timedelta(days=7)
EDGE: Final = timedelta(minutes=1)
"""Before the end of the first one a person's answer is tagged already: clocks differ, and the request takes its time."""

AnswerWith = Literal["response", "human_agent", "none"]

CLOSED: Final = "The customer last wrote more than 24 hours ago; Facebook delivers no ordinary message after that."
CLOSED_FOR_ALL: Final = (
    "The customer last wrote more than 7 days ago; Facebook delivers nothing until they write again."
)
NO_HUMAN_AGENT: Final = "The customer last wrote more than 24 hours ago, and answers with the Human Agent tag are switched off for this page."
TAGGED: Final = "The customer last wrote more than 24 hours ago; an answer goes out with the Human Agent tag."


@dataclass(frozen=True, slots=True)
class Window:
    """Until when anything may be sent, and until when what a person wrote. None: there is no limit, or none is known.

    `human_agent_until` is None too where the page does not use the tag.
    """

    open_until: datetime | None = None
    human_agent_until: datetime | None = None

    @classmethod
    def after(cls, acted_at: datetime | None, *, human_agent: bool) -> "Window":
        """`acted_at`: of the customer's last act; None: not known, and then Facebook is asked by sending."""
        if acted_at is None:
            return cls()
        return cls(acted_at + OPEN, acted_at + HUMAN_AGENT if human_agent else None)

    def person(self, at: datetime) -> AnswerWith:
        """How a person's message goes out at that time."""
        if self.open_until is None or at < self.open_until - EDGE:
            return "response"
        if self.human_agent_until is None:
            return "response" if at < self.open_until else "none"
        return "human_agent" if at < self.human_agent_until else "none"

    def takes_bots(self, at: datetime) -> bool:
        """Whether a bot's message may go out at that time. Never under a tag."""
        return self.open_until is None or at < self.open_until

    def reason(self, at: datetime) -> str:
        """A sentence on a person's answer at that time; empty where nothing is in its way."""
        if self.open_until is None or at < self.open_until:
            return ""
        if at >= self.open_until - OPEN + HUMAN_AGENT:
            return CLOSED_FOR_ALL
        return NO_HUMAN_AGENT if self.human_agent_until is None else TAGGED

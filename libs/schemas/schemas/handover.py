"""The properties of the block *Let Human Takeover*, and the words for how takeovers begin and end."""

from typing import Annotated

from pydantic import EmailStr, Field, model_validator

from schemas.base import Document, Word
from schemas.messages import QUICK_REPLY_TITLE

MIN_RETURN = 1  # seconds, by API; the pages offer one minute and up
MAX_RETURN = 30 * 24 * 3600  # seconds: 30 days
MAX_EMAILS = 20
MAX_GOODBYE = 1900  # characters; leaves room for what a channel adds
BACK_PAYLOAD = "convoboss:back:"


class Cause(Word):
    """Why a takeover began or ended."""

    FLOW = "flow"
    OPERATOR = "operator"
    CUSTOMER = "customer"
    PAGE_INBOX = "page_inbox"
    EXPIRED = "expired"
    FAULT = "fault"


class Port(Word):
    """The ways out of the block: `next` for every end, the others win when they are wired."""

    NEXT = "next"
    OPERATOR = "operator"
    CUSTOMER = "customer"
    EXPIRED = "expired"
    PAGE_INBOX = "page_inbox"


class HumanTakeover(Document):
    """Properties of *Let Human Takeover*. Empty texts mean that nothing is said."""

    auto_return: Annotated[int, Field(ge=MIN_RETURN, le=MAX_RETURN)] | None = Field(
        default=None, title="Auto return to Bot after idling for", description="seconds; empty: no expiry of the wait"
    )
    notify_admin: bool = Field(default=False, title="Notify admin")
    emails: Annotated[tuple[EmailStr, ...], Field(max_length=MAX_EMAILS)] = Field(default=(), title="Emails")
    goodbye_message: Annotated[str, Field(max_length=MAX_GOODBYE)] = Field(default="", title="Goodbye Message")
    back_to_bot_button: Annotated[str, Field(max_length=QUICK_REPLY_TITLE)] = Field(
        default="", title="Back to Bot Quick Response Button"
    )
    back_to_bot_message: Annotated[str, Field(max_length=MAX_GOODBYE)] = Field(default="", title="Back to Bot Message")

    @model_validator(mode="after")
    def _someone_to_notify(self) -> "HumanTakeover":
        if self.notify_admin and not self.emails:
            raise ValueError("Emails: 1 to 20 addresses are needed when Notify admin is Yes")
        return self


class RequestedBy(HumanTakeover):
    """The block that asked for a person, with the texts already filled in for this customer."""

    block: Annotated[str, Field(min_length=1, max_length=100)]
    block_name: str = ""


def back_payload(episode: str) -> str:
    """The payload of an episode's Back to Bot button: it names the episode."""
    return BACK_PAYLOAD + episode

"""Bodies of the control API. Unknown fields are refused: a misspelt one would otherwise do nothing in silence."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from facebook.events import Media
from facebook.limits import PAYLOAD, TEXT
from facebook.pages import Behaviour, Id, PageWithCustomers, Secret, Strict

Text = Annotated[str, Field(min_length=1, max_length=TEXT)]
PayloadText = Annotated[str, Field(min_length=1, max_length=PAYLOAD)]


class Attached(Strict):
    type: Literal["image", "audio", "video", "file"] = "image"
    url: str = Field(min_length=1)

    @property
    def media(self) -> Media:
        return Media(self.type, self.url)


class Say(Strict):
    text: Text | None = None
    attachment: Attached | None = None

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if self.text is None and self.attachment is None:
            raise ValueError("text or attachment is required")
        return self


class Pick(Strict):
    """A click on a quick reply: by its title or payload among those on offer.

    `stale`: one that is no longer shown, with title and payload as it had them.
    """

    title: Annotated[str, Field(min_length=1)] | None = None
    payload: str | None = None
    stale: bool = False

    @model_validator(mode="after")
    def names_one(self) -> Self:
        if self.title is None and self.payload is None:
            raise ValueError("title or payload is required")
        if self.stale and (self.title is None or self.payload is None):
            raise ValueError("stale needs title and payload")
        return self


class Press(Strict):
    payload: PayloadText
    title: Annotated[str, Field(min_length=1)] = "Button"


class Reply(Strict):
    text: Text


class Nothing(Strict):
    """No field at all."""


class AppBody(Strict):
    name: str = Field(default="App", min_length=1, max_length=100)
    secret: Secret
    verify_token: Secret
    webhook_url: str = Field(pattern=r"^https?://")


class CustomerBody(Strict):
    """`psid` None: one is made up."""

    psid: Id | None = None
    first_name: str = Field(min_length=1, max_length=100)
    last_name: str = Field(default="", max_length=100)
    profile_pic: str | None = None
    readable: bool = True
    blocked: bool = False


class CustomerChange(Strict):
    """Only what is given changes."""

    first_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    last_name: Annotated[str, Field(max_length=100)] | None = None
    readable: bool | None = None
    blocked: bool | None = None


class PageChange(Strict):
    """Only what is given changes; `default_app` null is zero config."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    default_app: Id | None = None
    takers: frozenset[Id] | None = None
    inbox_is_receiver: bool | None = None
    behaviour: Behaviour | None = None


class Advance(Strict):
    advance_s: float = Field(gt=0, le=366 * 86400)

    @property
    def by(self) -> timedelta:
        return timedelta(seconds=self.advance_s)


class PageBody(PageWithCustomers):
    """A page as in the settings file; the id may be left to the address."""

    id: Id = ""


class Anchor(Strict):
    """Query of the record and of the events."""

    after: int = Field(default=0, ge=0)
    wait: float = Field(default=0, ge=0, le=120, description="seconds to wait for the first entry that fits")
    limit: int = Field(default=1000, ge=1, le=100_000)
    kind: str | None = Field(default=None, description="comma separated kinds")
    page: str | None = None
    psid: str | None = None

"""Bodies of the control API. Unknown fields are refused: a misspelt one would otherwise do nothing in silence."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from facebook.customers import LeadEnd, Said
from facebook.events import Media
from facebook.limits import PAYLOAD, TEXT
from facebook.model import Id, Secret, Strict
from facebook.pages import Behaviour, PageWithCustomers, Regime
from facebook.rules import LONGEST, Rule
from facebook.shapes import Shapes
from facebook.usage import Limits

Text = Annotated[str, Field(min_length=1, max_length=TEXT)]
PayloadText = Annotated[str, Field(min_length=1, max_length=PAYLOAD)]


AttachmentType = Literal[
    "image",
    "audio",
    "video",
    "file",
    "sticker",
    "location",
    "fallback",
    "template",
    "reel",
    "ig_reel",
    "post",
    "ig_post",
    "share",
    "story_mention",
    "appointment_booking",
    "like_heart",
    "unsupported_type",
]


class Place(Strict):
    lat: float
    long: float


class Attached(Strict):
    """`raw` stands in for the whole attachment, whatever its shape."""

    type: AttachmentType = "image"
    url: Annotated[str, Field(min_length=1)] | None = None
    title: str | None = None
    sticker_id: Id | None = None
    coordinates: Place | None = None
    raw: JsonValue = None

    @model_validator(mode="after")
    def has_what_its_type_needs(self) -> Self:
        if self.type in {"image", "audio", "video", "file"} and self.url is None and self.raw is None:
            raise ValueError("url is required")
        if self.type == "sticker" and self.sticker_id is None and self.raw is None:
            raise ValueError("sticker_id is required")
        return self

    @property
    def media(self) -> Media:
        where = (self.coordinates.lat, self.coordinates.long) if self.coordinates else None
        return Media(self.type, self.url, self.title, self.sticker_id, where, self.raw)


class Say(Strict):
    """`more` goes into the message as it is (referral, commands, nlp, is_unsupported), `beside` beside it (hop_context)."""

    text: Text | None = None
    attachment: Attached | None = None
    attachments: tuple[Attached, ...] = ()
    reply_to: str | None = Field(default=None, description="mid of a message; it need not be known")
    more: dict[str, JsonValue] = Field(default_factory=dict)
    beside: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if self.text is None and not self.said.media and not self.more:
            raise ValueError("text or attachment is required")
        return self

    @property
    def said(self) -> Said:
        attached = (*([self.attachment] if self.attachment else []), *self.attachments)
        return Said(self.text, tuple(one.media for one in attached), self.reply_to, self.more, self.beside)


class Mid(Strict):
    """A message of the conversation."""

    mid: Annotated[str, Field(min_length=1)]


class Edit(Mid):
    text: Text


class React(Mid):
    """`emoji` null takes the reaction back."""

    emoji: Annotated[str, Field(min_length=1, max_length=20)] | None = "\N{HEAVY BLACK HEART}"
    reaction: str = "other"


class Delivered(Strict):
    """`mids` null: only the time up to which everything was delivered."""

    mids: tuple[str, ...] | None = None


class Referral(Strict):
    ref: str | None = None
    source: Literal["SHORTLINK", "ADS", "CUSTOMER_CHAT_PLUGIN", "MESSENGER_CODE", "DISCOVER_TAB"] = "SHORTLINK"
    type: str = "OPEN_THREAD"
    ad_id: Id | None = None
    ads_context_data: dict[str, JsonValue] | None = None

    @property
    def said(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", exclude_none=True)


class Optin(Strict):
    """`user_ref`: somebody who is not known yet."""

    ref: str | None = None
    user_ref: str | None = None
    type: Literal["notification_messages", "one_time_notif_req"] | None = None
    notification_messages_token: str | None = None
    payload: str | None = None

    @property
    def said(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", exclude_none=True)


class AccountLink(Strict):
    """`authorization_code` null: unlinked."""

    authorization_code: str | None = None


class LeadEnded(Strict):
    """How a lead advertisement's questions end; `target` null: the thread is released."""

    is_complete: bool = True
    target: Id | None = None
    ad_id: Id = "120210000000001"
    answers: dict[str, str] = Field(default_factory=dict)
    summary: Text | None = None

    @property
    def end(self) -> LeadEnd:
        return LeadEnd(self.is_complete, self.target, self.ad_id, self.answers, self.summary)


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
    referral: Referral | None = None

    @property
    def came_by(self) -> dict[str, JsonValue] | None:
        return self.referral.said if self.referral else None


class Reply(Strict):
    text: Text


class Nothing(Strict):
    """No field at all."""


class AppBody(Strict):
    name: str = Field(default="App", min_length=1, max_length=100)
    secret: Secret
    verify_token: Secret
    webhook_url: str = Field(pattern=r"^https?://")
    require_proof: bool = False


class AppChange(Strict):
    """Only what is given changes. `fields`: those that the app lists; empty: it is told nothing of any page."""

    require_proof: bool | None = None
    fields: frozenset[str] | None = None


class RegimeBody(Strict):
    """`app`: the default app or primary receiver; the page's first app where it is left open."""

    regime: Regime
    app: Id | None = None
    inbox_is_receiver: bool | None = None


class Subscription(Strict):
    """The fields that the page lists for an app; none: it is told nothing of the page."""

    app: Id
    fields: frozenset[str] = frozenset()


class Policy(Strict):
    action: Literal["warning", "block", "unblock"]
    reason: str | None = None


class Roles(Strict):
    roles: dict[Id, list[str]]


class Change(Strict):
    field: str
    value: JsonValue = None


class Raw(Strict):
    """An event as it is; `app` null: for every subscribed app."""

    event: dict[str, JsonValue]
    channel: Literal["messaging", "standby", "changes"] = "messaging"
    app: Id | None = None
    psid: Id | None = None


class RawBody(Strict):
    body: JsonValue


class RuleList(Strict):
    rules: tuple[Rule, ...] = Field(default=(), max_length=LONGEST)


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
    """Only what is given changes; `default_app` null is zero config, unless there is a primary receiver."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    default_app: Id | None = None
    takers: frozenset[Id] | None = None
    inbox_is_receiver: bool | None = None
    primary: Id | None = None
    behaviour: Behaviour | None = None
    shapes: Shapes | None = None
    limits: Limits | None = None


class Advance(Strict):
    advance_s: float = Field(gt=0, le=366 * 86400)

    @property
    def by(self) -> timedelta:
        return timedelta(seconds=self.advance_s)


class ClockBody(Strict):
    """How far the box's time is ahead of the real one."""

    ahead_s: float = Field(ge=0, le=10 * 366 * 86400)

    @property
    def ahead(self) -> timedelta:
        return timedelta(seconds=self.ahead_s)


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

"""Apps, pages and customers: what the box is told about them. No secret of these leaves the process."""

from typing import Literal, Self

from pydantic import Field, model_validator

from facebook.model import Id, Secret, Strict
from facebook.shapes import Shapes
from facebook.thread import PAGE_INBOX, Channel, Done, Routing
from facebook.usage import Limits

# Every field the box can send a webhook for. Names as in subscribed_apps.
FIELDS = frozenset(
    {
        "messages",
        "messaging_postbacks",
        "messaging_referrals",
        "messaging_handovers",
        "standby",
        "message_echoes",
        "message_deliveries",
        "message_reads",
        "message_reactions",
        "message_edits",
        "messaging_optins",
        "messaging_policy_enforcement",
        "messaging_account_linking",
        "messaging_feedback",
    }
)
# Those that a page has besides: they may be subscribed to, and nothing comes of it.
OTHER_FIELDS = frozenset(
    {
        "feed",
        "leadgen",
        "mention",
        "inbox_labels",
        "group_feed",
        "message_context",
        "message_mention",
        "messaging_game_plays",
        "messaging_payments",
        "messaging_pre_checkouts",
        "messaging_checkout_updates",
        "messaging_customer_information",
        "messaging_integrity",
        "send_cart",
        "ratings",
        "name",
    }
)


class App(Strict):
    """A Meta app with a webhook. One secret and one verify token an app, whatever the number of its pages."""

    id: Id
    name: str = Field(default="App", min_length=1, max_length=100)
    secret: Secret
    verify_token: Secret
    webhook_url: str = Field(pattern=r"^https?://")
    require_proof: bool = Field(default=False, description="True: every call needs appsecret_proof")


class Customer(Strict):
    psid: Id
    first_name: str = Field(min_length=1, max_length=100)
    last_name: str = Field(default="", max_length=100)
    profile_pic: str | None = Field(default=None, description="None: a drawn picture with the initials")
    readable: bool = Field(default=True, description="False: the profile cannot be read (100/2018218)")
    blocked: bool = Field(default=False, description="True: the person cannot be reached (551/1545041)")

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Behaviour(Strict):
    """What documentation leaves open, and what a page owner can set. The defaults are the likeliest reading."""

    move_to_main: Literal["take", "request"] | None = Field(
        default=None,
        description="request: the inbox asks and the owner has to pass. None: that with the older roles, else take",
    )
    done: Done = Field(default="pass", description="release_silently: the thread becomes idle and nobody is told")
    passing_told: Literal["new_owner", "all"] = "new_owner"
    taking_told: Literal["loser", "all"] = "loser"
    handover_channel: Channel = Field(default="messaging", description="the array that carries thread-control events")
    echo_channel: Literal["before_ride", "after_ride"] = Field(
        default="before_ride", description="after_ride: the echo of a message that carries control away is in standby"
    )
    standby_quick_reply_payload: bool = Field(default=True, description="False: standby shows the title alone")
    deliveries: bool = Field(default=False, description="True: message_deliveries for what an app sent")
    human_agent: bool = Field(default=True, description="False: tag HUMAN_AGENT is refused (10, HTTP 403)")
    hop_v2: bool | None = Field(
        default=None, description="messaging_feature_status; None: whether a default app is set"
    )
    msgr_multi_app: bool | None = Field(default=None, description="messaging_feature_status; None: the opposite of it")


Regime = Literal["routing", "routing_no_take", "zero_config", "roles"]


class Page(Strict):
    """A page, the apps connected to it with their page tokens, and who may have its threads.

    `tokens`: app id -> page access token. `takers`: apps that may take thread control. `default_app` may be the Page
    Inbox. `primary`: the primary receiver of the Handover Protocol, as pages were before Conversation Routing; then
    there is no default app. `inbox_is_receiver` False is "Main only": staff can still answer, and no thread control
    happens.
    """

    id: Id
    name: str = Field(min_length=1, max_length=100)
    tokens: dict[Id, Secret]
    default_app: Id | None = None
    takers: frozenset[Id] = frozenset()
    primary: Id | None = None
    inbox_is_receiver: bool = True
    behaviour: Behaviour = Behaviour()
    shapes: Shapes = Shapes()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def default_app_is_connected(self) -> Self:
        for name, app_id in (("default_app", self.default_app), ("primary", self.primary)):
            if app_id is not None and app_id not in self.routing.connected:
                raise ValueError(f"{name} is not an app connected to the page (tokens, or the Page Inbox as receiver)")
        if self.default_app is not None and self.primary is not None:
            raise ValueError("a page has a default app or a primary receiver, not both")
        return self

    @property
    def routing(self) -> Routing:
        inbox = {PAGE_INBOX} if self.inbox_is_receiver else set()
        return Routing(frozenset({*self.tokens, *inbox}), self.default_app, self.takers, self.primary)

    @property
    def regime(self) -> Regime:
        if self.primary is not None:
            return "roles"
        if self.default_app is None:
            return "zero_config"
        return "routing" if self.takers else "routing_no_take"

    @property
    def inbox_asks(self) -> bool:
        """Whether staff's Move to Main is a request."""
        return (self.behaviour.move_to_main or ("request" if self.primary else "take")) == "request"


class PageWithCustomers(Page):
    """A page as it is written in a settings file."""

    customers: tuple[Customer, ...] = ()

    @property
    def page(self) -> Page:
        return Page.model_validate(self.model_dump(exclude={"customers"}))


class BoxFile(Strict):
    """The settings file: JSON or YAML."""

    apps: tuple[App, ...]
    pages: tuple[PageWithCustomers, ...]

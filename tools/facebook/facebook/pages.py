"""Apps, pages and customers: what the box is told about them. No secret of these leaves the process."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from facebook.thread import PAGE_INBOX, Channel, Done, Routing

Id = Annotated[
    str, BeforeValidator(lambda raw: str(raw) if isinstance(raw, int) else raw), Field(pattern=r"^[0-9]{1,32}$")
]
Secret = Annotated[SecretStr, Field(min_length=1)]

# Every field the box can send a webhook for. Names as in subscribed_apps.
FIELDS = frozenset(
    {
        "messages",
        "messaging_postbacks",
        "messaging_handovers",
        "standby",
        "message_echoes",
        "message_deliveries",
        "message_reads",
    }
)


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class App(Strict):
    """A Meta app with a webhook. One secret and one verify token an app, whatever the number of its pages."""

    id: Id
    name: str = Field(default="App", min_length=1, max_length=100)
    secret: Secret
    verify_token: Secret
    webhook_url: str = Field(pattern=r"^https?://")


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

    move_to_main: Literal["take", "request"] = Field(
        default="take", description="request: as before Conversation Routing, the inbox asks and the owner has to pass"
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


class Page(Strict):
    """A page, the apps connected to it with their page tokens, and its Conversation Routing.

    `tokens`: app id -> page access token. `takers`: apps that may take thread control. `default_app` may be the Page
    Inbox. `inbox_is_receiver` False is "Main only": staff can still answer, and no thread control happens.
    """

    id: Id
    name: str = Field(min_length=1, max_length=100)
    tokens: dict[Id, Secret]
    default_app: Id | None = None
    takers: frozenset[Id] = frozenset()
    inbox_is_receiver: bool = True
    behaviour: Behaviour = Behaviour()

    @model_validator(mode="after")
    def default_app_is_connected(self) -> Self:
        if self.default_app is not None and self.default_app not in self.routing.connected:
            raise ValueError("default_app is not an app connected to the page (tokens, or the Page Inbox as receiver)")
        return self

    @property
    def routing(self) -> Routing:
        inbox = {PAGE_INBOX} if self.inbox_is_receiver else set()
        return Routing(frozenset({*self.tokens, *inbox}), self.default_app, self.takers)


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

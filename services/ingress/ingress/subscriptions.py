"""Which of Facebook's webhooks we get: two lists of fields, the app's and the page's, that both have to name a field. Pure.

Sources: Meta's Webhooks for Messenger, `/{app}/subscriptions` and `/{page}/subscribed_apps`. Writing the app's list replaces
it, for all pages of the app: it is written merged with what was there. Shapes are read leniently: an app's fields come as
words, and as objects with a name and a version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from graphapi.request import Body
from schemas.pages import Step

NEEDED: Final = (
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
)
SPOKEN: Final = frozenset({"messages", "standby", "message_echoes"})
"""Without these something that was said is missing: it has to be caught up."""
OBJECT: Final = "page"


@dataclass(frozen=True, slots=True)
class AppSubscription:
    """The app's webhooks for pages."""

    callback: str
    fields: frozenset[str]
    active: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What is missing, and what is to be written; None: nothing. `silent`: something that customers said was not told."""

    app_missing: frozenset[str]
    page_missing: frozenset[str]
    unsubscribed: bool
    write_app: frozenset[str] | None
    write_page: frozenset[str] | None

    @property
    def complete(self) -> bool:
        return self.write_app is None and self.write_page is None

    @property
    def silent(self) -> bool:
        return self.unsubscribed or bool(SPOKEN & (self.app_missing | self.page_missing))


class SubscribePage(Body):
    subscribed_fields: str


class SubscribeApp(Body):
    """`verify_token`: Facebook asks the callback for it before it takes the subscription over."""

    object: str = OBJECT
    callback_url: str
    fields: str
    verify_token: str


def page_fields(body: object, app: str) -> frozenset[str] | None:
    """The fields of the page to which the app is subscribed; None: it is not subscribed to the page at all."""
    for entry in _entries(body):
        if str(entry.get("id")) == app:
            return frozenset(_words(entry.get("subscribed_fields")))
    return None


def app_subscription(body: object) -> AppSubscription | None:
    """None: the app has no webhooks for pages."""
    for entry in _entries(body):
        if entry.get("object") == OBJECT:
            callback = entry.get("callback_url")
            return AppSubscription(
                callback=callback if isinstance(callback, str) else "",
                fields=frozenset(_words(entry.get("fields"))),
                active=entry.get("active") is not False,
            )
    return None


def plan(app: AppSubscription, page: frozenset[str] | None) -> Plan:
    """What has to be written so that all that we need comes."""
    needed = frozenset(NEEDED)
    app_missing = needed - app.fields
    page_missing = needed - (page or frozenset())
    return Plan(
        app_missing=app_missing,
        page_missing=page_missing,
        unsubscribed=page is None or not page or not app.active,
        write_app=app.fields | needed if app_missing or not app.active else None,
        write_page=(page or frozenset()) | needed if page_missing else None,
    )


def listed(fields: frozenset[str]) -> str:
    """As Facebook takes them: ours in their order, then those of others."""
    return ",".join([*NEEDED, *sorted(fields - frozenset(NEEDED))])


def _entries(body: object) -> Iterator[Mapping[str, object]]:
    data = body.get("data") if isinstance(body, dict) else None
    for entry in data if isinstance(data, list) else []:
        if isinstance(entry, dict):
            yield entry


def _words(value: object) -> Iterator[str]:
    for one in value if isinstance(value, list) else []:
        name = one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


# --- what an admin does

CONNECT_WEBHOOKS: Final = (
    Step(
        text="In the Meta App Dashboard open the app, then Messenger > Messenger API Settings > Configure webhooks.",
        older="In the App Dashboard open Products > Webhooks, and choose Page.",
    ),
    Step(text="Callback URL: this installation's public address followed by /webhooks/messenger."),
    Step(text="Verify token: the one that was entered in Publishing Configuration. Then Verify and save."),
    Step(text="It is looked at again within minutes; the fields are then chosen without your doing."),
)
CONNECT_PAGE: Final = (
    Step(
        text="In the Meta App Dashboard open the app, then Messenger > Messenger API Settings > Generate access tokens.",
        older="In the App Dashboard open Messenger > Settings > Access Tokens.",
    ),
    Step(text="Connect the page, as a person who may manage its messages, and allow all that is asked for."),
    Step(text="Generate a token and enter it in Publishing Configuration."),
)
UNKNOWN_PAGE: Final = (
    Step(
        text="Connect the page to a bot in Publishing Configuration: what its customers wrote meanwhile is taken in then."
    ),
    Step(text="Or remove the page from the app in the Meta App Dashboard, if it is not to be served."),
)

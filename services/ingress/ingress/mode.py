"""How Facebook divides a page's conversations among apps, from what it tells. Pure.

Sources: Meta's Conversation Routing (`messaging_feature_status`: `hop_v2`, a default app is set; `msgr_multi_app`, all
apps answer), the retired Handover Protocol (`secondary_receivers`, which only the default app or the primary receiver may
read), and who is told a thread's owner: its owner and the default app. No API sets any of it: the page's admin does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from graphapi.answers import Accepted, Verdict
from schemas.bots import PAGE_INBOX_APP
from schemas.pages import DefaultApp, Health, Routing, Step

INBOXES: Final = frozenset({PAGE_INBOX_APP, "26390203743090"})
"""Facebook's own pages print two ids of the Page Inbox."""


@dataclass(frozen=True, slots=True)
class Features:
    """What `messaging_feature_status` says; None: nothing."""

    default_app_set: bool | None = None
    all_apps_answer: bool | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A thread's owner as it was told to us. `app` empty: there is one and it is not told, so we are not the default app."""

    app: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What is told of the aspect `routing`."""

    state: Health
    code: str
    reason: str
    steps: tuple[Step, ...]
    routing: Routing


def features(verdict: Verdict) -> Features:
    """Leniently: what is no boolean tells nothing."""
    body = verdict.body if isinstance(verdict, Accepted) else None
    status = body.get("messaging_feature_status") if isinstance(body, dict) else None
    if not isinstance(status, dict):
        return Features()
    return Features(_truth(status, "hop_v2"), _truth(status, "msgr_multi_app"))


def receivers(verdict: Verdict) -> frozenset[str] | None:
    """Ids of the apps beside ours to which the page's threads may go; None: not told to us."""
    if isinstance(verdict, Accepted):
        return frozenset(str(entry.get("id")) for entry in _entries(verdict.body, "data"))
    return None


def strangers(verdict: Verdict, page: str) -> list[str]:
    """Customers whose threads are not ours, of a list of conversations with `is_owner` and `participants`."""
    body = verdict.body if isinstance(verdict, Accepted) else None
    return [
        str(person["id"])
        for entry in _entries(body, "data")
        if entry.get("is_owner") is False
        for person in _entries(entry.get("participants"), "data")
        if "id" in person and str(person["id"]) != page
    ]


def owner_shown(verdict: Verdict) -> Shown | None:
    """None: nobody has the thread, or it could not be read."""
    body = verdict.body if isinstance(verdict, Accepted) else None
    for entry in _entries(body, "data"):
        held = entry.get("thread_owner")
        if isinstance(held, dict) and held:
            return Shown(str(held.get("app_id") or ""))
    return None


def _entries(value: object, name: str) -> list[Mapping[str, object]]:
    listed = value.get(name) if isinstance(value, dict) else None
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def is_undecided(told: Features, others: frozenset[str] | None) -> bool:
    """Whether only the owners of threads can tell whose default app it is."""
    return bool(told.default_app_set) and others is None


def detect(told: Features, others: frozenset[str] | None, owners: Iterable[Shown], *, app: str, inbox: str) -> Finding:
    """The page's mode for our `app`. `inbox`: the id of the Page Inbox by the channel's settings."""
    inbox_is_receiver = bool(others & (INBOXES | {inbox})) if others is not None else None
    if told.default_app_set:
        return _routed(_whose(others, owners, app), inbox_is_receiver)
    if others is not None:
        return _found(_OLDER_OURS, "ours", inbox_is_receiver, older_roles=True)
    if told.all_apps_answer:
        return _found(_NO_DEFAULT, "none", None, older_roles=False)
    if told.default_app_set is False:
        return _found(_OLDER_OTHER, "another", None, older_roles=True)
    return _found(_UNKNOWN, "unknown", None, older_roles=None)


@dataclass(frozen=True, slots=True)
class _Said:
    state: Health
    code: str
    reason: str
    steps: tuple[Step, ...] = ()


_CHOOSE: Final = Step(
    text="On Facebook open the page's Settings > Advanced Messaging > Conversation Routing, and choose this app as Default app.",
    older="Settings > Advanced Messaging > General Settings > App Settings > Configure: choose this app as Primary Receiver.",
)
_ALLOW: Final = Step(text="There, let this app take control of conversations: the switch beside its name.")
_AGAIN: Final = Step(text="Nothing is to be done here afterwards: it is looked at again within minutes.")
_UNSELECT: Final = Step(
    text="To have all conversations in Main only: there, disconnect the Page Inbox, and any other app beside this one.",
    older="App Settings > Configure > Secondary Receiver: unselect Page Inbox, and any other app.",
)
_SELECT: Final = Step(
    text="To work with Done and Main: there, connect the Page Inbox.",
    older="App Settings > Configure > Secondary Receiver: select Page Inbox.",
)
_OURS: Final = _Said("ok", "", "This app is the page's default app.")
_OLDER_OURS: Final = _Said("ok", "older_roles", "This app is the page's Primary Receiver.")
_ANOTHER: Final = _Said(
    "failing",
    "another_default_app",
    "Another app is the page's default app, so conversations do not come back to the bot: the page runs as Main only.",
    (_CHOOSE, _ALLOW, _AGAIN),
)
_OLDER_OTHER: Final = _Said(
    "failing",
    "not_primary_receiver",
    "Another app is the page's Primary Receiver, so conversations do not come back to the bot: the page runs as Main only.",
    (_CHOOSE, _AGAIN),
)
_NO_DEFAULT: Final = _Said(
    "failing",
    "no_default_app",
    "The page has no default app: every connected app answers, none can take a conversation back, and the page runs as Main only.",
    (_CHOOSE, _ALLOW, _AGAIN),
)
_SOMEBODYS: Final = _Said(
    "unknown",
    "default_app_not_told",
    "The page has a default app, and Facebook does not tell yet which.",
    (_CHOOSE, _ALLOW),
)
_UNKNOWN: Final = _Said(
    "unknown", "not_told", "Facebook does not tell how the page's conversations are routed.", (_CHOOSE, _ALLOW)
)


def _whose(others: frozenset[str] | None, owners: Iterable[Shown], app: str) -> DefaultApp:
    if others is not None:
        return "ours"
    found = [shown.app for shown in owners if shown.app != app]  # that we own a thread says nothing
    if not found:
        return "unknown"
    return "another" if "" in found else "ours"


def _routed(whose: DefaultApp, inbox: bool | None) -> Finding:
    said = _OURS if whose == "ours" else _ANOTHER if whose == "another" else _SOMEBODYS
    return _found(said, whose, inbox, older_roles=False)


def _found(said: _Said, whose: DefaultApp, inbox: bool | None, *, older_roles: bool | None) -> Finding:
    if whose == "unknown":
        return Finding(said.state, said.code, said.reason, said.steps, Routing(older_roles=older_roles))
    way_back = whose == "ours"
    both = way_back and inbox is not False
    more = () if not way_back or inbox is None else (_UNSELECT,) if inbox else (_SELECT,)
    routing = Routing(
        default_app=whose,
        older_roles=older_roles,
        inbox_is_receiver=inbox,
        has_default_app=way_back,
        set_up="main_only" if not both else "done_and_main" if inbox else "unknown",
    )
    return Finding(said.state, said.code, said.reason, (*said.steps, *more), routing)


def _truth(status: Mapping[str, object], name: str) -> bool | None:
    value = status.get(name)
    return value if isinstance(value, bool) else None

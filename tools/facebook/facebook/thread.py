"""Who may speak in a conversation: Facebook's thread ownership as pure rules.

A thread is owned by exactly one app or is idle. Source: "Conversation Routing" of the Messenger Platform, the Instagram
page of the same name for what is silent there, and field reports for error codes. Every function takes the time as an
argument and changes nothing: it returns the next thread and what other apps have to be told.

A page with a primary receiver follows the Handover Protocol instead, as all pages did before: a thread always has an
owner and keeps it without end, only the primary receiver takes, the others ask it. What the Page Inbox does when staff
answer a thread that it does not hold is not documented for that time; here it asks, as with Move to Main.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from facebook.errors import (
    BadTargetApp,
    GraphError,
    InvalidParameter,
    LeadFlowHolds,
    NotController,
    NotPrimary,
    NotThreadOwner,
    OnlyWithRouting,
    TakeBlocked,
    TakeNotAllowed,
)

PAGE_INBOX = "263902037430900"
LEAD_GEN = "413038776280800"  # asks the questions of a lead advertisement
CONTROL_LASTS = timedelta(hours=24)
LONGEST_EXTENSION = timedelta(days=7)

Channel = Literal["messaging", "standby"]
Done = Literal["pass", "release_silently"]


@dataclass(frozen=True, slots=True)
class Routing:
    """How a page routes: the apps connected to it, its default app (None = zero config), who may take control.

    `primary`: the primary receiver of the Handover Protocol; None: Conversation Routing.
    """

    connected: frozenset[str]
    default_app: str | None
    takers: frozenset[str]
    primary: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    owner: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    previous: str | None
    new: str


@dataclass(frozen=True, slots=True)
class Taken:
    previous: str
    new: str


@dataclass(frozen=True, slots=True)
class Requested:
    by: str
    owner: str


Notice = Passed | Taken | Requested


@dataclass(frozen=True, slots=True)
class Change:
    """The next thread, and what the other apps are told about it (None: nothing)."""

    thread: Thread
    notice: Notice | None = None


def owner_at(thread: Thread, routing: Routing, now: datetime) -> str | None:
    """The app that holds the thread now. None: idle, by release, by time, or because its app was disconnected."""
    if thread.owner not in routing.connected and thread.owner != LEAD_GEN:
        return routing.primary
    if thread.expires_at is not None and thread.expires_at <= now:
        return routing.primary
    return thread.owner


def channel_of(thread: Thread, routing: Routing, app: str, now: datetime) -> Channel:
    """Where `app` gets the events of the thread."""
    owner = owner_at(thread, routing, now)
    holder = routing.default_app if owner is None else owner
    return "messaging" if holder in {None, app} else "standby"


def customer_acted(thread: Thread, routing: Routing, now: datetime) -> Thread:
    """A message or a click: renews the 24 hours; an idle thread becomes the default app's."""
    if routing.primary is not None:
        return thread
    owner = owner_at(thread, routing, now) or routing.default_app
    if owner is None:
        return Thread()
    lasting = now + CONTROL_LASTS
    if thread.owner == owner and thread.expires_at is not None:
        lasting = max(lasting, thread.expires_at)
    return Thread(owner, lasting)


def send(thread: Thread, routing: Routing, app: str, now: datetime, *, human_agent: bool) -> Change:
    """A send by `app`. A person's tagged message takes control where the page lets the app take it.

    Raises NotThreadOwner, LeadFlowHolds.
    """
    owner = owner_at(thread, routing, now)
    if owner == app:
        return Change(thread)
    if owner == LEAD_GEN:
        raise LeadFlowHolds
    if owner is None:
        return _send_into_idle(routing, app, now)
    if human_agent and routing.primary is None and _take_refusal(routing, app) is None:
        return _taken(thread, routing, app, now)
    raise NotThreadOwner


def pass_control(thread: Thread, routing: Routing, app: str, target: str | None, now: datetime) -> Change:
    """`app` gives the thread to `target` (None: the default app).

    Raises NotController, InvalidParameter, BadTargetApp.
    """
    owner = owner_at(thread, routing, now)
    if owner not in {None, app}:
        raise NotController
    goal = target or routing.default_app
    if goal is None:
        raise InvalidParameter("The parameter target_app_id is required: the page has no default app")
    if goal == app:
        raise InvalidParameter("An app cannot pass thread control to itself")
    if goal not in routing.connected:
        raise BadTargetApp
    return Change(_held(goal, routing, now), Passed(owner, goal))


def take_control(thread: Thread, routing: Routing, app: str, now: datetime) -> Change:
    """Raises TakeBlocked without a default app, TakeNotAllowed where the page did not allow `app`, NotPrimary."""
    refusal = _take_refusal(routing, app)
    if refusal is not None:
        raise refusal
    return _taken(thread, routing, app, now)


def request_control(thread: Thread, routing: Routing, app: str, now: datetime) -> Change:
    """`app` asks for the thread; while idle it gets it at once. Only pages without a default app, or of the older roles.

    Raises InvalidParameter.
    """
    if routing.default_app is not None:
        raise InvalidParameter("Requesting thread control is only supported without a default app")
    if owner_at(thread, routing, now) == app:
        raise InvalidParameter("The app controls the thread already")
    if routing.primary == app:
        raise InvalidParameter("The primary receiver takes thread control; it does not request it")
    return _asked(thread, routing, app, now)


def release_control(thread: Thread, routing: Routing, app: str, now: datetime) -> Change:
    """The thread becomes idle and nobody is told. Raises NotController, OnlyWithRouting."""
    if routing.primary is not None:
        raise OnlyWithRouting
    _must_control(thread, routing, app, now)
    return Change(Thread())


def extend_control(thread: Thread, routing: Routing, app: str, lasting: timedelta, now: datetime) -> Change:
    """Raises NotController, InvalidParameter, OnlyWithRouting."""
    if routing.primary is not None:
        raise OnlyWithRouting
    _must_control(thread, routing, app, now)
    if not timedelta(0) < lasting <= LONGEST_EXTENSION:
        raise InvalidParameter("duration must be between 1 second and 7 days")
    return Change(replace(thread, expires_at=now + lasting))


def ride(
    thread: Thread, routing: Routing, app: str, control: Literal["pass", "release"], target: str | None, now: datetime
) -> Change:
    """Thread control that rides on a message; only pages with a default app have it."""
    if routing.default_app is None:
        raise InvalidParameter("thread_control needs a default app of the page")
    if control == "release":
        return release_control(thread, routing, app, now)
    _must_control(thread, routing, app, now)
    return pass_control(thread, routing, app, target, now)


def inbox_takes(thread: Thread, routing: Routing, now: datetime) -> Change:
    """Staff answered in the Page Inbox or moved the conversation to Main."""
    return _taken(thread, routing, PAGE_INBOX, now)


def inbox_requests(thread: Thread, routing: Routing, now: datetime) -> Change:
    """Move to Main as it was before Conversation Routing: the inbox asks, and the owner has to pass.

    Where the inbox is the primary receiver it takes.
    """
    if routing.primary == PAGE_INBOX:
        return _taken(thread, routing, PAGE_INBOX, now)
    if owner_at(thread, routing, now) == PAGE_INBOX:
        return Change(thread)
    return _asked(thread, routing, PAGE_INBOX, now)


def inbox_done(thread: Thread, routing: Routing, now: datetime, how: Done) -> Change:
    """Move to Done: back to the default app, or idle where there is none or Facebook says nothing about it.

    Raises NotController where the inbox does not hold the thread.
    """
    _must_control(thread, routing, PAGE_INBOX, now)
    if routing.primary == PAGE_INBOX:
        raise NotController
    if routing.primary is not None:
        return pass_control(thread, routing, PAGE_INBOX, routing.primary, now)
    if how == "release_silently" or routing.default_app in {None, PAGE_INBOX}:
        return Change(Thread())
    return pass_control(thread, routing, PAGE_INBOX, routing.default_app, now)


def lead_flow_begins(routing: Routing, now: datetime) -> Change:
    """A customer clicked a lead advertisement: its app asks the questions, and nobody is told."""
    return Change(_held(LEAD_GEN, routing, now))


def lead_flow_ends(thread: Thread, routing: Routing, target: str | None, now: datetime) -> Change:
    """The thread goes to the advertisement's `target`, or is released. Raises NotController."""
    _must_control(thread, routing, LEAD_GEN, now)
    if target is None:
        return Change(Thread())
    return pass_control(thread, routing, LEAD_GEN, target, now)


def _send_into_idle(routing: Routing, app: str, now: datetime) -> Change:
    if routing.default_app is None:
        return Change(Thread())
    if routing.default_app == app:
        return Change(_held(app, routing, now))
    raise NotThreadOwner


def _take_refusal(routing: Routing, app: str) -> GraphError | None:
    if routing.primary is not None:
        return None if app == routing.primary else NotPrimary()
    if routing.default_app is None:
        return TakeBlocked()
    return None if app in routing.takers else TakeNotAllowed()


def _taken(thread: Thread, routing: Routing, app: str, now: datetime) -> Change:
    owner = owner_at(thread, routing, now)
    if owner == app:
        return Change(thread)
    return Change(_held(app, routing, now), None if owner is None else Taken(owner, app))


def _asked(thread: Thread, routing: Routing, app: str, now: datetime) -> Change:
    owner = owner_at(thread, routing, now)
    if owner is None:
        return Change(_held(app, routing, now), Passed(None, app))
    return Change(thread, Requested(app, routing.primary or owner))


def _held(app: str, routing: Routing, now: datetime) -> Thread:
    """With the older roles control has no end."""
    return Thread(app, None if routing.primary is not None else now + CONTROL_LASTS)


def _must_control(thread: Thread, routing: Routing, app: str, now: datetime) -> None:
    if owner_at(thread, routing, now) != app:
        raise NotController

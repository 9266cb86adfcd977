"""What the Graph API shows to an app that asks."""

from collections.abc import Callable
from typing import cast
from urllib.parse import urlencode

from pydantic import JsonValue

from facebook import fields, history
from facebook.errors import InvalidParameter, NoSuchObject, NotLegacyRouting, ProfileUnreadable
from facebook.fields import Field
from facebook.graph import GraphCall
from facebook.history import Body, Listing, Part
from facebook.pages import App, Customer, Page
from facebook.registry import Caller
from facebook.world import World

VERSION = "v26.0"
# Of a person; shown only to apps with a permission of their own, and left out for others.
UNSHOWN = frozenset({"locale", "timezone", "gender"})


def node(world: World, call: GraphCall, caller: Caller) -> Body:
    """A page, a conversation, a message, a persona or a person. Raises GraphError."""
    page = caller.page
    if call.node in {"me", page.id}:
        return _page_fields(page, _names(call, "id,name"))
    if call.node.startswith("t_"):
        found = history.conversation(world, caller, call.node)
        return history.conversation_body(world, caller, found, _fields(call, history.CONVERSATION))
    if call.node.startswith("m_"):
        conversation, line = history.message(world, caller, call.node)
        return history.message_body(world, page, conversation, line, _fields(call, history.MESSAGE))
    if (persona := world.personas.get((page.id, call.node))) is not None:
        return {"id": call.node, **persona.model_dump()}
    person = world.registry.person(page.id, call.node)
    if not person.readable:
        raise ProfileUnreadable
    return _profile(person, _names(call, "first_name,last_name,profile_pic"), call)


def edge(world: World, call: GraphCall, caller: Caller) -> Body:
    """Raises GraphError."""
    if call.node.startswith("t_") and call.edge == "messages":
        found = history.conversation(world, caller, call.node)
        wanted = Field("messages", _limit(call, history.MESSAGES), _fields(call, history.MESSAGE))
        return history.messages_body(world, caller.page, found, wanted)
    reader = EDGES.get(call.edge)
    if reader is None:
        raise NoSuchObject(f"Unknown path components: /{call.edge}")
    call.must_be_page(caller)
    return reader(world, call, caller)


def app_subscriptions(app: App, listed: frozenset[str]) -> Body:
    """Of the app itself: what its webhook is told of pages."""
    if not listed:
        return {"data": []}
    shown: list[JsonValue] = [{"name": name, "version": VERSION} for name in sorted(listed)]
    return {"data": [{"object": "page", "callback_url": app.webhook_url, "active": True, "fields": shown}]}


def _thread_owner(world: World, call: GraphCall, caller: Caller) -> Body:
    """The app is named to the owner and to the default app, or the primary receiver; others see the end only."""
    page = caller.page
    psid = call.psid
    if psid is None:
        raise InvalidParameter("The parameter recipient is required")
    world.registry.person(page.id, psid)
    conversation = world.conversation(page.id, psid)
    owner = world.owner(page, conversation)
    if owner is None:
        return {"data": []}
    shown: Body = {}
    if caller.app.id in {owner, page.default_app, page.primary}:
        shown["app_id"] = owner
    if conversation.thread.expires_at is not None:
        shown["expiration"] = int(conversation.thread.expires_at.timestamp())
    return {"data": [{"thread_owner": shown}]}


def _secondary_receivers(world: World, _call: GraphCall, caller: Caller) -> Body:
    page = caller.page
    if caller.app.id not in {page.default_app, page.primary}:
        raise NotLegacyRouting
    others = sorted(page.routing.connected - {caller.app.id})
    return {"data": [{"id": app_id, "name": world.app_name(app_id)} for app_id in others]}


def _subscribed_apps(world: World, _call: GraphCall, caller: Caller) -> Body:
    shown: list[JsonValue] = [
        {"id": app.id, "name": app.name, "subscribed_fields": cast("JsonValue", sorted(listed))}
        for app, listed in world.registry.subscribers(caller.page)
    ]
    return {"data": shown}


def _personas(world: World, _call: GraphCall, caller: Caller) -> Body:
    shown: list[JsonValue] = [
        {"id": persona_id, **persona.model_dump()}
        for (page_id, persona_id), persona in world.personas.items()
        if page_id == caller.page.id
    ]
    return {"data": shown}


def _conversations(world: World, call: GraphCall, caller: Caller) -> Body:
    if call.text("platform") not in {None, "messenger"}:
        return {"data": []}
    listing = Listing(
        _fields(call, history.CONVERSATION),
        call.text("user_id") or call.text("psid"),
        _limit(call, history.LISTED, history.MOST_LISTED),
        call.text("after"),
    )
    return _paged(call, history.listed(world, caller, listing))


EDGES: dict[str, Callable[[World, GraphCall, Caller], Body]] = {
    "thread_owner": _thread_owner,
    "secondary_receivers": _secondary_receivers,
    "subscribed_apps": _subscribed_apps,
    "personas": _personas,
    "conversations": _conversations,
}


def _paged(call: GraphCall, part: Part) -> Body:
    if part.before is None:
        return {"data": part.data}
    paging: Body = {"cursors": {"before": part.before, "after": part.after or part.before}}
    if part.after is not None:
        asked = {name: str(value) for name, value in call.params.items() if name != "after"}
        query = urlencode({**asked, "access_token": call.token, "after": part.after})
        paging["next"] = f"{call.origin}{call.path}?{query}"
    return {"data": part.data, "paging": paging}


def _limit(call: GraphCall, usual: int, most: int | None = None) -> int:
    asked = call.text("limit")
    if asked is None:
        return usual
    if not asked.isdecimal() or not int(asked):
        raise InvalidParameter("Param limit must be a positive integer")
    return min(int(asked), most or usual)


def _fields(call: GraphCall, usual: str) -> tuple[Field, ...]:
    return fields.parse(call.text("fields") or usual)


def _names(call: GraphCall, usual: str) -> list[str]:
    return [field.name for field in _fields(call, usual)]


def _page_fields(page: Page, names: list[str]) -> Body:
    behaviour = page.behaviour
    hop_v2 = page.default_app is not None if behaviour.hop_v2 is None else behaviour.hop_v2
    multi_app = page.regime == "zero_config" if behaviour.msgr_multi_app is None else behaviour.msgr_multi_app
    known: Body = {
        "id": page.id,
        "name": page.name,
        "messaging_feature_status": {"hop_v2": hop_v2, "msgr_multi_app": multi_app, "ig_multi_app": False},
    }
    return _picked(known, names)


def _profile(person: Customer, names: list[str], call: GraphCall) -> Body:
    known: Body = {
        "id": person.psid,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": person.name,
        "profile_pic": person.profile_pic or f"{call.origin}/pictures/{person.psid}.svg",
    }
    return _picked(known, [name for name in names if name not in UNSHOWN])


def _picked(known: Body, names: list[str]) -> Body:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidParameter(f"Tried accessing nonexisting field ({unknown[0]})")
    return {name: known[name] for name in dict.fromkeys([*names, "id"])}

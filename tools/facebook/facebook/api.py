"""The Graph API: thin handlers over the rules. Shapes of answers and errors are Facebook's."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import NoReturn, cast

from aiohttp import web
from pydantic import JsonValue, SecretStr

from facebook import graph, sending
from facebook.courier import Courier
from facebook.errors import (
    CallbackNotVerified,
    GraphError,
    InvalidParameter,
    NoSuchObject,
    NotLegacyRouting,
    ProfileUnreadable,
    RateLimited,
    Unavailable,
)
from facebook.faults import Call
from facebook.graph import GraphCall
from facebook.limits import (
    AppSubscribeRequest,
    ControlRequest,
    PersonaRequest,
    SubscribeRequest,
    parse,
    send_request,
)
from facebook.pages import App, Customer, Page
from facebook.record import Refused
from facebook.registry import Caller
from facebook.sending import Control
from facebook.world import Act, World

ECHO_WAIT = 10.0  # seconds an answer waits for its webhooks with the fault echo_first

Body = dict[str, JsonValue]
Answerer = Callable[[GraphCall, Caller], Awaitable[web.StreamResponse]]


class GraphApi:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        """Under a version prefix and without one."""
        return [
            route
            for prefix in ("/{version:v[0-9]+\\.[0-9]+}", "")
            for route in (
                web.get(prefix + "/{node:me|[0-9]+}", self._get_node),
                web.get(prefix + "/{node:me|[0-9]+}/{edge:[a-z_]+}", self._get_edge),
                web.post(prefix + "/{node:me|[0-9]+}/{edge:[a-z_]+}", self._post),
                web.delete(prefix + "/{node:me|[0-9]+}/subscribed_apps", self._unsubscribe),
            )
        ]

    async def _get_node(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, "profile", self._node)

    async def _get_edge(self, request: web.Request) -> web.StreamResponse:
        edges = {
            "thread_owner": self._thread_owner,
            "secondary_receivers": self._secondary_receivers,
            "subscribed_apps": self._subscribed_apps,
            "personas": self._personas,
        }
        edge = request.match_info["edge"]
        return await self._answered(request, _call_name(edge), edges.get(edge, self._no_edge))

    async def _post(self, request: web.Request) -> web.StreamResponse:
        edge = request.match_info["edge"]
        if edge == "subscriptions":
            return await self._subscribe_app(request)
        return await self._answered(request, _call_name(edge), self._writer(request, edge))

    async def _unsubscribe(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, "other", self._drop_subscription)

    def _writer(self, request: web.Request, edge: str) -> Answerer:
        if edge == "messages":
            return lambda call, caller: self._send(request, call, caller)
        if edge.endswith("_thread_control"):
            return lambda call, caller: self._control(request, call, caller, edge.removesuffix("_thread_control"))
        writers: dict[str, Answerer] = {"subscribed_apps": self._subscribe, "personas": self._add_persona}
        return writers.get(edge, self._no_edge)

    async def _answered(self, request: web.Request, call_name: Call, answerer: Answerer) -> web.StreamResponse:
        """Who calls, whether a fault is ordered, then the call; a refusal is recorded and answered as Facebook does."""
        call = caller = None
        try:
            call = await graph.read(request)
            graph.must_have_token(call)
            caller = call.caller(self._world.registry)
            self._raise_ordered_fault(caller.page, call_name)
            return await answerer(call, caller)
        except GraphError as error:
            return self._refuse(request, error, call, caller)

    def _raise_ordered_fault(self, page: Page, call_name: Call) -> None:
        error = self._world.faults.before(page.id, call_name)
        if error is not None:
            raise error

    async def _send(self, request: web.Request, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        asked = send_request(call.params)
        act = sending.send(self._world, caller, asked)
        body: Body = {"recipient_id": asked.recipient.id}
        if act.mid is not None:
            body["message_id"] = act.mid
        return await self._finish(request, caller.page, act, body)

    async def _control(self, request: web.Request, call: GraphCall, caller: Caller, action: str) -> web.StreamResponse:
        call.must_be_page(caller)
        if action not in {"pass", "take", "request", "release", "extend"}:
            raise NoSuchObject
        asked = parse(ControlRequest, call.params)
        act = sending.control(self._world, caller, cast("Control", action), asked)
        return await self._finish(request, caller.page, act, {"success": True})

    async def _finish(self, request: web.Request, page: Page, act: Act, body: Body) -> web.StreamResponse:
        """Answers what was done. Without a fault the answer is written before the webhooks leave."""
        faults = self._world.faults.of(page.id)
        if act.answer == "sent" and not faults.echo_first:
            return await self._answer_first(request, act, body)
        deliveries = self._courier.post(act.webhooks)
        if faults.echo_first:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ECHO_WAIT):
                    for delivery in deliveries:
                        await delivery.over.wait()
        if act.answer == "delayed":
            await asyncio.sleep(faults.delay_answers_s)
        if act.answer == "lost":
            return _cut(request)
        if act.answer == "failed":
            return self._error(Unavailable())
        return _json(body)

    async def _answer_first(self, request: web.Request, act: Act, body: Body) -> web.StreamResponse:
        response = _json(body)
        try:
            await response.prepare(request)
            await response.write_eof()
        finally:
            self._courier.post(act.webhooks)
        return response

    async def _node(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        if call.node in {"me", caller.page.id}:
            return _json(_page_fields(caller.page, _fields(call, "id,name")))
        person = self._world.registry.person(caller.page.id, call.node)
        if not person.readable:
            raise ProfileUnreadable
        return _json(_profile(person, _fields(call, "first_name,last_name,profile_pic"), call))

    async def _thread_owner(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        page = caller.page
        psid = _recipient(call)
        self._world.registry.person(page.id, psid)
        conversation = self._world.conversation(page.id, psid)
        owner = self._world.owner(page, conversation)
        if owner is None:
            return _json({"data": []})
        shown: Body = {}
        if caller.app.id in {owner, page.default_app}:
            shown["app_id"] = owner
        if conversation.thread.expires_at is not None:
            shown["expiration"] = int(conversation.thread.expires_at.timestamp())
        return _json({"data": [{"thread_owner": shown}]})

    async def _secondary_receivers(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        if caller.page.default_app != caller.app.id:
            raise NotLegacyRouting
        others = sorted(caller.page.routing.connected - {caller.app.id})
        return _json({"data": [{"id": app_id, "name": self._world.app_name(app_id)} for app_id in others]})

    async def _subscribed_apps(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        shown: list[JsonValue] = [
            {"id": app.id, "name": app.name, "subscribed_fields": cast("JsonValue", sorted(fields))}
            for app, fields in self._world.registry.subscribers(caller.page)
        ]
        return _json({"data": shown})

    async def _subscribe(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        fields = parse(SubscribeRequest, {"subscribed_fields": _listed(call.params.get("subscribed_fields"))})
        if not fields.subscribed_fields:
            raise InvalidParameter("The parameter subscribed_fields is required")
        self._world.registry.subscribe(caller.page.id, caller.app.id, frozenset(fields.subscribed_fields))
        return _json({"success": True})

    async def _drop_subscription(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        self._world.registry.subscribe(caller.page.id, caller.app.id, frozenset())
        return _json({"success": True})

    async def _personas(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        shown: list[JsonValue] = [
            {"id": persona_id, **persona.model_dump()}
            for (page_id, persona_id), persona in self._world.personas.items()
            if page_id == caller.page.id
        ]
        return _json({"data": shown})

    async def _add_persona(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        persona = parse(PersonaRequest, call.params)
        persona_id = self._world.ids.persona()
        self._world.personas[caller.page.id, persona_id] = persona
        return _json({"id": persona_id})

    async def _subscribe_app(self, request: web.Request) -> web.StreamResponse:
        """POST /{app-id}/subscriptions with an app access token: the handshake decides."""
        call = None
        try:
            call = await graph.read(request)
            app = self._world.registry.app_caller(call.node, call.token)
            fields = _listed(call.params.get("fields"))
            asked = parse(AppSubscribeRequest, {**call.params, "fields": fields})
            await self._adopt(app, asked)
        except GraphError as error:
            return self._refuse(request, error, call, None)
        return _json({"success": True})

    async def _adopt(self, app: App, asked: AppSubscribeRequest) -> None:
        result = await self._courier.shake_hands(asked.callback_url, asked.verify_token)
        if not result.ok:
            raise CallbackNotVerified(f"Callback verification failed: {result.detail}")
        adopted = app.model_copy(
            update={"webhook_url": asked.callback_url, "verify_token": SecretStr(asked.verify_token)}
        )
        self._world.registry.put_app(adopted)
        self._courier.verified[app.id] = result

    async def _no_edge(self, call: GraphCall, _caller: Caller) -> NoReturn:
        raise NoSuchObject(f"Unknown path components: /{call.edge}")

    def _refuse(
        self, request: web.Request, error: GraphError, call: GraphCall | None, caller: Caller | None
    ) -> web.StreamResponse:
        message = call.params.get("message") if call else None
        said = message if isinstance(message, dict) else {}
        self._world.record.add(
            Refused(
                page_id=caller.page.id if caller else None,
                psid=_psid_of(call) if call else None,
                app_id=caller.app.id if caller else None,
                call=request.match_info.get("edge") or "node",
                code=error.code,
                subcode=error.subcode,
                status=error.status,
                message=error.text,
                text=_text(said.get("text")),
                metadata=_text(said.get("metadata")),
            )
        )
        response = self._error(error)
        if isinstance(error, RateLimited) and caller is not None:
            response.headers["X-Business-Use-Case-Usage"] = self._usage(caller.page.id)
        return response

    def _error(self, error: GraphError) -> web.Response:
        return _json(error.body(self._world.ids.trace()), status=error.status)

    def _usage(self, page_id: str) -> str:
        minutes = self._world.faults.of(page_id).regain_access_min
        spent = {"call_count": 100, "total_cputime": 25, "total_time": 25}
        return json.dumps({page_id: [{"type": "messenger", **spent, "estimated_time_to_regain_access": minutes}]})


def _cut(request: web.Request) -> web.Response:
    """The connection dies before a byte of the answer: the caller cannot know what became of the call."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(body: Body, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"facebook-api-version": "v26.0"})


def _call_name(edge: str) -> Call:
    known = {"messages", "thread_owner"}
    return cast("Call", edge) if edge in known or edge.endswith("_thread_control") else "other"


def _fields(call: GraphCall, default: str) -> list[str]:
    return [name.strip() for name in str(call.params.get("fields", default)).split(",") if name.strip()]


def _page_fields(page: Page, fields: list[str]) -> Body:
    behaviour = page.behaviour
    routed = page.default_app is not None
    hop_v2 = routed if behaviour.hop_v2 is None else behaviour.hop_v2
    multi_app = not routed if behaviour.msgr_multi_app is None else behaviour.msgr_multi_app
    known: Body = {
        "id": page.id,
        "name": page.name,
        "messaging_feature_status": {"hop_v2": hop_v2, "msgr_multi_app": multi_app, "ig_multi_app": False},
    }
    return _picked(known, fields)


def _profile(person: Customer, fields: list[str], call: GraphCall) -> Body:
    known: Body = {
        "id": person.psid,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": person.name,
        "profile_pic": person.profile_pic or f"{call.origin}/pictures/{person.psid}.svg",
    }
    return _picked(known, fields)


def _picked(known: Body, fields: list[str]) -> Body:
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise InvalidParameter(f"Tried accessing nonexisting field ({unknown[0]})")
    return {name: known[name] for name in dict.fromkeys([*fields, "id"])}


def _recipient(call: GraphCall) -> str:
    psid = _psid_of(call)
    if psid is None:
        raise InvalidParameter("The parameter recipient is required")
    return psid


def _psid_of(call: GraphCall) -> str | None:
    match call.params.get("recipient"):
        case {"id": str() | int() as psid}:
            return str(psid)
        case str() | int() as psid:
            return str(psid)
        case _:
            return None


def _listed(raw: JsonValue) -> list[JsonValue]:
    """A comma separated text or a list, as subscribed_fields may be."""
    if isinstance(raw, str):
        return [name.strip() for name in raw.split(",") if name.strip()]
    return list(raw) if isinstance(raw, list) else []


def _text(raw: JsonValue) -> str | None:
    return raw if isinstance(raw, str) else None

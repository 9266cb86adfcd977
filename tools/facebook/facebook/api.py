"""The Graph API: thin handlers over the rules. Shapes of answers and errors are Facebook's."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from pydantic import JsonValue, SecretStr

from facebook import graph, reading, sending
from facebook.courier import Courier
from facebook.errors import (
    CallbackNotVerified,
    GraphError,
    InjectedError,
    InvalidParameter,
    NoSuchObject,
    OverLimit,
    RateLimited,
    Unavailable,
)
from facebook.graph import GraphCall
from facebook.history import Body
from facebook.limits import (
    AppSubscribeRequest,
    ControlRequest,
    PersonaRequest,
    SubscribeRequest,
    UploadRequest,
    parse,
    send_request,
)
from facebook.pages import FIELDS, OTHER_FIELDS, App, Page
from facebook.record import AppTold, Call, Refused
from facebook.registry import Caller
from facebook.rules import Asked
from facebook.sending import Control
from facebook.usage import Rate, usage
from facebook.world import Act, World

ECHO_WAIT = 10.0  # seconds an answer waits for its webhooks with the fault echo_first
USAGE = "X-Business-Use-Case-Usage"
CALLER = web.RequestKey("caller", Caller)

Answerer = Callable[[GraphCall, Caller], Awaitable[web.StreamResponse]]


class GraphApi:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        """Under a version prefix and without one."""
        node, edge = "/{node:me|[0-9]+|[tm]_[A-Za-z0-9_=-]+}", "/{edge:[a-z_]+}"
        return [
            route
            for prefix in ("/{version:v[0-9]+\\.[0-9]+}", "")
            for route in (
                web.get(prefix + node, self._get),
                web.get(prefix + node + edge, self._get),
                web.post(prefix + node + edge, self._post),
                web.delete(prefix + node, self._delete),
                web.delete(prefix + node + edge, self._delete),
            )
        ]

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if request.match_info.get("edge") == "subscriptions":
            return await self._as_app(request, self._app_subscriptions)
        return await self._answered(request, self._read)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        edge = request.match_info["edge"]
        if edge == "subscriptions":
            return await self._as_app(request, self._subscribe_app)
        return await self._answered(request, self._writer(request, edge))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        match request.match_info.get("edge"):
            case "subscriptions":
                return await self._as_app(request, self._unsubscribe_app)
            case "subscribed_apps":
                return await self._answered(request, self._drop_subscription)
            case None:
                return await self._answered(request, self._delete_persona)
            case _:
                return await self._answered(request, self._no_edge)

    def _writer(self, request: web.Request, edge: str) -> Answerer:
        if edge == "messages":
            return lambda call, caller: self._send(request, call, caller)
        if edge.endswith("_thread_control"):
            return lambda call, caller: self._control(request, call, caller, edge.removesuffix("_thread_control"))
        writers: dict[str, Answerer] = {
            "subscribed_apps": self._subscribe,
            "personas": self._add_persona,
            "message_attachments": self._upload,
        }
        return writers.get(edge, self._no_edge)

    async def _answered(self, request: web.Request, answerer: Answerer) -> web.StreamResponse:
        """Who calls, whether a refusal is ordered, then the call; a refusal is recorded and answered as Facebook does."""
        call = caller = None
        try:
            call = await graph.read(request)
            caller = call.caller(self._world.registry)
            request[CALLER] = caller
            name = _call_name(call)
            self._raise_ordered(caller.page, name, call.psid)
            rate = _rate(request.method, call)
            self._world.meter.admit(caller.page.id, rate, caller.page.limits, self._world.now())
            return await answerer(call, caller)
        except GraphError as error:
            return self._refuse(request, error, call, caller)

    async def _as_app(
        self, request: web.Request, answer: Callable[[GraphCall, App], Awaitable[Body]]
    ) -> web.StreamResponse:
        """A call with an app access token: about the app, not about a page."""
        call = None
        try:
            call = await graph.read(request)
            app = call.app(self._world.registry)
            ordered = self._world.faults.rules.answer(Asked(None, "subscriptions", None))
            if ordered is not None:
                raise ordered
            return _json(await answer(call, app))
        except GraphError as error:
            return self._refuse(request, error, call, None)

    def _raise_ordered(self, page: Page, name: Call, psid: str | None) -> None:
        error = self._world.faults.before(page.id, name, psid)
        if error is not None:
            raise error

    async def _read(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        read = reading.edge if call.edge else reading.node
        return _json(read(self._world, call, caller))

    async def _send(self, request: web.Request, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        asked = send_request(call.params)
        act = sending.send(self._world, caller, asked)
        body: Body = {"recipient_id": asked.recipient.id}
        if act.mid is not None:
            body["message_id"] = act.mid
        if act.attachment_id is not None:
            body["attachment_id"] = act.attachment_id
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

    async def _subscribe(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        fields = parse(SubscribeRequest, {"subscribed_fields": _listed(call.params.get("subscribed_fields"))})
        if not fields.subscribed_fields:
            raise InvalidParameter("The parameter subscribed_fields is required")
        _must_be_fields("subscribed_fields", fields.subscribed_fields)
        self._subscribed(caller.page, caller.app, frozenset(fields.subscribed_fields))
        return _json({"success": True})

    async def _drop_subscription(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        self._subscribed(caller.page, caller.app, frozenset())
        return _json({"success": True})

    def _subscribed(self, page: Page, app: App, fields: frozenset[str]) -> None:
        self._world.registry.subscribe(page.id, app.id, fields)
        told = AppTold(page_id=page.id, app_id=app.id, what="subscribed", detail=", ".join(sorted(fields)) or "nothing")
        self._world.record.add(told)

    async def _add_persona(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        call.must_be_page(caller)
        persona = parse(PersonaRequest, call.params)
        persona_id = self._world.ids.persona()
        self._world.personas[caller.page.id, persona_id] = persona
        return _json({"id": persona_id})

    async def _upload(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        """Keeps an attachment by its address; a file that comes in the call itself is not read."""
        call.must_be_page(caller)
        asked = parse(UploadRequest, call.params)
        return _json({"attachment_id": self._world.keep(caller.page.id, asked.message.attachment)})

    async def _delete_persona(self, call: GraphCall, caller: Caller) -> web.StreamResponse:
        if self._world.personas.pop((caller.page.id, call.node), None) is None:
            raise NoSuchObject
        return _json({"success": True})

    async def _app_subscriptions(self, _call: GraphCall, app: App) -> Body:
        return reading.app_subscriptions(app, self._world.registry.app_fields[app.id])

    async def _subscribe_app(self, call: GraphCall, app: App) -> Body:
        """The handshake decides. The fields given are all that the app is told from now on."""
        fields = _listed(call.params.get("fields"))
        asked = parse(AppSubscribeRequest, {**call.params, "fields": fields})
        _must_be_fields("fields", asked.fields)
        result = await self._courier.shake_hands(asked.callback_url, asked.verify_token)
        if not result.ok:
            raise CallbackNotVerified(f"Callback verification failed: {result.detail}")
        adopted = app.model_copy(
            update={"webhook_url": asked.callback_url, "verify_token": SecretStr(asked.verify_token)}
        )
        self._world.registry.put_app(adopted)
        self._world.registry.app_fields[app.id] = frozenset(asked.fields)
        self._courier.verified[app.id] = result
        self._world.record.add(AppTold(app_id=app.id, what="subscribed", detail=", ".join(sorted(asked.fields))))
        return {"success": True}

    async def _unsubscribe_app(self, call: GraphCall, app: App) -> Body:
        """Some fields, or all of them."""
        left = self._world.registry.app_fields[app.id] - frozenset(map(str, _listed(call.params.get("fields"))))
        self._world.registry.app_fields[app.id] = left if call.params.get("fields") else frozenset()
        return {"success": True}

    async def _no_edge(self, call: GraphCall, _caller: Caller) -> web.StreamResponse:
        raise NoSuchObject(f"Unknown path components: /{call.edge}")

    def _refuse(
        self, request: web.Request, error: GraphError, call: GraphCall | None, caller: Caller | None
    ) -> web.StreamResponse:
        message = call.params.get("message") if call else None
        said = message if isinstance(message, dict) else {}
        self._world.record.add(
            Refused(
                page_id=caller.page.id if caller else None,
                psid=call.psid if call else None,
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
        if isinstance(error, RateLimited) and not isinstance(error, OverLimit) and caller is not None:
            minutes = self._world.faults.of(caller.page.id).regain_access_min
            response.headers[USAGE] = json.dumps(usage(caller.page.id, 100, minutes))
        return response

    def _error(self, error: GraphError) -> web.Response:
        if not isinstance(error, InjectedError):
            return _json(error.body(self._world.ids.trace()), status=error.status)
        if error.words is not None:
            return web.Response(text=error.words, status=error.status, headers=error.headers, content_type="text/html")
        return _json(error.body(self._world.ids.trace()), status=error.status, headers=error.headers)

    async def add_usage(self, request: web.Request, response: web.StreamResponse) -> None:
        """On every answer of a call for a page: how much it was called."""
        caller: Caller | None = request.get(CALLER)
        if caller is None:
            return
        page = caller.page
        shown = self._world.meter.header(page.id, page.limits, self._world.now())
        response.headers.setdefault(USAGE, json.dumps(shown))


def _cut(request: web.Request) -> web.Response:
    """The connection dies before a byte of the answer: the caller cannot know what became of the call."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(body: Body, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers={"facebook-api-version": "v26.0", **(headers or {})})


def _call_name(call: GraphCall) -> Call:
    if call.node.startswith(("t_", "m_")) or call.edge == "conversations":
        return "conversations"
    known = {"messages", "thread_owner", "subscribed_apps", "secondary_receivers", "personas"}
    if call.edge in known or call.edge.endswith("_thread_control"):
        return cast("Call", call.edge)
    return "other" if call.edge else "profile"


def _rate(method: str, call: GraphCall) -> Rate:
    if _call_name(call) == "conversations":
        return "conversations"
    if method != "POST" or call.edge != "messages":
        return "other"
    match call.params.get("message"):
        case {"attachment": {"type": "audio" | "video"}}:
            return "media"
        case _:
            return "text"


def _must_be_fields(parameter: str, names: tuple[str, ...]) -> None:
    for index, name in enumerate(names):
        if name not in FIELDS | OTHER_FIELDS:
            allowed = ", ".join(sorted(FIELDS | OTHER_FIELDS))
            raise InvalidParameter(f'Param {parameter}[{index}] must be one of {{{allowed}}} - got "{name}".')


def _listed(raw: JsonValue) -> list[JsonValue]:
    """A comma separated text, a list or the JSON of one, as subscribed_fields may be."""
    if isinstance(raw, str) and raw.startswith("["):
        with contextlib.suppress(ValueError):
            raw = json.loads(raw)
    if isinstance(raw, str):
        return [name.strip() for name in raw.split(",") if name.strip()]
    return list(raw) if isinstance(raw, list) else []


def _text(raw: JsonValue) -> str | None:
    return raw if isinstance(raw, str) else None

"""The control API: who plays customers and staff, switches faults and reads what happened comes in here.

It is for tests and demonstrations on one machine and has no login; it answers to browsers of the same origin only.
"""

import json
from collections.abc import Iterable
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, JsonValue, ValidationError

from facebook import customers, inbox, views
from facebook.bodies import (
    Advance,
    Anchor,
    AppBody,
    CustomerBody,
    CustomerChange,
    Nothing,
    PageBody,
    PageChange,
    Pick,
    Press,
    Reply,
    Say,
)
from facebook.courier import Courier
from facebook.customers import NotOffered
from facebook.events import QuickReplyPicked
from facebook.faults import Faults
from facebook.inbox import NotPossible
from facebook.pages import App, Customer, Page
from facebook.record import Entry, FaultsSet, Filter
from facebook.registry import AmbiguousCustomer, UnknownName
from facebook.world import Act, World

HEARTBEAT = 15.0  # seconds between comments on a quiet event stream

B = TypeVar("B", bound=BaseModel)


class BadField(Exception):
    """The request cannot be understood; `field` names where."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


class BoxApi:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/box/state", self._state),
            web.put("/box/apps/{app_id:[0-9]+}", self._put_app),
            web.post("/box/apps/{app_id:[0-9]+}/verify", self._verify_app),
            web.put("/box/pages/{page_id:[0-9]+}", self._put_page),
            web.patch("/box/pages/{page_id:[0-9]+}", self._change_page),
            web.post("/box/pages/{page_id:[0-9]+}/customers", self._add_customer),
            web.patch("/box/customers/{psid:[0-9]+}", self._change_customer),
            web.post("/box/customers/{psid:[0-9]+}/say", self._say),
            web.post("/box/customers/{psid:[0-9]+}/quick_reply", self._quick_reply),
            web.post("/box/customers/{psid:[0-9]+}/postback", self._postback),
            web.post("/box/customers/{psid:[0-9]+}/read", self._read),
            web.post("/box/inbox/{psid:[0-9]+}/reply", self._inbox_reply),
            web.post("/box/inbox/{psid:[0-9]+}/move_to_main", self._move_to_main),
            web.post("/box/inbox/{psid:[0-9]+}/move_to_done", self._move_to_done),
            web.get("/box/conversations", self._conversations),
            web.get("/box/conversations/{page_id:[0-9]+}/{psid:[0-9]+}", self._transcript),
            web.get("/box/record", self._record),
            web.get("/box/events", self._events),
            web.get("/box/faults", self._faults),
            web.put("/box/faults", self._put_faults),
            web.patch("/box/faults", self._change_faults),
            web.delete("/box/faults", self._clear_faults),
            web.post("/box/clock", self._advance),
            web.post("/box/reset", self._reset),
        ]

    async def _state(self, _request: web.Request) -> web.Response:
        return _shown(views.state(self._world, self._courier))

    async def _put_app(self, request: web.Request) -> web.Response:
        """Registers an app and shakes hands with its webhook; the answer says how that went."""
        body = await _body(request, AppBody)
        app = App(
            id=request.match_info["app_id"],
            name=body.name,
            secret=body.secret,
            verify_token=body.verify_token,
            webhook_url=body.webhook_url,
        )
        self._world.registry.put_app(app)
        await self._courier.verify(app)
        return _shown(views.app(self._world, self._courier, app.id))

    async def _verify_app(self, request: web.Request) -> web.Response:
        app = self._world.registry.app(request.match_info["app_id"])
        await self._courier.verify(app)
        return _shown(views.app(self._world, self._courier, app.id))

    async def _put_page(self, request: web.Request) -> web.Response:
        body = await _body(request, PageBody, fixed={"id": request.match_info["page_id"]})
        page = body.page
        self._world.registry.put_page(page)
        for customer in body.customers:
            self._world.registry.put_customer(page.id, customer)
        return _shown(views.page(self._world, page))

    async def _change_page(self, request: web.Request) -> web.Response:
        page = self._world.registry.page(request.match_info["page_id"])
        change = await _body(request, PageChange)
        given = {name: getattr(change, name) for name in change.model_fields_set}
        changed = _validated(Page, {**dict(page), **given})
        self._world.registry.put_page(changed)
        return _shown(views.page(self._world, changed))

    async def _add_customer(self, request: web.Request) -> web.Response:
        page = self._world.registry.page(request.match_info["page_id"])
        body = await _body(request, CustomerBody)
        psid = body.psid or self._world.ids.persona()
        customer = Customer.model_validate({**dict(body), "psid": psid})
        self._world.registry.put_customer(page.id, customer)
        return _shown(customer, status=201)

    async def _change_customer(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        change = await _body(request, CustomerChange)
        given = {name: value for name, value in dict(change).items() if value is not None}
        customer = self._world.registry.customer(page.id, psid).model_copy(update=given)
        self._world.registry.put_customer(page.id, customer)
        return _shown(customer)

    async def _say(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        body = await _body(request, Say)
        media = body.attachment.media if body.attachment else None
        return self._acted(page, psid, customers.say(self._world, page, psid, body.text, media))

    async def _quick_reply(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        body = await _body(request, Pick)
        if body.stale:
            picked = QuickReplyPicked(body.title or "", body.payload or "")
        else:
            picked = customers.on_offer(self._world, page, psid, body.title, body.payload)
        return self._acted(page, psid, customers.pick(self._world, page, psid, picked))

    async def _postback(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        body = await _body(request, Press)
        return self._acted(page, psid, customers.press(self._world, page, psid, body.payload, body.title))

    async def _read(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        await _body(request, Nothing)
        return self._acted(page, psid, customers.read(self._world, page, psid))

    async def _inbox_reply(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        body = await _body(request, Reply)
        return self._acted(page, psid, inbox.reply(self._world, page, psid, body.text))

    async def _move_to_main(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        await _body(request, Nothing)
        return self._acted(page, psid, inbox.move_to_main(self._world, page, psid))

    async def _move_to_done(self, request: web.Request) -> web.Response:
        page, psid = self._person(request)
        await _body(request, Nothing)
        return self._acted(page, psid, inbox.move_to_done(self._world, page, psid))

    async def _conversations(self, request: web.Request) -> web.Response:
        wanted = request.query.get("page")
        pages = [self._world.registry.page(wanted)] if wanted else list(self._world.registry.pages.values())
        return _listed("conversations", (view for page in pages for view in self._world.views(page)))

    async def _transcript(self, request: web.Request) -> web.Response:
        page = self._world.registry.page(request.match_info["page_id"])
        return _shown(views.transcript(self._world, page, request.match_info["psid"]))

    async def _record(self, request: web.Request) -> web.Response:
        anchor = _query(request)
        return self._entries(self._world.record.after(anchor.after, _filter(anchor), anchor.limit))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """A long poll (`after`, `wait`), or a stream for a browser's EventSource."""
        anchor = _query(request)
        if "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, anchor)
        found = await self._world.record.wait(anchor.after, _filter(anchor), anchor.limit, anchor.wait)
        return self._entries(found)

    async def _stream(self, request: web.Request, anchor: Anchor) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        # A number from before a restart is ahead of this record.
        resumed = request.headers.get("Last-Event-ID", "")
        seq = min(int(resumed) if resumed.isdigit() else anchor.after, self._world.record.last)
        try:
            while not self._world.record.closed:
                found = await self._world.record.wait(seq, _filter(anchor), anchor.limit, HEARTBEAT)
                chunk = b"".join(b"id: %d\ndata: %s\n\n" % (entry.seq, entry.json) for entry in found)
                await response.write(chunk or b": still here\n\n")
                seq = found[-1].seq if found else seq
        except ConnectionError:
            return response
        return response

    async def _faults(self, request: web.Request) -> web.Response:
        page_id = self._page_of_faults(request)
        return _shown(self._world.faults.of(page_id) if page_id else self._world.faults.general)

    async def _put_faults(self, request: web.Request) -> web.Response:
        return self._set_faults(request, await _body(request, Faults))

    async def _change_faults(self, request: web.Request) -> web.Response:
        page_id = self._page_of_faults(request)
        now = self._world.faults.of(page_id) if page_id else self._world.faults.general
        change = await _body(request, Faults)
        given = {name: getattr(change, name) for name in change.model_fields_set}
        return self._set_faults(request, now.model_copy(update=given))

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._world.faults.clear()
        return self._set_faults(request, Faults())

    async def _advance(self, request: web.Request) -> web.Response:
        body = await _body(request, Advance)
        self._world.clock.advance(body.by)
        return _shown(views.state(self._world, self._courier))

    async def _reset(self, request: web.Request) -> web.Response:
        await _body(request, Nothing)
        self._courier.forget()
        self._world.forget()
        self._courier.faults_changed()
        return _shown(views.state(self._world, self._courier))

    def _set_faults(self, request: web.Request, faults: Faults) -> web.Response:
        page_id = self._page_of_faults(request)
        self._world.faults.put(page_id, faults)
        self._world.record.add(FaultsSet(page_id=page_id, faults=faults.model_dump(mode="json")))
        self._courier.faults_changed()
        return _shown(faults)

    def _page_of_faults(self, request: web.Request) -> str | None:
        page_id = request.query.get("page")
        return self._world.registry.page(page_id).id if page_id else None

    def _person(self, request: web.Request) -> tuple[Page, str]:
        psid = request.match_info["psid"]
        return self._world.registry.page_of(psid, request.query.get("page")), psid

    def _acted(self, page: Page, psid: str, act: Act) -> web.Response:
        self._courier.post(act.webhooks)
        return _shown(views.ActView(seq=act.seq, mid=act.mid, conversation=self._world.view(page, psid)))

    def _entries(self, entries: Iterable[Entry]) -> web.Response:
        joined = b",".join(entry.json for entry in entries)
        body = b'{"entries":[%s],"last":%d}' % (joined, self._world.record.last)
        return web.Response(body=body, content_type="application/json")


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals of the control API as JSON: what is wrong, and in which field."""
    try:
        return await handler(request)
    except BadField as error:
        return _problem(400, error.field, str(error))
    except AmbiguousCustomer as error:
        return _problem(400, "page", str(error))
    except UnknownName as error:
        return _problem(404, error.field, str(error))
    except NotOffered as error:
        return _problem(409, "title", str(error))
    except NotPossible as error:
        return _problem(409, "psid", str(error))


def _problem(status: int, field: str, message: str) -> web.Response:
    return web.json_response({"error": {"field": field, "message": message}}, status=status)


async def _body(request: web.Request, model: type[B], fixed: dict[str, JsonValue] | None = None) -> B:
    """The JSON body, which has to be declared as JSON: a form of another site cannot do that."""
    if request.content_type != "application/json":
        raise BadField("Content-Type", "the body has to be application/json")
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        raise BadField("body", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadField("body", "the body is not a JSON object")
    return _validated(model, {**body, **(fixed or {})})


def _query(request: web.Request) -> Anchor:
    return _validated(Anchor, dict(request.query))


def _validated(model: type[B], values: object) -> B:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "body"
        raise BadField(field, first["msg"].removeprefix("Value error, ")) from None


def _filter(anchor: Anchor) -> Filter:
    kinds = frozenset(name.strip() for name in (anchor.kind or "").split(",") if name.strip())
    return Filter(kinds, anchor.page, anchor.psid)


def _shown(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(body=model.model_dump_json().encode(), status=status, content_type="application/json")


def _listed(name: str, models: Iterable[BaseModel]) -> web.Response:
    joined = ",".join(model.model_dump_json() for model in models)
    return web.Response(body=f'{{"{name}":[{joined}]}}'.encode(), content_type="application/json")

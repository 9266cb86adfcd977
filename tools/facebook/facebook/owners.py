"""The control API of developers and page owners: apps, pages, customers, and events of a page itself."""

from typing import cast

from aiohttp import web
from pydantic import JsonValue

from facebook import control, events, signing, views
from facebook.bodies import (
    AppBody,
    AppChange,
    Change,
    CustomerBody,
    CustomerChange,
    PageBody,
    PageChange,
    Policy,
    Raw,
    RawBody,
    RegimeBody,
    Roles,
    Subscription,
)
from facebook.courier import Courier
from facebook.events import Sides
from facebook.model import Id
from facebook.pages import App, Customer, Page
from facebook.record import AppTold, PageChanged, PageSaid
from facebook.shapes import Event
from facebook.world import Webhook, World


class OwnersApi:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        app, page = "/box/apps/{app_id:[0-9]+}", "/box/pages/{page_id:[0-9]+}"
        return [
            web.put(app, self._put_app),
            web.patch(app, self._change_app),
            web.post(app + "/verify", self._verify_app),
            web.post(app + "/raw", self._raw_body),
            web.put(page, self._put_page),
            web.patch(page, self._change_page),
            web.put(page + "/regime", self._set_regime),
            web.put(page + "/subscriptions", self._set_subscription),
            web.post(page + "/customers", self._add_customer),
            web.post(page + "/policy", self._policy),
            web.post(page + "/app_roles", self._roles),
            web.post(page + "/changes", self._changes),
            web.post(page + "/raw", self._raw),
            web.patch("/box/customers/{psid:[0-9]+}", self._change_customer),
        ]

    async def _put_app(self, request: web.Request) -> web.Response:
        """Registers an app and shakes hands with its webhook; the answer says how that went."""
        body = await control.read(request, AppBody)
        app = App(id=request.match_info["app_id"], **dict(body))
        self._world.registry.put_app(app)
        await self._courier.verify(app)
        return control.shown(views.app(self._world, self._courier, app.id))

    async def _change_app(self, request: web.Request) -> web.Response:
        app = self._app(request)
        change = await control.read(request, AppChange)
        if change.require_proof is not None:
            self._world.registry.put_app(app.model_copy(update={"require_proof": change.require_proof}))
        if change.fields is not None:
            self._world.registry.app_fields[app.id] = change.fields
        return control.shown(views.app(self._world, self._courier, app.id))

    async def _verify_app(self, request: web.Request) -> web.Response:
        app = self._app(request)
        await self._courier.verify(app)
        return control.shown(views.app(self._world, self._courier, app.id))

    async def _raw_body(self, request: web.Request) -> web.Response:
        """One signed POST of any JSON to the app's webhook; the answer says what it answered."""
        app = self._app(request)
        body = await control.read(request, RawBody)
        attempt = await self._courier.post_body(app, signing.serialise(body.body))
        seen = {"status": attempt.status, "error": attempt.error, "took_ms": round(attempt.took * 1000)}
        return web.json_response(seen)

    async def _put_page(self, request: web.Request) -> web.Response:
        body = await control.read(request, PageBody, fixed={"id": request.match_info["page_id"]})
        page = body.page
        self._world.registry.put_page(page)
        for customer in body.customers:
            self._world.registry.put_customer(page.id, customer)
        return control.shown(views.page(self._world, page))

    async def _change_page(self, request: web.Request) -> web.Response:
        change = await control.read(request, PageChange)
        given = {name: getattr(change, name) for name in change.model_fields_set}
        return self._change(self._page(request), given)

    async def _set_regime(self, request: web.Request) -> web.Response:
        """How the page decides who has its threads, by the name of the regime."""
        page = self._page(request)
        body = await control.read(request, RegimeBody)
        return self._change(page, _regime(page, body))

    def _change(self, page: Page, given: dict[str, object]) -> web.Response:
        changed = control.validated(Page, {**dict(page), **given})
        self._world.registry.put_page(changed)
        if _rules_of(changed) != _rules_of(page):
            self._world.record.add(_rules_of(changed))
        if changed.primary not in {None, page.primary}:
            self._tell_roles(changed, {changed.primary: ["primary_receiver"]})
        return control.shown(views.page(self._world, changed))

    async def _set_subscription(self, request: web.Request) -> web.Response:
        page = self._page(request)
        body = await control.read(request, Subscription)
        app = self._world.registry.app(body.app)
        self._world.registry.subscribe(page.id, app.id, body.fields)
        detail = ", ".join(sorted(body.fields)) or "nothing"
        self._world.record.add(AppTold(page_id=page.id, app_id=app.id, what="subscribed", detail=detail))
        self._courier.wake()
        return control.shown(views.page(self._world, page))

    async def _add_customer(self, request: web.Request) -> web.Response:
        page = self._page(request)
        body = await control.read(request, CustomerBody)
        psid = body.psid or self._world.ids.persona()
        customer = Customer.model_validate({**dict(body), "psid": psid})
        self._world.registry.put_customer(page.id, customer)
        return control.shown(customer, status=201)

    async def _change_customer(self, request: web.Request) -> web.Response:
        page, psid = control.person(self._world, request)
        change = await control.read(request, CustomerChange)
        given = {name: value for name, value in dict(change).items() if value is not None}
        customer = self._world.registry.customer(page.id, psid).model_copy(update=given)
        self._world.registry.put_customer(page.id, customer)
        return control.shown(customer)

    async def _policy(self, request: web.Request) -> web.Response:
        """Facebook warns, blocks or unblocks the page."""
        page = self._page(request)
        body = await control.read(request, Policy)
        event = events.anonymous(self._sides(page), "policy_enforcement", body.model_dump(exclude_none=True))
        return self._said(page, self._world.tell_page(page, "policy_enforcement", event), "policy_enforcement", event)

    async def _roles(self, request: web.Request) -> web.Response:
        page = self._page(request)
        body = await control.read(request, Roles)
        return self._tell_roles(page, body.roles)

    async def _changes(self, request: web.Request) -> web.Response:
        """A change of the page (feed, leadgen): an entry with `changes` and no conversation."""
        page = self._page(request)
        body = await control.read(request, Change)
        event: Event = {"field": body.field, "value": body.value}
        hooks = [
            Webhook(app.id, page.id, None, "changes", "change", event, as_it_is=True)
            for app, _ in self._world.registry.listeners(page)
        ]
        return self._said(page, hooks, "change", event)

    async def _raw(self, request: web.Request) -> web.Response:
        """Any event as it is, in the app's queue behind what waits there."""
        page = self._page(request)
        body = await control.read(request, Raw)
        hooks = [
            Webhook(app.id, page.id, body.psid, body.channel, "raw", body.event, as_it_is=True)
            for app, _ in self._world.registry.subscribers(page)
            if body.app in {None, app.id}
        ]
        return self._said(page, hooks, "raw", body.event)

    def _tell_roles(self, page: Page, roles: dict[Id, list[str]]) -> web.Response:
        shown = cast("JsonValue", roles)
        event = events.anonymous(self._sides(page), "app_roles", shown)
        return self._said(page, self._world.tell_page(page, "app_roles", event), "app_roles", event)

    def _said(self, page: Page, hooks: list[Webhook], name: str, event: Event) -> web.Response:
        seq = self._world.record.add(PageSaid(page_id=page.id, event=name, body=event))
        self._courier.post(hooks)
        return web.json_response({"seq": seq, "apps": [hook.app_id for hook in hooks]})

    def _sides(self, page: Page) -> Sides:
        return Sides(page.id, "", self._world.now())

    def _app(self, request: web.Request) -> App:
        return self._world.registry.app(request.match_info["app_id"])

    def _page(self, request: web.Request) -> Page:
        return self._world.registry.page(request.match_info["page_id"])


def _regime(page: Page, body: RegimeBody) -> dict[str, object]:
    """`app`: the default app or primary receiver; the page's first app where it is left open."""
    app = body.app or next(iter(page.tokens), None)
    given: dict[str, object] = {"default_app": None, "primary": None, "takers": frozenset()}
    match body.regime:
        case "routing":
            given |= {"default_app": app, "takers": frozenset({app})}
        case "routing_no_take":
            given |= {"default_app": app}
        case "zero_config":
            pass
        case "roles":
            given |= {"primary": app}
    if body.inbox_is_receiver is not None:
        given["inbox_is_receiver"] = body.inbox_is_receiver
    return given


def _rules_of(page: Page) -> PageChanged:
    return PageChanged(
        page_id=page.id,
        regime=page.regime,
        default_app=page.default_app,
        primary=page.primary,
        takers=tuple(sorted(page.takers)),
        inbox_is_receiver=page.inbox_is_receiver,
    )

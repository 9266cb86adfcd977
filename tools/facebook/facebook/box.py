"""The control API of the box itself: its state, its record, its faults, rules and clock."""

from collections.abc import Iterable

from aiohttp import web

from facebook import control, views
from facebook.bodies import Advance, Anchor, ClockBody, Nothing, RuleList
from facebook.courier import Courier
from facebook.faults import Faults
from facebook.record import Entry, FaultsSet, Filter
from facebook.refusals import REFUSALS
from facebook.registry import UnknownName
from facebook.rules import Rule
from facebook.world import World

HEARTBEAT = 15.0  # seconds between comments on a quiet event stream


class BoxApi:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/box/state", self._state),
            web.get("/box/conversations", self._conversations),
            web.get("/box/conversations/{page_id:[0-9]+}/{psid:[0-9]+}", self._transcript),
            web.get("/box/record", self._record),
            web.get("/box/events", self._events),
            web.get("/box/faults", self._faults),
            web.put("/box/faults", self._put_faults),
            web.patch("/box/faults", self._change_faults),
            web.delete("/box/faults", self._clear_faults),
            web.get("/box/refusals", self._refusals),
            web.get("/box/rules", self._rules),
            web.put("/box/rules", self._put_rules),
            web.post("/box/rules", self._add_rule),
            web.delete("/box/rules", self._clear_rules),
            web.delete("/box/rules/{rule_id:[0-9]+}", self._remove_rule),
            web.post("/box/clock", self._advance),
            web.put("/box/clock", self._set_clock),
            web.post("/box/reset", self._reset),
        ]

    async def _state(self, _request: web.Request) -> web.Response:
        return control.shown(views.state(self._world, self._courier))

    async def _conversations(self, request: web.Request) -> web.Response:
        wanted = request.query.get("page")
        pages = [self._world.registry.page(wanted)] if wanted else list(self._world.registry.pages.values())
        return control.listed("conversations", (view for page in pages for view in self._world.views(page)))

    async def _transcript(self, request: web.Request) -> web.Response:
        page = self._world.registry.page(request.match_info["page_id"])
        return control.shown(views.transcript(self._world, page, request.match_info["psid"]))

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
        return control.shown(self._world.faults.of(page_id) if page_id else self._world.faults.general)

    async def _put_faults(self, request: web.Request) -> web.Response:
        return self._set_faults(request, await control.read(request, Faults))

    async def _change_faults(self, request: web.Request) -> web.Response:
        page_id = self._page_of_faults(request)
        now = self._world.faults.of(page_id) if page_id else self._world.faults.general
        change = await control.read(request, Faults)
        given = {name: getattr(change, name) for name in change.model_fields_set}
        return self._set_faults(request, now.model_copy(update=given))

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._world.faults.clear()
        return self._set_faults(request, Faults())

    async def _refusals(self, _request: web.Request) -> web.Response:
        """The rows of the table that a rule can name."""
        rows = [
            {"name": name, "code": row.code, "subcode": row.subcode, "status": row.status, "message": row.text}
            for name, row in REFUSALS.items()
        ]
        return web.json_response({"refusals": rows})

    async def _rules(self, _request: web.Request) -> web.Response:
        return control.shown(views.rules(self._world))

    async def _put_rules(self, request: web.Request) -> web.Response:
        body = await control.read(request, RuleList)
        self._world.faults.rules.clear()
        for rule in body.rules:
            self._world.faults.rules.add(rule)
        return self._ruled()

    async def _add_rule(self, request: web.Request) -> web.Response:
        self._world.faults.rules.add(await control.read(request, Rule))
        return self._ruled(201)

    async def _clear_rules(self, _request: web.Request) -> web.Response:
        self._world.faults.rules.clear()
        return self._ruled()

    async def _remove_rule(self, request: web.Request) -> web.Response:
        rule_id = request.match_info["rule_id"]
        if not self._world.faults.rules.remove(int(rule_id)):
            raise UnknownName("rule", rule_id)
        return self._ruled()

    def _ruled(self, status: int = 200) -> web.Response:
        shown = views.rules(self._world)
        self._world.record.add(FaultsSet(faults=shown.model_dump(mode="json")))
        return control.shown(shown, status)

    async def _advance(self, request: web.Request) -> web.Response:
        body = await control.read(request, Advance)
        self._world.clock.advance(body.by)
        return self._clock_moved()

    async def _set_clock(self, request: web.Request) -> web.Response:
        body = await control.read(request, ClockBody)
        self._world.clock.ahead = body.ahead
        return self._clock_moved()

    def _clock_moved(self) -> web.Response:
        self._courier.wake()
        return control.shown(views.state(self._world, self._courier))

    async def _reset(self, request: web.Request) -> web.Response:
        await control.read(request, Nothing)
        self._courier.forget()
        self._world.forget()
        self._courier.wake()
        return control.shown(views.state(self._world, self._courier))

    def _set_faults(self, request: web.Request, faults: Faults) -> web.Response:
        page_id = self._page_of_faults(request)
        self._world.faults.put(page_id, faults)
        self._world.record.add(FaultsSet(page_id=page_id, faults=faults.model_dump(mode="json")))
        self._courier.wake()
        return control.shown(faults)

    def _page_of_faults(self, request: web.Request) -> str | None:
        page_id = request.query.get("page")
        return self._world.registry.page(page_id).id if page_id else None

    def _entries(self, entries: Iterable[Entry]) -> web.Response:
        joined = b",".join(entry.json for entry in entries)
        body = b'{"entries":[%s],"last":%d}' % (joined, self._world.record.last)
        return web.Response(body=body, content_type="application/json")


def _query(request: web.Request) -> Anchor:
    return control.validated(Anchor, dict(request.query))


def _filter(anchor: Anchor) -> Filter:
    kinds = frozenset(name.strip() for name in (anchor.kind or "").split(",") if name.strip())
    return Filter(kinds, anchor.page, anchor.psid)

"""The page at `/`, drawn pictures of customers, health, and the headers every answer carries."""

from html import escape
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from facebook import views
from facebook.courier import Courier
from facebook.world import World

PAGE = Path(__file__).parent / "page"
FILES = {
    "style.css": "text/css",
    "app.js": "text/javascript",
    "api.js": "text/javascript",
    "draw.js": "text/javascript",
    "controls.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# Pictures that a bot sends may be anywhere; everything else is ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' http: https:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
COLOURS = ("#8a3ffc", "#0072c3", "#007d79", "#9f1853", "#a2191f", "#525252")


class Site:
    def __init__(self, world: World, courier: Courier) -> None:
        self._world = world
        self._courier = courier

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._index),
            web.get("/page/{name}", self._file),
            web.get("/pictures/{psid:[0-9]+}.svg", self._picture),
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
        ]

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        return web.FileResponse(PAGE / name, headers={"Content-Type": f"{FILES[name]}; charset=utf-8"})

    async def _picture(self, request: web.Request) -> web.Response:
        psid = request.match_info["psid"]
        page = self._world.registry.page_of(psid, request.query.get("page"))
        customer = self._world.registry.customer(page.id, psid)
        initials = (customer.first_name[:1] + customer.last_name[:1]).upper()
        return web.Response(text=_drawn(initials, int(psid)), content_type="image/svg+xml")

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        apps = views.state(self._world, self._courier).apps
        waits = [f"{app.name}: webhook not verified: {app.detail}" for app in apps if not app.verified]
        return web.json_response({"status": "ok", "remarks": waits})


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No other site may act here through the browser of whoever has the box open."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise web.HTTPForbidden(text="requests of other sites are refused")
    return await handler(request)


def _drawn(initials: str, number: int) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96">'
        f'<rect width="96" height="96" fill="{COLOURS[number % len(COLOURS)]}"/>'
        '<text x="48" y="49" font-family="sans-serif" font-size="36" fill="#fff" text-anchor="middle"'
        f' dominant-baseline="central">{escape(initials)}</text></svg>'
    )

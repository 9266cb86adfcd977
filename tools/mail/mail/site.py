"""The page at `/`, health, and the headers every answer carries."""

import asyncio
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

PAGE = Path(__file__).parent / "page"
FILES = {"style.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SMTP_SERVER = web.AppKey("smtp_server", asyncio.Server)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/", _index),
        web.get("/page/{name}", _file),
        web.get("/healthz", _alive),
        web.get("/readyz", _ready),
    ]


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No other site may act here through the browser of whoever has the page open."""
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise web.HTTPForbidden(text="requests of other sites are refused")
    return await handler(request)


async def _index(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "index.html")


async def _file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in FILES:
        raise web.HTTPNotFound
    return web.FileResponse(PAGE / name, headers={"Content-Type": f"{FILES[name]}; charset=utf-8"})


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    """Ready while mails can come in."""
    if request.app[SMTP_SERVER].is_serving():
        return web.json_response({"status": "ok", "reasons": []})
    return web.json_response({"status": "not ready", "reasons": ["SMTP does not listen"]}, status=503)

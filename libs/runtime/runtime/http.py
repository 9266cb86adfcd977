"""The HTTP server of a process: its own pages, and those by which it is watched."""

import errno
from typing import Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runtime.errors import Refused
from runtime.health import Health
from runtime.logs import get_logger
from runtime.settings import ServiceSettings

SHUTDOWN = 5.0  # seconds for requests under way
HEALTH: web.AppKey[Health] = web.AppKey("health", Health)

log = get_logger(__name__)


class PortTaken(Refused):
    """Another process listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} of {host} is in use: set CONVOBOSS_HTTP_PORT to a free one.")
        self.host = host
        self.port = port


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _ready(request: web.Request) -> web.Response:
    report = request.app[HEALTH].report()
    return web.Response(
        text=report.model_dump_json(), content_type="application/json", status=200 if report.ready else 503
    )


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


class HttpServer:
    """Serves `app`, with `/healthz` (the event loop turns), `/readyz` (503 with reasons until all is well) and `/metrics`.

    Started before the broker and the database are there, so that `/readyz` can tell what is waited for.
    """

    def __init__(self, settings: ServiceSettings, health: Health, app: web.Application | None = None) -> None:
        self._host = settings.http_host
        self._port = settings.http_port
        self.app = web.Application() if app is None else app
        self.app[HEALTH] = health
        self.app.router.add_get("/healthz", _alive)
        self.app.router.add_get("/readyz", _ready)
        self.app.router.add_get("/metrics", _metrics)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=SHUTDOWN)

    async def start(self) -> None:
        """Raises `PortTaken`."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(self._host, self._port) from None
            raise
        log.info("listening", host=self._host, port=self.port)

    @property
    def port(self) -> int:
        """The port that is listened on; of use where the setting is 0."""
        addresses = self._runner.addresses
        return int(addresses[0][1]) if addresses else self._port

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

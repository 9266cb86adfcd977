"""Wiring: the postbox, SMTP in, HTTP out; and the process around them."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from pydantic import ValidationError

from mail import api, logs, site, smtp
from mail.api import MailApi
from mail.faults import FaultBook
from mail.postbox import Postbox
from mail.settings import Settings
from mail.smtp import Catcher

DRAIN = 3.0  # seconds open requests get to end

logger = logging.getLogger("mail")


@dataclass(frozen=True, slots=True)
class Running:
    """Where the catcher listens. Each is (host, port)."""

    smtp: tuple[str, int]
    http: tuple[str, int]


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """The catcher, listening on both ports for as long as the context lasts."""
    postbox, faults = Postbox(lambda: datetime.now(UTC), settings.mail_keep), FaultBook()
    server = await smtp.listen(Catcher(postbox, faults), settings.mail_smtp_host, settings.mail_smtp_port)
    runner = web.AppRunner(_application(postbox, faults, server), access_log=None, shutdown_timeout=DRAIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.http_host, settings.http_port).start()
        yield Running(server.sockets[0].getsockname()[:2], runner.addresses[0][:2])
    finally:
        server.close()
        await runner.cleanup()


def _application(postbox: Postbox, faults: FaultBook, server: asyncio.Server) -> web.Application:
    async def stop_waiting(_app: web.Application) -> None:
        postbox.close()

    app = web.Application(middlewares=[site.same_site, api.explain])
    app[site.SMTP_SERVER] = server
    app.add_routes(site.routes())
    app.add_routes(MailApi(postbox, faults).routes())
    app.on_response_prepare.append(site.add_headers)
    app.on_shutdown.append(stop_waiting)
    return app


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with running(settings) as where:
        logger.info("Mail catcher takes mails on %s:%s", *where.smtp)
        logger.info("Mail catcher shows them on http://%s:%s/", *where.http)
        await asked.wait()


def main() -> None:
    _arguments().parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit("\n".join(f"{_variable(one['loc'])}: {one['msg']}" for one in error.errors(include_input=False)))
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(serve(settings))
    except OSError as error:
        sys.exit(
            f"CONVOBOSS_MAIL_SMTP_PORT or CONVOBOSS_HTTP_PORT: cannot listen on {settings.mail_smtp_port} and "
            f"{settings.http_port}: {error.strerror}"
        )


def _variable(steps: tuple[int | str, ...]) -> str:
    return "CONVOBOSS_" + "_".join(str(step) for step in steps).upper()


def _arguments() -> argparse.ArgumentParser:
    fields = Settings.model_fields.items()
    lines = [f"  CONVOBOSS_{name.upper()}\n      {field.description}" for name, field in fields]
    return argparse.ArgumentParser(
        prog="python -m mail",
        description="Mail catcher: takes every mail by SMTP, delivers none, shows them on a page and by a JSON API.",
        epilog="environment variables:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

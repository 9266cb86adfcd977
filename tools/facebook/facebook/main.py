"""Wiring: state, rules, doors; and the process around them."""

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import sys

from aiohttp import web
from pydantic import ValidationError

from facebook import acts, control, logs, seed, site
from facebook.api import GraphApi
from facebook.box import BoxApi
from facebook.clock import Clock
from facebook.courier import Courier, RetryPolicy
from facebook.ids import Ids
from facebook.owners import OwnersApi
from facebook.pages import BoxFile
from facebook.record import Record
from facebook.registry import Registry
from facebook.settings import Settings
from facebook.site import Site
from facebook.world import World

DRAIN = 3.0  # seconds open requests get to end

logger = logging.getLogger("facebook")

WORLD = web.AppKey("world", World)
COURIER = web.AppKey("courier", Courier)


def build(settings: Settings, box_file: BoxFile, rng: random.Random | None = None) -> web.Application:
    """The application; its `WORLD` and `COURIER` are there for tests that look inside."""
    clock = Clock()
    registry = Registry()
    registry.load(box_file)
    rng = rng or random.SystemRandom()
    world = World(registry, clock, Ids(rng), Record(clock.now, settings.facebook_record_limit))
    world.faults.rules.rng = rng
    courier = Courier(world, _policy(settings), rng)
    app = web.Application(middlewares=[site.same_site, control.explain])
    app[WORLD] = world
    app[COURIER] = courier
    app.add_routes(Site(world, courier).routes())
    app.add_routes(BoxApi(world, courier).routes())
    app.add_routes(OwnersApi(world, courier).routes())
    app.add_routes(acts.routes(world, courier))
    graph = GraphApi(world, courier)
    app.add_routes(graph.routes())
    app.on_response_prepare.append(site.add_headers)
    app.on_response_prepare.append(graph.add_usage)
    _live(app, world, courier)
    return app


def _live(app: web.Application, world: World, courier: Courier) -> None:
    async def start(_app: web.Application) -> None:
        await courier.start()
        for known in world.registry.apps.values():
            courier.introduce(known)

    async def close_streams(_app: web.Application) -> None:
        world.record.close()

    async def stop(_app: web.Application) -> None:
        await courier.stop()

    app.on_startup.append(start)
    app.on_shutdown.append(close_streams)
    app.on_cleanup.append(stop)


def _policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(
        timeout=settings.facebook_webhook_timeout_s,
        first=settings.facebook_retry_first_s,
        cap=settings.facebook_retry_cap_s,
        disable_after=settings.facebook_disable_after_s,
    )


async def serve(settings: Settings, box_file: BoxFile) -> None:
    """Until SIGTERM or SIGINT."""
    runner = web.AppRunner(build(settings, box_file), access_log=None, shutdown_timeout=DRAIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.http_host, settings.http_port).start()
        host, port = runner.addresses[0][:2]
        logger.info("Facebook in a box listens on http://%s:%s/", host, port)
        await _until_signal()
    finally:
        await runner.cleanup()


async def _until_signal() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


def main() -> None:
    _arguments().parse_args()
    try:
        settings = Settings()
        box_file = seed.box_file(settings)
    except ValidationError as error:
        sys.exit("\n".join(f"{_variable(one['loc'])}: {one['msg']}" for one in error.errors(include_input=False)))
    except seed.NoSeed as error:
        sys.exit(str(error))
    logs.configure(settings.log_level, settings.log_format)
    with contextlib.suppress(KeyboardInterrupt):
        _run(settings, box_file)


def _run(settings: Settings, box_file: BoxFile) -> None:
    try:
        asyncio.run(serve(settings, box_file))
    except OSError as error:
        sys.exit(f"CONVOBOSS_HTTP_PORT: cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror}")


def _variable(steps: tuple[int | str, ...]) -> str:
    return "CONVOBOSS_" + "_".join(str(step) for step in steps).upper()


def _arguments() -> argparse.ArgumentParser:
    fields = Settings.model_fields.items()
    lines = [f"  CONVOBOSS_{name.upper()}\n      {field.description}" for name, field in fields]
    return argparse.ArgumentParser(
        prog="python -m facebook",
        description="Facebook in a box: the Graph API and the webhook sender of Messenger pages.",
        epilog="environment variables:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

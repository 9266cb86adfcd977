"""The main function of every service: settings, logs, traces, signals, a bounded stop, an exit code."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

import uvloop
from pydantic import ValidationError
from structlog.stdlib import BoundLogger

from runtime import logs, tracing
from runtime.settings import PREFIX, ServiceSettings

SHUTDOWN: Final = 25.0  # seconds: below Kubernetes' 30 from SIGTERM to SIGKILL
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_STUCK: Final = 3

S = TypeVar("S", bound=ServiceSettings)


def main(run: Callable[[S], Awaitable[None]], settings: type[S], name: str) -> NoReturn:
    """Runs the service until `run` returns or SIGTERM or SIGINT comes, and exits.

    Exit codes: 0 stopped as asked, 1 `run` raised, 2 a setting is wrong, 3 did not stop within 25 s.
    """
    loaded = load(settings)
    logs.configure(level=loaded.log_level, log_format=loaded.log_format, service=name)
    tracing.configure(endpoint=loaded.otlp_endpoint, service=name)
    sys.exit(uvloop.run(_supervise(run, loaded, name)))


def load(settings: type[S]) -> S:
    """The settings from the environment; says on standard error what is wrong and exits with 2."""
    try:
        return settings()
    except ValidationError as error:
        for line in sentences(error):
            print(line, file=sys.stderr)  # noqa: T201 - logging needs the settings
        sys.exit(EXIT_SETTINGS)


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each wrong setting, naming its variable and never its value."""
    return [
        f"{PREFIX}{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}."
        for problem in error.errors(include_input=False, include_url=False)
    ]


async def _supervise(run: Callable[[S], Awaitable[None]], settings: S, name: str) -> int:
    log = logs.get_logger(name)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(run(settings))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        log.info("stopping")
        work.cancel()
        await asyncio.wait({work}, timeout=SHUTDOWN)
    asked.cancel()
    if not work.done():
        log.error("did not stop in time", seconds=SHUTDOWN)
        return EXIT_STUCK
    return _exit_code(work, log)


def _exit_code(work: "asyncio.Future[None]", log: BoundLogger) -> int:
    if work.cancelled():
        log.info("stopped")
        return 0
    error = work.exception()
    if error is None:
        return 0
    log.error("failed", error=str(error), exc_info=error)
    return EXIT_FAILED

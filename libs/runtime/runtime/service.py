"""The main function of every service: settings, logs, traces, signals, a bounded stop, an exit code."""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

import uvloop
from pydantic import ValidationError
from structlog.stdlib import BoundLogger

from runtime import logs, metrics, tracing
from runtime.errors import Refused
from runtime.settings import PREFIX, ServiceSettings

SHUTDOWN: Final = 25.0  # seconds: below Kubernetes' 30 from SIGTERM to SIGKILL
PULSE: Final = 1.0  # seconds
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_STUCK: Final = 3

S = TypeVar("S", bound=ServiceSettings)


def main(run: Callable[[S], Awaitable[None]], settings: type[S], name: str, *, shutdown: float = SHUTDOWN) -> NoReturn:
    """Runs the service until `run` returns or SIGTERM or SIGINT comes, and exits.

    Exit codes: 0 stopped as asked, 1 `run` raised, 2 a setting is wrong, 3 did not stop within `shutdown` seconds.
    """
    loaded = load(settings)
    logs.configure(level=loaded.log_level, log_format=loaded.log_format, service=name)
    tracing.configure(endpoint=loaded.otlp_endpoint, service=name)
    _calm_collector()
    sys.exit(uvloop.run(_supervise(run, loaded, name, shutdown)))


def _calm_collector() -> None:
    """Batches make tens of thousands of objects that die without a cycle: looking for cycles as often as Python does by

    itself takes a fifth of a consumer's time, and at every 20,000 objects, less than a batch has, still some 5 % of it.
    What is imported by now lives as long as the process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


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
        f"{PREFIX}{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg'].removeprefix('Value error, ')}."
        for problem in error.errors(include_input=False, include_url=False)
    ]


async def _supervise(run: Callable[[S], Awaitable[None]], settings: S, name: str, shutdown: float) -> int:
    log = logs.get_logger(name)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(run(settings))
    asked = asyncio.ensure_future(stop.wait())
    pulse = asyncio.ensure_future(_pulse())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        log.info("stopping")
        work.cancel()
        await asyncio.wait({work}, timeout=shutdown)
    asked.cancel()
    pulse.cancel()
    if not work.done():
        log.error("did not stop in time", seconds=shutdown)
        logging.shutdown()
        os._exit(EXIT_STUCK)  # the loop would wait for what does not end
    return _exit_code(work, log)


async def _pulse() -> None:
    """Measures how late the loop is."""
    while True:
        due = time.monotonic() + PULSE
        await asyncio.sleep(PULSE)
        metrics.EVENT_LOOP_LAG.set(max(0.0, time.monotonic() - due))


def _exit_code(work: "asyncio.Future[None]", log: BoundLogger) -> int:
    if work.cancelled():
        log.info("stopped")
        return 0
    error = work.exception()
    if error is None:
        return 0
    cause = _alone(error)
    if isinstance(cause, Refused):
        log.error("refused to start", error=str(cause))
    else:
        log.error("failed", error=f"{type(cause).__name__}: {cause}", exc_info=error)
    return EXIT_FAILED


def _alone(error: BaseException) -> BaseException:
    """What is in a task group's exception, if it is one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

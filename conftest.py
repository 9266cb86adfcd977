"""Gives every test in the repository the fixtures of tests/infra."""

import signal
import sys
from pathlib import Path

import pytest
import structlog

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background has them ignore Ctrl-C, and all that they start inherits it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent / "tests"))
pytest_plugins = ["infra.plugin"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a fresh clone download everything anew: they run only when they are asked for by their mark."""
    if "clone" in (config.option.markexpr or ""):
        return
    held_back = [item for item in items if item.get_closest_marker("clone")]
    if held_back:
        config.hook.pytest_deselected(items=held_back)
        items[:] = [item for item in items if item not in held_back]


# Plain tracebacks: the pretty ones print local variables, secrets among them.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

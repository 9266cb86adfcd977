import sys
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent))
from runtime_world import a_world

# A test that fails on purpose must not spend seconds on a picture of its traceback.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
async def world(kafka_bootstrap, database_url):
    async with a_world(kafka_bootstrap, database_url) as made:
        yield made

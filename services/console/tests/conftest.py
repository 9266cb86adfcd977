import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from console_world import a_console


@pytest.fixture
async def console(kafka_bootstrap, database_url):
    """The console's API over real HTTP, its database and broker; no consumer: tests hand records to the handler."""
    async with a_console(kafka_bootstrap, database_url) as made:
        yield made


@pytest.fixture
async def whole_console(empty_kafka, database_url):
    """As `console`, with everything that the service runs."""
    async with a_console(empty_kafka, database_url, whole=True) as made:
        yield made

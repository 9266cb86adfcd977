import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))
from console_world import a_console


@pytest.fixture(scope="module")
def kafka_bootstrap(module_kafka: str) -> str:
    """Without the topics of other suites, which may have another number of partitions."""
    return module_kafka


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console_of_module(kafka_bootstrap, module_database_url):
    async with a_console(kafka_bootstrap, module_database_url) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def console(console_of_module):
    """The console's API over real HTTP, its database (empty) and broker; no consumer: tests hand records to the handler.

    One for each module: its tests are marked to share a loop.
    """
    yield console_of_module
    await console_of_module.empty()


@pytest.fixture
async def whole_console(empty_kafka, database_url):
    """With everything that the service runs, on a database and topics of its own."""
    async with a_console(empty_kafka, database_url, whole=True) as made:
        yield made

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from runtime_world import a_world


@pytest.fixture
async def world(kafka_bootstrap, database_url):
    async with a_world(kafka_bootstrap, database_url) as made:
        yield made

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fb_world import a_world


@pytest.fixture
async def world(empty_kafka, database_url, tmp_path):
    async with a_world(empty_kafka, database_url, tmp_path) as made:
        yield made

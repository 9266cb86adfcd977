import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from notifier_world import World, a_world


@pytest.fixture
async def world(empty_kafka: str, database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(empty_kafka, database_url, tmp_path) as made:
        yield made

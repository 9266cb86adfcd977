import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ingress_world import Ingress, Page, settings_for

from runtime.topics import ensure


@pytest.fixture(scope="module")
def kafka_bootstrap(module_kafka: str) -> str:
    """Without the topics of other suites, which may have another number of partitions."""
    return module_kafka


@pytest.fixture(scope="module")
def ingress(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingress]:
    asyncio.run(ensure(settings_for(kafka_bootstrap)))
    process = Ingress(kafka_bootstrap, tmp_path_factory.mktemp("ingress"), CONVOBOSS_WEBHOOK_BUDGET="2.5")
    process.start()
    yield process
    assert process.stop() == 0, process.log


@pytest.fixture
async def page(ingress: Ingress) -> Page:
    page = Page()
    await ingress.knows(page)
    return page

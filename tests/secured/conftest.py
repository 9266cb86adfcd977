"""Secured servers, and all services on them, once for a module."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))  # for what the tests of this folder share

from fleet import SERVICES, STAND_INS, Fleet, Servers, end_servers, make_servers, reserved


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    made = await make_servers(tmp_path_factory.mktemp("secured"))
    yield made
    await end_servers(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(servers: Servers) -> AsyncIterator[Fleet]:
    """Topics, schemas and roles are there; no service runs yet."""
    with reserved([*(program.name for program in (*SERVICES, *STAND_INS)), "smtp"]) as ports:
        made = Fleet(servers, ports)
        await made.install()
        yield made
        for child in made.children.values():
            await child.stop()

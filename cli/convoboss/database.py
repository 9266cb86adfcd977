"""The database, as the owner of its schemas sees it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from convoboss.errors import DatabaseAway, Forbidden
from runtime.errors import Refused
from runtime.migrations import MigrationRefused
from runtime.postgres import Connection, DatabaseRefused, patiently
from runtime.settings import ServiceSettings

ANSWER: Final = 30.0  # seconds for a database that is just starting
CLOSE: Final = 5.0  # seconds
# Service → its schema, which is also the package with its migrations. Others have no database.
SCHEMAS: Final[Mapping[str, str]] = {
    "takeover": "takeover",
    "fb-handover": "fb_handover",
    "notifier": "notifier",
    "console": "console",
    "monitor": "monitor",
}


@asynccontextmanager
async def owner(settings: ServiceSettings, within: float = ANSWER) -> AsyncIterator[Connection]:
    """A connection; what goes wrong on it becomes a sentence. `within`: seconds. Raises DatabaseAway, Forbidden."""
    try:
        async with asyncio.timeout(within):
            connection = await patiently(settings)
    except DatabaseRefused as error:
        raise DatabaseAway(str(error)) from error
    except TimeoutError:
        raise DatabaseAway(f"The database does not answer within {within:.0f} s.") from None
    try:
        yield connection
    except (MigrationRefused, asyncpg.InsufficientPrivilegeError) as error:
        raise Forbidden(str(error)) from error
    except (Refused, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise DatabaseAway(f"The database went away: {error}.") from error
    finally:
        await connection.close(timeout=CLOSE)

"""PostgreSQL: a pool for a service's schema, and its statements from files."""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg

from runtime import backoff
from runtime.errors import Refused, passes
from runtime.health import Health
from runtime.logs import get_logger
from runtime.settings import ServiceSettings

Connection: TypeAlias = asyncpg.Connection
Pool: TypeAlias = asyncpg.Pool

CONNECT_TIMEOUT: Final = 5.0  # seconds
ACQUIRE_TIMEOUT: Final = 10.0  # seconds to wait for a connection of the pool
# Seconds until PostgreSQL ends a transaction in which nothing happens. Ours never wait for anything but the database, so
# its process is dead or stopped, and holds locks that a partition's new owner waits for.
IDLE_IN_TRANSACTION: Final = 5.0
# Seconds until PostgreSQL (17 and later) ends a transaction whatever it does. The limit above does not count while a
# statement that the client has only prepared is open: PostgreSQL then calls the session active, and waits for its client.
TRANSACTION: Final = 15.0
TRANSACTION_SINCE: Final = 17  # the PostgreSQL that has this limit
RETRY_FIRST: Final = 0.1  # seconds
RETRY_CAP: Final = 3.0  # seconds
COMMAND_TIMEOUT: Final = 600.0  # seconds for a statement outside the pool, such as a migration's

_SCHEMA_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REFUSALS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidCatalogNameError,
)

log = get_logger(__name__)


class DatabaseRefused(Refused):
    """The server refused user, password or database, or is not to be trusted: trying again cannot help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"PostgreSQL cannot be used with CONVOBOSS_DATABASE_URL: {reason}.")


async def connect(settings: ServiceSettings, schema: str, health: Health | None = None) -> Pool:
    """A pool whose connections work in `schema`. Waits, with back-off, until the database is there.

    What a session sets stays set when its connection goes back to the pool: use SET LOCAL. Raises `DatabaseRefused`.
    """
    first = await patiently(settings, health)
    version: int = first.get_server_version().major
    await first.close(timeout=CONNECT_TIMEOUT)
    if version < TRANSACTION_SINCE:
        log.warning(
            "a process that stands still may keep its locks: PostgreSQL 17 or later would end them", has=version
        )
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=1,
        max_size=settings.database_pool,
        timeout=CONNECT_TIMEOUT,
        command_timeout=settings.database_statement_timeout + 5.0,  # the server's own limit comes first
        server_settings=_server_settings(settings, schema, version),
        reset=_keep_session,
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction on a connection of the pool: committed at the end, rolled back by an exception."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT) as proxy, proxy.transaction():
        # The proxy offers all that the connection does; asyncpg's stubs have no common name for the two.
        yield cast("Connection", proxy)


async def close(pool: Pool, seconds: float = 5.0) -> None:
    """Closes the pool; connections that are not given back in time are cut."""
    try:
        await asyncio.wait_for(pool.close(), seconds)
    except TimeoutError:
        pool.terminate()


@cache
def statements(package: str) -> Mapping[str, str]:
    """The package's `sql/*.sql`: file name without its ending → text."""
    folder = files(package) / "sql"
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


async def _keep_session(_connection: Connection) -> None:
    """In place of asyncpg's reset of a session, which is one more round trip for every transaction."""


def _server_settings(settings: ServiceSettings, schema: str, version: int) -> dict[str, str]:
    longest = max(TRANSACTION, settings.database_statement_timeout + IDLE_IN_TRANSACTION)
    limit = {"transaction_timeout": f"{longest * 1000:.0f}ms"} if version >= TRANSACTION_SINCE else {}
    return limit | {
        "search_path": checked(schema),
        "application_name": schema,
        "statement_timeout": f"{settings.database_statement_timeout * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION * 1000:.0f}ms",
        # A client that is cut off, or whose machine is gone, lets go of its locks.
        "tcp_user_timeout": "10s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "jit": "off",  # statements are short
        "timezone": "UTC",
    }


def checked(schema: str) -> str:
    """The name as it may stand in SQL, where it cannot be a parameter."""
    if _SCHEMA_NAME.fullmatch(schema) is None:
        raise ValueError(f"{schema!r} is not a schema name")
    return schema


async def patiently(settings: ServiceSettings, health: Health | None = None) -> Connection:
    """A connection, as soon as the database is there; says once in the log that it is not. Raises `DatabaseRefused`."""
    component = (health or Health()).component("database")
    said = False
    for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
        try:
            connection = await connect_once(settings)
        except Exception as error:
            if not passes(error):
                raise
            component.failing(f"not reachable: {error}")
            if not said:
                said = True
                log.warning("waiting for the database", error=str(error))
            await asyncio.sleep(delay)
        else:
            component.ok()
            return connection
    raise AssertionError("delays end")  # pragma: no cover


async def connect_once(settings: ServiceSettings) -> Connection:
    """One connection, outside any pool. Raises `DatabaseRefused`, and what the network and asyncpg raise."""
    url = settings.database_url.get_secret_value()
    _check_authority(url)
    try:
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT)
    except _REFUSALS as error:
        raise DatabaseRefused(str(error)) from None
    except ssl.SSLCertVerificationError as error:
        raise DatabaseRefused(
            f"the server's certificate is not trusted ({error.verify_message}); see sslrootcert, and the host's name"
        ) from None
    except ConnectionError as error:
        if "rejected SSL" in str(error):
            raise DatabaseRefused("the server does not speak TLS, and sslmode asks for it") from None
        raise
    except ValueError:  # its text may hold a part of the URL, and that the password
        raise DatabaseRefused("it is not of the form postgresql://user:password@host:port/database") from None


def _check_authority(url: str) -> None:
    """A missing file would look like a server that is not there."""
    for path in parse_qs(urlsplit(url).query).get("sslrootcert", []):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise DatabaseRefused(f"sslrootcert {path} cannot be read: {error.strerror}") from None

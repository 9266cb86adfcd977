"""PostgreSQL: a pool for a service's schema, its migrations, and its statements from files."""

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias, cast

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
MIGRATION_TIMEOUT: Final = 600.0  # seconds for one migration, or for another process to finish its own

_MIGRATION_NAME: Final = re.compile(r"(?P<number>\d{3})_(?P<name>[a-z0-9_]+)\.sql")
_SCHEMA_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REFUSALS: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidCatalogNameError,
)

log = get_logger(__name__)


class DatabaseRefused(Refused):
    """The server answered, and refused user, password or database: trying again cannot help."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"PostgreSQL refused the connection of CONVOBOSS_DATABASE_URL: {reason}.")


class MigrationRefused(Refused):
    """The migrations in the code and those applied to the schema do not fit together."""

    def __init__(self, schema: str, package: str, reason: str) -> None:
        super().__init__(f"Schema {schema}, migrations of {package}: {reason}.")
        self.schema = schema
        self.package = package


@dataclass(frozen=True, slots=True)
class Migration:
    """A file `sql/migrations/NNN_name.sql` of a package."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()

    @property
    def file(self) -> str:
        return f"{self.number:03}_{self.name}.sql"


async def connect(settings: ServiceSettings, schema: str, health: Health | None = None) -> Pool:
    """A pool whose connections work in `schema`. Waits, with back-off, until the database is there.

    What a session sets stays set when its connection goes back to the pool: use SET LOCAL. Raises `DatabaseRefused`.
    """
    first = await _patiently(settings, health)
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


async def migrate(settings: ServiceSettings, schema: str, package: str, health: Health | None = None) -> list[str]:
    """Makes the schema, the runtime's own tables in it, and applies the package's migrations that are new.

    Waits for the database, and for another process that migrates the same schema. Returns the names of the files that
    were applied. Raises `MigrationRefused` where an applied file was edited, or a new one stands before an applied one.
    """
    connection = await _patiently(settings, health)
    try:
        async with asyncio.timeout(MIGRATION_TIMEOUT):
            return await _migrate(connection, _checked(schema), package)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)


@cache
def statements(package: str) -> Mapping[str, str]:
    """The package's `sql/*.sql`: file name without its ending → text."""
    folder = files(package) / "sql"
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


def migrations(package: str) -> list[Migration]:
    """The package's migrations in order. Raises ValueError for a wrong file name or a number that is there twice."""
    folder = files(package) / "sql" / "migrations"
    found: dict[int, Migration] = {}
    for entry in folder.iterdir() if folder.is_dir() else ():
        if not entry.name.endswith(".sql"):
            continue
        match = _MIGRATION_NAME.fullmatch(entry.name)
        if match is None:
            raise ValueError(f"{package}: {entry.name} is not named like 001_what_it_does.sql")
        number = int(match["number"])
        if number in found:
            raise ValueError(f"{package}: two migrations have the number {number:03}")
        found[number] = Migration(number, match["name"], entry.read_text(encoding="utf-8"))
    return [found[number] for number in sorted(found)]


async def _keep_session(_connection: Connection) -> None:
    """In place of asyncpg's reset of a session, which is one more round trip for every transaction."""


def _server_settings(settings: ServiceSettings, schema: str, version: int) -> dict[str, str]:
    longest = max(TRANSACTION, settings.database_statement_timeout + IDLE_IN_TRANSACTION)
    limit = {"transaction_timeout": f"{longest * 1000:.0f}ms"} if version >= TRANSACTION_SINCE else {}
    return limit | {
        "search_path": _checked(schema),
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


def _checked(schema: str) -> str:
    """The name as it may stand in SQL, where it cannot be a parameter."""
    if _SCHEMA_NAME.fullmatch(schema) is None:
        raise ValueError(f"{schema!r} is not a schema name")
    return schema


async def _patiently(settings: ServiceSettings, health: Health | None) -> Connection:
    """A connection, as soon as the database is there; says once in the log that it is not."""
    component = (health or Health()).component("database")
    said = False
    for delay in backoff.delays(RETRY_FIRST, RETRY_CAP, random):
        try:
            connection = await asyncpg.connect(
                settings.database_url.get_secret_value(), timeout=CONNECT_TIMEOUT, command_timeout=MIGRATION_TIMEOUT
            )
        except _REFUSALS as error:
            raise DatabaseRefused(str(error)) from None
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


async def _migrate(connection: Connection, schema: str, package: str) -> list[str]:
    # A lock of the session: it is let go with the connection, whatever happens.
    await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"convoboss migrations {schema}")
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    await connection.execute(f"SET search_path = {schema}")
    await connection.execute(statements("runtime")["make_migration_table"])
    applied: list[str] = []
    for owner in dict.fromkeys(("runtime", package)):
        for migration in await _outstanding(connection, schema, owner):
            await _apply(connection, owner, migration)
            applied.append(f"{owner}/{migration.file}")
    if applied:
        log.info("migrated", schema=schema, applied=applied)
    return applied


async def _outstanding(connection: Connection, schema: str, package: str) -> Sequence[Migration]:
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migration WHERE package = $1", package)
    applied = {row["number"]: row["checksum"] for row in rows}
    last = max(applied, default=-1)
    outstanding: list[Migration] = []
    # An applied migration that the code does not have is a newer version's, running beside this one: no obstacle.
    for migration in migrations(package):
        if migration.number not in applied:
            if migration.number < last:
                raise MigrationRefused(schema, package, f"{migration.file} is new, but {last:03} was applied before")
            outstanding.append(migration)
        elif applied[migration.number] != migration.checksum:
            raise MigrationRefused(
                schema, package, f"{migration.file} was edited after it was applied; put the change into a new file"
            )
    return outstanding


async def _apply(connection: Connection, package: str, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(
            "INSERT INTO schema_migration (package, number, name, checksum) VALUES ($1, $2, $3, $4)",
            package,
            migration.number,
            migration.name,
            migration.checksum,
        )

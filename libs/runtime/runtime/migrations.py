"""Changes of a service's schema, in files of its package: `sql/migrations/NNN_name.sql` and `NNN_name.post.sql`.

The first kind only adds, and is applied before the new version starts: the old version goes on working beside it. The
second kind takes away what only the old version used, and is applied after the old version is gone. A version numbers its
second kind behind its first.
"""

import asyncio
import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import takewhile
from typing import Final, Literal

import asyncpg

from runtime import backoff, postgres
from runtime.errors import Refused, passes
from runtime.health import Health
from runtime.logs import get_logger
from runtime.postgres import CONNECT_TIMEOUT, Connection, checked, patiently, statements
from runtime.settings import ServiceSettings

Phase = Literal["pre", "post"]

TIMEOUT: Final = 600.0  # seconds for all of a schema's migrations, another process's included
# Seconds that a change of a table waits for those who use it. Whoever comes after it waits as long, so it gives up early
# and tries again.
LOCK: Final = 2.0
LOCK_TRIES: Final = 30
WAIT_FIRST: Final = 0.2  # seconds
WAIT_CAP: Final = 3.0  # seconds
RUNTIME: Final = "runtime"

_NAME: Final = re.compile(r"(?P<number>\d{3})_(?P<name>[a-z0-9_]+)(?P<post>\.post)?\.sql")
_LOCK: Final = "SELECT pg_advisory_lock(hashtextextended($1, 0))"
_APPLIED: Final = "SELECT number, name, checksum FROM schema_migration WHERE package = $1"
_APPLY: Final = "INSERT INTO schema_migration (package, number, name, checksum) VALUES ($1, $2, $3, $4)"
_OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1
"""

log = get_logger(__name__)


class MigrationRefused(Refused):
    """The migrations in the code and those applied to the schema do not fit together."""

    def __init__(self, schema: str, package: str, reason: str) -> None:
        super().__init__(f"Schema {schema}, migrations of {package}: {reason}.")
        self.schema = schema
        self.package = package


@dataclass(frozen=True, slots=True)
class Migration:
    """A file `sql/migrations/NNN_name.sql` or `NNN_name.post.sql` of a package."""

    package: str
    number: int
    name: str
    phase: Phase
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()

    @property
    def file(self) -> str:
        return f"{self.number:03}_{self.name}{'.post' if self.phase == 'post' else ''}.sql"

    def __str__(self) -> str:
        return f"{self.package}/{self.file}"


def migrations(package: str) -> list[Migration]:
    """The package's migrations in order. Raises ValueError for a wrong file name or a number that is there twice."""
    folder = files(package) / "sql" / "migrations"
    found: dict[int, Migration] = {}
    for entry in folder.iterdir() if folder.is_dir() else ():
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(entry.name)
        if match is None:
            raise ValueError(
                f"{package}: {entry.name} is not named like 001_what_it_does.sql or 001_what_it_does.post.sql"
            )
        number = int(match["number"])
        if number in found:
            raise ValueError(f"{package}: two migrations have the number {number:03}")
        phase: Phase = "post" if match["post"] else "pre"
        found[number] = Migration(package, number, match["name"], phase, entry.read_text(encoding="utf-8"))
    return [found[number] for number in sorted(found)]


async def migrate(settings: ServiceSettings, schema: str, package: str, health: Health | None = None) -> list[str]:
    """What a service does before it uses its schema. Returns the names of the files that were applied.

    `at-start`: makes the schema, applies the runtime's own migrations and the package's; those of the second kind only
    while no other process of the service is connected, for it may be of the old version. `by-command`: applies nothing,
    and waits until all of the first kind are there. Raises `MigrationRefused`, `DatabaseRefused`.
    """
    if settings.migrate == "by-command":
        await _until_migrated(settings, schema, package, health or Health())
        return []
    component = (health or Health()).component("migrations")  # not ready before the tables are there
    connection = await patiently(settings, health)
    try:
        async with asyncio.timeout(TIMEOUT):
            await _lock(connection, schema)
            alone = await connection.fetchval(_OTHERS, schema) == 0
            applied = await _apply_all(connection, schema, package, "post" if alone else "pre")
        component.ok()
        return [str(each) for each in applied]
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused(
            schema,
            package,
            f"{error}. A role that may not change the schema needs CONVOBOSS_MIGRATE=by-command, and its owner runs"
            " ./convoboss migrate pre",
        ) from None
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)


async def apply(connection: Connection, schema: str, package: str, phase: Phase) -> list[Migration]:
    """Applies what a phase applies (see `outstanding`), under the schema's lock; returns it. Raises `MigrationRefused`."""
    async with asyncio.timeout(TIMEOUT):
        await _lock(connection, schema)
        try:
            return await _apply_all(connection, schema, package, phase)
        finally:
            await connection.execute("SELECT pg_advisory_unlock_all()")


async def outstanding(connection: Connection, schema: str, package: str, phase: Phase) -> list[Migration]:
    """What `apply` would apply now. Changes nothing. Raises `MigrationRefused`.

    `pre`: the first kind. Everything where nothing is applied yet, for then there is no old version. Refused where one of
    the second kind stands before one of the first: it belongs to an earlier version, and one still older may run.
    `post`: everything, in order.
    """
    there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{checked(schema)}.schema_migration")
    if there:
        await connection.execute(f"SET search_path = {checked(schema)}")
    found: list[Migration] = []
    for owner in dict.fromkeys((RUNTIME, package)):
        rows = await connection.fetch(_APPLIED, owner) if there else []
        found += _of_phase(schema, owner, {row["number"]: row["checksum"] for row in rows}, phase)
    return found


def _of_phase(schema: str, package: str, applied: dict[int, str], phase: Phase) -> Sequence[Migration]:
    new = list(_new(schema, package, applied))
    if phase == "post" or not applied:
        return new
    first = list(takewhile(lambda each: each.phase == "pre", new))
    later = [each for each in new[len(first) :] if each.phase == "pre"]
    if later:
        raise MigrationRefused(
            schema,
            package,
            f"{new[len(first)].file} of an earlier version was not applied, and {later[0].file} comes after it. When no"
            " process of a version before that one runs any more, ./convoboss migrate post applies both",
        )
    return first


def _new(schema: str, package: str, applied: dict[int, str]) -> Iterator[Migration]:
    """An applied migration that the code does not have is a newer version's, running beside this one: no obstacle."""
    last = max(applied, default=-1)
    for migration in migrations(package):
        if migration.number not in applied:
            if migration.number < last:
                raise MigrationRefused(schema, package, f"{migration.file} is new, but {last:03} was applied before")
            yield migration
        elif applied[migration.number] != migration.checksum:
            raise MigrationRefused(
                schema, package, f"{migration.file} was edited after it was applied; put the change into a new file"
            )


def lock_of(schema: str) -> str:
    """The name of the advisory lock that is held while something of the schema is changed."""
    return f"convoboss migrations {checked(schema)}"


async def _lock(connection: Connection, schema: str) -> None:
    """A lock of the session: it is let go with the connection, whatever happens."""
    await connection.execute(_LOCK, lock_of(schema))


async def _apply_all(connection: Connection, schema: str, package: str, phase: Phase) -> list[Migration]:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
        await connection.execute(f"CREATE SCHEMA {checked(schema)}")
    await connection.execute(f"SET search_path = {checked(schema)}")
    await connection.execute(statements(RUNTIME)["make_migration_table"])
    applied = await outstanding(connection, schema, package, phase)
    for migration in applied:
        await _apply(connection, migration)
    if applied:
        log.info("migrated", schema=schema, applied=[str(each) for each in applied])
    return applied


async def _apply(connection: Connection, migration: Migration) -> None:
    delays = backoff.delays(WAIT_FIRST, WAIT_CAP, random)
    for tries in range(LOCK_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK:g}s'")
                await connection.execute(migration.text)
                await connection.execute(
                    _APPLY, migration.package, migration.number, migration.name, migration.checksum
                )
        except asyncpg.LockNotAvailableError:
            if tries + 1 == LOCK_TRIES:
                raise
            await asyncio.sleep(next(delays))
        else:
            return


async def _until_migrated(settings: ServiceSettings, schema: str, package: str, health: Health) -> None:
    component = health.component("migrations")
    said = ""
    for delay in backoff.delays(WAIT_FIRST, WAIT_CAP, random):
        try:
            missing = await _missing(settings, schema, package, health)
        except Exception as error:
            if not passes(error):
                raise
            missing = f"the database does not answer: {error}"
        if missing is None:
            component.ok()
            return
        component.failing(missing)
        if missing != said:
            said = missing
            log.warning("waiting for migrations", schema=schema, error=missing)
        await asyncio.sleep(delay)


async def _missing(settings: ServiceSettings, schema: str, package: str, health: Health) -> str | None:
    """What this version needs before it can start, in a sentence."""
    connection = await postgres.patiently(settings, health)
    try:
        missing = await outstanding(connection, schema, package, "post")
    except asyncpg.InsufficientPrivilegeError:
        return f"the role of CONVOBOSS_DATABASE_URL may not read schema {schema}: see ./convoboss roles"
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
    names = [str(each) for each in missing if each.phase == "pre"]
    if not names:
        return None
    return f"schema {schema} lacks {', '.join(names)}: ./convoboss migrate pre applies them"

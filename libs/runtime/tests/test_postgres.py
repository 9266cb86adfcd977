"""Migrations and connections on a real database."""

import asyncio
import sys
import time

import asyncpg
import pytest
from pydantic import SecretStr
from runtime_world import until

from runtime import postgres
from runtime.errors import passes
from runtime.health import Health
from runtime.migrations import MigrationRefused, lock_of, migrate, migrations
from runtime.postgres import (
    DatabaseRefused,
    close,
    connect,
    statements,
    transaction,
)
from runtime.settings import ServiceSettings

pytestmark = pytest.mark.infra


@pytest.fixture
def settings(database_url):
    return ServiceSettings(database_url=SecretStr(database_url))


class Package:
    """A package made for one test."""

    def __init__(self, folder, name):
        self.name = name
        self.migrations = folder / name / "sql" / "migrations"
        self.migrations.mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")

    def write(self, name, text):
        (self.migrations / name).write_text(text)


@pytest.fixture
def package(tmp_path, monkeypatch):
    made = Package(tmp_path, f"package_{tmp_path.name.replace('-', '_')}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield made
    sys.modules.pop(made.name, None)


async def rows(settings, sql):
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def test_a_service_whose_tables_are_not_there_yet_is_not_ready_though_the_database_answers(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int)")
    health = Health()
    other = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await other.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", lock_of("shop"))
        migrating = asyncio.create_task(migrate(settings, "shop", package.name, health))

        async def database_answers():
            component = health.report().components.get("database")
            return component is not None and component.ok

        await until(database_answers, "the database answers")
        assert not health.report().ready
    finally:
        await other.close()
    await migrating
    assert health.report().ready


async def test_new_migrations_are_applied_once_in_order_beside_the_runtimes_own(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);")
    package.write("002_more.sql", "UPDATE a SET x = x + 1")
    assert await migrate(settings, "shop", package.name) == [
        "runtime/001_consumer.sql",
        f"{package.name}/001_make.sql",
        f"{package.name}/002_more.sql",
    ]
    assert await migrate(settings, "shop", package.name) == []
    package.write("003_again.sql", "UPDATE a SET x = x + 1")
    assert await migrate(settings, "shop", package.name) == [f"{package.name}/003_again.sql"]
    assert [row["x"] for row in await rows(settings, "SELECT x FROM shop.a")] == [3]


async def test_schemas_are_apart(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int)")
    await migrate(settings, "one", package.name)
    await migrate(settings, "two", package.name)
    found = await rows(settings, "SELECT table_schema FROM information_schema.tables WHERE table_name = 'outbox'")
    assert sorted(row["table_schema"] for row in found) == ["one", "two"]


async def test_edited_migration_is_refused_and_says_which(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int)")
    await migrate(settings, "shop", package.name)
    package.write("001_make.sql", "CREATE TABLE a (x bigint)")
    with pytest.raises(
        MigrationRefused, match=r"001_make\.sql was edited after it was applied; put the change into a new file"
    ):
        await migrate(settings, "shop", package.name)


async def test_line_endings_do_not_count_as_an_edit(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (\n x int)")
    await migrate(settings, "shop", package.name)
    (package.migrations / "001_make.sql").write_bytes(b"CREATE TABLE a (\r\n x int)")
    assert await migrate(settings, "shop", package.name) == []


async def test_new_migration_before_an_applied_one_is_refused(settings, package):
    package.write("002_make.sql", "CREATE TABLE a (x int)")
    await migrate(settings, "shop", package.name)
    package.write("001_late.sql", "CREATE TABLE b (x int)")
    with pytest.raises(MigrationRefused, match=r"001_late\.sql is new, but 002 was applied before"):
        await migrate(settings, "shop", package.name)


async def test_newer_versions_migrations_do_not_stop_an_older_version_from_starting(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int)")
    package.write("002_newer.sql", "CREATE TABLE b (x int)")
    await migrate(settings, "shop", package.name)
    (package.migrations / "002_newer.sql").unlink()
    assert await migrate(settings, "shop", package.name) == []


async def test_migration_that_fails_leaves_nothing_of_itself(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(settings, "shop", package.name)
    package.write("001_make.sql", "CREATE TABLE a (x int)")
    assert await migrate(settings, "shop", package.name) == [f"{package.name}/001_make.sql"]


async def test_processes_that_start_together_apply_each_migration_once(settings, package):
    package.write("001_make.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1);")
    applied = await asyncio.gather(*(migrate(settings, "shop", package.name) for _ in range(5)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 2]


def test_wrong_file_names_and_numbers_are_refused(package):
    package.write("001_a.sql", "")
    package.write("001_b.sql", "")
    with pytest.raises(ValueError, match="two migrations have the number 001"):
        migrations(package.name)
    package.write("first.sql", "")
    with pytest.raises(ValueError, match=r"first\.sql is not named like"):
        migrations(package.name)


def test_statements_are_read_by_file_name(package):
    (package.migrations.parent / "find_it.sql").write_text("SELECT 1")
    assert statements(package.name) == {"find_it": "SELECT 1"}


async def test_pool_works_in_its_schema_with_limits_that_the_server_keeps(settings):
    await migrate(settings, "shop", "runtime")
    pool = await connect(settings, "shop")
    try:
        shown = {
            name: await pool.fetchval(f"SHOW {name}")
            for name in (
                "search_path",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_timeout",
                "jit",
            )
        }
        assert shown == {
            "search_path": "shop",
            "statement_timeout": "10s",
            "idle_in_transaction_session_timeout": "5s",
            "transaction_timeout": "15s",
            "jit": "off",
        }
    finally:
        await close(pool)


async def test_session_that_stands_still_in_the_middle_of_a_statement_lets_go_of_its_locks(settings, monkeypatch):
    """PostgreSQL calls it active and waits for its client: the limits on statements and on idleness do not count then."""
    monkeypatch.setattr(postgres, "TRANSACTION", 2.0)
    brisk = settings.model_copy(update={"database_statement_timeout": 1.0})
    monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION", 0.5)
    await migrate(brisk, "shop", "runtime")
    stands_still, waits = await connect(brisk, "shop"), await connect(settings, "shop")
    try:
        async with stands_still.acquire() as frozen:
            await frozen.execute("BEGIN")
            await frozen.execute("LOCK TABLE seen_segment")
            await frozen.prepare("SELECT count(*) FROM seen_segment")  # no Sync follows until it is executed
            began = time.monotonic()
            await waits.fetchval("SELECT count(*) FROM seen_segment")
            assert 1.0 < time.monotonic() - began < 8.0
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)) as told:
                await frozen.execute("COMMIT")
            assert passes(told.value)
    finally:
        await close(stands_still)
        await close(waits)


async def test_transaction_is_rolled_back_by_an_exception(settings):
    await migrate(settings, "shop", "runtime")
    pool = await connect(settings, "shop")

    async def fail():
        async with transaction(pool) as tx:
            await tx.execute("DELETE FROM seen_segment")
            raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await pool.fetchval("SELECT count(*) FROM seen_segment") == 3
    finally:
        await close(pool)


async def test_database_that_is_not_there_at_start_is_waited_for_and_said_once(durable_postgres, capsys):
    settings = ServiceSettings(database_url=SecretStr(await durable_postgres.create_database("late")))
    await durable_postgres.stop()
    health = Health()
    connecting = asyncio.ensure_future(connect(settings, "public", health))
    await until(lambda: "not reachable" in health.report().model_dump_json(), "readiness says it")
    await durable_postgres.start()
    pool = await asyncio.wait_for(connecting, 30)
    assert health.report().ready
    assert await pool.fetchval("SELECT 1") == 1
    await close(pool)
    assert capsys.readouterr().out.count("waiting for the database") == 1


async def test_database_that_refuses_is_not_waited_for(settings):
    wrong = settings.model_copy(
        update={"database_url": SecretStr(settings.database_url.get_secret_value() + "_not_there")}
    )
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await connect(wrong, "public")


async def test_names_that_are_no_schema_are_refused_before_they_reach_sql(settings):
    with pytest.raises(ValueError, match="is not a schema name"):
        await migrate(settings, "a; DROP SCHEMA public", "runtime")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncpg.DeadlockDetectedError(""), True),
        (asyncpg.ReadOnlySQLTransactionError(""), True),
        (asyncpg.InvalidCachedStatementError(""), True),
        (asyncpg.AdminShutdownError(""), True),
        (asyncpg.TooManyConnectionsError(""), True),
        (asyncpg.QueryCanceledError(""), True),
        (asyncpg.IdleInTransactionSessionTimeoutError(""), True),
        (asyncpg.ConnectionDoesNotExistError(""), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (asyncpg.UniqueViolationError(""), False),
        (asyncpg.UndefinedTableError(""), False),
        (asyncpg.DataError("invalid input for query argument"), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_passes_by_itself_is_told_from_what_does_not(error, expected):
    assert passes(error) is expected

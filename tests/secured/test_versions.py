"""Two versions of a service side by side: pre migrations, both run, the old one ends, post migrations."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from runtime.health import Health
from runtime.migrations import MigrationRefused, apply, migrate, migrations, outstanding
from runtime.postgres import close, connect, connect_once
from runtime.settings import ServiceSettings

pytestmark = pytest.mark.infra

FIRST = {"001_letters.sql": "CREATE TABLE letter (id int PRIMARY KEY, text text NOT NULL)"}
# The name of a column changes: the new one is added and kept equal for the old version, which is then forgotten.
SECOND = FIRST | {
    "002_body.sql": """
        ALTER TABLE letter ADD COLUMN body text;
        CREATE FUNCTION same_text() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.text := coalesce(NEW.text, NEW.body); NEW.body := coalesce(NEW.body, NEW.text); RETURN NEW; END $$;
        CREATE TRIGGER same_text BEFORE INSERT OR UPDATE ON letter FOR EACH ROW EXECUTE FUNCTION same_text();
        UPDATE letter SET body = text;
    """,
    "003_no_text.post.sql": "DROP TRIGGER same_text ON letter; DROP FUNCTION same_text; ALTER TABLE letter DROP COLUMN text",
}
THIRD = SECOND | {"004_sent.sql": "ALTER TABLE letter ADD COLUMN sent timestamptz"}

# What a version does all day, as a process of its own: it writes a letter, reads all, and says how many it saw.
SERVICE = """
import asyncio, itertools, sys
from runtime.migrations import migrate
from runtime.postgres import connect, transaction
from runtime.settings import ServiceSettings

async def main(package, column, first):
    settings = ServiceSettings()
    await migrate(settings, "post_office", package)
    pool = await connect(settings, "post_office")
    for number in itertools.count(int(first)):
        if not await asyncio.to_thread(sys.stdin.readline):
            return
        async with transaction(pool) as tx:
            await tx.execute(f"INSERT INTO letter (id, {column}) VALUES ($1, 'dear')", number)
            texts = await tx.fetch(f"SELECT {column} FROM letter")
            assert all(row[column] == "dear" for row in texts), texts
        print(len(texts), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Version:
    """A version of the service's package, in a folder of its own, as an image would hold it."""

    def __init__(self, folder: Path, files: dict[str, str], column: str, first: int) -> None:
        self.folder = folder
        self._arguments = ("post", column, str(first))
        package = folder / "post" / "sql" / "migrations"
        package.mkdir(parents=True)
        (folder / "post" / "__init__.py").touch()
        (package.parent / "nothing.sql").touch()
        for name, text in files.items():
            (package / name).write_text(text)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, env: dict[str, str]) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SERVICE, *self._arguments),
            env=env | {"PYTHONPATH": str(self.folder), "CONVOBOSS_LOG_FORMAT": "json"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def works(self) -> int:
        """How many letters it sees, its newest included; a version that broke has no answer."""
        assert self.process is not None
        self.process.stdin.write(b"\n")
        return int(await asyncio.wait_for(self.process.stdout.readline(), 60))

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), 30)


@pytest.fixture
def settings(database_url):
    return ServiceSettings(database_url=SecretStr(database_url), migrate="by-command")


@pytest.fixture
async def release(tmp_path, monkeypatch):
    """Puts the package of a version in the place of the one before, for this process: as the command's image has it."""
    made = []

    def make(files, column="body", first=0):
        made.append(Version(tmp_path / str(len(made)), files, column, first))
        monkeypatch.syspath_prepend(str(made[-1].folder))
        sys.modules.pop("post", None)
        return made[-1]

    yield make
    sys.modules.pop("post", None)
    for version in made:
        await version.kill()


async def run(settings, phase):
    connection = await connect_once(settings)
    try:
        return [each.file for each in await apply(connection, "post_office", "post", phase) if each.package == "post"]
    finally:
        await connection.close()


async def test_old_and_new_version_work_side_by_side_from_pre_to_post(service_env, settings, release):
    env = service_env | {"CONVOBOSS_MIGRATE": "by-command"}
    old = release(FIRST, "text", 0)
    assert await run(settings, "pre") == ["001_letters.sql"]
    await old.start(env)
    assert await old.works() == 1

    new = release(SECOND, "body", 1000)
    await new.start(env)  # waits for what it needs
    assert await old.works() == 2
    assert await run(settings, "pre") == ["002_body.sql"]
    seen = [await new.works()]
    for _ in range(5):
        seen += [await old.works(), await new.works()]
    assert seen == sorted(set(seen)), "each sees what the other wrote"
    restarted = release(FIRST, "text", 500)
    await restarted.start(env)  # a pod of the old version that dies meanwhile comes back
    await restarted.works()

    assert (await old.stop(), await restarted.stop()) == (0, 0)
    release(SECOND)
    assert await run(settings, "post") == ["003_no_text.post.sql"]
    for _ in range(3):
        await new.works()
    assert await new.stop() == 0
    assert await run(settings, "post") == []


async def test_new_schema_is_made_at_once_for_there_is_no_old_version(settings, release):
    release(THIRD)
    assert await run(settings, "pre") == list(THIRD)
    assert await run(settings, "post") == []


async def test_service_waits_for_missing_migrations_and_says_which_and_which_command(settings, release):
    release(FIRST)
    health = Health()
    waiting = asyncio.create_task(migrate(settings, "post_office", "post", health))
    try:

        async def told() -> bool:
            return "post/001_letters.sql: ./convoboss migrate pre" in health.report().model_dump_json()

        await _until(told)
        assert not waiting.done()
        assert not health.report().ready
        await run(settings, "pre")
        assert await asyncio.wait_for(waiting, 30) == []
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_service_by_command_does_not_wait_for_post_migrations(settings, release):
    release(FIRST)
    await run(settings, "pre")
    release(SECOND)
    await run(settings, "pre")
    assert await asyncio.wait_for(migrate(settings, "post_office", "post"), 30) == []


async def test_a_version_cannot_be_left_out_while_the_one_before_runs(settings, release):
    release(FIRST)
    await run(settings, "pre")
    release(THIRD)
    with pytest.raises(MigrationRefused, match=r"003_no_text\.post\.sql of an earlier version was not applied"):
        await run(settings, "pre")
    assert await run(settings, "post") == ["002_body.sql", "003_no_text.post.sql", "004_sent.sql"]


async def test_start_alone_applies_everything_and_beside_another_process_only_what_adds(settings, release):
    at_start = settings.model_copy(update={"migrate": "at-start"})
    release(FIRST)
    await migrate(at_start, "post_office", "post")
    pool = await connect(settings, "post_office")
    release(SECOND)
    try:
        assert await migrate(at_start, "post_office", "post") == ["post/002_body.sql"]
    finally:
        await close(pool)
    assert await migrate(at_start, "post_office", "post") == ["post/003_no_text.post.sql"]


async def test_change_of_a_table_in_use_lets_its_users_go_on_and_comes_when_it_is_free(settings, release):
    release(FIRST)
    await run(settings, "pre")
    release(SECOND)
    user, other = [await asyncpg.connect(settings.database_url.get_secret_value()) for _ in range(2)]
    try:
        transaction = user.transaction()
        await transaction.start()
        await user.execute("SELECT * FROM post_office.letter")
        changing = asyncio.create_task(run(settings, "pre"))
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN body%'"
        )
        await _until(lambda: other.fetchval(waits))
        await other.execute("SELECT * FROM post_office.letter", timeout=10)  # behind the change, until that gives up
        assert not changing.done()
        await transaction.rollback()
        assert await asyncio.wait_for(changing, 60) == ["002_body.sql"]
    finally:
        await user.close()
        await other.close()


async def test_planning_changes_nothing(settings, release):
    release(SECOND)
    connection = await connect_once(settings)
    try:
        planned = await outstanding(connection, "post_office", "post", "pre")
        assert [each.file for each in planned if each.package == "post"] == list(SECOND)
        assert await connection.fetchval("SELECT to_regnamespace('post_office')") is None
    finally:
        await connection.close()


def test_phases_are_told_by_the_files_names(release):
    release(SECOND)
    assert [each.phase for each in migrations("post")] == ["pre", "pre", "post"]


async def _until(look, seconds=30.0):
    """Waits for a fact that nobody tells of."""
    async with asyncio.timeout(seconds):
        while not await look():  # noqa: ASYNC110
            await asyncio.sleep(0.02)

"""Kafka with SASL and TLS, PostgreSQL with TLS and a role for each service: what must work does, what must not says why.

The tests stand in the order of an installation: topics, migrations, roles, services, a round, a stop, a wrong number.
"""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiohttp import ClientSession
from everywhere import compacted_with, tables_with
from fleet import (
    DRAIN,
    PARTITIONS,
    SERVICES,
    STAND_INS,
    WITH_DATABASE,
    Fleet,
    Login,
    Servers,
    kafka_environment,
    logged,
    owner_environment,
)
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from local import catalogue
from runtime import topics
from runtime.broker import why_unreached
from runtime.compacted import CompactedReader
from runtime.health import Health
from runtime.kafka import Publisher
from runtime.postgres import DatabaseRefused, connect
from runtime.settings import ServiceSettings
from schemas.topics import BOTS, FLOWS, PAGES, TOPICS
from story import steps
from story.doors import Console, Facebook, MailCatcher, eventually
from story.play import Part, perform
from story.scene import Scene, Stage
from story.seed import PAGE, seed
from story.telling import Step

pytestmark = [pytest.mark.infra, pytest.mark.asyncio(loop_scope="module")]

CUSTOMERS = 24
GREETING = "This is Mira, the assistant of the salon"
# Seconds in which somebody is answered whose webhook came while ingress was away: the box repeats them in order, 10 s apart at most.
REPEATED = 60.0
SLOW = 4.0  # seconds that the Graph API and the mail server take for an answer during the drain


def settings(servers: Servers, listener: str, **others: object) -> ServiceSettings:
    given = {
        "kafka_bootstrap": servers.kafka.addresses.get(listener, servers.kafka.bootstrap),
        "kafka_security": listener,
        "kafka_username": "ops",
        "kafka_password": SecretStr("kafka-ops"),
        "kafka_ca_file": str(servers.authority),
        "partitions": PARTITIONS,
    }
    return ServiceSettings(**(given | others))


# --- Kafka


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [
        ("SASL_SSL", "SCRAM-SHA-512"),
        ("SASL_SSL", "SCRAM-SHA-256"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
        ("SSL", "SCRAM-SHA-512"),
    ],
)
async def test_topics_are_made_a_publisher_and_a_reader_start_by_every_way_in(servers, listener, mechanism):
    by = settings(servers, listener, kafka_sasl_mechanism=mechanism)
    assert len(await topics.ensure(by)) == len(TOPICS)
    publisher = await asyncio.wait_for(Publisher.start(by, source="test"), 20)
    reader = CompactedReader(by, BOTS, lambda key, event: None)
    try:
        await reader.catch_up(20)
    finally:
        await reader.stop()
        await publisher.stop()


async def mistakes(servers: Servers):
    tls = servers.kafka.addresses["SASL_SSL"]
    clear = servers.kafka.addresses["SASL_PLAINTEXT"]
    return [
        ({"kafka_password": SecretStr("wrong")}, "refused user ops and its password", "CONVOBOSS_KAFKA_PASSWORD"),
        ({"kafka_username": "nobody"}, "refused user nobody", "CONVOBOSS_KAFKA_USERNAME"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "no login by PLAIN", "CONVOBOSS_KAFKA_SASL_MECHANISM"),
        ({"kafka_ca_file": str(servers.stranger)}, "certificate that is not trusted", "CONVOBOSS_KAFKA_CA_FILE"),
        ({"kafka_ca_file": ""}, "certificate that is not trusted", "CONVOBOSS_KAFKA_CA_FILE"),
        ({"kafka_security": "PLAINTEXT"}, f"{tls} speaks TLS", "CONVOBOSS_KAFKA_SECURITY"),
        ({"kafka_security": "SASL_PLAINTEXT"}, f"{tls} speaks TLS", "CONVOBOSS_KAFKA_SECURITY"),
        ({"kafka_security": "SSL"}, "did not log in", "CONVOBOSS_KAFKA_SECURITY"),
        ({"kafka_bootstrap": clear}, f"{clear} does not speak TLS", "CONVOBOSS_KAFKA_SECURITY"),
        ({"kafka_bootstrap": servers.kafka.addresses["SSL"]}, "takes no login", "CONVOBOSS_KAFKA_SECURITY"),
        ({"kafka_bootstrap": "127.0.0.1:1"}, "127.0.0.1:1 cannot be reached", "CONVOBOSS_KAFKA_BOOTSTRAP"),
        ({"kafka_bootstrap": "kafka"}, "not of the form host:port", "CONVOBOSS_KAFKA_BOOTSTRAP"),
    ]


async def test_each_mistake_in_the_way_in_is_told_with_the_setting_to_look_at(servers):
    for others, what, setting in await mistakes(servers):
        told = await why_unreached(settings(servers, "SASL_SSL", **others), RuntimeError("no other reason"))
        assert what in told, others
        assert setting in told, others
        assert "wrong" not in told, "the password itself"


async def test_service_with_a_wrong_password_waits_and_readiness_says_so_not_that_no_broker_is_there(servers):
    health = Health()
    by = settings(servers, "SASL_SSL", kafka_password=SecretStr("wrong"))
    starting = asyncio.create_task(Publisher.start(by, source="test", health=health))
    try:

        async def look() -> str:
            return health.report().model_dump_json()

        told = await eventually("readiness says it", look, lambda report: "refused user ops" in report, 20)
        assert "CONVOBOSS_KAFKA_PASSWORD" in told
        assert not starting.done()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def test_commands_with_a_wrong_password_end_with_a_sentence(fleet):
    env = kafka_environment(fleet.servers, "ops") | {"CONVOBOSS_KAFKA_PASSWORD": "wrong"}
    env.pop("CONVOBOSS_KAFKA_PASSWORD_FILE")
    for module, arguments, code in (("runtime.topics", (), 1), ("convoboss", ("tail", "--no-follow"), 3)):
        ran = await fleet.run(module, *arguments, env=env)
        assert ran.code == code, ran.out
        assert "refused user ops" in ran.out
        assert "Traceback" not in ran.out


async def test_command_line_works_with_a_login_from_a_file(fleet):
    ran = await fleet.run("convoboss", "topics", env=kafka_environment(fleet.servers, "ops"))
    assert ran.code == 0, ran.out
    assert "missing" not in ran.out


# --- PostgreSQL


async def test_database_that_cannot_be_trusted_or_reached_as_set_is_refused_with_the_reason(servers):
    good = servers.postgres.url_for("convoboss_takeover", "any", servers.authority)
    stem = good.partition("?")[0]
    for url, what in (
        (servers.postgres.url_for("convoboss", "any", servers.stranger), "not trusted"),
        (f"{stem}?sslmode=verify-full&sslrootcert=/not/there.pem", "/not/there.pem cannot be read"),
        (f"{stem}?sslmode=disable", "no encryption"),
        (f"{servers.postgres.url_of('nowhere')}?sslmode=disable", "nowhere"),
        ("postgresql://convoboss:hush#hush@host:port/x", "not of the form"),
    ):
        with pytest.raises(DatabaseRefused, match="CONVOBOSS_DATABASE_URL") as refused:
            await asyncio.wait_for(connect(ServiceSettings(database_url=SecretStr(url)), "takeover"), 20)
        assert what in str(refused.value)
        assert "hush" not in str(refused.value), "a part of the password"


async def test_migrations_and_roles_are_made_by_commands_that_show_no_password(fleet):
    assert "takeover/001_ownership.sql" in fleet.installed
    assert "convoboss_console: made, password set" in fleet.installed
    env = owner_environment(fleet.servers)
    migrated = await fleet.run("convoboss", "migrate", "post", env=env)
    assert migrated.out.count("nothing to do") == len(WITH_DATABASE), migrated.out
    planned = await fleet.run("convoboss", "roles", "--dry-run", env=env)
    assert "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA takeover" in planned.out
    again = await fleet.run("convoboss", "roles", env=env)
    assert (again.code, "convoboss_console: brought in line, password set" in again.out) == (0, True), again.out
    assert "database-" not in fleet.installed + planned.out + again.out


@asynccontextmanager
async def signed_in(servers: Servers, name: str):
    url = (servers.folder / "secrets" / f"{name}-database-url").read_text().strip()
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_services_role_writes_in_its_own_schema_and_is_refused_everything_else(fleet):
    servers = fleet.servers
    for name, schema in WITH_DATABASE.items():
        async with signed_in(servers, name) as role:
            await role.execute(f"SET search_path = {schema}")
            await role.execute("INSERT INTO outbox (slot, body) VALUES (1, 'x')")
            assert await role.fetchval("DELETE FROM outbox WHERE slot = 1 RETURNING 1") == 1
            await role.execute("TRUNCATE seen_event_0")
            others = [each for each in WITH_DATABASE.values() if each != schema]
            for refused in (
                *(f"TABLE {other}.outbox" for other in others),
                *(f"TRUNCATE {other}.outbox" for other in others),
                *(f"CREATE TABLE {place}.own (x int)" for place in (*others, schema, "public")),
                "CREATE TEMPORARY TABLE own (x int)",
                "CREATE SCHEMA own",
                "CREATE ROLE own",
                f"DROP TABLE {schema}.outbox",
                f"DROP SCHEMA {schema} CASCADE",
                f"ALTER TABLE {schema}.outbox ADD COLUMN x int",
                f"TRUNCATE {schema}.schema_migration",
                "SET ROLE convoboss",
                "SELECT rolpassword FROM pg_authid",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await role.execute(refused)


async def test_a_table_of_a_later_migration_is_the_roles_to_use_at_once(fleet):
    servers = fleet.servers
    owner = await asyncpg.connect(servers.postgres.url)
    try:
        await owner.execute("CREATE TABLE takeover.later (id bigint GENERATED ALWAYS AS IDENTITY, x int)")
        async with signed_in(servers, "takeover") as role:
            await role.execute("INSERT INTO takeover.later (x) VALUES (1)")
        async with signed_in(servers, "console") as role:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute("SELECT * FROM takeover.later")
        await owner.execute("DROP TABLE takeover.later")
    finally:
        await owner.close()


async def test_a_role_without_rights_at_start_is_told_which_setting_is_meant_for_it(fleet):
    child = fleet.spawn(catalogue.TAKEOVER, CONVOBOSS_MIGRATE="at-start")
    assert await asyncio.wait_for(child.wait(), 30) == 1
    assert "CONVOBOSS_MIGRATE=by-command" in str(logged(child)[-1]["error"])


# --- All of it


async def set_up(fleet):
    """Everything runs and is seeded, whichever test comes first."""
    if fleet.seeded:
        return
    fleet.start(*STAND_INS, *SERVICES)
    await fleet.ready(*STAND_INS, *SERVICES)
    login, places = Login(), fleet.places()
    made = await fleet.run(
        "console",
        *("create-admin", "--email", login.email, "--name", "Ana Admin"),
        env=fleet.environment(catalogue.CONSOLE)
        | {"CONVOBOSS_ADMIN_PASSWORD_FILE": fleet.servers.secret("admin-password")},
    )
    assert made.code == 0, made.out
    await seed(places, login, say=print)
    fleet.seeded = True


async def test_a_customer_is_answered_by_the_bot_and_handed_to_a_person_on_secured_servers(fleet):
    await set_up(fleet)
    async with stage(fleet) as on:
        acts = (
            (1, "greeted", steps.greeting),
            (2, "handed over", steps.handed_over),
            (3, "answered", steps.operator_answers),
            (4, "handed back", steps.handed_back),
            (5, "taken over", taken_over),
        )
        for step in await perform(on, Part("Mia", "Winter", acts)):
            assert step.ok, step
    await one_voice(fleet)
    for child in fleet.children.values():
        text = child.words()
        assert "kafka-" + child.name not in text
        assert "database-" + child.name not in text
        assert "page-token-of-the-tests" not in text


NAME, SAID, ANSWERED, NOTED = "Xanthippe", "zephyrmango", "kumquatbrisk", "wobblefig"
"""Words that nobody else says."""
SKELETON = {
    "takeover.episode": "SELECT * FROM takeover.episode WHERE conversation = $1 ORDER BY id",
    "console.entry": (
        "SELECT seq, at, epoch, episode, kind, speaker, person_id, person_name, delivery_state, mid"
        " FROM console.entry WHERE conversation = $1 ORDER BY seq"
    ),
    "console.episode": (
        "SELECT id, cause, by_name, started_at, attended_at, first_answer_at, ended_at, end_cause, ended_by_name"
        " FROM console.episode WHERE conversation = $1 ORDER BY id"
    ),
    "takeover.conversation": (
        "SELECT state -> 'owner', state -> 'epoch', state -> 'seq', state -> 'episode' -> 'id'"
        " FROM takeover.conversation WHERE id = $1"
    ),
}


async def test_an_erased_customer_is_in_no_table_and_no_compacted_topic_and_who_had_them_is_told_as_before(fleet):
    await set_up(fleet)
    words = (NAME, SAID, ANSWERED, NOTED)
    database = await asyncpg.connect(fleet.servers.postgres.url)
    env = kafka_environment(fleet.servers, "ops") | {"CONVOBOSS_DATABASE_URL": fleet.servers.postgres.url}
    try:
        async with stage(fleet) as on:
            scene = Scene(on, await on.facebook.meet(PAGE, NAME, "Quartz"), NAME)
            await talked_with(scene)
        await eventually("all is done", lambda: at_rest(database), bool, REPEATED)
        before = {name: await database.fetch(query, scene.key) for name, query in SKELETON.items()}
        found = await tables_with(database, words)
        assert {table.partition(".")[0] for table in found} == {"takeover", "fb_handover", "console"}, "the premise"
        assert set().union(*found.values()) == set(words)

        ran = await fleet.run("convoboss", "erase", scene.key, "--yes", "--by", "Privacy desk", env=env)
        assert (ran.code, "Erased." in ran.out) == (0, True), ran.out

        async def left() -> dict[str, set[str]]:
            return await tables_with(database, words) or ({} if await at_rest(database) else {"outbox": set()})

        await eventually("nothing is left in any table", left, lambda tables: not tables, REPEATED)
        by_ops = settings(fleet.servers, "SASL_SSL")
        assert await compacted_with(by_ops, words) == {BOTS: [], FLOWS: [], PAGES: []}
        assert any((await compacted_with(by_ops, [Login().email, "flow"])).values()), "it does look into them"
        assert {name: await database.fetch(query, scene.key) for name, query in SKELETON.items()} == before
        assert len(before["console.entry"]) > 6
        for command in ("replay", "timeline"):
            ran = await fleet.run("convoboss", command, scene.key, env=env)
            assert ran.code == 0, ran.out
        assert not any(word in ran.out for word in words)
        assert "Ana Admin" in ran.out
        async with stage(fleet) as on:
            scene.stage = on
            await scene.says("it is me again")
            await scene.entry("customer_message", "it is me again")
        assert not any(NAME in found for found in (await tables_with(database, [NAME])).values()), "met without a name"
    finally:
        await database.close()


async def talked_with(scene: Scene) -> None:
    """The bot, a request, an e-mail, an operator, a note; each of the services has something of hers."""
    await scene.says(f"hi, {SAID} here")
    await scene.hears(NAME)
    await scene.picks("Talk to a person")
    await scene.becomes("human")
    await eventually("an e-mail", lambda: scene.stage.mail.about(scene.key), bool)
    for given in (
        await scene.reply(f"Hello {NAME}, {ANSWERED}?"),
        await scene.hand_back(mode="close", note=f"She wants {NOTED}."),
    ):
        assert given.status == "accepted", given
    await scene.becomes("bot")
    assert {entry.kind for entry in await scene.stage.console.entries(scene.key)} >= {
        "takeover_started",
        "takeover_ended",
    }


async def at_rest(database: asyncpg.Connection) -> bool:
    """Everything has been sent and published."""
    outboxes = [f"SELECT count(*) FROM {schema}.outbox" for schema in WITH_DATABASE.values()]  # noqa: S608
    waiting = "SELECT count(*) FROM fb_handover.outgoing WHERE state IN ('waiting', 'sending')"
    mail = "SELECT count(*) FROM notifier.email WHERE started <> ''"
    return not any([await database.fetchval(query) for query in (*outboxes, waiting, mail)])


async def taken_over(step: Step, mia: Scene) -> None:
    await steps.accepted(step, mia.take_over())
    await steps.accepted(step, mia.hand_back())


async def one_voice(fleet: Fleet) -> None:
    """What the monitor saw of it, once it has measured how soon the bot was silent."""

    async def measured() -> dict[str, float]:
        url = f"http://127.0.0.1:{fleet.ports['monitor']}/metrics"
        async with ClientSession() as http, http.get(url) as answer:
            families = text_string_to_metric_families(await answer.text())
            return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}

    silence = "convoboss_takeover_to_silence_seconds_count"
    found = await eventually("the takeover is measured", measured, lambda seen: seen[silence] >= 1, 30)
    assert found["convoboss_two_voices_total"] == 0
    assert found["convoboss_monitor_let_go_total"] == 0


@asynccontextmanager
async def stage(fleet: Fleet):
    places, login = fleet.places(), Login()
    async with Console(places.console) as console, Facebook(places.facebook) as box, MailCatcher(places.mail) as mail:
        await console.sign_in(login.email, login.password)
        yield Stage(console, box, mail)


async def test_services_told_to_stop_under_load_end_in_time_and_nothing_is_lost_or_said_twice(fleet):
    await set_up(fleet)
    async with stage(fleet) as on:
        psids = [await on.facebook.meet(PAGE, f"Customer{n}", "Winter") for n in range(CUSTOMERS)]
        scenes = [Scene(on, psid, f"Customer{n}") for n, psid in enumerate(psids)]
        # These wait for a person; the rest has just begun.
        waiting = scenes[: CUSTOMERS // 3]
        for scene in waiting:
            await scene.says("hi")
        for scene in waiting:
            await scene.hears(GREETING)
        await on.facebook.ask("PUT", "/box/faults", {"delay_answers_s": SLOW})
        await on.mail.ask("PUT", "/faults", {"slow_s": SLOW})
        async with ClientSession(headers=on.console.headers, cookie_jar=on.console._http.cookie_jar) as http:
            socket = await http.ws_connect(
                f"{fleet.places().console}/api/v1/live", headers={"Origin": fleet.places().console}
            )
            for scene in waiting:
                await scene.picks("Talk to a person")
            await under_way(fleet.servers)
            writing = [asyncio.create_task(scene.says("hi")) for scene in scenes[CUSTOMERS // 3 :]]
            await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)  # its webhook is under way now
            ended = await fleet.stop(*SERVICES)
            await asyncio.gather(*writing)
            async with asyncio.timeout(5):
                async for _ in socket:  # until it is closed: what the console sent before is read
                    pass
            assert socket.closed
        await on.facebook.ask("PUT", "/box/faults", {})
        await on.mail.ask("PUT", "/faults", {})
    assert {name: code for name, (code, _) in ended.items()} == {program.name: 0 for program in SERVICES}
    assert max(seconds for _, seconds in ended.values()) < DRAIN
    fleet.start(*SERVICES)
    await fleet.ready(*SERVICES)
    async with stage(fleet) as on:
        for scene in scenes:
            scene.stage = on
        for scene in waiting:
            await scene.hears("A colleague will be with you shortly.")
            assert (await scene.becomes("human")).waiting
            await eventually("one e-mail", lambda key=scene.key: on.mail.about(key), bool, REPEATED)
        for scene in scenes[CUSTOMERS // 3 :]:
            await eventually(f"{scene.name} is greeted", lambda scene=scene: greeted(scene), bool, REPEATED)
        for scene in scenes:
            lines = [line.text for line in await scene.bot_lines()]
            assert len(lines) == len(set(lines)), lines
        for scene in waiting:
            assert len({mail.message_id for mail in await on.mail.about(scene.key)}) == 1


async def greeted(scene: Scene) -> bool:
    """By name or not: a name that Facebook did not tell within its time, since we were stopped, is not waited for."""
    return any(GREETING in (line.text or "") for line in await scene.bot_lines())


async def under_way(servers: Servers) -> None:
    """Facebook and the mail server have been asked, and have not answered yet."""
    owner = await asyncpg.connect(servers.postgres.url)
    try:
        for table in ("fb_handover.outgoing", "notifier.email"):

            async def sending(table: str = table) -> int:
                return await owner.fetchval(f"SELECT count(*) FROM {table} WHERE state = 'sending'")  # noqa: S608

            await eventually(f"{table} has something under way", sending, bool, 30)
    finally:
        await owner.close()


# --- Another number of partitions


async def test_every_service_refuses_to_start_with_another_number_of_partitions(fleet):
    await fleet.stop(*SERVICES)
    children = {program: fleet.spawn(program, CONVOBOSS_PARTITIONS="6") for program in SERVICES}
    codes = {program.name: await asyncio.wait_for(child.wait(), 60) for program, child in children.items()}
    assert codes == {program.name: 1 for program in SERVICES}
    for program, child in children.items():
        last = [line for line in logged(child) if line["event"] == "refused to start"][-1]
        assert f"has {PARTITIONS} partitions, but this process expects 6" in str(last["error"]), program
        assert "CONVOBOSS_PARTITIONS" in str(last["error"])
    env = kafka_environment(fleet.servers, "ops") | {"CONVOBOSS_PARTITIONS": "6"}
    made = await fleet.run("runtime.topics", env=env)
    assert (made.code, f"has {PARTITIONS} partitions, but this process expects 6" in made.out) == (1, True), made.out
    listed = await fleet.run("convoboss", "topics", env=env)
    assert f"there with {PARTITIONS} partitions" in listed.out

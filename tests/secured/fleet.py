"""All services as real processes on secured servers: a login and a role for each, secrets from files only."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography.fernet import Fernet

from local import catalogue, ports, process
from local.certificates import Authority
from local.places import python_environment
from local.secured import SecuredKafka, SecuredPostgres

PARTITIONS = 4
SERVICES = (
    catalogue.INGRESS,
    catalogue.TAKEOVER,
    catalogue.FLOW_ENGINE,
    catalogue.FB_HANDOVER,
    catalogue.NOTIFIER,
    catalogue.MONITOR,
    catalogue.CONSOLE,
)
STAND_INS = (catalogue.MAIL, catalogue.FACEBOOK)
WITH_DATABASE = {
    "takeover": "takeover",
    "fb-handover": "fb_handover",
    "notifier": "notifier",
    "console": "console",
    "monitor": "monitor",
}
READY = 60.0  # seconds for all services together on a busy machine; measured 8
DRAIN = 25.0  # seconds from SIGTERM to the end: what a service promises
COMMAND = 60.0  # seconds


@dataclass(frozen=True)
class Login:
    """What the example bot is seeded with."""

    email: str = "admin@example.com"
    password: str = "a long admin password"
    app_secret: str = "app-secret-of-the-tests"
    verify_token: str = "verify-token-of-the-tests"
    page_token: str = "page-token-of-the-tests"


@dataclass(frozen=True)
class Places:
    ingress: str
    console: str
    graph: str
    facebook: str
    mail: str


@dataclass
class Servers:
    folder: Path
    kafka: SecuredKafka
    postgres: SecuredPostgres
    authority: Path
    stranger: Path
    """Files with the certificates of the authority that signed the servers' own, and of one that did not."""

    def secret(self, name: str) -> str:
        """A file with a password, as a platform would mount it; the same at each call."""
        return str(self.folder / "secrets" / name)


@dataclass
class Ran:
    code: int
    out: str


@dataclass
class Fleet:
    servers: Servers
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, process.Child] = field(default_factory=dict)
    seeded: bool = False
    installed: str = ""  # what the commands of the installation said

    def places(self) -> Places:
        def at(program: catalogue.Program) -> str:
            return f"http://127.0.0.1:{self.ports[program.name]}"

        return Places(
            ingress=at(catalogue.INGRESS),
            console=at(catalogue.CONSOLE),
            graph=f"{at(catalogue.FACEBOOK)}/v26.0",
            facebook=at(catalogue.FACEBOOK),
            mail=at(catalogue.MAIL),
        )

    def environment(self, program: catalogue.Program) -> dict[str, str]:
        """What is in the environment is no secret; secrets are in the files that it names."""
        servers, login = self.servers, Login()
        environment = plain_environment() | {
            "CONVOBOSS_HTTP_PORT": str(self.ports[program.name]),
            "CONVOBOSS_LOG_LEVEL": "info",
        }
        if program in STAND_INS:
            return environment | {
                "CONVOBOSS_FACEBOOK_APP_SECRET": login.app_secret,
                "CONVOBOSS_FACEBOOK_VERIFY_TOKEN": login.verify_token,
                "CONVOBOSS_FACEBOOK_PAGE_TOKEN": login.page_token,
                "CONVOBOSS_FACEBOOK_PAGE_NAME": "Salon Mira",
                "CONVOBOSS_FACEBOOK_WEBHOOK_URL": f"http://127.0.0.1:{self.ports['ingress']}/webhooks/messenger",
                "CONVOBOSS_MAIL_SMTP_PORT": str(self.ports["smtp"]),
            }
        environment |= {
            **kafka_environment(servers, program.name),
            "CONVOBOSS_SECRET_KEYS_FILE": servers.secret("secret-keys"),
            "CONVOBOSS_MIGRATE": "by-command",
            "CONVOBOSS_GRAPH_URL": self.places().graph,
            "CONVOBOSS_SMTP_URL": f"smtp://127.0.0.1:{self.ports['smtp']}",
            "CONVOBOSS_PUBLIC_URL": self.places().console,
        }
        if program.name in WITH_DATABASE:
            environment["CONVOBOSS_DATABASE_URL_FILE"] = servers.secret(f"{program.name}-database-url")
        return environment

    def start(self, *programs: catalogue.Program) -> None:
        for program in programs:
            self.children[program.name] = self.spawn(program)

    def spawn(self, program: catalogue.Program, **more: str) -> process.Child:
        return process.spawn(
            program.name,
            [sys.executable, "-P", "-m", program.module],
            log=self.servers.folder / f"{program.name}.log",
            env=self.environment(program) | more,
        )

    async def ready(self, *programs: catalogue.Program) -> None:
        deadline = time.monotonic() + READY
        async with ClientSession(timeout=ClientTimeout(total=5)) as http:
            for program in programs:
                while reason := await _unready(http, self.ports[program.name]):
                    child = self.children[program.name]
                    assert child.returncode is None, f"{program.name} ended: {child.tail()}"
                    assert time.monotonic() < deadline, f"{program.name} is not ready: {reason}"
                    await asyncio.sleep(0.1)

    async def stop(self, *programs: catalogue.Program) -> dict[str, tuple[int, float]]:
        """SIGTERM to all at once. Name → exit code (-9: it did not end in time) and seconds that it took."""
        began = time.monotonic()

        async def one(name: str) -> tuple[str, tuple[int, float]]:
            code = await self.children[name].stop((signal.SIGTERM, DRAIN))
            return name, (code, time.monotonic() - began)

        return dict(await asyncio.gather(*(one(program.name) for program in programs)))

    async def install(self) -> None:
        """By the commands, as a platform team does; in any order."""
        owner = owner_environment(self.servers)
        for ran in await asyncio.gather(
            self.run("runtime.topics", env=kafka_environment(self.servers, "ops")),
            self.run("convoboss", "migrate", "pre", env=owner),
            self.run("convoboss", "roles", env=owner),
        ):
            assert ran.code == 0, ran.out
            self.installed += ran.out

    async def run(self, module: str, *arguments: str, env: Mapping[str, str]) -> Ran:
        """A command to its end."""
        log = self.servers.folder / f"{module}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-P", "-m", module, *arguments]
        child = await process.complete(module, command, log=log, within=COMMAND, env=plain_environment() | dict(env))
        return Ran(child.returncode or 0, child.words())


async def _unready(http: ClientSession, port: int) -> str:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return "" if answer.status == 200 else await answer.text()
    except (ClientError, OSError, TimeoutError) as error:
        return repr(error)


def plain_environment() -> dict[str, str]:
    """Without settings of whoever runs the tests."""
    return {name: value for name, value in python_environment().items() if not name.startswith("CONVOBOSS_")}


def kafka_environment(servers: Servers, user: str) -> dict[str, str]:
    return {
        "CONVOBOSS_KAFKA_BOOTSTRAP": servers.kafka.addresses["SASL_SSL"],
        "CONVOBOSS_KAFKA_SECURITY": "SASL_SSL",
        "CONVOBOSS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "CONVOBOSS_KAFKA_USERNAME": user,
        "CONVOBOSS_KAFKA_PASSWORD_FILE": servers.secret(f"{user}-kafka-password"),
        "CONVOBOSS_KAFKA_CA_FILE": str(servers.authority),
        "CONVOBOSS_PARTITIONS": str(PARTITIONS),
    }


def owner_environment(servers: Servers) -> dict[str, str]:
    """For the commands that prepare the database: its owner, and where the roles' passwords are."""
    passwords = {
        f"CONVOBOSS_{schema.upper()}_DATABASE_PASSWORD_FILE": servers.secret(f"{name}-database-password")
        for name, schema in WITH_DATABASE.items()
    }
    return {"CONVOBOSS_DATABASE_URL": servers.postgres.url, **passwords}


async def make_servers(folder: Path) -> Servers:
    """Both, running, and a file for each secret."""
    authority = Authority()
    users = [*(program.name for program in SERVICES), "ops"]
    kafka = SecuredKafka(folder / "kafka", authority, {user: f"kafka-{user}" for user in users})
    servers = Servers(
        folder, kafka, SecuredPostgres(folder / "postgres", authority), folder / "ca.pem", folder / "stranger.pem"
    )
    servers.authority.write_text(authority.certificate)
    servers.stranger.write_text(Authority("A stranger").certificate)
    (folder / "secrets").mkdir()
    await asyncio.gather(kafka.start(), servers.postgres.start())
    _write(servers, "admin-password", Login().password)
    _write(servers, "secret-keys", Fernet.generate_key().decode())
    for user in users:
        _write(servers, f"{user}-kafka-password", f"kafka-{user}")
    for name, schema in WITH_DATABASE.items():
        _write(servers, f"{name}-database-password", f"database-{name}")
        url = servers.postgres.url_for(f"convoboss_{schema}", f"database-{name}", servers.authority)
        _write(servers, f"{name}-database-url", url)
    return servers


def _write(servers: Servers, name: str, text: str) -> None:
    """As `kubectl create secret --from-file` would have it from an editor: with a line's end."""
    Path(servers.secret(name)).write_text(f"{text}\n")


async def end_servers(servers: Servers) -> None:
    await asyncio.gather(servers.kafka.stop(), servers.postgres.stop())
    servers.kafka.close()
    servers.postgres.close()


@contextmanager
def reserved(names: Sequence[str]) -> Iterator[dict[str, int]]:
    """A free port for each."""
    held = {name: ports.reserve() for name in names}
    try:
        yield held
    finally:
        for port in held.values():
            ports.release(port)


def logged(child: process.Child) -> list[dict[str, object]]:
    """The lines of a service's log that are JSON."""
    return [json.loads(line) for line in child.words().splitlines() if line.startswith("{")]

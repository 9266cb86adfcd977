"""Three brokers, a database behind a proxy for each process, all services as processes, Facebook and a mail server in a box."""

import asyncio
import signal
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography.fernet import Fernet
from infra.proxy import Proxy, through

from local import catalogue, ports, process
from local.cluster import NODES, Cluster
from local.places import python_environment
from local.postgres import Postgres
from story import seed
from story.doors import Console, Facebook

PARTITIONS: Final = 4
SESSION: Final = (
    6.0  # seconds without a heartbeat until a consumer's partitions go to another: the least that may be set
)
DEFAULT_EXPIRY: Final = 12  # seconds
READY: Final = 120.0  # seconds for everything; measured 25
COMMAND: Final = 90.0  # seconds
AGAIN: Final = 1.0  # seconds until a process that ended is started again, as an orchestrator would
DRAIN: Final = 25.0  # seconds from SIGTERM to the end: what a service promises
CLOCK: Final = Path(__file__).parent / "clock"

STAND_INS: Final = (catalogue.MAIL, catalogue.FACEBOOK)
PROCESSES: Final = {
    "ingress": catalogue.INGRESS,
    "takeover-1": catalogue.TAKEOVER,
    "takeover-2": catalogue.TAKEOVER,
    "takeover-3": catalogue.TAKEOVER,
    "flow-engine": catalogue.FLOW_ENGINE,
    "fb-handover-1": catalogue.FB_HANDOVER,
    "fb-handover-2": catalogue.FB_HANDOVER,
    "notifier": catalogue.NOTIFIER,
    "monitor": catalogue.MONITOR,
    "console": catalogue.CONSOLE,
    "mail": catalogue.MAIL,
    "facebook": catalogue.FACEBOOK,
}
SPARE: Final = "takeover-3"  # comes and goes in one of the faults
SERVICES: Final = tuple(name for name, program in PROCESSES.items() if program not in STAND_INS and name != SPARE)

EMAIL, SECOND, PASSWORD = "ana@example.com", "ben@example.com", "a long password of an operator"

FLOW: Final = {
    "id": "faults",
    "name": "A bot under faults",
    "blocks": {
        "start": {"kind": "start"},
        "greet": {"kind": "message", "text": "Hello {{first_name|there}}, this is the bot."},
        "answer": {"kind": "message", "text": "The bot's answer, first part."},
        "more": {"kind": "message", "text": "The bot's answer, second part.", "typing": 0.3},
        "ask": {
            "kind": "human_takeover",
            "name": "Ask for a person",
            "auto_return": 15,
            "notify_admin": True,
            "emails": ["ana@salon.example", "ben@salon.example"],
            "goodbye_message": "A person will be with you.",
            "back_to_bot_button": "Back to bot",
            "back_to_bot_message": "The bot is back.",
        },
        "ask-short": {
            "kind": "human_takeover",
            "name": "Ask whoever is free",
            "auto_return": 4,
            "goodbye_message": "Let me see who is free.",
            "back_to_bot_button": "Back to bot",
        },
        "again": {"kind": "message", "text": "What else can the bot do?"},
    },
    "wires": [
        {"block": "start", "to": "greet"},
        {"block": "answer", "to": "more"},
        {"block": "ask", "to": "again"},
        {"block": "ask-short", "to": "again"},
    ],
    "keywords": [
        {"words": ["anybody free"], "match": "contains", "to": "ask-short"},
        {"words": ["a person"], "match": "contains", "to": "ask"},
    ],
    "default_reply": {"block": "answer"},
}


@dataclass(frozen=True)
class Login:
    """What the page is connected with."""

    email: str = EMAIL
    password: str = PASSWORD
    app_secret: str = "app-secret-of-the-faults"
    verify_token: str = "verify-token-of-the-faults"
    page_token: str = "page-token-of-the-faults"


@dataclass(frozen=True, slots=True)
class End:
    """A process that ended, by a fault or by itself. `at`: seconds, of time.time()."""

    name: str
    code: int
    at: float


@dataclass
class Stack:
    folder: Path
    cluster: Cluster = field(init=False)
    postgres: Postgres = field(init=False)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    children: dict[str, process.Child] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    _ports: dict[str, int] = field(default_factory=dict)
    _keepers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _leaving: set[str] = field(default_factory=set)
    _keys: str = field(default_factory=lambda: Fernet.generate_key().decode())

    def __post_init__(self) -> None:
        self.cluster = Cluster(self.folder / "kafka")
        self.postgres = Postgres(self.folder / "postgres")
        for name in [*PROCESSES, "smtp", *(f"database of {name}" for name in [*SERVICES, SPARE])]:
            self._ports[name] = ports.reserve()

    def at(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    # --- beginning and end

    async def up(self) -> None:
        """Raises LocalError, AssertionError with what is not ready."""
        await asyncio.gather(self.cluster.start(), self.postgres.start())
        for name in [*SERVICES, SPARE]:
            self.proxies[name] = Proxy(self.postgres.host, self.postgres.port)
            await self.proxies[name].start(self._ports[f"database of {name}"])
            self.set_clock(name, 0.0)
        await self._command("runtime.topics", "ingress")
        names = [name for name in PROCESSES if name != SPARE]
        for name in names:
            self.run(name)
        await self.ready(*names)
        await self._seed()

    async def down(self) -> None:
        """Everything, whatever state it is in. The stand-ins go last: others talk to them."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for proxy in self.proxies.values():
            proxy.join()
        for name, child in self.children.items():
            child.send(signal.SIGCONT)
            if name in SERVICES or name == SPARE:
                child.send(signal.SIGTERM)
        await asyncio.gather(*(child.stop((signal.SIGTERM, DRAIN)) for child in self.children.values()))
        for proxy in self.proxies.values():
            await proxy.close()
        await self.cluster.stop()
        await self.postgres.stop()
        self.cluster.close()
        self.postgres.close()
        for port in self._ports.values():
            ports.release(port)

    def run(self, name: str) -> None:
        """Starts it, and again whenever it ends, until `leave`."""
        self._leaving.discard(name)
        self.children[name] = self._spawn(name)
        self._keepers[name] = asyncio.create_task(self._keep(name))

    async def leave(self, name: str) -> int:
        """SIGTERM, and it stays away. Returns the exit code."""
        self._leaving.add(name)
        code = await self.children[name].stop((signal.SIGTERM, DRAIN))
        await self._keepers[name]
        return code

    async def _keep(self, name: str) -> None:
        while True:
            code = await self.children[name].wait()
            if name in self._leaving:
                return
            self.ends.append(End(name, code, time.time()))
            await asyncio.sleep(AGAIN)
            self.children[name] = self._spawn(name)

    def _spawn(self, name: str) -> process.Child:
        command = [sys.executable, "-P", "-m", PROCESSES[name].module]
        return process.spawn(name, command, log=self.folder / f"{name}.log", env=self._environment(name))

    async def ready(self, *names: str, within: float = READY) -> None:
        """Until each says yes. Raises AssertionError with who does not, and why."""
        deadline = time.monotonic() + within
        async with ClientSession(timeout=ClientTimeout(total=3)) as http:
            for name in names:
                while reason := await _unready(http, self.at(name)):
                    assert time.monotonic() < deadline, f"{name}: {reason}\n{self.children[name].tail()}"
                    await asyncio.sleep(0.2)

    # --- what faults do

    def set_clock(self, name: str, ahead: float) -> None:
        """Its wall clock is ahead by so many seconds, from now on."""
        path = self._clock(name)
        if not path.exists():
            path.write_bytes(struct.pack("d", ahead))
        with path.open("r+b") as file:
            file.write(struct.pack("d", ahead))

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    # --- set up

    def _environment(self, name: str) -> dict[str, str]:
        plain = {key: value for key, value in python_environment().items() if not key.startswith("CONVOBOSS_")}
        login = Login()
        environment = plain | {
            "CONVOBOSS_HTTP_PORT": str(self._ports[name]),
            "CONVOBOSS_LOG_LEVEL": "info",
        }
        environment.pop("PYTHONPATH", None)
        if PROCESSES[name] in STAND_INS:
            return environment | {
                "CONVOBOSS_FACEBOOK_APP_SECRET": login.app_secret,
                "CONVOBOSS_FACEBOOK_VERIFY_TOKEN": login.verify_token,
                "CONVOBOSS_FACEBOOK_PAGE_TOKEN": login.page_token,
                "CONVOBOSS_FACEBOOK_WEBHOOK_URL": f"{self.at('ingress')}/webhooks/messenger",
                "CONVOBOSS_FACEBOOK_RETRY_CAP_S": "3",
                "CONVOBOSS_FACEBOOK_RECORD_LIMIT": "2000000",
                "CONVOBOSS_MAIL_SMTP_PORT": str(self._ports["smtp"]),
                "CONVOBOSS_MAIL_KEEP": "100000",
            }
        return environment | {
            "PYTHONPATH": str(CLOCK),
            "FAULTS_CLOCK": str(self._clock(name)),
            "CONVOBOSS_KAFKA_BOOTSTRAP": self.cluster.bootstrap,
            "CONVOBOSS_PARTITIONS": str(PARTITIONS),
            "CONVOBOSS_REPLICATION": str(NODES),
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": str(SESSION),
            "CONVOBOSS_DATABASE_URL": through(self.postgres.url, self._ports[f"database of {name}"]),
            "CONVOBOSS_DATABASE_POOL": "4",
            "CONVOBOSS_SECRET_KEYS": self._keys,
            "CONVOBOSS_GRAPH_URL": f"{self.at('facebook')}/v26.0",
            "CONVOBOSS_ECHO_WAIT": "10",
            "CONVOBOSS_RETRY_CAP": "5",
            "CONVOBOSS_SMTP_URL": f"smtp://127.0.0.1:{self._ports['smtp']}",
            "CONVOBOSS_MAIL_TIMEOUT": "10",
            "CONVOBOSS_PUBLIC_URL": self.at("console"),
        }

    async def _command(self, module: str, like: str, *arguments: str, **more: str) -> None:
        """A command to its end, in the environment of a service."""
        child = await process.complete(
            module,
            [sys.executable, "-P", "-m", module, *arguments],
            log=self.folder / f"{module}.command.log",
            within=COMMAND,
            env=self._environment(like) | more,
        )
        assert child.returncode == 0, child.words()

    async def _seed(self) -> None:
        login = Login()
        who = ("--email", EMAIL, "--name", "Ana")
        await self._command("console", "console", "create-admin", *who, CONVOBOSS_ADMIN_PASSWORD=PASSWORD)
        async with Console(self.at("console")) as console:
            await console.sign_in(EMAIL, PASSWORD)
            second = {"email": SECOND, "name": "Ben", "password": PASSWORD, "role": "admin"}
            await console.ask("POST", "/operators", second)
            await seed.make_bot(console, seed.BOT, "Faults")
            settings = {
                "default_session_expiry": DEFAULT_EXPIRY,
                "counts_from": "first response",
                "back_to_bot_message": "The bot has you again.",
                "say_after_expiry": False,
            }
            await console.ask("PUT", f"/bots/{seed.BOT}/settings/human-takeover", settings, **{"If-Match": "*"})
            await seed.connect(console, seed.channel_of_box(login))
            await seed.set_notification(console, seed.BOT, seed.PAGE, on=True)
            await self._verified()
            path = f"/bots/{seed.BOT}/flows/{FLOW['id']}"
            draft = await console.ask("PUT", f"{path}/draft", FLOW, **{"If-Match": "*"})
            revision = {"If-Match": f'"{draft["revision"]}"'}
            await console.ask("POST", f"{path}/publish", {"note": "faults"}, **revision)

    async def _verified(self) -> None:
        """Ingress hears of the page by the log, some moments later."""
        deadline = time.monotonic() + COMMAND
        async with Facebook(self.at("facebook")) as box:
            while not (answer := await box.ask("POST", f"/box/apps/{seed.APP}/verify", {}))["verified"]:
                assert time.monotonic() < deadline, answer["detail"]
                await asyncio.sleep(0.2)


async def _unready(http: ClientSession, address: str) -> str:
    try:
        async with http.get(f"{address}/readyz") as answer:
            return "" if answer.status == 200 else (await answer.text())[:300]
    except (ClientError, OSError, TimeoutError) as error:
        return repr(error)


def names_of(program: str) -> Sequence[str]:
    """The processes of a service, without the spare one."""
    return [name for name in SERVICES if PROCESSES[name].name == program]

"""A real notifier process between a real broker, a real database and an SMTP server that does as the test says."""

import asyncio
import email
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

import asyncpg
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.kafka import Publisher
from runtime.records import Outgoing
from runtime.settings import ServiceSettings
from runtime.topics import ensure
from schemas.base import BaseEvent
from schemas.bots import BotSettings
from schemas.handover import Cause
from schemas.messages import Profile, Said, Speaker
from schemas.outcomes import TakeoverAnswered, TakeoverEnded, TakeoverStarted
from schemas.topics import BOTS, OUTCOMES

SOON = 30.0  # seconds for a fact to become visible
POLL = 0.05  # seconds
TIMEOUT = 2.0  # seconds for one e-mail; a claim outlasts it by some

Hook = Callable[[], Awaitable[None]]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass(frozen=True)
class Mail:
    """A message as it came in, whether or not it was acknowledged."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    acknowledged: bool


class MailServer:
    """An SMTP server whose answers a test sets: `refused` and `later` by address, `on_hello` and `on_data` as hooks."""

    def __init__(self) -> None:
        self.port = free_port()
        self.tls: ssl.SSLContext | None = None
        self.starttls: ssl.SSLContext | None = None
        self.login: tuple[str, str] | None = None
        self.mails: list[Mail] = []
        self.refused: set[str] = set()
        self.later: set[str] = set()
        self.on_hello: Hook | None = None
        self.on_recipient: Hook | None = None
        self.on_data: Hook | None = None
        self.drop_after_data = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.BaseTransport] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, ssl=self.tls)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in self._open:
                transport.close()
            await self._server.wait_closed()
            self._server = None

    def to(self, address: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.recipients == (address,)]

    def _session(self) -> SMTP:
        server = self

        class Kept(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                server._open.add(transport)
                super().connection_made(transport)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a login without STARTTLS
            return Kept(
                self,
                hostname="mail.test",
                enable_SMTPUTF8=True,
                loop=asyncio.get_running_loop(),
                tls_context=self.starttls,
                require_starttls=self.starttls is not None,
                auth_required=self.login is not None,
                auth_require_tls=self.starttls is not None,  # of TLS from the beginning it does not know
                authenticator=self._check if self.login else None,
            )

    def _check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        if self.on_hello is not None:
            await self.on_hello()
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.on_recipient is not None:
            await self.on_recipient()
        if address in self.refused:
            return "550 5.1.1 no such person"
        if address in self.later:
            return "451 4.3.0 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        dropped = self.drop_after_data
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message, not dropped))
        if self.on_data is not None:
            await self.on_data()
        if dropped:
            assert server.transport is not None
            server.transport.close()
        return "250 taken"


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for 127.0.0.1, and the file that a client has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted = folder / "ca.pem"
    trusted.write_bytes(made.public_bytes(Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


class World:
    """Everything, and what a test does with it."""

    def __init__(self, bootstrap: str, database_url: str, folder: Path) -> None:
        self.mail = MailServer()
        self.bootstrap = bootstrap
        self.bot = f"shop-{secrets.token_hex(4)}"
        self._folder = folder
        self._database_url = database_url
        self._publisher: Publisher | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._count = 0

    async def open(self) -> None:
        settings = ServiceSettings(kafka_bootstrap=self.bootstrap)
        await ensure(settings)
        self._publisher = await Publisher.start(settings, source="takeover")
        await self.publish(BOTS, BotSettings(id=f"{self.bot}:1", bot=self.bot, version=1, name="Shöp & Co"))

    async def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        if self._publisher is not None:
            await self._publisher.stop()
        await self.mail.stop()

    @property
    def log(self) -> str:
        return (self._folder / "notifier.log").read_text()

    async def start(self, **env: str) -> None:
        """Starts the notifier and waits until it is ready."""
        port = free_port()
        environment = os.environ | {
            "CONVOBOSS_KAFKA_BOOTSTRAP": self.bootstrap,
            "CONVOBOSS_DATABASE_URL": self._database_url,
            "CONVOBOSS_SMTP_URL": f"smtp://127.0.0.1:{self.mail.port}",
            "CONVOBOSS_PUBLIC_URL": "https://chat.example.org",
            "CONVOBOSS_HTTP_PORT": str(port),
            "CONVOBOSS_MAIL_TIMEOUT": str(TIMEOUT),
            "CONVOBOSS_KAFKA_SESSION_TIMEOUT": "6",
            "CONVOBOSS_LOG_LEVEL": "debug",
            **env,
        }
        with (self._folder / "notifier.log").open("ab") as out:
            command = [sys.executable, "-m", "notifier"]
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)  # noqa: ASYNC220
        self._processes.append(process)
        await self.until(lambda: self._listens(process, port))

    async def _listens(self, process: subprocess.Popen[bytes], port: int) -> bool:
        assert process.poll() is None, self.log
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    def kill(self) -> None:
        process = self._processes.pop()
        process.kill()
        process.wait()

    async def stop(self) -> int:
        process = self._processes.pop()
        process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(process.wait, 30)

    async def publish(self, topic: str, *events: BaseEvent) -> None:
        assert self._publisher is not None
        await self._publisher.publish([Outgoing(topic, event) for event in events])

    def started(
        self, *emails: str, episode: str | None = None, conversation: str = "messenger:1029:7733"
    ) -> TakeoverStarted:
        self._count += 1
        said = Said(seq=1, speaker=Speaker.CUSTOMER, text="I need <help> ❤")
        return TakeoverStarted(
            id=f"{self.bot}:started:{self._count}",
            conversation=conversation,
            bot=self.bot,
            epoch=1,
            episode=episode or f"{self.bot}:{self._count}",
            seq=1,
            at=datetime.now(UTC),
            cause_id="x",
            attended=False,
            venue="inbox",
            cause=Cause.FLOW,
            emails=emails,
            customer=Profile(first_name="Mia"),
            last=(said,),
        )

    def answered(self, started: TakeoverStarted) -> TakeoverAnswered:
        fields = started.model_dump(include={"conversation", "bot", "episode", "seq", "at", "cause_id", "venue"})
        return TakeoverAnswered(id=f"{started.id}:answered", epoch=1, attended=True, by="reply", **fields)

    def ended(self, started: TakeoverStarted) -> TakeoverEnded:
        fields = started.model_dump(include={"conversation", "bot", "episode", "seq", "at", "cause_id"})
        return TakeoverEnded(id=f"{started.id}:ended", epoch=2, cause=Cause.EXPIRED, answered=False, **fields)

    async def row(self, started: TakeoverStarted, address: str) -> asyncpg.Record | None:
        connection = await asyncpg.connect(self._database_url)
        try:
            return await connection.fetchrow(
                "SELECT * FROM notifier.email WHERE episode = $1 AND address = $2", started.episode, address
            )
        except asyncpg.UndefinedTableError:
            return None
        finally:
            await connection.close()

    async def until_state(self, started: TakeoverStarted, address: str, state: str) -> asyncpg.Record:
        found: list[asyncpg.Record] = []

        async def reached() -> bool:
            row = await self.row(started, address)
            if row is not None and row["state"] == state:
                found.append(row)
            return bool(found)

        await self.until(reached)
        return found[0]

    async def until(self, fact: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + SOON
        while not await fact():
            assert time.monotonic() < deadline, self.log
            await asyncio.sleep(POLL)

    async def all_taken_in(self, conversation: str = "messenger:1029:7733") -> None:
        """Returns when an e-mail has come for an event published now: whatever was to be sent before was sent."""
        address = f"last-{secrets.token_hex(4)}@example.org"
        started = self.started(address, conversation=conversation)
        await self.publish(OUTCOMES, started)
        await self.until_state(started, address, "sent")


@asynccontextmanager
async def a_world(bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[World]:
    world = World(bootstrap, database_url, folder)
    try:
        await world.open()
        yield world
    finally:
        await world.close()

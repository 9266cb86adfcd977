"""The same servers as a production system has them: TLS, and a login for everybody. For tests; made anew each time."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local import ports, process
from local.archive import JVM_FLAGS, ClassArchive
from local.certificates import Authority
from local.databases import DATABASE, USER
from local.errors import StartFailed
from local.kafka import CLUSTER_ID, POLL, START, Kafka
from local.postgres import START as POSTGRES_START
from local.postgres import Postgres

MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256")
LISTENERS = ("SASL_SSL", "SASL_PLAINTEXT", "SSL")
# Beside the plain listener of local.kafka, by which the broker talks to itself and is asked whether it is ready.
KAFKA_SETTINGS = """\
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},{secured}
advertised.listeners=BROKER://127.0.0.1:{port},{secured}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,{map}
sasl.enabled.mechanisms={mechanisms}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
"""
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
KEY, CERTIFICATE = "server.key", "server.crt"


class SecuredKafka(Kafka):
    """A broker with a listener for each of `LISTENERS`, at `addresses`. `users`: name → password, for every mechanism."""

    def __init__(self, folder: Path, authority: Authority, users: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._authority = authority
        self._users = users
        self._ports = {listener: ports.reserve() for listener in LISTENERS}

    @property
    def addresses(self) -> Mapping[str, str]:
        """Security protocol → host and port."""
        return {listener: f"127.0.0.1:{port}" for listener, port in self._ports.items()}

    def close(self) -> None:
        super().close()
        for port in self._ports.values():
            ports.release(port)

    async def _prepare(self) -> ClassArchive:
        fresh = not (self._folder / "logs").exists()
        archive = await super()._prepare()
        keystore = self._folder / "server.pem"
        if fresh:
            keystore.write_text("".join(self._authority.issue()))
        settings = KAFKA_SETTINGS.format(
            port=self.port,
            controller=self._controller,
            secured=",".join(f"{listener}://{address}" for listener, address in self.addresses.items()),
            map=",".join(f"{listener}:{listener}" for listener in LISTENERS),
            mechanisms=",".join(MECHANISMS),
            keystore=keystore,
        )
        names = [f"{listener}.{each}".lower() for listener in LISTENERS for each in MECHANISMS]
        logins = "".join(f"listener.name.{name}.sasl.jaas.config={LOGIN}\n" for name in names)
        with self._properties.open("a") as file:  # where a name comes twice the later one counts
            file.write(settings + logins)
        if fresh:
            await self._format(archive)
        return archive

    async def _format(self, archive: ClassArchive) -> None:
        """Once more, with the users: a copy of the empty folder that is kept has none. Raises StartFailed."""
        shutil.rmtree(self._folder / "logs")
        users = [
            part
            for name, password in self._users.items()
            for mechanism in MECHANISMS
            for part in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
        command = [
            *(str(archive.java.binary), *JVM_FLAGS, "-cp", ":".join(str(jar) for jar in archive.jars)),
            *("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(self._properties)),
            *users,
        ]
        done = await process.complete("kafka-format", command, log=self.log, within=START)
        if done.returncode:
            raise StartFailed("Kafka", "its log folder could not be formatted", done.tail(), done.words())


class SecuredPostgres(Postgres):
    """A server that takes others than user convoboss with a password only, at `tls_port`, where all is encrypted.

    PostgreSQL does that itself where it was built with TLS; otherwise there is a door in front of it.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, durable=False)
        self._authority = authority
        self._door_port = ports.reserve()
        self._door: process.Child | None = None
        self.speaks_tls = False

    @property
    def tls_port(self) -> int:
        return self.port if self.speaks_tls else self._door_port

    def url_for(self, role: str, password: str, trusted: Path, database: str = DATABASE) -> str:
        """How a service reaches it; `trusted` is the file of the authority."""
        return (
            f"postgresql://{role}:{password}@{self.host}:{self.tls_port}/{database}"
            f"?sslmode=verify-full&sslrootcert={trusted}"
        )

    async def start(self, *, within: float = POSTGRES_START) -> None:
        await super().start(within=within)
        if self.speaks_tls or (self._door is not None and self._door.returncode is None):
            return
        files = [str(self._cluster / name) for name in (CERTIFICATE, KEY)]
        command = [sys.executable, "-P", "-m", "local.tls_door", str(self._door_port), str(self.port), *files]
        self._door = process.spawn("tls-door", command, log=self._folder / "tls-door.log")
        await _open(self._door_port, time.monotonic() + within)

    async def stop(self) -> None:
        if self._door is not None:
            await self._door.stop((signal.SIGTERM, 1.0))
        await super().stop()

    def close(self) -> None:
        super().close()
        ports.release(self._door_port)

    async def _prepare(self, binaries: Path, identity: Callable[[], None] | None) -> None:
        await super()._prepare(binaries, identity)
        await asyncio.to_thread(self._secure, binaries)
        for name in (KEY, CERTIFICATE, "pg_hba.conf"):
            shutil.copystat(self._cluster / "PG_VERSION", self._cluster / name)
            owner = (self._cluster / "PG_VERSION").stat()
            os.chown(self._cluster / name, owner.st_uid, owner.st_gid)

    def _secure(self, binaries: Path) -> None:
        self.speaks_tls = b"SSL_CTX_new" in (binaries / "postgres").read_bytes()
        key, certificate = self._authority.issue()
        plain, coded = ("hostnossl", "hostssl") if self.speaks_tls else ("host", "host")
        access = f"{plain} all {USER} 127.0.0.1/32 trust\n{coded} all all 127.0.0.1/32 scram-sha-256\n"
        for name, text in ((KEY, key), (CERTIFICATE, certificate), ("pg_hba.conf", access)):
            (self._cluster / name).write_text(text)
        if self.speaks_tls:
            with (self._cluster / "postgresql.conf").open("a") as file:
                file.write(f"ssl = on\nssl_cert_file = '{CERTIFICATE}'\nssl_key_file = '{KEY}'\n")


async def _open(port: int, deadline: float) -> None:
    """Returns when somebody listens. Raises StartFailed."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StartFailed("the door to PostgreSQL", "nobody listens", str(error)) from None
            await asyncio.sleep(POLL)
        else:
            writer.close()
            return

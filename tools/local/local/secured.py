"""The same servers as a production system has them: TLS, and a login for everybody. For tests; made anew each time."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from local import ports, process
from local.archive import JVM_FLAGS, ClassArchive
from local.certificates import Authority
from local.databases import DATABASE, USER
from local.errors import StartFailed
from local.kafka import CLUSTER_ID, START, Kafka
from local.postgres import NOBODY, Postgres

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
HBA = f"""\
# the way in for whoever sets a test up, without a password: databases and roles
hostnossl all {USER} 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""
POSTGRES_SETTINGS = """
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = scram-sha-256
"""


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
        logins = [f"listener.name.{name.lower()}.{each.lower()}.sasl.jaas.config={MODULE}" for name in LISTENERS for each in MECHANISMS]
        with self._properties.open("a") as file:
            file.write(settings + "\n".join(logins) + "\n")
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


MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class SecuredPostgres(Postgres):
    """A server that takes others than user convoboss by TLS and with a password only."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, durable=False)
        self._authority = authority

    async def _prepare(self, binaries: Path, identity: Callable[[], None] | None) -> None:
        await super()._prepare(binaries, identity)
        await asyncio.to_thread(self._secure, self._cluster, dropped=identity is not None and identity.__name__ == "_become_nobody")

    def url_for(self, role: str, password: str, authority: Path, database: str = DATABASE) -> str:
        """How a service reaches it; `authority` is the file of whom to trust."""
        return (
            f"postgresql://{role}:{password}@{self.host}:{self.port}/{database}"
            f"?sslmode=verify-full&sslrootcert={authority}"
        )

    def _secure(self, cluster: Path, *, dropped: bool) -> None:
        key, certificate = self._authority.issue()
        for name, text in (("server.key", key), ("server.crt", certificate), ("pg_hba.conf", HBA)):
            (cluster / name).write_text(text)
            (cluster / name).chmod(0o600)
            if dropped:
                shutil.chown(cluster / name, NOBODY)
        with (cluster / "postgresql.conf").open("a") as file:
            file.write(POSTGRES_SETTINGS)

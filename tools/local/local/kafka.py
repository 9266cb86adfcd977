"""A real single-node Kafka (KRaft) as an ordinary process."""

import asyncio
import contextlib
import logging
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local import jars, java, paths, ports, process
from local.archive import JVM_FLAGS, ClassArchive
from local.errors import PortTaken, StartFailed

CLUSTER_ID = "Y29udm9ib3NzLWxvY2FsLQ"  # 16 bytes in base64; every local cluster may have the same
READY_TOPIC = "local.ready"
START = 60.0  # seconds until a record must have been acknowledged; measured 2-5, more on a busy machine
STOP = 10.0  # seconds for a clean stop; measured 0.5
RECORD = 40.0  # seconds for a clean stop that also writes the class archive; measured 3-8
POLL = 0.05  # seconds between two looks at a starting server
UNUSED = "Unable to use shared archive"  # in Java's words
METADATA = "__cluster_metadata-0"
FORMATTED = ("meta.properties", f"{METADATA}/00000000000000000000-0000000000.checkpoint")

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={logs}
# topics are created by one command, never by a typing error
auto.create.topics.enable=false
# one node: every internal topic has one replica, and one partition is enough
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# a person waits for it: no pause for members that may still come, short sessions
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
# small: two cores, a heap of 256 MB
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""


class Kafka(process.Owner):
    """One broker on one data folder. `start` returns when a record was produced and acknowledged.

    A given port is one that the caller reserved; without, one is found.
    """

    name = "Kafka"
    waits_for = "a first acknowledged record"

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        log: Path | None = None,
        use_java: java.Java | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._folder = folder
        self.log = log or folder / "kafka.log"
        self._java = use_java
        self._say = say
        self.port = ports.reserve() if port is None else port
        self._controller = ports.reserve()
        self._archive: ClassArchive | None = None
        self._records = False  # whether the broker that runs writes a class archive when it stops

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, *, within: float = START) -> None:
        """Also after `kill` or `stop`: same port, same data. Fine when it runs. Raises StartFailed, PortTaken."""
        if self.running:
            return
        try:
            await self._start(await self._prepare(), within)
        except PortTaken:
            raise
        except StartFailed:
            if not await asyncio.to_thread(self._mended):
                raise
            await self._start(await self._prepare(), within)

    async def _start(self, archive: ClassArchive, within: float) -> None:
        self._archive, self._records = archive, not archive.present
        self.child = process.spawn(
            "kafka",
            [
                str(archive.java.binary),
                *JVM_FLAGS,
                *archive.flags(self._recording),
                f"-XX:ErrorFile={self.log.parent / 'kafka-crash.log'}",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                "-cp",
                ":".join(str(jar) for jar in archive.jars),
                "kafka.Kafka",
                str(self._properties),
            ],
            log=self.log,
        )
        self._pid_file.write_text(f"{self.child.pid}\n")
        await self._ready(self.child, time.monotonic() + within)

    async def stop(self) -> None:
        if self.child is None or not self.running:
            return
        if UNUSED in self.child.words():  # damaged, but Java noticed: without it the next stop makes a whole one
            self._drop_archive()
        recording = self._records
        if recording:
            self._say("Kafka writes its class archive, once: later starts take half the time.")
        await self.child.stop((signal.SIGTERM, RECORD if recording else STOP))
        if recording and self._archive:
            with contextlib.suppress(OSError):  # a cache that cannot be written: the next start takes longer, no more
                self._archive.keep(self._recording)

    def close(self) -> None:
        """Gives the ports back."""
        ports.release(self.port)
        ports.release(self._controller)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "kafka.pid"

    @property
    def _recording(self) -> Path:
        return self._folder / "classes.recording"

    async def _prepare(self) -> ClassArchive:
        """Raises LocalError when the jars cannot be had, StartFailed when the log folder cannot be used."""
        found = await asyncio.to_thread(java.find) if self._java is None else self._java
        class_path = await jars.class_path(self._say, self._wait, self.log.with_name("download.log"))
        self._wait(type(self).waits_for)
        archive = ClassArchive(found, class_path)
        logs = self._folder / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(process.end_leftover, self._pid_file, str(self._properties))
        self._properties.write_text(SETTINGS.format(port=self.port, controller=self._controller, logs=logs))
        if (logs / "meta.properties").exists():
            return archive
        if (logs / METADATA).exists():
            raise StartFailed("Kafka", f"there is no {logs / 'meta.properties'}", "", "No readable meta.properties")
        formatted = await _formatted(archive, self.log)
        await asyncio.to_thread(_copy, formatted, logs)
        return archive

    def _wait(self, what: str) -> None:
        self.waits_for = what

    def _mended(self) -> bool:
        """Whether a part of the cache was found damaged and removed, so that another start may succeed."""
        crashed = self.child is not None and (self.child.returncode or 0) < 0
        dropped = crashed and self._drop_archive()
        if dropped:
            self._say("Java crashed on its class archive, which was removed; it is made anew at the next stop.")
        damaged = jars.drop_damaged()
        if damaged:
            self._say(f"Damaged and removed from {jars.folder()}: {', '.join(damaged)}.")
        return dropped or bool(damaged)

    def _drop_archive(self) -> bool:
        """Whether there was one."""
        if self._archive is None or not self._archive.present:
            return False
        self._archive.path.unlink(missing_ok=True)
        return True

    async def _ready(self, child: process.Child, deadline: float) -> None:
        while not await acknowledged(self.bootstrap):
            if child.returncode is not None:
                kind = PortTaken if "Address already in use" in child.words() else StartFailed
                raise kind(
                    "Kafka",
                    f"it ended {process.how_it_ended(child.returncode)}",
                    child.tail(),
                    child.words(),
                    self.log.parent,
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    "Kafka", "no record was acknowledged in time", child.tail(), child.words(), self.log.parent
                )
            await asyncio.sleep(POLL)


def strays(folder: Path) -> list[str]:
    """Partitions that the broker set aside at its start, because its metadata does not know them any more.

    In a folder whose topics nobody deletes this says that the metadata was damaged: their records are lost to readers.
    """
    return sorted(path.name.removesuffix("-stray").rpartition(".")[0] for path in (folder / "logs").glob("*-stray"))


async def _formatted(archive: ClassArchive, log: Path) -> Path:
    """A formatted, empty log folder. It costs a start of Java, so one is kept in the cache and copied.

    Raises StartFailed.
    """
    version = next(jar.stem for jar in archive.jars if jar.stem.startswith("kafka_"))
    kept = paths.cache() / "kafka" / f"formatted-{version}"
    if all((kept / name).is_file() for name in FORMATTED):
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        work = Path(folder)
        settings = work / "server.properties"
        settings.write_text(SETTINGS.format(port=9092, controller=9093, logs=work / "logs"))
        arguments = ["format", "--cluster-id", CLUSTER_ID, "--config", str(settings)]
        class_path = ":".join(str(jar) for jar in archive.jars)
        command = [str(archive.java.binary), *JVM_FLAGS, "-cp", class_path, "kafka.tools.StorageTool", *arguments]
        try:
            done = await process.complete("kafka-format", command, log=log, within=START)
        except TimeoutError:
            raise StartFailed("Kafka", f"formatting its log folder took over {START:.0f} s", "") from None
        if done.returncode:
            raise StartFailed("Kafka", "its log folder could not be formatted", done.tail(), done.words(), log.parent)
        shutil.rmtree(kept, ignore_errors=True)  # a damaged one
        with contextlib.suppress(OSError):  # another process was first: its folder is as good
            (work / "logs").rename(kept)
    return kept


def _copy(formatted: Path, logs: Path) -> None:
    """In one step: a copy that was killed half way must not look like a log folder."""
    work = logs.with_name("logs.new")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(formatted, work)
    shutil.rmtree(logs, ignore_errors=True)
    work.rename(logs)


async def acknowledged(bootstrap: str) -> bool:
    """Whether the broker takes a record now. An open port is not enough: leaders may still be missing."""
    host, _, port = bootstrap.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return await asyncio.wait_for(_produce(bootstrap), 10)


async def _produce(bootstrap: str) -> bool:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError, TopicAlreadyExistsError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # refusals are expected while it starts
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", request_timeout_ms=5000)
    try:
        await admin.start()
        with contextlib.suppress(TopicAlreadyExistsError):
            await admin.create_topics([NewTopic(READY_TOPIC, 1, 1, topic_configs={"retention.ms": "3600000"})])
        await producer.start()
        await producer.send_and_wait(READY_TOPIC, b"ready")
    except (KafkaError, OSError, TimeoutError):
        return False
    else:
        return True
    finally:
        await producer.stop()
        await admin.close()

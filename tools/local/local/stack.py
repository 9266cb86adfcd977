"""The local stack from beginning to end: `make run` and `make demo` are this, with and without staying."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import advice, catalogue, credentials, kafka, lock, paths, planning, story, supervisor
from local.asking import Asked
from local.errors import LocalError
from local.nursery import Nursery
from local.places import Plan, python_environment
from local.service import Service
from local.status import Board
from local.supervisor import Managed, Supervisor
from local.table import table

KAFKA_ADDRESS = "kafka.address"  # in the data folder
DATABASE_ADDRESS = "postgres.address"
SEED_TRIES, SEED_PAUSE = 5, 2.0  # a service may die just then, and comes back
COMMAND = 60.0  # seconds for a command that prepares something; measured under 2


@dataclass(frozen=True, slots=True)
class Options:
    data: Path
    report: Path
    stay: bool
    channel: Path | None = None
    parent: int | None = None  # the process whose end is a wish to stop
    programs: tuple[catalogue.Program, ...] = catalogue.PROGRAMS
    topics_module: str = "runtime.topics"
    story: str = "play"  # the module of `story` that is played


async def run(options: Options) -> int:
    """The exit code: 0 unless a step of the story failed where that counts; 128 and the signal when it was stopped
    before it was ready. Raises LocalError, and OSError where the system refuses.
    """
    asked = Asked()
    _check_channel(options.channel)
    with lock.hold(options.data):
        board = Board()
        plan = planning.plan(board.say, programs=options.programs)
        _check_space(options.data, plan)
        secrets = credentials.of(options.data)
        (options.data / KAFKA_ADDRESS).write_text(plan.kafka)  # for ./convoboss
        # a database of one's own is named by its setting only: its address may hold a password
        ours = catalogue.REAL_POSTGRES not in plan.connected
        (options.data / DATABASE_ADDRESS).write_text(plan.database if ours else "")
        stack = _Stack(plan, secrets, options, board)
        asked.hurry = stack.supervisor.kill
        watching = asyncio.create_task(asked.when_ends(options.parent)) if options.parent else None
        try:
            result = await supervisor.until(asked.stop, stack.live())
        finally:
            board.footer = "stopping; Ctrl-C again kills"
            board.say("Stopping everything ...")
            began = board.elapsed
            await stack.down()
            board.close()
            if watching:
                watching.cancel()
        board.say(f"All stopped, in {board.elapsed - began:.0f} s.")
    if result is None:
        return 0 if options.stay and stack.was_up else asked.exit_code
    return result


def _check_space(data: Path, plan: Plan) -> None:
    """A full disk is told before anything starts. Raises LocalError."""
    here = {catalogue.KAFKA, catalogue.POSTGRES} & plan.ports.keys()
    if here and (free := advice.free(data)) < advice.SPACE:
        raise LocalError(
            f"Only {free / 1e6:.0f} MB are free where the data lies ({data}); a start needs {advice.SPACE / 1e6:.0f} MB.\n"
            "Free some and start again, or name another place: CONVOBOSS_DATA=FOLDER make run"
        )


def _check_channel(file: Path | None) -> None:
    """A file with a mistake is told before anything starts. Raises LocalError."""
    seeding = story.seeding()
    if file is None or seeding is None:
        return
    try:
        seeding.read_channel(file)
    except seeding.BadChannelFile as bad:
        raise LocalError(str(bad)) from bad


async def demo(options: Options) -> int:
    """On data of its own, empty at the start, so that it always tells the same story."""
    if options.data.exists():
        await wipe(options.data)
    return await run(options)


class _Stack:
    def __init__(self, plan: Plan, secrets: credentials.Credentials, options: Options, board: Board) -> None:
        self._plan = plan
        self._secrets = secrets
        self._options = options
        self._board = board
        self._logs = options.data / "logs"
        self._nursery = Nursery(self._log("nursery"))
        self._gate = asyncio.Event()
        self.was_up = False
        self._plays = True
        self.supervisor = Supervisor(self._groups(), board)

    async def live(self) -> int:
        await self._up()
        await self._seed()
        self.was_up = True
        if self._options.stay:
            self._board.say(f"\nConvoboss runs, ready after {self._board.elapsed:.1f} s.\n\n{self._table()}\n")
        ok = await self._play()
        if self._options.stay:
            self._board.footer = "Ctrl-C stops everything"
            self._board.say("Everything stays up until Ctrl-C.")
            await asyncio.Event().wait()
        return 0 if ok else 1

    async def down(self) -> None:
        await self.supervisor.down()
        await self._nursery.stop()

    async def _up(self) -> None:
        self._board.say(f"Starting {', '.join(self.supervisor.names)}.")
        self._nursery.start(python_environment())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._open_gate())
                group.create_task(self._first_admin())
                await self.supervisor.up()
        except* LocalError as failed:
            raise failed.exceptions[0] from None

    async def _open_gate(self) -> None:
        """Topics are made by this one command, never by a service. Then, with a database there, the services start."""
        if catalogue.KAFKA in self.supervisor.names:
            await self.supervisor.ready(catalogue.KAFKA)
            self._check_partitions()
        await self._do("topics", self._options.topics_module, env={catalogue.REAL_KAFKA: self._plan.kafka})
        if catalogue.POSTGRES in self.supervisor.names:
            await self.supervisor.ready(catalogue.POSTGRES)
        self._gate.set()

    def _check_partitions(self) -> None:
        """Kafka itself goes on with damaged metadata, as a broker that knows no topic. Raises LocalError."""
        if lost := kafka.strays(self._options.data / "kafka"):
            raise LocalError(
                f"Kafka's data is damaged: its metadata does not know {', '.join(lost[:3])}"
                f"{f' and {len(lost) - 3} more' if len(lost) > 3 else ''} any more.\n{advice.WIPE}"
            )

    async def _first_admin(self) -> None:
        """Once for each data folder; the command itself leaves an admin who is there alone."""
        done = self._options.data / "admin-made"
        if catalogue.CONSOLE not in self._plan.programs or done.exists():
            return
        await self.supervisor.ready(catalogue.CONSOLE.name)
        who = ("--email", self._secrets.email, "--name", "Ana Admin")
        environment = self._plan.environment(catalogue.CONSOLE, self._secrets)
        environment["CONVOBOSS_ADMIN_PASSWORD"] = self._secrets.password
        await self._do("create-admin", "console", "create-admin", *who, env=environment)
        done.touch()

    async def _do(self, name: str, module: str, *arguments: str, env: Mapping[str, str]) -> None:
        """Runs a command to its end. Raises LocalError with its words when it fails."""
        environment = python_environment() | dict(env)
        child = await self._nursery.spawn(name, module, arguments, log=self._log(name), env=environment)
        try:
            code = await asyncio.wait_for(child.wait(), COMMAND)
        except TimeoutError:
            child.kill()
            raise LocalError(f"{name} did not end within {COMMAND:.0f} s:\n{child.tail()}") from None
        if code:
            known = advice.read(child.words())
            raise LocalError(f"The command {name} failed:\n{child.tail()}" + (f"\n{known.text}" if known else ""))

    async def _seed(self) -> None:
        seeding = story.seeding()
        if seeding is None or catalogue.CONSOLE not in self._plan.programs:
            self._board.say("No example bot was seeded: it takes the console and the package story.")
            return None
        from aiohttp import ClientError

        for left in reversed(range(SEED_TRIES)):
            try:
                return await self._seed_once(seeding)
            except seeding.Refused as refused:
                if refused.status < 500 or not left:
                    raise LocalError(f"The example bot could not be made: {refused}") from refused
                reason = str(refused)
            except (ClientError, OSError) as error:
                if not left:
                    raise LocalError(f"The console did not answer while the example bot was made: {error}") from error
                reason = str(error) or type(error).__name__
            self._board.say(f"The example bot is tried again in {SEED_PAUSE:.0f} s: {reason}")
            await asyncio.sleep(SEED_PAUSE)
        return None

    async def _seed_once(self, seeding: story.Seeding) -> None:
        places, say, channel = self._plan.places(), self._board.say, self._options.channel
        await seeding.seed(places, self._secrets, say=say)
        if channel is not None:
            await seeding.import_channel(places, self._secrets, channel, say=say)
        refused = await seeding.refused_page(places, self._secrets, channel)
        if refused:
            say(f"\n{refused.text}\nEverything else runs.\n")
        self._plays = refused is None or not refused.in_story

    async def _play(self) -> bool:
        """Whether the story went as told; a stack that is connected to the real Facebook has no story."""
        if not self._plays:
            self._board.say("The story is not played: the bot cannot write to a customer of that page.")
            return False
        playing, places = story.playing(self._options.story), self._plan.places()
        if playing is None or places.facebook is None or places.mail is None:
            self._board.say(
                "The story is not played: it takes Facebook in a box, the mail catcher and the package story."
            )
            return False
        from aiohttp import ClientError

        try:
            return await playing.play(places, self._secrets, say=self._board.say, report=self._report())
        except (playing.Refused, ClientError, OSError) as error:
            self._board.say(f"The story broke off: {str(error) or type(error).__name__}")
            return False

    def _report(self) -> Path:
        """Where it was asked for; in the data folder when the clone cannot be written."""
        wanted = self._options.report
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            wanted.touch()
        except OSError:
            return self._options.data / wanted.name
        return wanted

    def _table(self) -> str:
        return table(self._plan, self._secrets, self._logs)

    def _groups(self) -> list[list[Managed]]:
        """Services go down before what they talk to."""
        services: list[Managed] = []
        stand_ins: list[Managed] = []
        for program in self._plan.programs:
            environment = self._plan.environment(program, self._secrets)
            if program is catalogue.INGRESS:
                environment.setdefault("CONVOBOSS_SPOOL_DIRECTORY", str(self._options.data / "spool"))
            gate = _open() if program.stands_in_for else self._gate
            port, log = self._plan.ports[program.name], self._log(program.name)
            service = Service(program, port, environment, log, nursery=self._nursery, gate=gate)
            (stand_ins if program.stands_in_for else services).append(service)
        return [services, stand_ins, self._servers()]

    def _servers(self) -> list[Managed]:
        from local.servers import Kafka, Postgres

        servers: list[Managed] = []
        ports, data = self._plan.ports, self._options.data
        if catalogue.POSTGRES in ports:
            log = self._log(catalogue.POSTGRES)
            servers.append(Postgres(data / "postgres", port=ports[catalogue.POSTGRES], log=log))
        if catalogue.KAFKA in ports:
            log = self._log(catalogue.KAFKA)
            servers.append(Kafka(data / "kafka", port=ports[catalogue.KAFKA], log=log, say=self._board.say))
        return servers

    def _log(self, name: str) -> Path:
        """The log file of a process; the one of the run before is kept beside it."""
        log = self._logs / f"{name.lower()}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        return log


def _open() -> asyncio.Event:
    """The gate of a program that waits for nobody."""
    gate = asyncio.Event()
    gate.set()
    return gate


async def reset(data: Path) -> int:
    await wipe(data)
    print(f"Wiped {data}. Downloads in {paths.cache()} were kept.")
    return 0


async def wipe(data: Path) -> None:
    """Raises AlreadyRunning while somebody uses the data folder."""
    with lock.hold(data):
        await asyncio.to_thread(_empty, data)


def _empty(data: Path) -> None:
    for entry in data.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != lock.FILE:
            entry.unlink()

"""`make run` with everything in it, on a bad day: every port taken, a token refused, every process killed, then itself."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local import catalogue, credentials, lock
from story.doors import Console, Facebook
from story.seed import APP, BOT, PAGE

pytestmark = [pytest.mark.infra, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[3]
DEADLINE = 90.0  # seconds for one fact, on a busy machine
MINE = {"default_session_expiry": 1234, "counts_from": "every response", "back_to_bot_message": "Here I am."}
PORTS = {one.name: one.port for one in catalogue.PROGRAMS} | {
    "smtp": catalogue.SMTP_PORT,
    catalogue.KAFKA: catalogue.KAFKA_PORT,
    catalogue.POSTGRES: catalogue.POSTGRES_PORT,
}


class Run:
    """The stack as a person starts it; what it says is in a file."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.data = folder / "data"
        self.out = folder / f"out-{time.monotonic_ns()}"
        settings = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        with self.out.open("w") as out:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=settings | {"CONVOBOSS_DATA": str(self.data)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.out.read_text()

    async def says(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + DEADLINE
        while self.said.count(text) < times:
            assert self.popen.poll() is None, self.said
            assert time.monotonic() < until, f"{text!r} was not said {times} times:\n{self.said}"
            await asyncio.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.popen.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        """Of the server or service with that name, whichever way it was started."""
        words = {catalogue.KAFKA: "kafka.Kafka", catalogue.POSTGRES: "bin/postgres -D"}
        modules = {one.name: f"-m {one.module}" for one in catalogue.PROGRAMS}
        for one in self.family():
            try:
                line, called = " ".join(one.cmdline()), one.name()
            except psutil.NoSuchProcess:  # it ended while it was looked at
                continue
            if called == name[:15] or line.endswith(modules.get(name, "\0")) or words.get(name, "\0") in line:
                return one
        raise LookupError(name)

    def address(self, name: str) -> str:
        return re.search(rf"^  {name} +(http://\S+)", self.said, re.MULTILINE)[1]

    def places(self) -> tuple[Console, Facebook]:
        return Console(self.address("console")), Facebook(self.address("facebook"))


@pytest.fixture
def taken():
    """Every port that the stack would like to have."""
    held = []
    for port in PORTS.values():
        one = socket.socket()
        held.append(one)
        try:
            one.bind(("127.0.0.1", port))
            one.listen()
        except OSError:
            pass  # somebody has it: as good
    yield
    for one in held:
        one.close()


@pytest.fixture
def runs(tmp_path):
    made = []

    def start(*command):
        made.append(Run(tmp_path, list(command)))
        return made[-1]

    yield start
    for run in made:
        if run.popen.poll() is None:
            family = run.family()
            os.killpg(run.popen.pid, signal.SIGKILL)
            psutil.wait_procs(family, 30)
        run.popen.wait()


def channel_file(folder: Path, made: credentials.Credentials) -> Path:
    """The page of Facebook in a box, with a token that is not its own."""
    file = folder / "channel.yaml"
    lines = {"page_id": PAGE, "page_name": "My salon", "app_id": APP, "page_token": "an-old-one"}
    lines |= {"app_secret": made.app_secret, "verify_token": made.verify_token}
    file.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in lines.items()))
    return file


async def signed_in(console: Console, data: Path) -> None:
    login = credentials.of(data)
    await console.sign_in(login.email, login.password)


async def meets(console: Console, facebook: Facebook, psid: str) -> str:
    """A customer writes; returns the conversation when the console has it."""
    await facebook.says(PAGE, psid, "Is anybody there?")
    key = f"messenger:{PAGE}:{psid}"
    until = time.monotonic() + DEADLINE
    while not any(entry.text == "Is anybody there?" for entry in await console.entries(key)):
        assert time.monotonic() < until, "the conversation did not reach the console"
        await asyncio.sleep(0.1)
    return key


async def test_a_bad_day(runs, taken, tmp_path):
    file = channel_file(tmp_path, credentials.of(tmp_path / "data"))
    first = runs(sys.executable, "-m", "local", "run", "--parent", str(os.getpid()), "--channel", str(file))
    await first.says("Everything stays up")

    # every port was taken, and each is told
    for name, port in PORTS.items():
        assert re.search(rf"Port {port} is in use; {name} takes \d+\.", first.said), name

    # the token is refused: which page, Facebook's words, where to mend it; the rest runs
    assert f"Facebook refuses the token of page {PAGE} (My salon): (#190) Invalid OAuth access token" in first.said
    assert f"put a token of this page into {file}, field page_token, and start again" in first.said
    assert "Everything else runs." in first.said
    assert "The story is not played" in first.said
    assert "an-old-one" not in first.said

    # something to find again
    console, facebook = first.places()
    async with console, facebook:
        await signed_in(console, first.data)
        settings = f"/bots/{BOT}/settings/human-takeover"
        await console.ask("PUT", settings, MINE, **{"If-Match": "*"})
        conversation = await meets(console, facebook, await facebook.meet(PAGE, "Ida", "Night"))

    # each kind of child is killed, and comes back
    for name in PORTS.keys() - {"smtp"}:
        first.child(name).kill()
        await first.says(f"{name} ended by SIGKILL")
    for name in PORTS.keys() - {"smtp"}:
        await first.says(f"  {name} is ready (", times=2)

    # then the supervisor
    family = first.family()
    first.popen.kill()
    assert not psutil.wait_procs(family, 15)[1]
    with lock.hold(first.data):
        pass

    # the same data, whatever was killed; and a page whose token is right again
    second = runs("make", "run", f"PYTHON={sys.executable}")
    await second.says("Convoboss runs")
    console, facebook = second.places()
    async with console, facebook:
        await signed_in(console, second.data)
        assert any(entry.text == "Is anybody there?" for entry in await console.entries(conversation))
        kept = await console.ask("GET", settings)
        assert {name: kept["settings"][name] for name in MINE} == MINE
        await meets(console, facebook, await facebook.meet(PAGE, "Ida", "Day"))
    assert "refuses the token" not in second.said

    # make is killed in the middle of the story: all of it ends
    family = second.family()
    second.popen.kill()
    assert not psutil.wait_procs(family, 45)[1]
    with lock.hold(second.data):
        pass

"""What everything takes in memory that `make run` starts, broker and database included, with 20 conversations under way.

PSS (/proc/<pid>/smaps_rollup): a page that several processes share counts for each in proportion, so that the sum is what
the machine gives. The stand-ins, Facebook in a box and the mail catcher, are told apart: in production others run those.
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from bench import processes
from bench.parts import Say
from bench.servers import Servers
from local import credentials
from story.doors import Console, Facebook
from story.scene import Scene, Stage
from story.seed import PAGE

WITH_BOT: Final = 10
WITH_PERSON: Final = 10
ROUNDS: Final = 5  # messages of each conversation before the look
UP: Final = 240.0  # seconds for the start and the story that is played after it; measured 60
STANDS: Final = "Everything stays up"
STAND_INS: Final = ("facebook", "mail")
SERVERS: Final = {"postgres": "PostgreSQL", "java": "Kafka"}
"""Program → what it is called; our own processes are called by their names."""
MIB: Final = 1 << 20


async def measure(servers: Servers, say: Say) -> Mapping[str, float]:
    """`memory_mib`: without the stand-ins. Raises TimeoutError, Ended, and what the console refuses."""
    async with _stack(servers.folder / "run", servers.folder / "run.log") as (supervisor, said):
        await _conversations(servers.folder / "run", addresses(said))
        used = pss(supervisor)
    for name, size in used.most_common():
        say(f"{name:14} {size / MIB:6.0f} MiB")
    ours = sum(size for name, size in used.items() if name not in STAND_INS)
    return {"memory_mib": ours / MIB, "memory_with_stand_ins_mib": sum(used.values()) / MIB}


def pss(supervisor: int) -> Counter[str]:
    """Bytes by what they are for, of a process and all that it started."""
    family = psutil.Process(supervisor)
    sizes = Counter({"supervisor": _pss(supervisor)})
    for process in family.children(recursive=True):
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        program = Path(process.cmdline()[0]).name.rstrip(":") if process.cmdline() else name
        sizes[SERVERS.get(program, SERVERS.get(name, name))] += _pss(process.pid)
    return sizes


def _pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(pid)
    return int(found[1]) * 1024


@asynccontextmanager
async def _stack(data: Path, log: Path) -> AsyncIterator[tuple[int, str]]:
    """As `make run` does it; yields the supervisor's process id and what it said."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *processes.command_of("local"), "run", "--data", str(data), stdout=output, stderr=output
        )
    running = processes.Running("make run", 0, log, process)
    try:
        await running.alive_until(_until_it_stands(log))
        yield process.pid, log.read_text()  # noqa: ASYNC240 - as above
    finally:
        await processes.end(process)


async def _until_it_stands(log: Path) -> None:
    async with asyncio.timeout(UP):
        while STANDS not in log.read_text(errors="replace"):  # noqa: ASYNC110, ASYNC240 - of another process
            await asyncio.sleep(processes.LOOK)


def addresses(said: str) -> dict[str, str]:
    """Name of a process → where its pages are, from the table that a person sees."""
    return dict(re.findall(r"^ +([a-z-]+) +(http://\S+)", said, re.MULTILINE))


async def _conversations(data: Path, addresses: Mapping[str, str]) -> None:
    login = credentials.of(data)
    async with Console(addresses["console"]) as console, Facebook(addresses["facebook"]) as box:
        await console.sign_in(login.email, login.password)
        scenes = [
            Scene(Stage(console, box, None), await box.meet(PAGE, "Mia", str(number)), "Mia")  # type: ignore[arg-type] # no mail is looked at
            for number in range(WITH_BOT + WITH_PERSON)
        ]
        await asyncio.gather(*(_begin(scene) for scene in scenes))
        people = scenes[WITH_BOT:]
        await asyncio.gather(*(scene.take_over() for scene in people))
        for number in range(ROUNDS):
            await asyncio.gather(*(_go_on(scene, number, people) for scene in scenes))


async def _begin(scene: Scene) -> None:
    await scene.says("hello")
    await scene.hears("This is Mira")


async def _go_on(scene: Scene, number: int, people: Sequence[Scene]) -> None:
    text = f"When are your opening hours? ({number})"
    before = len(await scene.bot_lines())
    await scene.says(text)
    if scene in people:
        await scene.entry("customer_message", text)
        await scene.reply(f"From nine to seven. ({number})")
        await scene.hears(f"({number})", before)
    else:
        await scene.hears("Tuesday to Friday", before)


if __name__ == "__main__":  # of a stack that runs already: the supervisor's process id
    for name, size in pss(int(sys.argv[1])).most_common():
        print(f"{name:14} {size / MIB:6.0f} MiB")

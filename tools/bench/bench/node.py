"""The Node peer of ingress: fastify and kafkajs (`tests/bench/peers/node`), installed by its lock file, with its hashes.

Without Node, or where the packages cannot be had, it is left out, and that is said.
"""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.parts import Say
from bench.processes import Running, running_command
from local import paths

SOURCE: Final = paths.ROOT / "tests" / "bench" / "peers" / "node"
PROGRAM: Final = "intake.mjs"
LOCKED: Final = ("package.json", "package-lock.json")
INSTALL: Final = 180.0  # seconds


@asynccontextmanager
async def running(environment: Mapping[str, str], folder: Path, say: Say) -> AsyncIterator[Running | None]:
    """The peer; None where it cannot be had."""
    command = await _prepared(say)
    if command is None:
        yield None
        return
    async with running_command("node", command, environment, folder) as started:
        yield started


async def _prepared(say: Say) -> list[str] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        say("the Node peer is left out: there is no node and npm here")
        return None
    home = paths.cache() / "node" / _fingerprint()
    if not home.is_dir() and not await _installed(npm, home, say):
        return None
    shutil.copy(SOURCE / PROGRAM, home)  # modules are looked for from where the program stands
    return [node, str(home / PROGRAM)]


def _fingerprint() -> str:
    """Of what is to be installed: another lock file is another folder."""
    return hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in LOCKED)).hexdigest()[:16]


def _keep(folder: Path, home: Path) -> None:
    folder.replace(home)
    folder.mkdir()  # for the block, which removes it


async def _installed(npm: str, home: Path, say: Say) -> bool:
    """All of it or nothing."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="installing-", dir=home.parent) as name:
        folder = Path(name)
        for each in LOCKED:
            shutil.copy(SOURCE / each, folder)
        say("fetching fastify and kafkajs")
        process = await asyncio.create_subprocess_exec(
            *(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(INSTALL):
                told, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            told = b"it took too long"
        if process.returncode:
            say(f"the Node peer is left out, npm ci failed: {told.decode(errors='replace').strip()[-300:]}")
            return False
        await asyncio.to_thread(_keep, folder, home)
    return True

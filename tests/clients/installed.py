"""Client libraries that others wrote: pinned with hashes, fetched once by npm and uv, kept in the cache.

`package-lock.json` is made by `npm install --package-lock-only` with `omit-lockfile-registry-resolved`; `python.txt` by
`uv pip compile --universal --generate-hashes` of fbmessenger and six, which it needs and does not name.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local import paths

HERE: Final = Path(__file__).parent
PATIENCE: Final = 150.0  # seconds for one installation


class NotToBeHad(Exception):
    """The library is not there and cannot be fetched; the text says why."""


def node_modules() -> Path:
    """Raises NotToBeHad."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NotToBeHad("there is no Node.js (node, npm) here")
    lock = HERE / "package-lock.json"

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        _run((npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), folder)

    return _kept("npm", lock, install) / "node_modules"


def python_path() -> Path:
    """Raises NotToBeHad."""
    lock = HERE / "python.txt"

    def install(folder: Path) -> None:
        uv = (str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", sys.executable)
        _run((*uv, "--no-deps", "--require-hashes", "--target", str(folder), "-r", str(lock)), folder)

    return _kept("python", lock, install)


def _kept(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """The folder for exactly this lock file: whole, or not there at all."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    home = paths.cache() / "clients"
    target = home / f"{name}-{digest}"
    with _alone(home):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=home, prefix=".partial-") as work:
                folder = Path(work) / "whole"
                folder.mkdir()
                install(folder)
                os.replace(folder, target)  # noqa: PTH105 - in one step
    return target


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Tests of several processes may ask at once."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], folder: Path) -> None:
    env = dict(os.environ)
    if "PIP_INDEX_URL" in env:  # a mirror set up for pip is meant for uv too
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, timeout=PATIENCE, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"{command[0]} did not end in {PATIENCE:.0f} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise NotToBeHad(f"{Path(command[0]).name} could not fetch it: {last[:200]}")

"""Makes .venv from the locked requirements: run by make with whatever Python the machine has.

Only the standard library, and nothing that an old Python cannot at least read: it has to be able to say
that it is too old. Done once; again when the requirements, the Python or the workspace's folders change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[2]
FOLDER_NAME = ".venv"
DOWNLOAD_MB = 180  # measured with an empty cache: 111 wheels


class Refused(Exception):
    """The environment cannot be made; the message says what to do."""


def main(arguments: Sequence[str] = ()) -> int:
    started = time.monotonic()
    try:
        check_python(sys.version_info[:2])
        made = ensure(ROOT, force="--force" in arguments)
    except Refused as refused:
        print(f"\n{refused}", file=sys.stderr)
        return 1
    if made:
        print(f"Python packages are ready in {FOLDER_NAME} ({time.monotonic() - started:.0f} s).")
    return 0


def check_python(version: tuple[int, ...], *, has_ensurepip: bool | None = None) -> None:
    """Raises Refused when this Python cannot carry the project."""
    if version < OLDEST:
        raise Refused(
            f"Python {'.'.join(map(str, version))} is too old: Convoboss needs Python 3.11 or newer.\n"
            "Install one (for example: apt install python3.11 python3.11-venv, or brew install python),\n"
            "or name one that is there: make PYTHON=/path/to/python3.12 run"
        )
    if has_ensurepip is None:
        from importlib.util import find_spec

        has_ensurepip = find_spec("venv") is not None and find_spec("ensurepip") is not None
    if not has_ensurepip:
        raise Refused(
            "This Python comes without its venv module.\n"
            f"Install it (Debian, Ubuntu: apt install python{version[0]}.{version[1]}-venv) and run the command again."
        )


def ensure(root: Path, *, force: bool = False) -> bool:
    """Makes or renews the environment under `root`; returns whether there was anything to do."""
    folder, wanted = root / FOLDER_NAME, _stamp(root)
    if not force and _is_current(folder, wanted):
        return False
    with _alone(root):
        if not force and _is_current(folder, wanted):
            return False  # another make was first
        _make(root, folder)
        (folder / "convoboss-stamp").write_text(wanted)
    return True


def _make(root: Path, folder: Path) -> None:
    python = folder / "bin" / "python"
    if not _works(python):
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], "The environment could not be made.")
    requirements = root / "requirements"
    print(f"Installing the locked Python packages (with an empty cache: {DOWNLOAD_MB} MB to download) ...", flush=True)
    quiet_pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
    ]
    _run([*quiet_pip, "-r", str(requirements / "uv.txt")], "uv, the installer, could not be installed.")
    sync = [str(folder / "bin" / "uv"), "pip", "sync", "-q", "--require-hashes", str(requirements / "dev.txt")]
    _run(sync, "The Python packages could not be installed.", env=_uv_environment(folder))
    _write_pth(root, folder)


def _run(command: Sequence[str], complaint: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - the command lines are ours
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise Refused(
            f"{complaint} The last words of {Path(command[0]).name} were:\n{said}\n\nIs there a network? Then run the command again."
        )


def _uv_environment(folder: Path) -> dict[str, str]:
    env = dict(os.environ, VIRTUAL_ENV=str(folder))
    if "CONVOBOSS_CACHE" in env:
        env["UV_CACHE_DIR"] = str(Path(env["CONVOBOSS_CACHE"]).expanduser() / "uv")
    if "PIP_INDEX_URL" in env:  # a mirror set up for pip is meant for uv too
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    return env


def _write_pth(root: Path, folder: Path) -> None:
    """Puts the workspace's package roots on the path: code runs from where it lies."""
    packages = next((folder / "lib").glob("python*/site-packages"))
    lines = "".join(f"{root / package_root}\n" for package_root in package_roots(root))
    (packages / "convoboss-workspace.pth").write_text(lines)


def package_roots(root: Path) -> list[str]:
    """As mypy knows them: one list, in the root pyproject.toml."""
    import tomllib

    found: list[str] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mypy"]["mypy_path"]
    return found


def _stamp(root: Path) -> str:
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {root} {package_roots(root)}".encode())
    for name in ("uv.txt", "dev.txt"):
        digest.update((root / "requirements" / name).read_bytes())
    return digest.hexdigest()


def _is_current(folder: Path, wanted: str) -> bool:
    stamp = folder / "convoboss-stamp"
    return stamp.is_file() and stamp.read_text() == wanted and (folder / "bin" / "python").exists()


def _works(python: Path) -> bool:
    """An environment of another Python (upgraded, removed) has to be made anew."""
    try:
        found = subprocess.run(  # noqa: S603 - the command line is ours
            [str(python), "-c", "import sys, pip; print(sys.version, sys.base_prefix)"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return found.stdout.strip() == f"{sys.version} {sys.base_prefix}"


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two makes at the same time: the second waits and then finds everything done."""
    cache = root / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "bootstrap.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

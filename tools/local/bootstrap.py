"""Makes .venv from the locked requirements: run by make with whatever Python the machine has.

Only the standard library. The Makefile has checked by then that the Python is new enough to read this.
Done once; again when the requirements, the Python or the workspace's folders change.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parents[2]
FOLDER_NAME = ".venv"
STAMP = "convoboss-stamp"  # in it: what it was made from, written when it is whole
DOWNLOAD_MB = 215  # measured with an empty cache: 112 wheels
ENVIRONMENT_MB = 600
MENTION = 10.0  # seconds between two mentions of a wait
PIP = ("-q", "--disable-pip-version-check", "--no-input", "--require-hashes")
WHEELS = "/usr/share/python-wheels"  # where Debian keeps them
ROUTES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
FULL = r"No space left on device|Disk quota exceeded"  # in the words of pip and uv
PR_SET_PDEATHSIG = 1

_running: subprocess.Popen[bytes] | None = None  # what is at work; a signal ends it


class Refused(Exception):
    """The environment cannot be made; the message says what to do."""


def main(arguments: Sequence[str] = ()) -> int:
    started = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    _die_with_parent()
    try:
        check_python(sys.version_info[:2])
        made = ensure(ROOT, force="--force" in arguments)
    except Refused as refused:
        return _complain(str(refused))
    except OSError as error:
        return _complain(_about(error))
    if made:
        print(f"Python packages are ready in {FOLDER_NAME} ({time.monotonic() - started:.0f} s).")
    return 0


def _complain(text: str) -> int:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"\n{text}", file=sys.stderr)
    return 1


def _stop(number: int, _frame: object) -> None:
    """Ends this process; what it started ends with it. The next run begins where this one left off."""
    if _running is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(_running.pid, signal.SIGKILL)
        _running.wait()
    os._exit(128 + number)


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
    """Makes or renews the environment under `root`; returns whether there was anything to do.

    Raises Refused, and OSError where the system refuses.
    """
    folder, wanted = root / FOLDER_NAME, _stamp(root)
    if not force and _is_current(folder, wanted):
        return False
    with _alone():
        if not force and _is_current(folder, wanted):
            return False  # another make was first
        _make(root, folder, force=force)
        work = folder / f"{STAMP}.new"
        work.write_text(wanted)
        work.replace(folder / STAMP)
    return True


def _make(root: Path, folder: Path, *, force: bool) -> None:
    """Without the stamp nobody takes it for finished: it goes first, and what was left half done goes altogether."""
    import venv  # checked before: some systems package it apart

    python, stamp = folder / "bin" / "python", folder / STAMP
    if force or not _is_whole(stamp) or not _works(python):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Making the Python environment in {FOLDER_NAME} ...", flush=True)
        venv.EnvBuilder(symlinks=True).create(folder)
    stamp.unlink(missing_ok=True)
    requirements = root / "requirements"
    _install_uv(python, requirements / "uv.txt")
    env = _uv_environment(folder)
    sync = [str(folder / "bin" / "uv"), "pip", "sync", "-q", "--require-hashes", str(requirements / "dev.txt")]
    if _tried([*sync, "--offline"], env):  # everything is in uv's cache: no network is needed
        print("The locked Python packages come from the cache.", flush=True)
    else:
        print(f"Downloading the locked Python packages (up to {DOWNLOAD_MB} MB) ...", flush=True)
        _run(sync, "The Python packages could not be installed.", env)
    _write_pth(root, folder)


def _install_uv(python: Path, requirements: Path) -> None:
    """Its wheel is kept in the cache: a second environment needs no network."""
    wheels = _cache() / "wheels"
    pip, env = [str(python), "-m", "pip"], dict(os.environ, PYTHONPATH=str(_pip_wheel()))
    install = [*pip, "install", *PIP, "--no-index", "--find-links", str(wheels), "-r", str(requirements)]
    if wheels.is_dir() and _tried(install, env):
        return
    print("Downloading uv, which installs the rest ...", flush=True)
    fetch = [*pip, "download", *PIP, *_patience(), "--no-deps", "--dest", str(wheels), "-r", str(requirements)]
    _run(fetch, "uv, the installer, could not be downloaded.", env)
    _run(install, "uv, the installer, could not be installed.", env)


def _pip_wheel() -> Path:
    """The pip that this Python brings along. It runs from its wheel: installing it would take longer than its work."""
    import ensurepip
    from sysconfig import get_config_var

    folders = [Path(ensurepip.__file__).parent / "_bundled", Path(get_config_var("WHEEL_PKG_DIR") or WHEELS)]
    for folder in folders:
        if found := sorted(folder.glob("pip-*.whl")):
            return found[-1]
    raise Refused(f"This Python brings no pip along: there is none in {' or '.join(map(str, folders))}.")


def _patience() -> list[str]:
    """Pip waits minutes for a network that is not there, unless somebody chose otherwise."""
    return [] if {"PIP_RETRIES", "PIP_DEFAULT_TIMEOUT"} & os.environ.keys() else ["--retries", "2", "--timeout", "10"]


def _tried(command: Sequence[str], env: Mapping[str, str] | None = None) -> bool:
    """Whether it succeeded. Raises Refused when the next way would fail as well: the disk is full."""
    code, words = _ran(command, env)
    if code and re.search(FULL, words):
        raise Refused(_advice(words))
    return code == 0


def _run(command: Sequence[str], complaint: str, env: Mapping[str, str] | None = None) -> None:
    """Raises Refused with the last words of the command."""
    code, words = _ran(command, env)
    if code:
        raise Refused(f"{complaint} The last words were:\n{_last(words)}\n\n{_advice(words)}")


def _last(words: str) -> str:
    """Without pip's lines about each retry; what they say of the cause is cited."""
    lines = [line for line in words.strip().splitlines() if not line.startswith("WARNING: Retrying")]
    causes = re.findall(r"\[Errno -?\d+\] ([^'\")]+)|(timed out|Cannot connect to proxy)", words)
    cause = [" / ".join(dict.fromkeys(one or other for one, other in causes))] if causes else []
    return "\n".join(f"  {line}" for line in [*lines[-6:], *cause])


def _ran(command: Sequence[str], env: Mapping[str, str] | None) -> tuple[int, str]:
    """Exit code and all words. A wait that becomes long is mentioned now and then."""
    global _running  # noqa: PLW0603 - a signal handler has to find it
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        _running = subprocess.Popen(  # noqa: S603 - the command lines are ours
            command,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to this process alone, which ends it
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no locks
        )
        while True:
            try:
                code = _running.wait(MENTION)
            except subprocess.TimeoutExpired:
                print(f"  still at it ({time.monotonic() - began:.0f} s)", flush=True)
            else:
                break
        _running = None
        output.seek(0)
        return code, output.read()


def _die_with_parent() -> None:
    """On Linux a kill -9 of make ends this process, and one of this process the installer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _advice(words: str) -> str:
    """What to do, as far as the words of pip or uv tell."""
    if re.search(FULL, words):
        return f"There is no space left on the disk. The environment takes {ENVIRONMENT_MB} MB. Free some, then run the command again."
    if re.search(r"Read-only file system|Permission denied", words):
        return "A folder cannot be written. Make it writable (or clone to another place), then run the command again."
    if re.search(r"hash(es)? (do not match|mismatch)|DO NOT MATCH THE HASHES|Hash mismatch", words):
        return "A package is not the one that requirements/ names. A mirror or a proxy may have changed it: nothing of it was kept."
    set_ones = [name for name in ROUTES if os.environ.get(name)]
    routes = (
        f" {' and '.join(set_ones)} {'is' if len(set_ones) == 1 else 'are'} set: does the way lead there?"
        if set_ones
        else ""
    )
    return f"Is there a network?{routes} It is needed once; then run the command again."


def _about(error: OSError) -> str:
    where = error.filename or ROOT
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"There is no space left on the disk of {where}. The environment takes {ENVIRONMENT_MB} MB. Free some, then run the command again."
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return (
            f"{where} cannot be written ({error.strerror}), and the Python environment has yet to be made.\n"
            "Make the clone writable, or clone to another place; once it is set up it may be read-only."
        )
    return f"{error.strerror or error} ({where})"


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
    stamp = folder / STAMP
    return _is_whole(stamp) and stamp.read_text() == wanted and (folder / "bin" / "python").exists()


def _is_whole(stamp: Path) -> bool:
    """Whether an environment was finished, whatever it was made from."""
    return stamp.is_file() and re.fullmatch(r"[0-9a-f]{64}", stamp.read_text(errors="replace")) is not None


def _works(python: Path) -> bool:
    """An environment of another Python (upgraded, removed) has to be made anew."""
    try:
        found = subprocess.run(  # noqa: S603 - the command line is ours
            [str(python), "-c", "import sys; print(sys.version, sys.base_prefix)"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return found.stdout.strip() == f"{sys.version} {sys.base_prefix}"


def _cache() -> Path:
    return Path(os.environ.get("CONVOBOSS_CACHE") or ROOT / ".cache").expanduser()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two makes at the same time: the second waits and then finds everything done."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "bootstrap.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another make, which sets the environment up ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

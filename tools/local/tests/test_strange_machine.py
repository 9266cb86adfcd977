"""`make setup` from outside, on machines that lack something: it works, or says what to do. Stopped, it leaves nothing."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
OUTSIDE = Path(__file__).parent / "programs" / "outside.py"
TOOLS = ("sh", "make", "sed", "awk")
NOWHERE = "http://127.0.0.1:9"  # the discard port: refused at once
STOPPED = 10.0  # seconds


@pytest.fixture(scope="module")
def wheel():
    """The wheel of uv, as `make setup` left it in the cache."""
    wheels = sorted((Path(os.environ.get("CONVOBOSS_CACHE") or ROOT / ".cache") / "wheels").glob("uv-*.whl"))
    if not wheels:
        pytest.skip("the environment of this clone was not made by make setup: there is no wheel of uv to install from")
    return wheels[-1]


@pytest.fixture
def clone(tmp_path):
    """What `make setup` reads of a clone, with one package to install."""
    folder = tmp_path / "clone"
    (folder / "tools" / "local").mkdir(parents=True)
    (folder / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "tools/local/bootstrap.py", "requirements/uv.txt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements" / "dev.txt").write_text(locked("idna"))
    return folder


def locked(package: str) -> str:
    """The entry of one package without dependencies in requirements/dev.txt."""
    text = (ROOT / "requirements" / "dev.txt").read_text()
    return re.search(rf"^{package}==.*(?:\n .*)*\n", text, re.MULTILINE)[0]


def environment(**more: str) -> dict[str, str]:
    """The person's own, without what leads this machine to its packages."""
    ways = ("PIP_", "UV_", "CONVOBOSS_", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ways)}
    return {name: value for name, value in kept.items() if "PROXY" not in name.upper()} | more


def without_network(**more: str) -> dict[str, str]:
    return environment(
        HTTPS_PROXY=NOWHERE, HTTP_PROXY=NOWHERE, PIP_INDEX_URL=f"{NOWHERE}/simple", PIP_RETRIES="1", **more
    )


def keep(clone: Path, wheel: Path) -> None:
    (clone / ".cache" / "wheels").mkdir(parents=True)
    shutil.copy(wheel, clone / ".cache" / "wheels")


def setup(clone: Path, *words: str, env: dict[str, str], machine: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    outside = [sys.executable, OUTSIDE, *machine] if machine else []
    done = subprocess.run(
        [*outside, "make", "setup", *words],
        cwd=clone,
        env=env | {"STRANGE_MACHINE_CWD": str(clone)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if machine and done.returncode == 77:
        pytest.skip("nobody may mount here: neither root nor a user namespace")
    return done


@pytest.mark.parametrize("python", ["older", "/nowhere/python3", None])
def test_a_python_that_is_too_old_or_not_there_is_told_which_one_is_needed_and_how_to_name_it(clone, tmp_path, python):
    path = tmp_path / "path"
    path.mkdir()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which(tool))
    older = path / "older"  # what every Python before 3.11 answers to the question for its version
    older.write_text("#!/bin/sh\nexit 1\n")
    older.chmod(0o755)
    named = [] if python is None else [f"PYTHON={path / python}"]
    done = setup(clone, *named, env={"PATH": str(path)})
    assert done.returncode
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make PYTHON=/path/to/python3.12 run" in done.stderr
    assert (str(path / python) if python else "none is on the PATH") in done.stderr


def test_without_network_and_caches_the_way_that_was_tried_is_named(clone, tmp_path):
    done = setup(clone, env=without_network(UV_CACHE_DIR=str(tmp_path / "uv")))
    assert done.returncode
    assert "Downloading uv" in done.stdout
    assert "Is there a network? HTTPS_PROXY and PIP_INDEX_URL are set" in done.stderr
    assert "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv" / "convoboss-stamp").exists()


def test_with_full_caches_no_network_is_needed_and_a_half_made_environment_is_made_anew(clone, wheel):
    half = clone / ".venv" / "lib" / "python3.11" / "site-packages" / "idna"
    half.mkdir(parents=True)
    (half / "__init__.py").write_text("raise SystemError('half of it')")
    (clone / ".venv" / "convoboss-stamp").write_text("0123")  # a stamp is written in one step; this one was not
    keep(clone, wheel)
    own = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    if cache := os.environ.get("CONVOBOSS_CACHE"):
        own["UV_CACHE_DIR"] = f"{cache}/uv"
    done = setup(clone, env=environment(HTTPS_PROXY=NOWHERE, HTTP_PROXY=NOWHERE, **own))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "come from the cache" in done.stdout
    subprocess.run([clone / ".venv" / "bin" / "python", "-c", "import idna; idna.encode('x')"], check=True)
    again = setup(clone, env=without_network())
    assert (again.returncode, again.stdout) == (0, "")


def test_a_full_disk_is_said_with_the_space_that_is_needed(clone, wheel):
    keep(clone, wheel)
    (clone / ".venv").mkdir()
    done = setup(clone, env=environment(), machine=("full", str(clone / ".venv")))
    assert done.returncode
    assert "no space left on the disk" in done.stderr
    assert "600 MB" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_clone_is_said_before_it_is_set_up(clone):
    done = setup(clone, env=environment(), machine=("read-only", str(clone)))
    assert done.returncode
    assert "cannot be written (Read-only file system)" in done.stderr
    assert "clone to another place" in done.stderr


# --- stopped while it works


@pytest.fixture
def silent():
    """A package index that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/simple"


@pytest.fixture
def downloading(clone, silent):
    """A `make setup` that waits for the index."""
    out = clone / "out"
    with out.open("w") as output:
        make = subprocess.Popen(
            ["make", "setup"],
            cwd=clone,
            env=environment(PIP_INDEX_URL=silent),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + 60
    while not [one for one in family(make.pid) if " download " in command(one)]:
        assert time.monotonic() < until, out.read_text()
        assert make.poll() is None, out.read_text()
        time.sleep(0.05)
    yield make
    make.kill()
    make.wait()


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def command(one: psutil.Process) -> str:
    try:
        return " ".join(one.cmdline())
    except psutil.Error:  # it has ended
        return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_stop_in_mid_download_ends_the_installer_too_and_says_no_more(clone, downloading, number):
    (bootstrap,) = [one for one in family(downloading.pid) if "bootstrap.py" in command(one)]
    everybody = family(downloading.pid)
    bootstrap.send_signal(number)
    assert not psutil.wait_procs(everybody, STOPPED)[1]
    assert downloading.wait(STOPPED)
    said = (clone / "out").read_text()
    assert "Traceback" not in said
    assert number is signal.SIGKILL or f"Error {128 + number}" in said


def test_a_killed_make_takes_the_installer_with_it(downloading):
    everybody = family(downloading.pid)
    downloading.kill()
    assert not psutil.wait_procs(everybody, STOPPED)[1]

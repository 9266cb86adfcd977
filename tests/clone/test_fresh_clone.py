"""The README's two commands in a fresh clone, with every cache empty: nothing else sets the project up.

Run by `make test-clone`: it downloads some 230 MB.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
COLD = 90.0  # seconds until make run is ready with empty caches on two cores, as the README promises
WARM = 8.0  # seconds for a later start
SLACK = 3.0  # CI machines are busier than a person's

pytestmark = [pytest.mark.clone, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
    return folder


def environment(clone: Path) -> dict[str, str]:
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("CONVOBOSS_", "VIRTUAL_ENV"))}
    return settings | {"CONVOBOSS_CACHE": str(clone / ".cache"), "PIP_NO_CACHE_DIR": "1"}


def start(clone: Path) -> subprocess.Popen:
    with (clone / "run.out").open("w") as out:
        return subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment(clone),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def seconds_until_ready(clone: Path, run: subprocess.Popen) -> float:
    began = time.monotonic()
    while "Convoboss runs" not in (said := (clone / "run.out").read_text()):
        assert run.poll() is None, said
        assert time.monotonic() - began < COLD * SLACK, said
        time.sleep(0.1)
    return time.monotonic() - began


def stop(run: subprocess.Popen) -> None:
    family = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    run.wait(60)
    assert not psutil.wait_procs(family, 10)[1], "processes outlived Ctrl-C"


def test_make_run_sets_everything_up_and_later_starts_are_quick(clone):
    run = start(clone)
    try:
        cold = seconds_until_ready(clone, run)
        assert re.search(r"Downloading Kafka: \d+ jars, \d+ MB", (clone / "run.out").read_text())
        stop(run)
        run = start(clone)
        warm = seconds_until_ready(clone, run)
        stop(run)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    print(f"ready after {cold:.1f} s with empty caches, {warm:.1f} s later")
    assert cold < COLD
    assert warm < WARM * SLACK


def test_make_test_runs_without_any_other_step(clone):
    done = subprocess.run(
        ["make", "test", "ARGS=tools/local/tests/test_ports.py tools/local/tests/test_servers.py -q"],
        cwd=clone,
        env=environment(clone),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_nothing_that_was_made_is_in_the_way_of_git(clone):
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    changed = [line for line in status.stdout.splitlines() if "run.out" not in line]
    assert changed == []

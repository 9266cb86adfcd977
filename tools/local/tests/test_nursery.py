"""A fork of the nursery is what `python -m` would have been: output, environment, exit code, end."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from local.errors import LocalError
from local.nursery import Nursery

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
async def nursery(tmp_path):
    nursery = Nursery(tmp_path / "nursery.log")
    nursery.start(os.environ | {"PYTHONPATH": str(PROGRAMS)})
    yield nursery
    await nursery.stop()


@pytest.fixture
def spawn(nursery, tmp_path):
    def told(*arguments):
        return nursery.spawn("told", "told", arguments, log=tmp_path / "told.log", env={"TOLD": "yes"})

    return told


async def test_exit_code_output_and_environment_are_the_program_s_own(spawn):
    child = await spawn("exit", "3")
    assert await child.wait() == 3
    assert child.tail() == "environment yes"


async def test_an_exception_is_in_the_log_and_the_exit_code_is_1(spawn):
    child = await spawn("raise")
    assert await child.wait() == 1
    assert "RuntimeError: as told" in child.tail()


async def test_a_killed_fork_is_reported_with_its_signal(spawn):
    child = await spawn("wait")
    assert child.returncode is None
    assert await child.stop((signal.SIGTERM, 10)) == -signal.SIGTERM


async def test_a_fork_goes_by_the_name_of_its_program(spawn, wait_for):
    child = await spawn("wait")
    await wait_for(lambda: psutil.Process(child.pid).name() == "told")


async def test_when_the_nursery_is_killed_its_forks_end_and_are_reported_as_killed(nursery, spawn, wait_for):
    child = await spawn("wait")
    process = psutil.Process(child.pid)
    nursery._child.kill()
    assert await child.wait() == -signal.SIGKILL
    await wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(LocalError, match="has ended"):
        await spawn("wait")

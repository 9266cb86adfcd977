"""One supervisor to a data folder, and no accident leaves it locked."""

import os
import subprocess
import sys

import pytest

from local import lock, stack

HOLDER = "import sys; from pathlib import Path; from local import lock\nwith lock.hold(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    yield child
    child.kill()
    child.communicate()


def test_the_second_is_refused_with_the_pid_of_the_first(tmp_path, holder):
    with pytest.raises(lock.AlreadyRunning, match=str(holder.pid)), lock.hold(tmp_path):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / lock.FILE).read_text() == f"{holder.pid}\n"  # its stale pid is still there
    with lock.hold(tmp_path):
        assert (tmp_path / lock.FILE).read_text() == f"{os.getpid()}\n"


async def test_reset_refuses_to_wipe_what_is_in_use(tmp_path, holder):
    kept = tmp_path / "credentials.json"
    kept.write_text("{}")
    with pytest.raises(lock.AlreadyRunning, match=str(holder.pid)):
        await stack.reset(tmp_path)
    assert kept.exists()


async def test_reset_wipes_files_and_folders(tmp_path):
    (tmp_path / "kafka" / "logs").mkdir(parents=True)
    (tmp_path / "credentials.json").write_text("{}")
    await stack.reset(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [lock.FILE]

"""Whenever it is stopped, it ends soon, its exit code says how, and nothing of it is left."""

import os
import pty
import signal
import socket
import time

import psutil
import pytest

from local import lock

pytestmark = pytest.mark.infra
SOON = 15.0  # seconds on a busy machine
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def silent_proxy():
    """A way to the network on which nothing ever comes back."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def ends_well(stack, code: int, family=None) -> None:
    """Everything it started is gone, and so is the lock."""
    family = family or stack.family()
    began = time.monotonic()
    assert await stack.ended() == code, stack.said
    assert time.monotonic() - began < SOON
    assert not psutil.wait_procs(family, 2)[1]  # init has to bury those whose parent ended first
    assert "Traceback" not in stack.said
    with lock.hold(stack.folder):
        pass


@pytest.mark.parametrize("number", SIGNALS)
async def test_stopped_while_kafka_starts(small_stack, wait_for, number):
    stack = small_stack()
    await wait_for(lambda: "java" in stack.names(), "Java")
    stack.process.send_signal(number)
    await ends_well(stack, 128 + number)


async def test_stopped_while_kafka_is_downloaded_which_says_how_far_it_is(small_stack, tmp_path, silent_proxy):
    stack = small_stack(CONVOBOSS_CACHE=str(tmp_path / "cache"), HTTPS_PROXY=silent_proxy, https_proxy=silent_proxy)
    await stack.says("waiting for Kafka: its download, 0 of 45 jars are there")
    stack.process.send_signal(signal.SIGTERM)
    await ends_well(stack, 128 + signal.SIGTERM)


async def test_stopped_while_it_stops_already_it_kills(light_stack, wait_for):
    stack = light_stack(PATIENT_STUBBORN="1")
    await stack.says("Everything stays up")
    family = stack.family()
    stack.process.send_signal(signal.SIGINT)
    stack.process.send_signal(signal.SIGHUP)  # a terminal that closes says the same once more: no reason to kill
    await stack.says("Stopping everything")
    asked = time.monotonic()
    while stack.popen.poll() is None:
        stack.process.send_signal(signal.SIGINT)
        assert time.monotonic() - asked < SOON
        await wait_for(lambda: time.monotonic() - asked > 0.2)
    assert time.monotonic() - asked > 0.5, "killed at the first wish"
    await ends_well(stack, 0, family)


async def test_a_terminal_that_is_closed_stops_everything(light_stack, wait_for):
    ours, theirs = pty.openpty()
    stack = light_stack(terminal=theirs)
    os.close(theirs)
    screen = b""
    while b"Everything stays up" not in screen:
        screen += os.read(ours, 1 << 16)
    os.close(ours)
    await ends_well(stack, 0)


async def test_a_channel_file_with_a_mistake_ends_the_start_before_anything_runs(small_stack, tmp_path):
    (tmp_path / "channel.yaml").write_text("page_id: x\n")
    stack = small_stack(SMALL_CHANNEL=str(tmp_path / "channel.yaml"))
    assert await stack.ended() == 1
    assert "line 1: page_id has to be the page's number, digits only" in stack.said
    assert "Starting" not in stack.said
    assert not (tmp_path / "data").exists()

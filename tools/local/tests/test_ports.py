"""Ports that nobody else has."""

import socket
import subprocess
import sys

import pytest

from local import ports


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_free_preferred_port_is_taken():
    port = ports.reserve()
    ports.release(port)
    assert ports.reserve(port) == port
    ports.release(port)


def test_a_port_somebody_listens_on_is_not_taken(listener):
    port = ports.reserve(listener)
    assert port != listener
    ports.release(port)


def test_a_port_another_process_reserved_is_not_taken_although_nobody_listens_yet():
    code = "from local import ports; print(ports.reserve(), flush=True); import sys; sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    reserved = int(other.stdout.readline())
    mine = ports.reserve(reserved)
    assert mine != reserved
    other.communicate()
    assert ports.reserve(reserved) == reserved
    ports.release(reserved)
    ports.release(mine)


def test_reserved_ports_lie_below_the_range_of_outgoing_connections():
    port = ports.reserve()
    assert ports.FIRST <= port < ports.LAST
    ports.release(port)

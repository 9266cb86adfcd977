"""The command as a child process, and a broker that holds one record of every type and some that nobody can read."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from infra.topics import delete_topics

from runtime import topics
from runtime.settings import ServiceSettings

sys.path.insert(0, str(Path(__file__).parent))  # for what the tests of this folder share

from terminal_world import DEADLINE, HOSTILE, PARTITIONS, UNREADABLE, Raw, Run, Start, environment, publish, raw, said

from schemas.samples import SAMPLES
from schemas.topics import BOTS, CONVERSATIONS


@pytest.fixture(scope="module")
def filled(kafka_bootstrap: str) -> str:
    """The address of a broker with all topics, all samples, a second conversation, and what nobody can read."""
    records = [raw(topic, event) for topic, events in SAMPLES.items() for event in events]
    records += [raw(CONVERSATIONS, said(HOSTILE)), Raw(BOTS, b"gone", None), *UNREADABLE]

    async def fill() -> None:
        await delete_topics(kafka_bootstrap)
        await topics.ensure(ServiceSettings(kafka_bootstrap=kafka_bootstrap, partitions=PARTITIONS))
        await publish(kafka_bootstrap, records)

    asyncio.run(fill())
    return kafka_bootstrap


@pytest.fixture(scope="session")
def run() -> Run:
    def run_it(bootstrap: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "convoboss", *arguments],
            env=environment(bootstrap, **more),
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    return run_it


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command and leaves it running; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_it(bootstrap: str, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "convoboss", *arguments],
            env=environment(bootstrap),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_it
    for process in started:
        with process:
            process.kill()

"""Data or a cache that is damaged, a disk that is full or read-only: it heals, or it says what is broken and what to do."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from local import advice, jars, java, paths
from local.archive import ClassArchive
from local.errors import StartFailed

pytestmark = pytest.mark.infra
NOWHERE = "http://127.0.0.1:9"
WIPES = "make reset wipes the data folder"


@pytest.fixture(scope="module")
def data_before(tmp_path_factory):
    """The data of a stack that ran and was stopped, to be copied."""
    return tmp_path_factory.mktemp("before") / "data"


@pytest.fixture
async def data(data_before, small_stack, tmp_path):
    if not data_before.exists():
        stack = small_stack(data=data_before)
        await stack.says("Everything stays up")
        stack.process.send_signal(signal.SIGINT)
        assert await stack.ended() == 0
    copy = tmp_path / "data"
    shutil.copytree(data_before, copy)
    return copy


@pytest.fixture
def cache(tmp_path):
    """The real cache, in a folder of its own."""
    folder = tmp_path / "cache"
    shutil.copytree(paths.cache() / "jars", folder / "jars", copy_function=os.link)
    return folder


def garble(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def only(found) -> Path:
    (path,) = found
    return path


DAMAGE = {
    "Kafka's identity": (lambda data: garble(data / "kafka/logs/meta.properties"), "Kafka's data is damaged"),
    "no identity": (lambda data: (data / "kafka/logs/meta.properties").unlink(), "Kafka's data is damaged"),
    "Kafka's vote": (
        lambda data: garble(data / "kafka/logs/__cluster_metadata-0/quorum-state"),
        "Kafka's data is damaged",
    ),
    "Kafka's metadata": (
        lambda data: garble(only((data / "kafka/logs/__cluster_metadata-0").glob("*.log"))),
        "its metadata does not know local.ready-0 any more",
    ),
    "PostgreSQL's control file": (
        lambda data: garble(data / "postgres/cluster/global/pg_control"),
        "PostgreSQL's data is damaged",
    ),
    "PostgreSQL's log": (
        lambda data: [garble(one) for one in (data / "postgres/cluster/pg_wal").glob("0*")],
        "PostgreSQL's data is damaged",
    ),
    "no version": (lambda data: (data / "postgres/cluster/PG_VERSION").unlink(), "PostgreSQL's data is damaged"),
    "the keys": (lambda data: (data / "credentials.json").write_text('{"email": "adm'), "credentials.json is damaged"),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damaged_data_is_named_at_once_with_the_command_that_wipes_it(data, small_stack, what):
    damage, said = DAMAGE[what]
    damage(data)
    stack = small_stack()
    assert await stack.ended() == 1
    assert said in stack.said
    assert WIPES in stack.said
    assert "starting again" not in stack.said
    assert "\tat " not in stack.said, "a Java exception's places in the code help nobody at night"
    assert "Traceback" not in stack.said


@pytest.mark.parametrize("words", ["Error: node ID not found in logs", "PANIC: could not write", "cut of"])
def test_on_a_full_disk_nobody_is_told_to_wipe_data(tmp_path, monkeypatch, words):
    monkeypatch.setattr(advice, "free", lambda _: 4096)
    failed = StartFailed("Kafka", "it ended", "", words, tmp_path)
    assert "no space left on the disk" in str(failed)
    assert "reset" not in str(failed)
    assert not failed.final


async def test_a_half_made_folder_of_a_killed_first_start_is_made_anew(small_stack, tmp_path):
    data = tmp_path / "data"
    for half in ("kafka/logs", "kafka/logs.new/__cluster_metadata-0", "postgres/cluster.new/base"):
        (data / half).mkdir(parents=True)
    (data / "credentials.new").write_text('{"em')
    stack = small_stack()
    await stack.says("Everything stays up")


async def test_a_damaged_jar_is_removed_by_its_hash_and_fetched_again(data, small_stack, cache):
    broken = next(jar for jar in jars.listed() if jar.coordinate.startswith("org.apache.kafka:kafka-raft")).path.name
    content = bytearray((cache / "jars" / broken).read_bytes())
    (cache / "jars" / broken).unlink()  # a link to the real one
    (cache / "jars" / broken).write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    stack = small_stack(CONVOBOSS_CACHE=str(cache), HTTPS_PROXY=NOWHERE, https_proxy=NOWHERE)
    assert await stack.ended() == 1
    assert f"Damaged and removed from {cache / 'jars'}: {broken}" in stack.said
    assert "Downloading Kafka: 1 jars" in stack.said
    assert "through the proxy that HTTPS_PROXY names" in stack.said
    assert "Connection refused" in stack.said
    assert "Is there a network?" in stack.said


async def test_a_truncated_jar_counts_as_missing(small_stack, cache):
    (jar, *_) = sorted((cache / "jars").glob("*.jar"))
    jar.unlink()
    jar.write_bytes(b"PK")
    stack = small_stack(CONVOBOSS_CACHE=str(cache), HTTPS_PROXY=NOWHERE, https_proxy=NOWHERE)
    assert await stack.ended() == 1
    assert "Downloading Kafka: 1 jars" in stack.said


@pytest.fixture
def crashing_java(tmp_path):
    """A Java that crashes on every class archive, as a real one does on some damaged ones."""
    home, real = tmp_path / "java", java.find()
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'JAVA_VERSION="{real.version}"\n')
    binary = home / "bin" / "java"
    crash = 'case "$*" in *-XX:SharedArchiveFile=*|*-XX:AOTCache=*) kill -ABRT $$ ;; esac'
    binary.write_text(f'#!/bin/sh\n{crash}\nexec "{real.binary}" "$@"\n')
    binary.chmod(0o755)
    return java.Java(binary, real.version)


async def test_a_class_archive_that_java_crashes_on_is_removed_and_the_start_goes_on(
    data, small_stack, cache, crashing_java, monkeypatch
):
    monkeypatch.setenv("CONVOBOSS_CACHE", str(cache))
    archive = ClassArchive(crashing_java, sorted(jar.path for jar in jars.listed())).path
    archive.parent.mkdir(exist_ok=True)
    archive.write_bytes(b"half of it")
    stack = small_stack(JAVA_HOME=str(crashing_java.binary.parents[1]))
    said = await stack.says("Everything stays up")
    assert "Java crashed on its class archive, which was removed" in said
    assert "starting again" not in said
    assert not archive.exists()


async def test_a_read_only_data_folder_is_said_with_another_way(small_stack, tmp_path):
    (tmp_path / "data").mkdir()
    stack = small_stack(machine="read-only")
    assert await stack.ended() == 1
    assert f"{tmp_path / 'data' / 'lock'} cannot be written (Read-only file system)" in stack.said
    assert "CONVOBOSS_DATA=FOLDER" in stack.said
    assert "Traceback" not in stack.said


async def test_a_full_disk_is_said_before_anything_starts(small_stack, tmp_path):
    (tmp_path / "data").mkdir()
    stack = small_stack(machine="full")
    assert await stack.ended() == 1
    assert "MB are free where the data lies" in stack.said
    assert "Free some and start again" in stack.said
    assert "Starting" not in stack.said

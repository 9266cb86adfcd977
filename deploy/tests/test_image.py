"""The image holds what it has to, and every container of the manifests runs in it: read-only, as nobody, with their settings."""

import asyncio
import os
import re
import signal
import subprocess
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import psutil
import pytest
import recipe
from infra.plugin import FERNET_KEY
from manifests import ROOT, Workload, deployments, only, services, workloads

from convoboss.database import SCHEMAS
from convoboss.granting import role_of
from local import ports

START = 90.0  # seconds; measured 3, more when the machine is busy
JOB = 60.0  # seconds
POLL = 0.1  # seconds
MIB = 1024 * 1024


def in_the_image(test: Callable[["Place"], Awaitable[None]]) -> Callable[["Place"], Awaitable[None]]:
    """For a test that builds the image's tree, which takes half a minute and more on a busy machine."""
    possible = pytest.mark.skipif(
        not recipe.POSSIBLE, reason="the recipe's steps need root, unshare and setpriv: Linux"
    )
    return pytest.mark.infra(pytest.mark.timeout(600)(possible(test)))


def test_the_base_is_pinned_by_a_whole_version_and_is_the_python_that_is_tested() -> None:
    base = re.search(r"^ARG BASE=python:(\S+)$", recipe.CONTAINERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert base is not None
    assert re.fullmatch(r"3\.11\.\d+-slim-[a-z]+", base[1])
    assert {stage[0].rest for stage in recipe.stages()} == {"${BASE} AS build", "${BASE}"}
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["python_version"] == "3.11"


def test_every_package_that_runs_in_production_is_in_it_and_no_other() -> None:
    packages = {(f"services/{each.name}/{each.package}", each.package) for each in services().values()}
    packages |= {
        ("libs/schemas/schemas", "schemas"),
        ("libs/graphapi/graphapi", "graphapi"),
        ("libs/runtime/runtime", "runtime"),
        ("cli/convoboss", "convoboss"),
    }
    assert set(recipe.copied()) == packages


def test_it_runs_as_the_user_that_the_pods_ask_for() -> None:
    for each in deployments():
        asked = each.pod["securityContext"]
        assert recipe.user() == (str(asked["runAsUser"]), str(asked["runAsGroup"]))


# --- its steps, and what comes out of them


@dataclass(frozen=True)
class Place:
    """The image's tree, the pods' files, and the servers of this machine."""

    folder: Path
    files: Path
    instead: Mapping[str, str]

    @asynccontextmanager
    async def runs(self, workload: Workload, **more: str) -> AsyncIterator["Running"]:
        """The container; it must end by itself or by SIGTERM before the block ends."""
        log = self.files / f"{workload.name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *recipe.command(workload, self.folder, self.files / workload.name),
                env=recipe.given(workload, {**self.instead, **more}),
                stdout=output,
                stderr=output,
            )
        try:
            yield Running(process, log)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def does(self, job: str) -> None:
        async with self.runs(Workload(only("Job", job))) as running:
            async with asyncio.timeout(JOB):
                assert await running.process.wait() == 0, running.log.read_text()


@dataclass(frozen=True)
class Running:
    process: asyncio.subprocess.Process
    log: Path

    async def answers(self, url: str) -> None:
        """Until the address answers 200."""
        async with asyncio.timeout(START), aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, self.log.read_text()
                try:
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientConnectionError:
                    pass
                await asyncio.sleep(POLL)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image") / "convoboss"
    try:
        recipe.build(folder)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error}\n{error.stderr}")
    return folder


@pytest.fixture(scope="module")
def place(image: Path, module_kafka: str, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    files = tmp_path_factory.mktemp("pods")
    for workload in workloads():
        _fill(files / workload.name, workload, module_database_url)
    instead = {
        "CONVOBOSS_KAFKA_BOOTSTRAP": module_kafka,
        "CONVOBOSS_KAFKA_SECURITY": "PLAINTEXT",
        "CONVOBOSS_KAFKA_CA_FILE": "",
        "CONVOBOSS_PARTITIONS": "8",
        "CONVOBOSS_REPLICATION": "1",
    }
    return Place(image, files, instead)


def _fill(folder: Path, workload: Workload, owner: str) -> None:
    """The files of a pod, as the kubelet makes them: root's, readable by the pod's group."""
    folder.mkdir()
    role = owner
    if workload.name in services():
        parts = urlsplit(owner)
        role = parts._replace(
            netloc=f"{role_of(services()[workload.name].package)}:x@{parts.netloc.rpartition('@')[2]}"
        ).geturl()
    values = {"database-url": role, "secret-keys": FERNET_KEY, "smtp-url": "smtp://127.0.0.1:9"}
    for path in workload.files():
        target = folder / Path(path).name
        target.write_text(f"{values.get(target.name, 'x')}\n", encoding="utf-8")
        target.chmod(0o440)
        os.chown(target, 0, int(recipe.user()[1]))


@pytest.fixture(scope="module")
def with_roles(place: Place, module_database_url: str) -> Iterator[Place]:
    """Roles belong to the whole server: they go with the module."""
    yield place
    asyncio.run(_drop_roles(module_database_url))


async def _drop_roles(owner: str) -> None:
    connection = await asyncpg.connect(owner)
    for role in map(role_of, SCHEMAS.values()):
        if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    await connection.close()


@in_the_image
async def test_all_stages_of_an_installation_run_in_the_image(with_roles: Place) -> None:
    """The Jobs, then each service: alive, ready, within the memory that it asks for, and gone when told to."""
    place = with_roles
    for job in ("topics", "migrate-pre", "roles"):
        await place.does(job)
    async with asyncio.TaskGroup() as group:
        for deployment in deployments():
            group.create_task(_comes_and_goes(place, deployment))
    await place.does("migrate-post")


async def _comes_and_goes(place: Place, deployment: Workload) -> None:
    port = ports.reserve()
    async with place.runs(deployment, CONVOBOSS_HTTP_PORT=str(port)) as running:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            await running.answers(f"http://127.0.0.1:{port}{deployment.container[probe]['httpGet']['path']}")
        seen = psutil.Process(running.process.pid)
        assert set(seen.uids()) == {int(recipe.user()[0])}
        asked = deployment.container["resources"]["requests"]["memory"]
        assert seen.memory_info().rss < int(asked.removesuffix("Mi")) * MIB, deployment.name
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(deployment.pod["terminationGracePeriodSeconds"]):
            assert await running.process.wait() == 0, running.log.read_text()


@in_the_image
async def test_nothing_can_be_written_but_what_a_pod_mounts(place: Place) -> None:
    tries = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    for name, path, code in (
        ("takeover", "/tmp/x", 1),  # noqa: S108
        ("flow-engine", "/tmp/x", 0),  # noqa: S108
        ("flow-engine", "/opt/convoboss/x", 1),
        ("takeover", "/var/tmp/x", 1),  # noqa: S108
    ):
        body = only("Deployment", name)
        template = body["spec"]["template"]
        (container,) = template["spec"]["containers"]
        changed = container | {"command": ["python", "-c", tries, path]}
        pod = template["spec"] | {"containers": [changed]}
        writer = replace(Workload(body), body=body | {"spec": body["spec"] | {"template": template | {"spec": pod}}})
        async with place.runs(writer) as running:
            async with asyncio.timeout(JOB):
                assert await running.process.wait() == code, (name, path, running.log.read_text())

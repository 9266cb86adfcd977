"""The image's recipe without a container engine: its steps run in a mount namespace, and so does what it is for.

`/opt/convoboss` is there what it is in the image, everything else is read-only, and a process has the image's user and no
capability. The base image is the machine itself, with this Python.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from manifests import DEPLOY, FILES, ROOT, Workload

CONTAINERFILE: Final = DEPLOY / "Containerfile"
HOME: Final = "/opt/convoboss"
POSSIBLE: Final = os.name == "posix" and os.geteuid() == 0 and all(map(shutil.which, ("unshare", "setpriv", "mount")))
_UNSHARE: Final = ("unshare", "--mount", "--propagation", "private", "sh", "-euc")
FILES_HERE: Final = "/opt/files"  # stands for the pod's /etc/convoboss
# /opt is hidden, so that nothing of the machine's is there. $1: what is mounted at /opt/convoboss, $2: at FILES_HERE,
# $3: this Python's folder, which may lie where only root can go.
_OPT: Final = f"""
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p {HOME} {FILES_HERE} /opt/python
mount --bind "$1" {HOME}
mount --bind "$2" {FILES_HERE}
mount --bind "$3" /opt/python
shift 3
"""
_READ_ONLY: Final = f"""
mount -o remount,bind,ro {HOME}
mount -o remount,bind,ro /
"""
_TMP: Final = "mount -t tmpfs -o mode=1777 tmpfs /tmp\n"
_VOLUME: Final = """
mount -t tmpfs -o mode=755 tmpfs {folder.parent}
mkdir -m 2770 {folder}
chown 0:{group} {folder}
"""  # as the kubelet makes it with an fsGroup


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of the Containerfile."""

    verb: str
    rest: str


def stages() -> list[list[Step]]:
    """The instructions by stage, without those before the first FROM."""
    text = "\n".join(
        line for line in CONTAINERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    )
    steps = [
        Step(*line.strip().split(maxsplit=1)) for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()
    ]
    found: list[list[Step]] = []
    for step in steps:
        if step.verb == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def environment() -> dict[str, str]:
    """What the image itself sets."""
    text = " ".join(step.rest for step in stages()[-1] if step.verb == "ENV")
    return dict(pair.split("=", 1) for pair in text.split())


def user() -> tuple[str, str]:
    (step,) = [step for step in stages()[-1] if step.verb == "USER"]
    uid, _, gid = step.rest.partition(":")
    return uid, gid


def build(folder: Path) -> None:
    """Runs the build stage; afterwards `folder` is the image's /opt/convoboss. Raises CalledProcessError."""
    work = folder.with_name("build")
    work.mkdir()
    folder.mkdir()
    for step in stages()[0]:
        match step.verb:
            case "COPY":
                _copy(step.rest.split(), folder, work)
            case "RUN":
                path = f"/opt/python/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
                bare = {
                    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONVOBOSS"))
                }
                subprocess.run(
                    [*_UNSHARE, f'{_OPT}exec sh -euc "$1"', "sh", folder, work, sys.base_prefix, step.rest],
                    env=bare | {"PATH": path},
                    cwd=work,
                    check=True,
                    capture_output=True,
                    text=True,
                    timeout=300,
                )


def _copy(words: Sequence[str], folder: Path, work: Path) -> None:
    source, target = words
    path = folder / Path(target).relative_to(HOME) if target.startswith(HOME) else work / target
    path.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, path, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(ROOT / source, path)


def command(workload: Workload, folder: Path, files: Path) -> list[str | Path]:
    """What starts the workload's container: its command as the image's user on a read-only root, writable where it says."""
    uid, gid = user()
    rights = f"setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
    mounts = [each["mountPath"] for each in workload.container["volumeMounts"] if not each.get("readOnly")]
    writable = "".join(
        _TMP if each == "/tmp" else _VOLUME.format(folder=Path(each), group=gid)  # noqa: S108 - the pod's own
        for each in mounts
    )
    script = f'{_OPT}{_READ_ONLY}{writable}cd /; exec {rights} "$@"'
    return [*_UNSHARE, script, "sh", folder, files, sys.base_prefix, *workload.container["command"]]


def copied() -> Iterator[tuple[str, str]]:
    """(folder of the clone, package) for each package that the image gets."""
    for step in stages()[0]:
        if step.verb == "COPY" and HOME in step.rest:
            source, target = step.rest.split()
            yield source, Path(target).name


def given(workload: Workload, instead: Mapping[str, str]) -> dict[str, str]:
    """The container's whole environment; `instead` is what differs on this machine, empty where nothing is set."""
    manifest = {name: value.replace(FILES, FILES_HERE) for name, value in workload.environment().items()}
    # a Python that was built for another folder finds its own library here
    base = {"LD_LIBRARY_PATH": "/opt/python/lib"}
    return base | environment() | {name: value for name, value in (manifest | dict(instead)).items() if value}

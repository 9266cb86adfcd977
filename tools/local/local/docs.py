"""Pages that are written by programs, so that they cannot differ from the code.

Each page is what its module prints, run as `python -m MODULE ARGUMENT...` with no setting in the environment.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local import paths
from local.errors import LocalError

SERVICES = ("ingress", "takeover", "flow_engine", "fb_handover", "notifier", "console")
WAIT = 120  # seconds for one page


@dataclass(frozen=True, slots=True)
class Page:
    file: Path  # relative to the root
    command: tuple[str, ...]


PAGES = (
    Page(Path("docs/settings.md"), ("runtime.reference", *SERVICES)),
    Page(Path("docs/topics.md"), ("schemas.reference",)),
    Page(Path("services/console/openapi.json"), ("console", "openapi")),
)


class Outdated(LocalError):
    """A generated page is not what its program prints today."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        super().__init__(f"Not current: {', '.join(map(str, files))}. Write anew with: make docs")


def write() -> list[Path]:
    """Writes every page; returns those that changed."""
    return [page.file for page in PAGES if _put(paths.ROOT / page.file, content(page))]


def check() -> None:
    """Raises Outdated."""
    if outdated := [page.file for page in PAGES if _read(paths.ROOT / page.file) != content(page)]:
        raise Outdated(outdated)


def content(page: Page) -> str:
    """Raises LocalError when its program fails."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONVOBOSS_")}
    done = subprocess.run(  # noqa: S603 - the command line is ours
        [sys.executable, "-P", "-m", *page.command],
        capture_output=True,
        text=True,
        env=plain,
        cwd=paths.ROOT,
        timeout=WAIT,
        check=False,
    )
    if done.returncode:
        raise LocalError(f"{page.file} could not be written: {' '.join(page.command)} said\n{done.stderr}")
    return done.stdout


def _put(file: Path, text: str) -> bool:
    if _read(file) == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return True


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None

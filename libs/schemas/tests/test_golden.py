"""The published schemas: files and models agree, and nothing that was published is taken away."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from schemas import golden
from schemas.compatibility import Catalogue, breaks

ROOT = Path(__file__).parents[3]
REPAIR = "python -m schemas.golden"


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False, timeout=30)


def published(tmp_path: Path) -> Catalogue:
    """The schemas of the newest release; before the first one, of the last commit; outside git, the files as they are."""
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*").stdout.decode().strip()
    archive = git("archive", tag or "HEAD", "libs/schemas/golden")
    if archive.returncode != 0:
        return golden.stored()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(tmp_path, filter="data")
    return golden.stored(tmp_path / "libs/schemas/golden")


def copy(folder: Path) -> Path:
    for name, text in golden.texts(golden.stored()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def plant(folder: Path, event: str, change: str, **keywords: object) -> None:
    """Makes the file say that field `change` of `event` was once another thing."""
    path = folder / f"{event}.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["properties"][change] = keywords
    path.write_text(json.dumps(schema), encoding="utf-8")


def test_files_and_models_agree() -> None:
    assert golden.differences() == "", f"{REPAIR} writes the files anew"


def test_what_was_published_is_still_read(tmp_path: Path) -> None:
    assert [str(found) for found in breaks(published(tmp_path), golden.generated())] == []


def test_a_change_that_was_not_written_shows_as_a_diff_of_that_file(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    assert golden.differences(folder) == ""
    plant(folder, "turns/turn.asked.v1", "mood", type="string")
    told = golden.differences(folder)
    assert "--- golden/turns/turn.asked.v1.json" in told
    assert '-    "mood": {' in told or '"mood": {"type": "string"}' in told
    assert "customer.message" not in told


def test_a_missing_file_and_one_too_many_both_show(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    (folder / "turns/turn.asked.v1.json").unlink()
    (folder / "turns/turn.dreamt.v1.json").write_text("{}\n", encoding="utf-8")
    told = golden.differences(folder)
    assert "golden/turns/turn.asked.v1.json" in told
    assert "golden/turns/turn.dreamt.v1.json" in told


def test_writing_is_refused_where_a_reader_would_break_and_leaves_the_files(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    plant(folder, "turns/turn.asked.v1", "mood", type="string")
    before = (folder / "turns/turn.asked.v1.json").read_text(encoding="utf-8")
    assert [str(found) for found in golden.write(folder)] == ["turns/turn.asked.v1: mood: the field was removed"]
    assert (folder / "turns/turn.asked.v1.json").read_text(encoding="utf-8") == before


def test_writing_with_replace_goes_on_and_removes_what_is_gone(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    plant(folder, "turns/turn.asked.v1", "mood", type="string")
    (folder / "turns/turn.dreamt.v1.json").write_text("{}\n", encoding="utf-8")
    assert golden.write(folder, replace=True) == []
    assert golden.differences(folder) == ""


def test_an_added_optional_field_is_written_without_ado(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    path = folder / "turns/turn.asked.v1.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    del schema["properties"]["may_ask_person"]
    path.write_text(json.dumps(schema), encoding="utf-8")
    assert golden.write(folder) == []
    assert golden.differences(folder) == ""


def test_the_check_command_ends_well_and_silently_when_nothing_changed() -> None:
    command = [sys.executable, "-m", "schemas.golden", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

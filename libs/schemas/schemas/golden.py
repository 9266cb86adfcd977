"""The JSON Schema of every event type, kept in `libs/schemas/golden`: what is published there is a promise to readers.

python -m schemas.golden             write the files anew; refused where a reader of the old ones would break
python -m schemas.golden --replace   write them all the same: for types that no release has published yet
python -m schemas.golden --check     exit code 1 and a diff where the files and the models differ
"""

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from schemas.compatibility import Break, Catalogue, breaks
from schemas.envelope import event_types
from schemas.topics import TOPICS

FOLDER: Final = Path(__file__).parents[1] / "golden"
REPAIR: Final = "python -m schemas.golden"


def generated() -> Catalogue:
    """The schemas of the models as they are."""
    return {
        topic: {name: model.model_json_schema(mode="serialization") for name, model in event_types(topic).items()}
        for topic in TOPICS
    }


def stored(folder: Path = FOLDER) -> Catalogue:
    """The schemas in the files."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for path in sorted(folder.glob("*/*.json")):
        found.setdefault(path.parent.name, {})[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return found


def texts(catalogue: Catalogue) -> Mapping[str, str]:
    """File name, relative to the folder → its text. Sorted, so that only a change of meaning is a change of text."""
    return {
        f"{topic}/{name}.json": json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for topic, types in catalogue.items()
        for name, schema in types.items()
    }


def differences(folder: Path = FOLDER) -> str:
    """A unified diff from the files to the models; empty when they agree."""
    before = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.glob("*/*")}
    after = texts(generated())
    return "".join(_diffs(before, after))


def _diffs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        yield from difflib.unified_diff(
            old.splitlines(keepends=True), new.splitlines(keepends=True), f"golden/{name}", f"models/{name}"
        )


def write(folder: Path = FOLDER, *, replace: bool = False) -> list[Break]:
    """Writes the files, and removes those of types that are gone. Writes nothing and tells why when readers would break."""
    now = generated()
    problems = [] if replace else breaks(stored(folder), now)
    if not problems:
        files = texts(now)
        for path in folder.glob("*/*"):
            if str(path.relative_to(folder)) not in files:
                path.unlink()
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=REPAIR, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="only compare")
    choice.add_argument("--replace", action="store_true", help="write what breaks readers, too")
    arguments = parser.parse_args()
    if arguments.check:
        difference = differences()
        if difference:
            sys.stderr.write(f"{difference}\nThe models and libs/schemas/golden differ: {REPAIR} repairs this.\n")
        return 1 if difference else 0
    problems = write(replace=arguments.replace)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        sys.stderr.write("Nothing was written: readers of the published schemas would break. A new version of a type\n")
        sys.stderr.write("gets a name of its own; --replace is for types that no release has published yet.\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

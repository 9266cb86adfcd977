"""Writes the reference pages of this folder from the code, so that they cannot differ from it.

python docs/generate.py           writes them
python docs/generate.py --check   writes nothing; exit code 1 and a diff where a page is not current
"""

import argparse
import difflib
import sys
from pathlib import Path
from typing import Final

from docsgen import logs_page, metrics_page, settings_page, topics_page

FOLDER: Final = Path(__file__).resolve().parent
PAGES: Final = {
    "topics.md": topics_page.page,
    "settings.md": settings_page.page,
    "metrics.md": metrics_page.page,
    "logs.md": logs_page.page,
}
HEADER: Final = "<!-- Written by `python docs/generate.py` from the code: change the code, not this page. -->\n\n"


def pages() -> dict[Path, str]:
    """File → what it should hold."""
    return {FOLDER / name: HEADER + page() for name, page in PAGES.items()}


def difference(path: Path, text: str) -> str:
    """A unified diff from the file to `text`; empty when they agree."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    name = f"docs/{path.name}"
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), name, "from the code"
    )
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    stale = {path: (text, told) for path, text in pages().items() if (told := difference(path, text))}
    for path, (text, told) in stale.items():
        if check:
            sys.stderr.write(told)
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote docs/{path.name}\n")
    if check and stale:
        sys.stderr.write("\nPages that are not current: python docs/generate.py writes them anew.\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Pages and code agree: what is generated is current, what is written by hand names things that exist."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docsgen import logs_page, settings_page
from generate import difference, pages
from runtime.metrics import CATALOGUE
from schemas.envelope import event_types
from schemas.topics import CONVERSATIONS, TOPICS
from takeover.decide import RULES

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
BY_HAND = sorted([*DOCS.glob("*.md"), *DOCS.glob("adr/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
ADRS = sorted(DOCS.glob("adr/*.md"))
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADINGS = ["Context", "Decision", "Consequence", "Enforced by"]


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "expected"), [pytest.param(*page, id=page[0].name) for page in pages().items()])
def test_generated_pages_are_current(path: Path, expected: str) -> None:
    assert difference(path, expected) == "", "python docs/generate.py writes the pages anew"


def test_the_check_fails_and_shows_what_differs(tmp_path: Path) -> None:
    stale = tmp_path / "topics.md"
    stale.write_text("old\n", encoding="utf-8")
    told = difference(stale, "new\n")
    assert "-old" in told
    assert "+new" in told
    assert difference(stale, "old\n") == ""


def test_the_command_ends_well_when_pages_are_current() -> None:
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- what the generated pages hold


def test_topics_has_a_sample_of_every_type() -> None:
    page = text(DOCS / "topics.md")
    for topic in TOPICS:
        assert f"\n## {topic}\n" in page
        for name in event_types(topic):
            assert f"\n### {name}\n" in page


def test_metrics_has_every_metric_of_the_catalogue() -> None:
    page = text(DOCS / "metrics.md")
    assert [name for name in CATALOGUE if f"`{name}`" not in page] == []


def test_settings_has_every_variable_that_is_named_anywhere() -> None:
    files = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    named: dict[str, str] = {}
    for name in files.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.suffix in {".py", ".md", ".sh", ".toml", ".yaml", ".yml", ""} and path.is_file():
            for variable in re.findall(r"\bCONVOBOSS_[A-Z0-9]+(?:_[A-Z0-9]+)*\b", path.read_text("utf-8", "ignore")):
                named.setdefault(variable, name)
    known = settings_page.variables()
    unknown = {
        variable: name for variable, name in named.items() if not {variable, variable.removesuffix("_FILE")} & known
    }
    assert unknown == {}


def test_secrets_are_marked() -> None:
    page = text(DOCS / "settings.md")
    for line in page.splitlines():
        if re.match(r"\| `CONVOBOSS_\w*(SECRET|PASSWORD|TOKEN|DATABASE_URL|SMTP_URL)", line):
            assert "*Secret.*" in line, line


LOGS_ALL = """
import logging
from runtime import logs, tracing
logs.configure(level="info", log_format="json", service="takeover")
log = logs.get_logger("takeover.handlers")
tracing.configure(endpoint="", service="takeover")
with tracing.span("test", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
    try:
        raise ValueError
    except ValueError:
        log.exception("failed")
"""


def test_the_common_log_fields_are_those_of_a_real_line() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS_ALL], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stderr).keys() == logs_page.COMMON.keys()


def test_logs_has_every_text_that_is_logged_and_explains_every_field() -> None:
    page = text(DOCS / "logs.md")
    for path in [*ROOT.glob("libs/runtime/runtime/*.py"), *ROOT.glob("services/*/*/*.py")]:
        for called in re.findall(r"\blog\.(?:info|warning|error|exception|critical)\(\s*\"([^\"]+)\"", text(path)):
            assert f"| {called} |" in page, f"{path}: {called}"
    for name in logs_page.COMMON.keys() | logs_page.FIELDS.keys():
        assert f"| `{name}` |" in page, f"{name} is explained, but nothing logs it"


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ('log.info(f"stopped {name}")', "one constant text"),
        ('log.info("stopped", **fields)', "cannot be told"),
        ('log.log(20, "stopped")', "by a level's name"),
    ],
)
def test_a_line_that_cannot_be_read_from_the_code_is_refused(call: str, complaint: str, tmp_path: Path) -> None:
    package = tmp_path / "example"
    package.mkdir()
    (package / "module.py").write_text(f"{call}\n", encoding="utf-8")
    with pytest.raises(logs_page.Unreadable, match=complaint):
        logs_page.lines(package)


def test_a_line_is_read_with_its_levels_and_fields(tmp_path: Path) -> None:
    package = tmp_path / "example"
    package.mkdir()
    (package / "module.py").write_text(
        'say = log.info if fine else log.error\nsay("done", at=1)\nlog.exception("failed", **self._labels())\n'
        'def labels(): return {"group": 1, "topic": 2}\n',
        encoding="utf-8",
    )
    assert logs_page.lines(package) == [
        logs_page.Line("done", ("info", "error"), ("at",), "example.module"),
        logs_page.Line("failed", ("error",), ("group", "topic", "exception"), "example.module"),
    ]


# --- pages by hand


@pytest.mark.parametrize("page", BY_HAND, ids=names)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    broken = []
    for match in LINK.finditer(text(page)):
        target, _, heading = match["target"].partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (heading and heading not in anchors(path)):
            broken.append(match["target"])
    assert broken == []


def anchors(path: Path) -> set[str]:
    """As GitHub makes them: lower case, spaces as hyphens, other signs dropped."""
    found = re.findall(r"^#+ (.+)$", text(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in found}


def test_ownership_has_a_row_for_every_event_that_is_decided_and_no_other() -> None:
    page = text(DOCS / "ownership.md")
    table = page.partition("## Events")[2].partition("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| "))
    assert set(re.findall(r"`([a-z_.]+\.v\d+)`", rows)) == set(event_types(CONVERSATIONS))
    assert {model.model_fields["type"].default for model in RULES} == set(event_types(CONVERSATIONS))


@pytest.mark.parametrize("adr", ADRS, ids=names)
def test_an_adr_has_the_headings_and_names_a_check_that_exists(adr: Path) -> None:
    page = text(adr)
    number = int(adr.name.partition("-")[0])
    assert page.startswith(f"# {number}. ")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == HEADINGS
    checks = [match["target"] for match in LINK.finditer(page.partition("## Enforced by")[2])]
    assert any("test" in check or check.endswith("pyproject.toml") for check in checks)
    assert len(page.splitlines()) <= 45, "one screen"


def test_adrs_are_numbered_without_gaps() -> None:
    assert [int(adr.name.partition("-")[0]) for adr in ADRS] == list(range(1, len(ADRS) + 1))


def test_test_names_in_adrs_exist() -> None:
    for adr in ADRS:
        for name in re.findall(r"`([a-z]+(?:_[a-z0-9]+){3,})`", text(adr)):
            assert any(f"def test_{name}(" in text(path) for path in ROOT.glob("services/*/tests/test_*.py")), name


def test_each_test_that_the_page_of_messenger_names_exists() -> None:
    page = text(DOCS / "messenger.md")
    rows = [line for line in page.partition("## Events and answers")[2].splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| ---", "| event", "| answer"))]
    for row in rows:
        named = re.findall(r"`((?:[a-z-]+/)+[a-z_]+\.py)::(test_[a-z0-9_]+)`", row.split("|")[-2])
        assert named, f"nothing shows: {row}"
        for file, name in named:
            assert f"def {name}(" in text(ROOT / file), f"{file}::{name}"
    assert len(rows) >= 30


def test_rights_at_the_brokers_are_those_that_the_catalogue_asks_for() -> None:
    part = text(DOCS / "security.md").partition("### Rights")[2].partition("\n#")[0]
    rows = {
        user: (writes, reads)
        for user, writes, reads in re.findall(r"^\| (\S+) \| (.+?) \| (.+?) \|", part, re.MULTILINE)
    }
    for service in ("ingress", "takeover", "flow-engine", "fb-handover", "notifier", "console", "monitor"):
        writes, reads = (set(cell.split(", ")) for cell in rows[service])
        assert writes == {topic.name for topic in TOPICS.values() if service in topic.written_by}, service
        assert reads == {topic.name for topic in TOPICS.values() if service in topic.read_by}, service


def test_every_direct_dependency_has_a_reason_and_a_licence() -> None:
    asked = set()
    for file in ("base", "dev", "uv"):
        for line in text(ROOT / "requirements" / f"{file}.in").splitlines():
            if line.strip() and not line.startswith(("#", "-")):
                asked.add(re.split(r"[=<>\[ ]", line.strip())[0])
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (.+) \| (.+) \|$", text(DOCS / "dependencies.md"), re.MULTILINE)
    assert {name for name, *_ in rows if name not in {"package", "---"}} == asked


def test_the_changelog_begins_with_what_comes_next() -> None:
    heads = re.findall(r"^## (\d+\.\d+\.\d+)(?:, .+)?$", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert heads[0] == "0.1.0"
    assert heads == sorted(heads, reverse=True)


# --- names of code in pages by hand

NAMED = re.compile(r"\[`(?P<name>(?![^`]*[.]py`)[A-Za-z_.]+)`\]\((?P<target>[^)\s]+\.py)\)")


def defined(path: Path) -> set[str]:
    """Functions and classes of a module, methods as `Class.method`."""
    found = set()
    for node in ast.parse(text(path)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


@pytest.mark.parametrize("page", [page for page in BY_HAND if NAMED.search(text(page))], ids=names)
def test_functions_that_a_page_names_are_in_the_file_it_links_to(page: Path) -> None:
    gone = [
        f"{match['name']} in {match['target']}"
        for match in NAMED.finditer(text(page))
        if match["name"] not in defined((page.parent / match["target"]).resolve())
    ]
    assert gone == []


def test_the_way_of_a_message_is_followed_by_file_and_function() -> None:
    targets = {match["target"] for match in NAMED.finditer(text(DOCS / "from-webhook-to-answer.md"))}
    services = {target.split("/")[2] for target in targets if target.startswith("../services/")}
    assert services == {"ingress", "takeover", "flow-engine", "fb-handover", "console", "notifier"}

"""The alerts for Prometheus: what they ask for is there, and each has a line of what to do."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml
from manifests import DEPLOY, ROOT

RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
RUNBOOK: Final = ROOT / "docs" / "monitor.md"
WANTED: Final = {
    "TwoVoices",
    "MonitorDoesNotSee",
    "DeadLetters",
    "PartitionStopped",
    "ConsumerBehind",
    "TimersBehind",
    "NobodyTakesUp",
    "PageTokenDead",
}
NOT_OURS: Final = {"instance", "job", "le"}  # Prometheus adds them
SERIES: Final = re.compile(r"(_bucket|_sum|_count)$")
SELECTOR: Final = re.compile(r"(convoboss_\w+)(?:\{([^}]*)\})?")
GROUPED: Final = re.compile(r"\b(?:by|without) \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def catalogue() -> dict[str, tuple[str, set[str]]]:
    """Name → kind and labels, from the generated page."""
    lines = re.findall(
        r"^\| `(convoboss_\w+)` \| (\w+) \| ([^|]*) \|",
        (ROOT / "docs/metrics.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {name: (kind, {each.strip() for each in labels.split(",")} - {""}) for name, kind, labels in lines}


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of an expression, and the labels that it is selected by."""
    for name, labels in SELECTOR.findall(expression):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


RULE = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])


@RULE
def test_an_alert_asks_for_metrics_and_labels_that_are_there(rule):
    known = catalogue()
    names = dict(asked(rule["expr"]))
    assert names
    for name, labels in asked(rule["expr"]):
        kind, of_metric = known.get(name) or known[SERIES.sub("", name)]
        assert labels <= of_metric, name
        assert kind == "counter" or f"increase({name}" not in rule["expr"], f"{name} does not only rise"
    grouped = {each.strip() for group in GROUPED.findall(rule["expr"]) for each in group.split(",")}
    assert grouped <= set.union(*(known[SERIES.sub("", name)][1] for name in names))


@RULE
def test_an_alert_says_only_labels_that_its_expression_keeps(rule):
    kept = {each.strip() for group in GROUPED.findall(rule["expr"]) for each in group.split(",")}
    absent = set().union(*(labels for name, labels in asked(rule["expr"]) if f"absent({name}" in rule["expr"]))
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= kept | absent


@RULE
def test_an_alert_is_whole_and_its_line_says_for_when_what_it_means_and_what_to_do(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    line = re.search(
        rf"^\| `{rule['alert']}` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert line, "docs/monitor.md has no line for it"
    assert line[1] == rule["labels"]["severity"]


def test_what_must_wake_somebody_has_an_alert_and_the_page_names_no_other():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    assert set(names) >= WANTED
    table = RUNBOOK.read_text(encoding="utf-8").split("## Alerts")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == names
    assert "deploy/prometheus/rules.yaml" in table


def test_the_groups_that_an_alert_names_are_those_of_the_services():
    groups = set(re.findall(r'group="([\w-]+)"', RULES.read_text(encoding="utf-8")))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "services").glob("*/*/*.py"))
    for group in groups:
        assert f'"{group}"' in sources, group

"""docs/metrics.md: what the processes count, from the catalogue."""

from collections.abc import Iterable
from types import ModuleType
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from docsgen.markdown import table
from docsgen.packages import modules
from runtime.metrics import CATALOGUE, Metric

INTRODUCTION: Final = """\
# Metrics

Every process serves its metrics for Prometheus at `/metrics` on its HTTP port. Times are in seconds. A histogram has the
series `_bucket`, `_sum` and `_count`.

"""


def page() -> str:
    own = {service: _declared_in(module) for service, module in modules("services", "metrics").items()}
    theirs = frozenset().union(*own.values())
    sections = [_section("All services", [metric for name, metric in CATALOGUE.items() if name not in theirs])]
    sections += [
        _section(service, [CATALOGUE[name] for name in CATALOGUE if name in names]) for service, names in own.items()
    ]
    return INTRODUCTION + "".join(sections).rstrip() + "\n"


def _declared_in(module: ModuleType) -> frozenset[str]:
    """Names, as the catalogue has them, of the metrics that are variables of a module."""
    found = {
        family.name
        for value in vars(module).values()
        if isinstance(value, Counter | Gauge | Histogram)
        for family in value.describe()
    }
    return frozenset(name for name in CATALOGUE if name in found or name.removesuffix("_total") in found)


def _section(title: str, metrics: Iterable[Metric]) -> str:
    rows = [(f"`{each.name}`", each.kind, ", ".join(each.labels), each.help) for each in metrics]
    return f"## {title}\n\n" + table(("metric", "kind", "labels", "meaning"), rows) if rows else ""

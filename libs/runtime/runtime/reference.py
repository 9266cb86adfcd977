"""`python -m runtime.reference takeover ingress …`: all settings and metrics of these packages, as Markdown.

A package's settings are the subclasses of `ServiceSettings` in its `settings.py`, its metrics what its `metrics.py`
declares. What every service has is written once.
"""

import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from runtime import metrics
from runtime.metrics import Metric
from runtime.settings import PREFIX, ServiceSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the reference."""

    variable: str
    default: str
    description: str


def settings_of(package: str) -> list[type[ServiceSettings]]:
    """The settings classes that `<package>.settings` defines."""
    module = import_module(f"{package}.settings")
    return [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, ServiceSettings) and each.__module__ == module.__name__
    ]


def own_settings(settings: type[ServiceSettings]) -> list[Setting]:
    """What the class adds to, or sets otherwise than, what every service has. Raises ValueError without a description."""
    common = ServiceSettings.model_fields if settings is not ServiceSettings else {}
    return [
        _setting(settings, name, field)
        for name, field in settings.model_fields.items()
        if name not in common or field.default != common[name].default
    ]


def _setting(settings: type[ServiceSettings], name: str, field: FieldInfo) -> Setting:
    if not field.description:
        raise ValueError(f"{settings.__module__}.{settings.__name__}.{name} has no description")
    return Setting(PREFIX + name.upper(), _default(field), field.description)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "empty" if shown == "" else f"`{shown}`"


def metrics_of(package: str) -> list[Metric]:
    """The metrics that importing `<package>.metrics` declares."""
    name = f"{package}.metrics"
    if find_spec(name) is None:
        return []
    before = set(metrics.CATALOGUE)
    import_module(name)
    return [metric for key, metric in metrics.CATALOGUE.items() if key not in before]


def page(packages: Sequence[str]) -> str:
    """The whole reference."""
    declared = {package: metrics_of(package) for package in packages}
    of_packages = {metric.name for each in declared.values() for metric in each}
    common = [metric for metric in metrics.CATALOGUE.values() if metric.name not in of_packages]
    parts = ["# Settings and metrics", "", "Generated; do not edit.", "", "## Every service", ""]
    parts += [*_settings_table(own_settings(ServiceSettings)), *_metrics_table(common)]
    for package in packages:
        parts += [f"## {package}", ""]
        for settings in settings_of(package):
            parts += _settings_table(own_settings(settings))
        parts += _metrics_table(declared[package])
    return "\n".join(parts).rstrip() + "\n"


def _settings_table(settings: Iterable[Setting]) -> list[str]:
    rows = [f"| `{each.variable}` | {each.default} | {_cell(each.description)} |" for each in settings]
    return ["| variable | default | what it does |", "|---|---|---|", *rows, ""] if rows else []


def _metrics_table(declared: Iterable[Metric]) -> list[str]:
    rows = [f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {_cell(each.help)} |" for each in declared]
    return ["| metric | kind | labels | what it counts |", "|---|---|---|---|", *rows, ""] if rows else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1:]))

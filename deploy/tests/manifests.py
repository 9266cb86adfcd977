"""The manifests as the tests look at them."""

import importlib
import inspect
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from convoboss.granting import RolesSettings
from runtime.settings import PREFIX, ServiceSettings

DEPLOY: Final = Path(__file__).parents[1]
ROOT: Final = DEPLOY.parent
STAGES: Final = ("foundation", "before", "services", "after")
EXAMPLE: Final = DEPLOY / "kubernetes" / "secrets.example.yaml"
FILES: Final = "/etc/convoboss"
NAME: Final = "app.kubernetes.io/name"
VERSION: Final[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# Any: a manifest is JSON of Kubernetes' shapes, which its own schemas check.
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """One of services/*: its folder's name, its package, its settings."""

    name: str
    package: str
    settings: type[ServiceSettings]

    def source(self) -> str:
        folder = ROOT / "services" / self.name / self.package
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, a StatefulSet or a Job: all have one container."""

    body: Body

    @property
    def name(self) -> str:
        return self.body["metadata"]["name"]

    @property
    def pod(self) -> Body:
        return self.body["spec"]["template"]["spec"]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.body["spec"]["template"]["metadata"]["labels"]

    @property
    def container(self) -> Body:
        (container,) = self.pod["containers"]
        return container

    def environment(self) -> dict[str, str]:
        """As the kubelet makes it: the ConfigMaps in order, then `env`."""
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", []):
            found |= only("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {each["name"]: each["value"] for each in self.container.get("env", [])}

    def files(self) -> set[str]:
        """Paths that its volume of secrets and certificates has."""
        (sources,) = [each["projected"]["sources"] for each in self.pod["volumes"] if "projected" in each]
        given = {(each["kind"], each["metadata"]["name"]): each for each in documents(EXAMPLE)}
        found = set()
        for source in sources:
            ((kind, reference),) = source.items()
            one = given[{"secret": "Secret", "configMap": "ConfigMap"}[kind], reference["name"]]
            found |= {f"{FILES}/{key}" for key in one.get("stringData", one.get("data"))}
        return found


@cache
def services() -> Mapping[str, Service]:
    """By folder name. Every service's settings are one class in its `settings.py`."""
    found = {}
    for path in sorted((ROOT / "services").glob("*/*/settings.py")):
        module = importlib.import_module(f"{path.parent.name}.settings")
        (settings,) = [
            each
            for _, each in inspect.getmembers(module, inspect.isclass)
            if issubclass(each, ServiceSettings) and each.__module__ == module.__name__
        ]
        found[path.parents[1].name] = Service(path.parents[1].name, path.parent.name, settings)
    return found


def documents(path: Path) -> list[Body]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def manifest_files() -> list[Path]:
    """What is applied, without the kustomizations that list it."""
    return sorted(
        path
        for stage in STAGES
        for path in (DEPLOY / "kubernetes" / stage).glob("*.yaml")
        if path.name != "kustomization.yaml"
    )


@cache
def everything() -> tuple[Body, ...]:
    return tuple(body for path in manifest_files() for body in documents(path))


def all_of(kind: str) -> list[Body]:
    return [body for body in everything() if body["kind"] == kind]


def only(kind: str, name: str) -> Body:
    (found,) = [body for body in all_of(kind) if body["metadata"]["name"] == name]
    return found


def deployments() -> list[Workload]:
    """What stays up, as a Deployment or, where a pod keeps something, as a StatefulSet."""
    return [Workload(body) for kind in ("Deployment", "StatefulSet") for body in all_of(kind)]


def deployment_of(name: str) -> Workload:
    (found,) = [each for each in deployments() if each.name == name]
    return found


def jobs() -> list[Workload]:
    return [Workload(body) for body in all_of("Job")]


def workloads() -> list[Workload]:
    return [*deployments(), *jobs()]


def settings_of(workload: Workload) -> type[ServiceSettings]:
    """A Job's command has the common ones; `roles` is given the roles' passwords too."""
    if workload.name == "roles":
        return RolesSettings
    return services()[workload.name].settings if workload.name in services() else ServiceSettings


def setting(variable: str, model: type[ServiceSettings]) -> tuple[str, bool]:
    """Name of the field that a variable sets, and whether by a file. Raises LookupError where there is none."""
    name = variable.removeprefix(PREFIX).lower()
    if variable.startswith(PREFIX) and name in model.model_fields:
        return name, False
    if variable.startswith(PREFIX) and name.endswith("_file") and name.removesuffix("_file") in model.model_fields:
        return name.removesuffix("_file"), True
    raise LookupError(f"{variable} is no setting of {model.__module__}.{model.__name__}")


def chosen(selector: Body) -> set[str]:
    """Names of the workloads whose pods a selector matches."""

    def matches(labels: Mapping[str, str]) -> bool:
        wanted = selector.get("matchLabels", {})
        expressions = selector.get("matchExpressions", [])
        assert all(each["operator"] == "In" for each in expressions)
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            labels.get(each["key"]) in each["values"] for each in expressions
        )

    return {workload.name for workload in workloads() if matches(workload.labels)}


def policies(direction: str) -> Iterator[tuple[str, Body, Body]]:
    """(policy's name, its pod selector, rule) for each rule of Egress or Ingress."""
    for policy in all_of("NetworkPolicy"):
        for rule in policy["spec"].get(direction.lower(), []):
            yield policy["metadata"]["name"], policy["spec"]["podSelector"], rule

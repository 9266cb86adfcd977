"""The manifests agree with Kubernetes' schemas, with the code, and with each other."""

import copy
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
import kubernetes_validate
import pytest
import yaml
from manifests import (
    DEPLOY,
    EXAMPLE,
    FILES,
    NAME,
    ROOT,
    STAGES,
    VERSION,
    Service,
    Workload,
    all_of,
    chosen,
    deployment_of,
    deployments,
    documents,
    everything,
    jobs,
    manifest_files,
    only,
    policies,
    services,
    setting,
    settings_of,
    workloads,
)
from pydantic import SecretStr

from convoboss.main import parser
from runtime.service import SHUTDOWN
from runtime.settings import PREFIX

KUBERNETES = ("1.30", "1.37")  # the oldest and the newest that README.md names; their schemas are inside the package
OUTSIDE = {"ingress", "console"}  # what is reached from outside
SAMPLES = {
    "database_url": "postgresql://takeover:x@db:5432/convoboss\n",
    "smtp_url": "smtps://u:p@mail.example.com\n",
    "kafka_ca_file": Path(certifi.where()).read_text(encoding="utf-8"),
}

each_workload = pytest.mark.parametrize("workload", workloads(), ids=lambda each: each.name)
each_deployment = pytest.mark.parametrize("deployment", deployments(), ids=lambda each: each.name)
each_service = pytest.mark.parametrize("service", services().values(), ids=lambda each: each.name)


def in_short(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


# --- Kubernetes' own schemas


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", [*manifest_files(), EXAMPLE], ids=in_short)
def test_a_manifest_passes_the_strict_schemas(path: Path, version: str) -> None:
    for body in documents(path):
        kubernetes_validate.validate(body, version, strict=True)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("spec", "template", "spec", "containers", 0, "securityContext", "readOnlyRootFileSystem"), True),
        (("spec", "template", "spec", "containers", 0, "readinessProbe", "periodSeconds"), "5"),
        (("spec", "replicas"), "two"),
        (("spec", "minReadySecond"), 15),
    ],
)
def test_a_misspelt_field_or_a_wrong_type_is_refused(where: tuple[str | int, ...], value: object) -> None:
    body: Any = copy.deepcopy(only("Deployment", "takeover"))
    place = body
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(body, KUBERNETES[0], strict=True)


def test_the_readme_names_the_versions_that_are_checked() -> None:
    assert f"Kubernetes {KUBERNETES[0]} to {KUBERNETES[1]}" in (DEPLOY / "README.md").read_text(encoding="utf-8")


# --- one stage after the other


@pytest.mark.parametrize("stage", STAGES)
def test_a_kustomization_lists_every_file_of_its_stage(stage: str) -> None:
    folder = DEPLOY / "kubernetes" / stage
    (listed,) = documents(folder / "kustomization.yaml")
    assert sorted(listed["resources"]) == sorted(
        path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
    )
    assert listed["namespace"] == only("Namespace", "convoboss")["metadata"]["name"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_example_leads_to_the_stage_and_to_one_image(stage: str) -> None:
    folder = DEPLOY / "example" / stage
    (listed,) = documents(folder / "kustomization.yaml")
    assert [(folder / each).resolve() for each in listed["resources"]] == [DEPLOY / "kubernetes" / stage]
    parts = [(folder / each).resolve() for each in listed.get("components", [])]
    assert parts == ([] if stage == "foundation" else [DEPLOY / "example" / "image"])
    for patch in listed.get("patches", []):
        meta = patch.get("target") or yaml.safe_load(patch["patch"])
        only(meta["kind"], meta.get("name") or meta["metadata"]["name"])
    for each in listed.get("replicas", []):
        assert "replicas" in only("Deployment", each["name"])["spec"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="no kubectl here: the kustomizations are only read, not built"
)
def test_kubectl_builds_the_example_and_the_result_passes_too(stage: str) -> None:
    command = ["kubectl", "kustomize", str(DEPLOY / "example" / stage)]
    built = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    bodies = list(yaml.safe_load_all(built))
    assert bodies
    for body in bodies:
        kubernetes_validate.validate(body, KUBERNETES[0], strict=True)
        if body["kind"] in {"Deployment", "StatefulSet", "Job"}:
            assert Workload(body).container["image"] == f"registry.example.com/convoboss:{VERSION}"


# --- services and the code


def test_every_service_has_a_deployment_an_account_and_a_budget() -> None:
    names = set(services())
    assert {each.name for each in deployments()} == names
    assert {each["metadata"]["name"] for each in all_of("PodDisruptionBudget")} == names
    assert {each["metadata"]["name"] for each in all_of("ServiceAccount")} == names | {"maintenance"}


@each_service
def test_command_and_port_are_the_services_own(service: Service) -> None:
    container = deployment_of(service.name).container
    assert container["command"] == ["python", "-m", service.package]
    assert importlib.util.find_spec(f"{service.package}.__main__") is not None
    port = service.settings.model_fields["http_port"].default
    assert container["ports"] == [{"name": "http", "containerPort": port}]


@each_deployment
def test_probes_ask_what_they_are_for(deployment: Workload) -> None:
    probes = {
        name: deployment.container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert probes == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    source = (ROOT / "libs/runtime/runtime/http.py").read_text(encoding="utf-8")
    assert all(f'"{probe["path"]}"' in source for probe in probes.values())


@pytest.mark.parametrize("job", jobs(), ids=lambda each: each.name)
def test_a_jobs_command_exists(job: Workload) -> None:
    python, _, module, *arguments = job.container["command"]
    assert python == "python"
    assert importlib.util.find_spec(module) is not None
    if module == "convoboss":
        assert parser().parse_args(arguments).command == arguments[0]


# --- settings


@each_workload
def test_every_variable_is_a_setting_and_every_file_is_there(workload: Workload) -> None:
    model = settings_of(workload)
    for variable, value in workload.environment().items():
        _, by_file = setting(variable, model)
        if by_file or variable.endswith("_FILE"):
            assert value in workload.files()


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    with pytest.raises(LookupError, match="KAFKA_BOOTSTRAPS is no setting"):
        setting(f"{PREFIX}KAFKA_BOOTSTRAPS", services()["takeover"].settings)


@each_service
def test_nothing_is_left_to_a_default_that_suits_only_the_local_stack(service: Service) -> None:
    workload = deployment_of(service.name)
    given = {setting(variable, service.settings)[0] for variable in workload.environment()}
    assert wanted(service) - given == set()
    assert not {"database_url", "secret_keys"} & given - wanted(service), "a secret that the service does not need"


def wanted(service: Service) -> set[str]:
    """Fields that a production system must set."""
    source = service.source()
    needed = {"partitions", "replication", "kafka_security", "kafka_username", "kafka_password", "migrate"}
    for name, field in service.settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        if field.is_required() or re.search(r"127\.0\.0\.1|localhost", str(default)):
            needed.add(name)
    if not uses_database(service):
        needed.remove("database_url")
    if "settings.secret_keys" in source:
        needed.add("secret_keys")
    return needed


def uses_database(service: Service) -> bool:
    return (
        re.search(r"^\s*from runtime(\.postgres import| import .*\bpostgres\b)", service.source(), re.MULTILINE)
        is not None
    )


@each_workload
def test_a_process_starts_with_these_settings(
    workload: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = settings_of(workload)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for variable, value in workload.environment().items():
        if value.startswith(f"{FILES}/"):
            path = tmp_path / Path(value).name
            name, _ = setting(variable, model)
            path.write_text(SAMPLES.get(name, "sample\n"), encoding="utf-8")
            monkeypatch.setenv(variable, str(path))
        else:
            monkeypatch.setenv(variable, value)
    loaded = model()
    needs_kafka = workload.name in services() or workload.name == "topics"
    assert loaded.kafka_security == ("SASL_SSL" if needs_kafka else "PLAINTEXT")
    assert (loaded.kafka_password.get_secret_value() == "sample") == needs_kafka


# --- secrets


def test_no_secret_has_a_value_in_a_file() -> None:
    assert all_of("Secret") == []
    for body in documents(EXAMPLE):
        assert set(body.get("stringData", body.get("data")).values()) == {""}
    for workload in workloads():
        model = settings_of(workload)
        for variable in workload.environment():
            name, by_file = setting(variable, model)
            assert by_file or not isinstance(model.model_fields[name].default, SecretStr), f"{variable} is a secret"
    assert all("env" not in str(source) or "secretKeyRef" not in str(source) for source in everything())


@each_workload
def test_a_pod_has_the_secrets_that_it_reads_and_no_other(workload: Workload) -> None:
    asked = {value for value in workload.environment().values() if value.startswith(f"{FILES}/")}
    assert {path for path in workload.files() if not path.endswith(".crt")} == asked - {f"{FILES}/kafka-ca.crt"}


# --- images


@each_workload
def test_the_image_is_this_version(workload: Workload) -> None:
    assert workload.container["image"] == f"convoboss:{VERSION}"


def test_the_example_names_the_same_image() -> None:
    (part,) = documents(DEPLOY / "example/image/kustomization.yaml")
    assert part["images"] == [{"name": "convoboss", "newName": "registry.example.com/convoboss", "newTag": VERSION}]


# --- what a pod may


@each_workload
def test_a_pod_may_as_little_as_it_needs(workload: Workload) -> None:
    assert workload.pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert workload.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert workload.pod["automountServiceAccountToken"] is False
    assert workload.pod["enableServiceLinks"] is False
    assert workload.pod["serviceAccountName"] == (workload.name if workload.name in services() else "maintenance")
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & workload.pod.keys()
    writable = {each["name"] for each in workload.pod["volumes"] if "emptyDir" in each}
    assert writable == ({"tmp"} if workload.name == "flow-engine" else set()), "Faust wants a folder, nobody else does"


def test_the_namespace_refuses_pods_that_may_more() -> None:
    labels = only("Namespace", "convoboss")["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}
    assert all(account["automountServiceAccountToken"] is False for account in all_of("ServiceAccount"))


@each_workload
def test_memory_is_bounded_and_cpu_is_not_throttled(workload: Workload) -> None:
    resources = workload.container["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert resources["limits"].keys() == {"memory"}


# --- coming and going


@each_deployment
def test_a_pod_has_time_to_drain(deployment: Workload) -> None:
    hook = deployment.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert (hook > 0) == (deployment.name in OUTSIDE), "endpoints are gone first where somebody calls"
    assert hook + SHUTDOWN < deployment.pod["terminationGracePeriodSeconds"] == 30


@each_deployment
def test_a_rollout_never_has_fewer_pods_than_asked_for(deployment: Workload) -> None:
    spec = deployment.body["spec"]
    if (
        deployment.body["kind"] == "StatefulSet"
    ):  # one at a time, for a pod's volume is its own; all at once at the start
        assert spec["updateStrategy"] == {"type": "RollingUpdate"}
        assert spec["podManagementPolicy"] == "Parallel"
    else:
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert spec.get("minReadySeconds", 0) == (0 if deployment.name in OUTSIDE else 15)
    targets = [each["spec"]["scaleTargetRef"] for each in all_of("HorizontalPodAutoscaler")]
    scaled = {each["name"] for each in targets}
    assert [(each["kind"], each["name"]) for each in targets] == [("StatefulSet", "ingress")]
    assert ("replicas" in spec) != (deployment.name in scaled), "one owner of the number of pods"


def test_webhooks_that_wait_on_disk_outlive_their_pod_and_have_room() -> None:
    (body,) = all_of("StatefulSet")
    ingress = Workload(body)
    assert ingress.name == "ingress"
    (claim,) = body["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (mount,) = [each for each in ingress.container["volumeMounts"] if each["name"] == claim["metadata"]["name"]]
    assert Path(ingress.environment()["CONVOBOSS_SPOOL_DIRECTORY"]).parent == Path(mount["mountPath"])
    assert body["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    room = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024**3
    assert room > 1.1 * services()["ingress"].settings.model_fields["spool_bytes"].default


# --- who belongs to whom


@each_deployment
def test_selectors_match_the_labels_of_their_pods_and_no_others(deployment: Workload) -> None:
    assert chosen(deployment.body["spec"]["selector"]) == {deployment.name}
    assert chosen(only("PodDisruptionBudget", deployment.name)["spec"]["selector"]) == {deployment.name}
    for each in deployment.pod["topologySpreadConstraints"]:
        assert chosen(each["labelSelector"]) == {deployment.name}


def test_a_service_is_where_somebody_calls_and_leads_to_its_pods() -> None:
    assert {each["metadata"]["name"] for each in all_of("Service")} == OUTSIDE
    for each in all_of("Service"):
        assert chosen({"matchLabels": each["spec"]["selector"]}) == {each["metadata"]["name"]}
        assert [port["targetPort"] for port in each["spec"]["ports"]] == ["http"]


def test_from_outside_one_reaches_the_webhook_and_the_api_and_not_the_metrics() -> None:
    spec = only("Ingress", "convoboss")["spec"]
    paths = {
        path["backend"]["service"]["name"]: path["path"] for rule in spec["rules"] for path in rule["http"]["paths"]
    }
    assert paths == {"ingress": "/webhooks", "console": "/api"}
    assert '"/webhooks/messenger"' in services()["ingress"].source()
    assert 'PREFIX: Final = "/api/v1"' in services()["console"].source()
    assert {rule["host"] for rule in spec["rules"]} == {host for entry in spec["tls"] for host in entry["hosts"]}
    public = only("ConfigMap", "address")["data"]["CONVOBOSS_PUBLIC_URL"]
    assert urlsplit(public).hostname == next(
        rule["host"] for rule in spec["rules"] if rule["http"]["paths"][0]["path"] == paths["console"]
    )
    assert public.startswith("https:"), "cookies are Secure"


def test_nobody_talks_who_is_not_told_to() -> None:
    spec = only("NetworkPolicy", "nobody")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_edge_of_the_system_is_allowed_and_no_other() -> None:
    allowed: dict[str, dict[int, set[str]]] = {}
    for name, selector, rule in policies("Egress"):
        if name != "to-dns":
            for port in rule["ports"]:
                allowed.setdefault(name, {})[port["port"]] = chosen(selector)
    all_services = set(services())
    kafka = {
        urlsplit(f"//{each}").port
        for each in only("ConfigMap", "settings")["data"]["CONVOBOSS_KAFKA_BOOTSTRAP"].split(",")
    }
    with_database = {each.name for each in services().values() if uses_database(each)}
    assert allowed == {
        "to-kafka": {port: all_services | {"topics"} for port in kafka},
        "to-postgres": {5432: with_database | {"migrate-pre", "roles", "migrate-post"}},
        "to-facebook": {443: having("graph_url")},
        "to-mail": {465: having("smtp_url"), 587: having("smtp_url")},
    }
    inward = {name: chosen(selector) for name, selector, _ in policies("Ingress")}
    assert inward == {"from-outside": OUTSIDE, "from-prometheus": all_services}
    assert all(port["port"] == "http" for _, _, rule in policies("Ingress") for port in rule["ports"])


def having(field: str) -> set[str]:
    return {each.name for each in services().values() if field in each.settings.model_fields}


def test_an_address_in_a_setting_is_an_edge_that_is_decided() -> None:
    """A new setting that is an address fails here until the network's rules are thought of."""
    addresses = {
        name
        for each in services().values()
        for name in each.settings.model_fields
        if re.search(r"(_url|_bootstrap|_endpoint|_host)$", name)
    }
    connected = {"kafka_bootstrap", "database_url", "graph_url", "smtp_url"}
    no_connection = {"public_url", "http_host"}
    not_used_here = {"otlp_endpoint"}
    assert addresses == connected | no_connection | not_used_here
    assert not any(f"CONVOBOSS_{name.upper()}" in each.environment() for each in workloads() for name in not_used_here)


def test_labels_name_what_they_are_on() -> None:
    for workload in workloads():
        assert workload.labels[NAME] == workload.body["metadata"]["labels"][NAME] == workload.name
    names = [(body["kind"], body["metadata"]["name"]) for body in everything()]
    assert len(names) == len(set(names))


# --- README.md


def test_each_service_has_a_kafka_user_of_its_own() -> None:
    users = {each.name: each.environment().get("CONVOBOSS_KAFKA_USERNAME") for each in workloads()}
    assert {name: user for name, user in users.items() if user} == {
        name: f"convoboss-{name}" for name in (*services(), "topics")
    }


def test_the_readme_makes_every_secret_and_key() -> None:
    made = (DEPLOY / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    for body in documents(EXAMPLE):
        kind = {"Secret": "secret generic", "ConfigMap": "configmap"}[body["kind"]]
        (line,) = re.findall(rf"^ *k create {kind} {body['metadata']['name']} .*$", made, re.MULTILINE)
        keys = set(re.findall(r"--from-(?:literal|file)=([a-z.-]+)", line))
        assert keys == set(body.get("stringData", body.get("data")))


def test_the_readme_leads_to_files_that_exist() -> None:
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)\)", page)
    assert len(targets) > 8
    assert [target for target in targets if "://" not in target and not (DEPLOY / target).exists()] == []

"""The rendered base is fresh, keeps to the restricted Pod Security level, and agrees with the code."""

import hashlib
import os
import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.client import AIOKafkaClient

from cli.api_documents import definition
from shared.events.topics import SERVICES, TOPICS
from shared.messaging import connection
from shared.service import ROLES, STOP_SECONDS
from shared.settings import ServiceSettings

FOLDER = Path(__file__).parents[2] / "deploy/k8s"
RENDERED = (FOLDER / "base.yaml").read_text()
OBJECTS: list[dict[str, Any]] = [item for item in yaml.safe_load_all(RENDERED) if item]


def objects(kind: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in OBJECTS if item["kind"] == kind}


CRON_JOBS = [
    {"metadata": item["metadata"], "spec": item["spec"]["jobTemplate"]["spec"]}
    for item in OBJECTS
    if item["kind"] == "CronJob"
]
PODS = [*(item for item in OBJECTS if item["kind"] in {"Deployment", "Job"}), *CRON_JOBS]
NAMES = [item["metadata"]["name"] for item in PODS]


def inputs_digest() -> str:
    """Digest of everything that the rendering is made from."""
    digest = hashlib.sha256()
    for path in sorted((FOLDER / "base").rglob("*.yaml")):
        digest.update(str(path.relative_to(FOLDER)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def test_rendering_is_fresh() -> None:
    stated = re.search(r"sha256 of base/: ([0-9a-f]{64})", RENDERED)

    assert stated is not None
    assert stated[1] == inputs_digest(), "render again: kubectl kustomize deploy/k8s/base > deploy/k8s/base.yaml"


def test_every_service_has_every_role_and_a_migration() -> None:
    assert set(objects("Deployment")) == {f"{service}-{role}" for service in SERVICES for role in ROLES}
    assert set(objects("Job")) == {f"{service}-migrate" for service in SERVICES}
    assert set(objects("PodDisruptionBudget")) == set(objects("Deployment"))


@pytest.mark.parametrize("pod", PODS, ids=NAMES)
def test_pod_is_restricted(pod: dict[str, Any]) -> None:
    spec = pod["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


@pytest.mark.parametrize("pod", PODS, ids=NAMES)
def test_pod_runs_its_own_service_with_its_own_secret(pod: dict[str, Any]) -> None:
    service, _, role = pod["metadata"]["name"].partition("-")
    container = pod["spec"]["template"]["spec"]["containers"][0]
    secrets = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]

    assert all(name.startswith(f"{service}-") for name in secrets)
    if role == "migrate":
        assert (container["command"], container["args"]) == (
            ["python", "-m", "shared.database"], [f"services.{service}"],
        )  # fmt: skip
    elif role == "shadow":
        assert container["command"] == ["python", "-m", "services.intake.shadow"]
        assert find_spec("services.intake.shadow") is not None
    else:
        assert (container["command"], container["args"]) == (["python", "-m", f"services.{service}"], ["--roles", role])


@pytest.mark.parametrize("name", sorted(objects("Deployment")))
def test_keys_are_their_users_alone(name: str) -> None:
    """`LocalKeyManagement` refuses files that a group may read, and a Secret volume cannot do without one."""
    spec = objects("Deployment")[name]["spec"]["template"]["spec"]
    copying = spec["initContainers"][0]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}

    assert copying["command"] == ["sh", "-c", "install -m 0600 /sealed/* /keys/"]
    assert volumes["sealed"]["secret"]["secretName"] == f"{name.rpartition('-')[0]}-keys"
    assert volumes["keys"]["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("name", sorted(objects("Deployment")))
def test_probes_ask_what_every_role_answers(name: str) -> None:
    """A process without the role `api` serves `create_probe_app`: the same probes, and metrics."""
    container = objects("Deployment")[name]["spec"]["template"]["spec"]["containers"][0]

    assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}


@pytest.mark.parametrize("service", SERVICES)
def test_an_api_listens_until_nobody_sends_to_it_any_more(service: str) -> None:
    spec = objects("Deployment")[f"{service}-api"]["spec"]["template"]["spec"]
    waited_seconds = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert waited_seconds > 0
    assert waited_seconds + STOP_SECONDS < spec["terminationGracePeriodSeconds"]


def test_settings_in_the_config_map_exist() -> None:
    known = {f"DOORSTEP_{name.upper()}" for name in ServiceSettings.model_fields}

    assert set(objects("ConfigMap")["platform"]["data"]) <= known


def secrets_of_the_readme() -> dict[str, set[str]]:
    """The keys of each kind of Secret that the README asks for."""
    rows = re.findall(r"^\| `<service>-(\w+)` \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    return {kind: set(re.findall(r"`(DOORSTEP_\w+)`", keys)) for kind, keys in rows}


@pytest.mark.parametrize("name", sorted(objects("Deployment")))
async def test_a_pod_can_start_with_what_it_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings from the ConfigMap and the Secret that the README asks for, and nothing else; then a client of Kafka."""
    spec = objects("Deployment")[name]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    given = dict(objects("ConfigMap")["platform"]["data"])
    given |= {
        key: "postgresql://x@y/z" if key.endswith("_URL") else "x" for key in secrets_of_the_readme()["credentials"]
    }
    given |= {one["name"]: one["value"] for one in container.get("env", [])}
    for key in [key for key in os.environ if key.startswith("DOORSTEP_")]:
        monkeypatch.delenv(key)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = ServiceSettings()  # type: ignore[call-arg]  # from the environment

    mounted = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    files = {settings.key_folder, *filter(None, [settings.kafka_authorities_file, settings.log_folder])}
    assert all(mounted & {file, *file.parents} for file in files)
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(connection, "_trusted_authorities", {settings.kafka_authorities_file: trusted}.get)
    assert AIOKafkaClient(**connection.client_options(settings, client_id=name))._ssl_context is trusted


def test_secrets_are_those_of_the_readme() -> None:
    asked = {
        source["secretRef"]["name"].rpartition("-")[2]
        for pod in PODS
        for source in pod["spec"]["template"]["spec"]["containers"][0]["envFrom"]
        if "secretRef" in source
    }

    assert {*asked, "keys"} == set(secrets_of_the_readme())
    assert secrets_of_the_readme()["migration"] == {"DOORSTEP_OWNER_URL"}


def test_the_base_holds_no_secret() -> None:
    assert objects("Secret") == {}


def test_traffic_is_denied_unless_named() -> None:
    policies = objects("NetworkPolicy")

    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for service in SERVICES:
        spec = policies[f"{service}-edges"]["spec"]
        assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == service
        assert all(rule["to"] and rule["ports"] for rule in spec["egress"])
        assert all(rule["from"] and rule["ports"] for rule in spec["ingress"])


def named(peers: list[dict[str, Any]]) -> set[str]:
    """The services among the peers of a rule, as rendered: kustomize overwrites the labels of every selector."""
    found: set[str] = set()
    for selector in (peer["podSelector"] for peer in peers if "podSelector" in peer):
        found |= {value for expression in selector.get("matchExpressions", []) for value in expression["values"]}
        found |= {selector["matchLabels"]["app.kubernetes.io/name"]} if "matchLabels" in selector else set()
    return found


@pytest.mark.parametrize(
    ("policy", "components", "gateway"),
    # Intake's API asks for balances; its workers compare books and write back.
    [("compliance-witnesses", {"worker"}, "witness-gateway"), ("intake-core", {"api", "worker"}, "core-gateway")],
)
def test_what_stands_outside_is_reached_through_its_gateway(policy: str, components: set[str], gateway: str) -> None:
    spec = objects("NetworkPolicy")[policy]["spec"]
    selector, label = spec["podSelector"], "app.kubernetes.io/component"
    named_ones = {
        value for one in selector.get("matchExpressions", []) if one["key"] == label for value in one["values"]
    }

    assert named_ones | ({selector["matchLabels"][label]} if label in selector["matchLabels"] else set()) == components
    assert named(spec["egress"][0]["to"]) == {gateway}
    assert spec["egress"][0]["ports"] == [{"port": 443, "protocol": "TCP"}]


@pytest.mark.parametrize("reader", sorted(SERVICES))
def test_a_reader_reaches_whoever_writes_what_it_reads(reader: str, tmp_path: Path) -> None:
    """It asks the writer for events that it lacks, its own API for its own."""
    policies = objects("NetworkPolicy")
    topics = [subscription.topic for subscription in definition(reader, tmp_path).subscriptions]
    owners = {owner for topic in topics for owner in TOPICS[topic].writers if owner in SERVICES}

    assert owners <= named(policies[f"{reader}-edges"]["spec"]["egress"][0]["to"])
    for owner in owners:
        assert reader in named(policies[f"{owner}-edges"]["spec"]["ingress"][0]["from"]), owner


def test_namespace_enforces_the_restricted_level() -> None:
    assert objects("Namespace")["doorstep"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

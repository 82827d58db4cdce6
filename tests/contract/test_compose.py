"""docker-compose.yml keeps to the Compose Specification, and says what the code says.

No Docker engine runs here. `ComposeFile` is the part of the specification (https://compose-spec.io) that the file uses,
written down as closed models: a misspelt key, a wrong type or an unknown form fails. The rest holds it to the code.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cli.prepare import PrepareSettings, write_clients
from services.visits.settings import VisitSettings
from shared.embedded.kafka import ADMIN, PROPERTIES, SASL_MECHANISM
from shared.events.topics import MAX_MESSAGE_BYTES, SERVICES
from shared.security.clients import read_clients
from shared.security.issuer import IssuerSettings
from shared.service import ROLES
from shared.settings import ServiceSettings
from shared.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[2]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$")]
Duration = Annotated[str, StringConstraints(pattern=r"^(\d+(us|ms|s|m|h))+$")]
Size = Annotated[str, StringConstraints(pattern=r"^\d+(b|k|m|g|kb|mb|gb)$")]
Port = Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:\d{2,5}:\d{2,5}$")]  # never on every interface
Mount = Annotated[str, StringConstraints(pattern=r"^[\w./-]+:/[\w./-]+(:ro)?$")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(_Closed):
    """05-services.md, healthcheck."""

    test: list[str] | None = Field(None, min_length=2)
    interval: Duration | None = None
    timeout: Duration | None = None
    start_period: Duration | None = None
    retries: int | None = None
    disable: bool | None = None


class Dependency(_Closed):
    """05-services.md, depends_on, long form."""

    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class ComposeService(_Closed):
    """05-services.md."""

    image: str = Field(pattern=r"^[a-z0-9./-]+(:[\w.-]+)?$")
    build: str | None = None
    command: list[str] | None = None
    entrypoint: list[str] | None = None
    environment: dict[Name, str] = Field(default_factory=dict)
    volumes: list[Mount] = Field(default_factory=list)
    ports: list[Port] = Field(default_factory=list)
    depends_on: dict[Name, Dependency] | list[Name] = Field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    hostname: str | None = None
    init: bool | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"] | None = None
    read_only: bool | None = None
    tmpfs: list[str] | None = None
    cap_drop: list[str] | None = None
    security_opt: list[str] | None = None
    stop_grace_period: Duration | None = None
    mem_limit: Size | None = None
    shm_size: Size | None = None


class ComposeFile(_Closed):
    """03-compose-file.md; extension fields (x-) are left out before."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    services: dict[Name, ComposeService]
    volumes: dict[Name, None]


def _document() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return {key: value for key, value in document.items() if not key.startswith("x-")}


COMPOSE = ComposeFile.model_validate(_document())
OURS = {name: COMPOSE.services[name] for name in SERVICES}


def known(settings: type[BaseModel]) -> set[str]:
    """Names of the environment variables that these settings read."""
    return {f"DOORSTEP_{name.upper()}" for name in settings.model_fields}


def values(service: str) -> dict[str, str]:
    """Settings of a service as its container gets them, with some secret."""
    environment = COMPOSE.services[service].environment
    return {
        name.removeprefix("DOORSTEP_").lower(): re.sub(r"\$\{DOORSTEP_SECRET:\?[^}]*\}", "0a1b2c3d" * 4, value)
        for name, value in environment.items()
    }


@pytest.mark.parametrize("change", [{"comand": ["x"]}, {"ports": ["8000:8000"]}, {"environment": {"A": True}}])
def test_the_model_can_fail(change: dict[str, Any]) -> None:
    document = _document()
    document["services"]["visits"] = document["services"]["visits"] | change
    with pytest.raises(ValidationError):
        ComposeFile.model_validate(document)


def test_every_named_thing_exists() -> None:
    for name, service in COMPOSE.services.items():
        assert set(service.depends_on) <= set(COMPOSE.services), name
        for mount in service.volumes:
            source = mount.partition(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE.volumes, mount


def test_who_waits_for_health_waits_for_somebody_who_tells() -> None:
    for service in COMPOSE.services.values():
        if isinstance(service.depends_on, dict):
            for name, dependency in service.depends_on.items():
                healthcheck = COMPOSE.services[name].healthcheck
                if dependency.condition == "service_healthy":
                    assert healthcheck is not None
                    assert healthcheck.test is not None


def test_all_five_services_and_the_platform() -> None:
    assert set(COMPOSE.services) == {
        *SERVICES, "postgres", "kafka", "prepare", "issuer", "otel-collector", "prometheus", "grafana",
    }  # fmt: skip


def test_official_images() -> None:
    assert COMPOSE.services["postgres"].image == "postgres:18"
    assert COMPOSE.services["kafka"].image == "apache/kafka:4.3.1"


@pytest.mark.parametrize("service", SERVICES)
def test_settings_are_the_codes(service: str) -> None:
    settings_type = VisitSettings if service == "visits" else ServiceSettings
    assert set(OURS[service].environment) <= known(settings_type)
    settings = settings_type(**values(service))  # type: ignore[arg-type]
    assert settings.kafka_username == settings.oidc_client_id == service
    assert settings.database_url.get_secret_value().endswith(f"/{service}")
    urls = {name: getattr(settings, f"{name}_url") for name in SERVICES}
    assert urls == {name: f"http://{name}:{settings.http_port}" for name in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_command_runs_the_service_in_all_roles(service: str) -> None:
    assert OURS[service].command == ["python", "-m", f"services.{service}", "--roles", ",".join(ROLES)]


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_confined(service: str) -> None:
    container = OURS[service]
    assert (container.read_only, container.cap_drop) == (True, ["ALL"])
    assert container.volumes == [f"keys-{service}:/keys"]


@pytest.mark.parametrize(("name", "module"), [("prepare", "cli.prepare"), ("issuer", "shared.security.issuer")])
def test_the_other_commands_are_programs(name: str, module: str) -> None:
    assert COMPOSE.services[name].command == ["python", "-m", module]
    source = ROOT / f"{module.replace('.', '/')}.py"
    assert any(
        isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in ast.parse(source.read_text()).body
    )


def test_preparation_and_issuer_share_the_clients(tmp_path: Path) -> None:
    prepare = PrepareSettings(**values("prepare"))  # type: ignore[arg-type]
    issuer = IssuerSettings(**values("issuer"))  # type: ignore[arg-type]
    assert set(COMPOSE.services["prepare"].environment) <= known(PrepareSettings)
    assert set(COMPOSE.services["issuer"].environment) <= known(IssuerSettings)
    assert prepare.issuer_clients == issuer.issuer_clients
    assert issuer.oidc_issuer == values("visits")["oidc_issuer"]
    write_clients(tmp_path / "clients.json", prepare.secret.get_secret_value())
    secrets = {client.client_secret for client in read_clients(tmp_path / "clients.json").values()}
    assert secrets == {values("visits")["oidc_client_secret"]}


def test_broker_is_set_up_like_the_embedded_one() -> None:
    text = (ROOT / "deploy/compose/kafka.properties").read_text()
    expected = PROPERTIES.format(
        host="kafka", port=9092, controller_port=9093, mechanism=SASL_MECHANISM, mechanism_key=SASL_MECHANISM.lower(),
        admin=ADMIN, password="@PASSWORD@", data="/var/lib/kafka/data",
    )  # fmt: skip
    assert text.partition("\n")[2].strip() == expected.strip()
    assert f"message.max.bytes={MAX_MESSAGE_BYTES}" in text
    assert values("visits")["kafka_bootstrap"] == "kafka:9092"


def test_image_holds_what_the_commands_need() -> None:
    dockerfile, ignored = (ROOT / "Dockerfile").read_text(), (ROOT / ".dockerignore").read_text()
    for folder in ("shared", "services", "cli"):
        assert f"COPY {folder} {folder}" in dockerfile
        assert f"!{folder}" in ignored
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER \d+$", dockerfile, re.MULTILINE)


def test_prometheus_scrapes_every_service() -> None:
    config = yaml.safe_load((ROOT / "deploy/telemetry/prometheus.yaml").read_text())
    targets = {entry["labels"]["service"]: entry["targets"] for entry in config["scrape_configs"][0]["static_configs"]}
    assert targets == {service: [f"{service}:{values(service)['http_port']}"] for service in SERVICES}


def test_dashboard_shows_metrics_that_exist() -> None:
    text = (ROOT / "deploy/telemetry/grafana/doorstep.json").read_text()
    exposed = {name.replace(".", "_") for name in METRICS}
    shown = {
        re.sub(r"(_seconds)?(_bucket|_total|_sum|_count)?$", "", name) for name in re.findall(r"doorstep_\w+", text)
    }
    assert shown
    assert shown <= exposed


def test_collector_listens_where_services_send() -> None:
    config = yaml.safe_load((ROOT / "deploy/telemetry/otel-collector.yaml").read_text())
    assert values("visits")["otlp_endpoint"].endswith(config["receivers"]["otlp"]["protocols"]["http"]["endpoint"][7:])
    pipelines = config["service"]["pipelines"]
    for pipeline in pipelines.values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(config[part])


def test_no_secret_has_a_default() -> None:
    assert not re.search(r"\$\{\w*(SECRET|PASSWORD)\w*:?-", (ROOT / "docker-compose.yml").read_text())

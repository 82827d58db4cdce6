"""Alerts and runbooks belong together, and alerts watch metrics that exist."""

import re
from pathlib import Path

import pytest
import yaml

from shared.events.topics import SERVICES
from shared.telemetry.metrics import FROM_ZERO, METRICS

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/k8s/slo/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
_SUFFIX = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}
_UNITS = {"s": "_seconds"}


def exposed_names() -> set[str]:
    """Names under which Prometheus sees our metrics."""
    return {
        name.replace(".", "_") + _UNITS.get(metric.unit, "") + suffix
        for name, metric in METRICS.items()
        for suffix in _SUFFIX[metric.kind]
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_has_a_runbook_that_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    text = (ROOT / rule["annotations"]["runbook"]).read_text()

    assert text.startswith(f"# {rule['alert']}\n")
    assert {"## What it means", "## Look", "## Do"} <= set(text.splitlines())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_watches_a_metric_that_exists(rule: dict[str, str]) -> None:
    watched = set(re.findall(r"\bdoorstep_\w+", rule["expr"]))

    assert watched <= exposed_names()


INCREASES = [
    (rule["alert"], *found)
    for rule in RULES
    for found in re.findall(r'increase\((\w+)(?:\{(\w+)=~?"([^"]+)"\})?\[', rule["expr"])
]


@pytest.mark.parametrize(("alert", "metric", "label", "values"), INCREASES)
def test_what_an_alert_sees_increase_begins_at_zero(alert: str, metric: str, label: str, values: str) -> None:
    begun = [
        labels
        for counters in FROM_ZERO.values()
        for name, series in counters.items()
        if f"{name.replace('.', '_')}_total" == metric
        for labels in series
    ]

    assert begun
    if label:
        assert set(values.split("|")) <= {labels[label] for labels in begun}


def test_every_increase_is_looked_at() -> None:
    assert len(INCREASES) == sum(rule["expr"].count("increase(") for rule in RULES)


def test_every_runbook_belongs_to_an_alert() -> None:
    named = {Path(rule["annotations"]["runbook"]).name for rule in RULES}

    assert {path.name for path in (ROOT / "docs/runbooks").glob("*.md")} == named


def test_a_service_that_is_not_there_is_missed_by_name() -> None:
    (absent,) = (rule["expr"] for rule in RULES if rule["alert"] == "ServiceAbsent")
    assert set(re.findall(r'absent\(\w+\{service="(\w+)"\}\)', absent)) == set(SERVICES)


def test_pods_are_scraped_under_the_label_that_the_rules_group_by() -> None:
    (endpoint,) = yaml.safe_load((ROOT / "deploy/k8s/slo/scrape.yaml").read_text())["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"service"}
    compose = yaml.safe_load((ROOT / "deploy/telemetry/prometheus.yaml").read_text())["scrape_configs"]
    for target in (target for config in compose for target in config["static_configs"]):
        assert {"service", "namespace", "pod"} <= set(target["labels"])

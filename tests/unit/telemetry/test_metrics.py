"""The closed list of metrics, and the exposition."""

import subprocess
import sys
from typing import get_args

import pytest

from shared.telemetry import metrics
from shared.telemetry.metrics import METRICS, MetricName, count, observe, set_gauge


def test_every_name_is_explained() -> None:
    assert set(METRICS) == set(get_args(MetricName))
    assert all(metric.meaning.endswith(".") and metric.unit for metric in METRICS.values())


def test_distributions_have_buckets() -> None:
    assert [n for n, m in METRICS.items() if (m.kind == "histogram") != bool(m.buckets)] == []


def test_label_outside_the_list() -> None:
    with pytest.raises(ValueError, match="party_id"):
        count("doorstep.permits.refused", party_id="p")


def test_kind_is_kept() -> None:
    with pytest.raises(ValueError, match="counter"):
        set_gauge("doorstep.permits.refused", 1)
    with pytest.raises(ValueError, match="gauge"):
        observe("doorstep.intents.due", 1)


def test_unknown_name() -> None:
    with pytest.raises(KeyError):
        count("doorstep.invented")  # type: ignore[arg-type]


def test_labels_hold_no_ids() -> None:
    assert not [label for label in metrics.LABELS if label.endswith("id")]


def test_process_exposes_what_it_counted() -> None:
    # Providers are global and set once per process, so this needs a process of its own.
    program = """
from pydantic import SecretStr
from shared.settings import ServiceSettings
from shared.telemetry.metrics import count, observe, set_gauge
from shared.telemetry.setup import metrics_exposition, setup_telemetry
count("doorstep.permits.refused", rule="before-setup")
url = SecretStr("postgresql://x@y/z")
settings = ServiceSettings(environment="development", database_url=url, kafka_bootstrap="k:1")
telemetry = setup_telemetry(settings, service="visits", sampled_share=1)
count("doorstep.permits.refused", 3, rule="cn-hours")
set_gauge("doorstep.intents.due", 5, kind="permit")
observe("doorstep.recall.duration", 0.3)
print(metrics_exposition()[0].decode())
telemetry.shutdown()
"""
    text = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert 'doorstep_permits_refused_total{otel_scope_name="doorstep"' in text
    assert 'rule="cn-hours"} 3.0' in text
    assert "doorstep_recall_duration_seconds_bucket" in text
    assert "doorstep_intents_due" in text
    assert 'service_name="visits"' in text


def test_import_stays_small() -> None:
    program = """
import psutil, shared.web.app, shared.web.client, shared.telemetry.setup, shared.security.signing
print(psutil.Process().memory_info().rss // 2**20)  # not ru_maxrss: Linux carries the parent's peak over fork and exec
"""
    megabytes = int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert megabytes < 150

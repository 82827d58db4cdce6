"""The closed list of metrics: a name that is not here does not exist, so dashboards and alerts can be held against
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, get_args

from opentelemetry import metrics
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.metrics import _Gauge as Gauge  # the API exports the class under this name only

MetricName = Literal[
    "doorstep.consumer.events",
    "doorstep.consumer.batch.duration",
    "doorstep.consumer.batch.size",
    "doorstep.consumer.oldest_unprocessed.age",
    "doorstep.consumer.lag",
    "doorstep.consumer.event.latency",
    "doorstep.consumer.paused",
    "doorstep.outbox.oldest_unpublished.age",
    "doorstep.outbox.published",
    "doorstep.outbox.blocked_keys",
    "doorstep.relay.wave.duration",
    "doorstep.snapshots",
    "doorstep.intents.due",
    "doorstep.intents.oldest_due.age",
    "doorstep.intents.calls",
    "doorstep.dead_letters.open",
    "doorstep.parties.parked",
    "doorstep.watermark.age",
    "doorstep.commands",
    "doorstep.permits.granted",
    "doorstep.permits.refused",
    "doorstep.findings.recorded",
    "doorstep.complaints.due",
    "doorstep.duties.overdue",
    "doorstep.fact_tasks.overdue",
    "doorstep.feeds.silent",
    "doorstep.feeds.incomplete",
    "doorstep.feeds.unclosed",
    "doorstep.records.erased",
    "doorstep.reconciliation.compared.until",
    "doorstep.reconciliation.differences",
    "doorstep.samples.waiting",
    "doorstep.records.sealed",
    "doorstep.records.deleted",
    "doorstep.people.erased",
    "doorstep.people.restricted",
    "doorstep.retention.judged",
    "doorstep.retention.looked.until",
    "doorstep.log.covered.until",
    "doorstep.log.forked",
    "doorstep.recall.duration",
    "doorstep.check_ins",
    "doorstep.alarms.raised",
    "doorstep.tokens.refused",
    "doorstep.score.cases",
    "doorstep.score.drift",
    "doorstep.strategy.chosen",
    "doorstep.books.compared",
    "doorstep.core.words",
    "doorstep.write_backs",
    "doorstep.tapes.missing",
    "doorstep.plans.reviews.late",
    "doorstep.alarms.oldest_open.age",
]
Kind = Literal["counter", "gauge", "histogram"]
# Labels are few and closed: never an id of a party, case, visit or person.
Label = Literal["topic", "partition", "type", "outcome", "kind", "reason", "role", "rule", "route", "owner"]
LABELS: Final[frozenset[str]] = frozenset(get_args(Label))

_LATENCY_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SIZES: Final = (1, 10, 50, 100, 250, 500, 1000, 2500)


@dataclass(frozen=True)
class Metric:
    """One metric: what kind it is, its unit (UCUM) and what it means."""

    kind: Kind
    unit: str
    meaning: str
    buckets: tuple[float, ...] = ()


METRICS: Final[dict[MetricName, Metric]] = {
    "doorstep.consumer.events": Metric("counter", "{event}", "Events consumed, by topic and outcome."),
    "doorstep.consumer.batch.duration": Metric(
        "histogram", "s", "Time from batch to commit, by topic.", _LATENCY_SECONDS
    ),
    "doorstep.consumer.batch.size": Metric("histogram", "{event}", "Events per batch, by topic.", _SIZES),
    "doorstep.consumer.oldest_unprocessed.age": Metric(
        "gauge", "s", "Age of the oldest event not yet processed, by topic and partition; alert on this, not on lag."
    ),
    "doorstep.consumer.lag": Metric("gauge", "{event}", "Events behind the end of the log, by topic and partition."),
    "doorstep.consumer.event.latency": Metric(
        "histogram", "s", "From an event's recorded time to its commit here, by topic.", _LATENCY_SECONDS
    ),
    "doorstep.consumer.paused": Metric("gauge", "1", "1 while a partition waits after a transient error."),
    "doorstep.outbox.oldest_unpublished.age": Metric("gauge", "s", "Age of the oldest event not yet published."),
    "doorstep.outbox.published": Metric("counter", "{event}", "Events acknowledged by the broker, by topic."),
    "doorstep.outbox.blocked_keys": Metric("gauge", "{key}", "Keys that a refused event holds back; alert above zero."),
    "doorstep.relay.wave.duration": Metric(
        "histogram", "s", "Time of one wave, sent to acknowledged.", _LATENCY_SECONDS
    ),
    "doorstep.snapshots": Metric("counter", "{question}", "Questions to owners after a lasting gap, by outcome."),
    "doorstep.intents.due": Metric("gauge", "{intent}", "Intents due and not yet carried out, by kind."),
    "doorstep.intents.oldest_due.age": Metric("gauge", "s", "How long the oldest due intent has waited, by kind."),
    "doorstep.intents.calls": Metric("counter", "{call}", "Intent calls, by kind and outcome."),
    "doorstep.dead_letters.open": Metric("gauge", "{record}", "Dead letters nobody has resolved; alert above zero."),
    "doorstep.parties.parked": Metric("gauge", "{party}", "Parties whose events wait behind a dead letter."),
    "doorstep.watermark.age": Metric("gauge", "s", "Age of the service's low watermark: how old its facts may be."),
    "doorstep.commands": Metric("counter", "{command}", "Commands, by outcome: done, refused, replayed."),
    "doorstep.permits.granted": Metric("counter", "{permit}", "Permits granted, by kind of contact."),
    "doorstep.permits.refused": Metric("counter", "{permit}", "Permits refused, by rule."),
    "doorstep.findings.recorded": Metric("counter", "{finding}", "Findings opened or judged again, by rule."),
    "doorstep.complaints.due": Metric(
        "gauge", "{complaint}", "Unanswered complaints: late, or soon (within three days)."
    ),
    "doorstep.duties.overdue": Metric("gauge", "{duty}", "What rules ask by a day and nobody did, by owner."),
    "doorstep.fact_tasks.overdue": Metric("gauge", "{task}", "Facts that should have been found out, by owner."),
    "doorstep.feeds.silent": Metric("gauge", "{feed}", "Feeds that should have spoken; alert above zero."),
    "doorstep.feeds.unclosed": Metric("gauge", "{feed}", "Feeds that owe the signed total of a day; alert above zero."),
    "doorstep.records.erased": Metric("counter", "{record}", "Records told of erased people and not kept, by teller."),
    "doorstep.feeds.incomplete": Metric("gauge", "{day}", "Closed days of feeds that lack records; alert above zero."),
    "doorstep.reconciliation.compared.until": Metric(
        "gauge", "s", "Unix time up to which every stream was compared with its publisher."
    ),
    "doorstep.reconciliation.differences": Metric(
        "gauge", "{hour}", "Hours in which a publisher and compliance do not have the same events; alert above zero."
    ),
    "doorstep.samples.waiting": Metric("gauge", "{sample}", "Samples that wait over three days for a second person."),
    "doorstep.people.erased": Metric("counter", "{person}", "People erased, by request or by retention."),
    "doorstep.people.restricted": Metric("gauge", "{person}", "People whose records only the rights desk reads."),
    "doorstep.retention.judged": Metric("counter", "{person}", "People whose retention was looked at."),
    "doorstep.retention.looked.until": Metric(
        "gauge",
        "s",
        "Unix time at which everybody's retention was last looked at; a clock that stands still alarms.",
    ),
    "doorstep.records.sealed": Metric("counter", "{record}", "Records of before version 0019 sealed for their people."),
    "doorstep.records.deleted": Metric(
        "counter", "{record}", "Records deleted because the minimum of their sort had passed."
    ),
    "doorstep.log.covered.until": Metric(
        "gauge", "s", "Unix time up to which every leaf is under a signed head; a clock that stands still alarms, too."
    ),
    "doorstep.log.forked": Metric(
        "gauge", "1", "1 while signing is refused: the tree does not extend what was signed, or the head is missing."
    ),
    "doorstep.recall.duration": Metric(
        "histogram", "s", "From learning of a stopping fact to the visit's recall.", _LATENCY_SECONDS
    ),
    "doorstep.check_ins": Metric("counter", "{check_in}", "Check-ins, by outcome: accepted, or the reason of refusal."),
    "doorstep.alarms.raised": Metric("counter", "{alarm}", "Alarms (SOS, crew that did not check out), by kind."),
    "doorstep.tokens.refused": Metric("counter", "{token}", "Access tokens refused, by reason."),
    "doorstep.score.cases": Metric("counter", "{case}", "Cases scored, by question and whether the score is shown."),
    "doorstep.strategy.chosen": Metric("counter", "{case}", "Next actions told, by action."),
    "doorstep.score.drift": Metric(
        "gauge", "1", "How far today's cases are from those of the training (PSI), by characteristic; alert above 0.25."
    ),
    "doorstep.tapes.missing": Metric(
        "counter", "{look}", "Looks, one a minute and core, that found a promised tape missing; alert on any."
    ),
    "doorstep.write_backs": Metric(
        "counter", "{item}", "What the core was told, by its answer; alert on refused, and on none answered."
    ),
    "doorstep.books.compared": Metric(
        "counter", "{run}", "Comparisons of intake's books with the core's, by what they found; alert on an incident."
    ),
    "doorstep.alarms.oldest_open.age": Metric(
        "gauge", "s", "Age of the oldest alarm that nobody has acknowledged; 0 when none is open."
    ),
    "doorstep.plans.reviews.late": Metric("gauge", "{plan}", "Plans that wait over a week for a person's decision."),
    "doorstep.core.words": Metric(
        "counter",
        "{record}",
        "Records that tell days past due beside the amounts, by whether both agree; differing ones also of two records "
        "under one number. Alert on any that differs.",
    ),
}

# Alerts ask what came on top (`increase`), and in a series that begins with its first event nothing ever did: the first
# SOS after a start would wake nobody. What alerts ask so begins at zero, in the service that counts it.
FROM_ZERO: Final[dict[str, dict[MetricName, tuple[dict[str, str], ...]]]] = {
    "visits": {
        "doorstep.alarms.raised": ({"kind": "sos"}, {"kind": "check_out_overdue"}),
        "doorstep.check_ins": (
            {"outcome": "no_permit"}, {"outcome": "permit_forged"}, {"outcome": "permit_foreign"},
            {"outcome": "permit_used"}, {"outcome": "facts_stale"},
        ),
    },
    "intake": {
        "doorstep.books.compared": ({"outcome": "incident"}, {"outcome": "totals_differ"}),
        "doorstep.core.words": ({"outcome": "differs"},),
        "doorstep.tapes.missing": ({},),
        "doorstep.write_backs": ({"outcome": "refused"}, {"outcome": "unanswered"}, {"outcome": "acknowledged"}),
    },
}  # fmt: skip


def begin_counts(service: str) -> None:
    """Show the service's counters of `FROM_ZERO` from the start."""
    for name, series in FROM_ZERO.get(service, {}).items():
        for labels in series:
            count(name, 0, **labels)


def count(name: MetricName, amount: int = 1, **labels: str) -> None:
    """Add to a counter. Raises ValueError for a label outside the closed set."""
    _counter(name).add(amount, _checked(labels))


def set_gauge(name: MetricName, value: float, **labels: str) -> None:
    """Set a gauge. Raises ValueError for a label outside the closed set."""
    _gauge(name).set(value, _checked(labels))


def observe(name: MetricName, value: float, **labels: str) -> None:
    """Record into a histogram. Raises ValueError for a label outside the closed set."""
    _histogram(name).record(value, _checked(labels))


def forget_instruments() -> None:
    """Tests: let the instruments bind to a newly installed provider."""
    for binding in (_counter, _gauge, _histogram):
        binding.cache_clear()


def _checked(labels: dict[str, str]) -> dict[str, str]:
    if not LABELS.issuperset(labels):
        raise ValueError(f"labels {sorted(set(labels) - LABELS)} are not in shared/telemetry/metrics.py")
    return labels


def _declared(name: MetricName, kind: Kind) -> Metric:
    metric = METRICS[name]
    if metric.kind != kind:
        raise ValueError(f"{name} is a {metric.kind}, not a {kind}")
    return metric


@cache
def _counter(name: MetricName) -> Counter:
    metric = _declared(name, "counter")
    return metrics.get_meter("doorstep").create_counter(name, unit=metric.unit, description=metric.meaning)


@cache
def _gauge(name: MetricName) -> Gauge:
    metric = _declared(name, "gauge")
    return metrics.get_meter("doorstep").create_gauge(name, unit=metric.unit, description=metric.meaning)


@cache
def _histogram(name: MetricName) -> Histogram:
    metric = _declared(name, "histogram")
    return metrics.get_meter("doorstep").create_histogram(
        name, unit=metric.unit, description=metric.meaning, explicit_bucket_boundaries_advisory=metric.buckets
    )

"""The measures of the event runtime, over the OpenTelemetry API. Names are closed; attributes hold no ids of people."""

from __future__ import annotations

from typing import Final, Literal

from opentelemetry import metrics

CounterName = Literal[
    "doorstep.events.consumed",
    "doorstep.events.skipped",
    "doorstep.events.uncatalogued",
    "doorstep.events.duplicate",
    "doorstep.events.dead_lettered",
    "doorstep.events.waiting",
    "doorstep.events.replayed",
    "doorstep.events.published",
    "doorstep.consumer.retries",
    "doorstep.consumer.bisections",
    "doorstep.consumer.halts",
    "doorstep.consumer.fenced",
    "doorstep.relay.failures",
    "doorstep.relay.blocked",
    "doorstep.intents.done",
    "doorstep.intents.retried",
]
HistogramName = Literal[
    "doorstep.consumer.batch.size",
    "doorstep.consumer.batch.seconds",
    "doorstep.consumer.event.age.seconds",
    "doorstep.relay.batch.size",
    "doorstep.relay.batch.seconds",
    "doorstep.intents.call.seconds",
]
_meter = metrics.get_meter("doorstep.messaging")
_counters: Final[dict[CounterName, metrics.Counter]] = {}
_histograms: Final[dict[HistogramName, metrics.Histogram]] = {}


def count(name: CounterName, amount: int = 1, **attributes: str) -> None:
    """Add `amount` to a counter."""
    counter = _counters.get(name)
    if counter is None:
        counter = _counters[name] = _meter.create_counter(name)
    counter.add(amount, attributes)


def observe(name: HistogramName, value: float, **attributes: str) -> None:
    """Record one value of a distribution (seconds or a plain number, as the name says)."""
    histogram = _histograms.get(name)
    if histogram is None:
        histogram = _histograms[name] = _meter.create_histogram(name)
    histogram.record(value, attributes)

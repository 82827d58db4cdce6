"""Sets up traces and metrics of one process: W3C propagation, OTLP when an endpoint is given, Prometheus always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.settings import ServiceSettings
from shared.telemetry.metrics import begin_counts, forget_instruments

EXPORT_SECONDS: Final = 15
# The framework's count of requests under way costs each of them two measurements, and no dashboard asks for it.
_UNWATCHED: Final = View(instrument_name="http.server.active_requests", aggregation=DropAggregation())
_registry: CollectorRegistry | None = None


@dataclass(frozen=True)
class Telemetry:
    """The process's providers; shut them down last, so that the end of the story is exported too."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider

    def shutdown(self) -> None:
        """Export what is left and stop."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


def setup_telemetry(
    settings: ServiceSettings, *, service: str, version: str = "0.1.0", sampled_share: float = 0.1
) -> Telemetry:
    """Install the global providers, once per process. A caller's sampling decision is kept; roots are sampled by
    share.
    """
    global _registry
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "doorstep",
            "service.version": version,
            "deployment.environment.name": settings.environment,
        }
    )
    tracer_provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(sampled_share)))
    _registry = CollectorRegistry()
    readers: list[MetricReader] = [PrometheusMetricReader(registry=_registry)]
    if settings.otlp_endpoint:
        readers.append(_otlp(settings.otlp_endpoint, tracer_provider))
    meter_provider = MeterProvider(metric_readers=readers, resource=resource, views=[_UNWATCHED])
    # Baggage is left out: what others put there would travel into our events.
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    forget_instruments()
    begin_counts(service)
    return Telemetry(tracer_provider, meter_provider)


def metrics_exposition() -> tuple[bytes, str]:
    """The metrics in Prometheus text form, and its media type; empty before `setup_telemetry`."""
    return (generate_latest(_registry) if _registry is not None else b""), CONTENT_TYPE_LATEST


def _otlp(endpoint: str, tracer_provider: TracerProvider) -> MetricReader:
    # Imported only when used: the exporters' protobuf classes cost memory that a laptop run does not need.
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    base = endpoint.rstrip("/")
    tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
    exporter = OTLPMetricExporter(endpoint=f"{base}/v1/metrics")
    return PeriodicExportingMetricReader(exporter, export_interval_millis=EXPORT_SECONDS * 1000)

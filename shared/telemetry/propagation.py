"""W3C Trace Context (traceparent) in and out of event headers and intents; HTTP uses the framework's own."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def current_traceparent() -> str | None:
    """The present span as a `traceparent` value, or None outside any trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def context_of(traceparent: str | None) -> Context:
    """The context to start a child span in; an absent or malformed value starts a new trace."""
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {}, context=Context())


def link_of(traceparent: str | None) -> trace.Link | None:
    """A link to the span that `traceparent` names, or None when it names none."""
    context = trace.get_current_span(context_of(traceparent)).get_span_context()
    return trace.Link(context) if context.is_valid else None

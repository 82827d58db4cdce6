"""W3C trace context in Kafka headers, over the OpenTelemetry API only.

One span per batch; a sampled event also gets a span of its own, parented by its `traceparent`, because a span keeps at
most 128 links and a span per event costs more than handling the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

tracer = trace.get_tracer("doorstep.messaging")

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$")


def format_traceparent(span_context: SpanContext) -> str:
    """The `traceparent` header of a span."""
    return f"00-{span_context.trace_id:032x}-{span_context.span_id:016x}-{span_context.trace_flags:02x}"


def current_traceparent() -> str | None:
    """The `traceparent` of the current span, or None outside of any trace."""
    span_context = trace.get_current_span().get_span_context()
    return format_traceparent(span_context) if span_context.is_valid else None


def is_sampled(traceparent: str | None) -> bool:
    """Whether the caller recorded its part of the trace (the last bit of the flags); malformed means no."""
    return traceparent is not None and len(traceparent) >= 55 and traceparent[54] in "13579bdf"


def parent_context(traceparent: str | None) -> context.Context:
    """A context whose parent is the remote span named by `traceparent`; an empty one when it is absent or malformed."""
    match = _TRACEPARENT.match(traceparent) if traceparent else None
    if match is None:
        return context.Context()
    remote = SpanContext(
        trace_id=int(match[1], 16), span_id=int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), context.Context())


def event_span(name: str, traceparent: str | None, *, kind: SpanKind = SpanKind.CONSUMER) -> Span:
    """Start the own span of a sampled event; the caller ends it. It is not made current: the batch span is."""
    return tracer.start_span(name, context=parent_context(traceparent), kind=kind)


@contextmanager
def continued_span(name: str, traceparent: str | None, *, kind: SpanKind = SpanKind.CLIENT) -> Iterator[Span]:
    """Run the body in a span that continues the trace of `traceparent`."""
    with tracer.start_as_current_span(name, context=parent_context(traceparent), kind=kind) as span:
        yield span

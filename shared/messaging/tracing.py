"""Spans of the event path: one per batch, and one of its own for each sampled event.

A span per event costs more than handling the event, and one span keeps at most 128 links; so only events whose sender
recorded its part of the trace (the sampled flag of `traceparent`) get a span, parented by that sender's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

_FLAGS_AT = 53
# https://www.w3.org/TR/trace-context/#traceparent-header; later versions may append fields.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def current_traceparent() -> str | None:
    """The present span as a `traceparent` value, or None outside any trace."""
    span_context = trace.get_current_span().get_span_context()
    return traceparent_of(span_context) if span_context.is_valid else None


def context_of(traceparent: str | None) -> Context:
    """The context to start a child span in; an absent or malformed value starts a new trace."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return Context()
    remote = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(remote), Context())


def is_sampled(traceparent: str) -> bool:
    """Whether the sender recorded its part of the trace (lowest bit of the flags); malformed means no."""
    return len(traceparent) >= _FLAGS_AT + 2 and traceparent[_FLAGS_AT + 1] in "13579bdf"


def traceparent_of(span_context: SpanContext) -> str:
    """The `traceparent` of a span."""
    return f"00-{span_context.trace_id:032x}-{span_context.span_id:016x}-{span_context.trace_flags:02x}"


@contextmanager
def batch_span(name: str, *, kind: SpanKind, attributes: dict[str, str | int]) -> Iterator[Span]:
    """The span of one batch, current inside the block."""
    with trace.get_tracer("doorstep.messaging").start_as_current_span(name, kind=kind, attributes=attributes) as span:
        yield span


@contextmanager
def event_spans(name: str, traceparents: Iterable[str]) -> Iterator[dict[str, str]]:
    """Spans for the sampled ones of `traceparents`; gives the `traceparent` to pass on in place of each such one."""
    tracer = trace.get_tracer("doorstep.messaging")
    spans: list[Span] = []
    passed_on: dict[str, str] = {}
    for traceparent in traceparents:
        if is_sampled(traceparent) and traceparent not in passed_on:
            span = tracer.start_span(name, context=context_of(traceparent), kind=SpanKind.CONSUMER)
            spans.append(span)
            if span.get_span_context().is_valid:
                passed_on[traceparent] = traceparent_of(span.get_span_context())
    try:
        yield passed_on
    finally:
        for span in spans:
            span.end()

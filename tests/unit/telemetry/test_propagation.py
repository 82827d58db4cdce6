"""W3C trace context through event headers."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from shared.telemetry.propagation import context_of, current_traceparent, link_of

tracer = TracerProvider().get_tracer("t")


def test_trace_goes_out_and_comes_back() -> None:
    with tracer.start_as_current_span("cause") as cause:
        traceparent = current_traceparent()
    with tracer.start_as_current_span("effect", context=context_of(traceparent)) as effect:
        assert effect.get_span_context().trace_id == cause.get_span_context().trace_id


def test_no_trace_outside() -> None:
    assert current_traceparent() is None


@pytest.mark.parametrize("value", [None, "", "x", "00-0-0-00", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01"])
def test_malformed_starts_a_new_trace(value: str | None) -> None:
    with tracer.start_as_current_span("present"):
        context = context_of(value)
    assert not trace.get_current_span(context).get_span_context().is_valid
    assert link_of(value) is None

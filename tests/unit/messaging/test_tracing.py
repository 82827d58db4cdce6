"""W3C trace context."""

from __future__ import annotations

import pytest
from opentelemetry import trace

from shared.messaging.tracing import context_of, is_sampled, traceparent_of

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_traceparent_survives_the_way_in_and_out() -> None:
    span_context = trace.get_current_span(context_of(PARENT)).get_span_context()
    assert span_context.is_remote
    assert traceparent_of(span_context) == PARENT


@pytest.mark.parametrize("value", ["", "x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff" + PARENT[2:], PARENT[:-1]])
def test_a_malformed_one_starts_a_new_trace(value: str) -> None:
    assert not trace.get_current_span(context_of(value)).get_span_context().is_valid


@pytest.mark.parametrize(
    ("value", "sampled"), [(PARENT, True), (PARENT[:-1] + "0", False), ("", False), ("garbage", False)]
)
def test_the_sampled_flag_is_the_lowest_bit(value: str, sampled: bool) -> None:
    assert is_sampled(value) is sampled

"""Exponential backoff with full jitter (AWS Architecture Blog, 'Exponential Backoff And Jitter')."""

from __future__ import annotations

import random


def backoff_seconds(attempt: int, *, first: float = 0.1, limit: float = 30.0) -> float:
    """The pause before try `attempt` (1 is the first repetition): random between half and all of a doubling span."""
    span = min(limit, first * 2.0 ** min(attempt - 1, 20))
    return random.uniform(span / 2, span)  # noqa: S311 - spreads load, guards nothing

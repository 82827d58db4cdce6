"""Rows to columns, for statements that take one array per column."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Transpose; there must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]

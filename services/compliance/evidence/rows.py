"""Rows of the tables as documents: what a reader of evidence is shown of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from services.compliance.domain.canonical import format_time
from services.compliance.evidence.scope import Scope

# A permit's token can be used; sealed columns are opened as openings of their leaves only.
_LEFT_OUT: Final = frozenset({"tenant", "token"})


def document_of(row: Mapping[str, Any], *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The row with plain values: times as text, digests in hexadecimal, records parsed."""
    return {
        name: _plain(name, value)
        for name, value in row.items()
        if name not in _LEFT_OUT and name not in without and not name.startswith("sealed_")
    }


def is_of_scope(row: Mapping[str, Any], scope: Scope, other_permits: set[UUID]) -> bool:
    """Whether the row is about the scope's case, where the scope is one case of a person.

    Rows name their case, or a permit of it, or are a decision whose record names it; what names none is of every case.
    """
    if scope.case_id is None:
        return True
    named = row.get("case_id")
    if named is None and "decision_id" in row and row.get("record"):
        asked = json.loads(row["record"]).get("request", {}).get("case_id")
        named = None if asked is None else UUID(asked)
    return named in (None, scope.case_id) and row.get("permit_id") not in other_permits


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return json.loads(value) if name == "record" else value.hex()
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return [_plain(name, one) for one in value] if isinstance(value, list) else value

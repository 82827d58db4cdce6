"""Valid examples of the models of traces."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.traces import ToldTraces, TraceResult, TraceResults
from shared.events.story import PARTY

_RESULT: Final[dict[str, Any]] = {
    "position": 0, "source": "carrier-1", "record_id": "cdr-20260302-000917", "status": "recorded",
    "trace_id": "019d2f00-0000-8a01-8000-000000000091", "problem": None,
}  # fmt: skip
TRACES: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    ToldTraces: {
        "items": [
            {
                "source": "carrier-1", "record_id": "cdr-20260302-000917", "number": 917, "party_id": PARTY,
                "channel": "call", "seen_at": "2026-03-12T02:14:00Z",
            },
        ],
    },
    TraceResult: _RESULT,
    TraceResults: {"items": [_RESULT]},
}  # fmt: skip

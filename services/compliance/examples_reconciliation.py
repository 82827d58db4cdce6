"""Valid examples of reconciliation's models."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.reconciliation import ReconciledHourView

RECONCILIATION: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    ReconciledHourView: {
        "service": "visits", "topic": "contact", "hour": "2026-03-12T02:00:00Z", "published": 41, "applied": 40,
        "differs": True, "missing": ["019ce000-3f10-7a01-8000-000000000081 (dead)"], "extra": [],
        "compared_at": "2026-03-12T03:20:00Z",
    },
}  # fmt: skip

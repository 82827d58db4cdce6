"""Valid examples of the models of conduct that was heard."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.conduct import ConductReported, ReportConduct, RuleBroken
from shared.events.story import CONTACT, PARTY

_BROKEN: Final[dict[str, Any]] = {
    "finding_id": "019d2f00-0000-8a01-8000-000000000081", "rule": "CN-CBA2026-FORBIDDEN", "severity": "high",
    "citation": "CBA guide (2026-01-30): the eight forbidden acts",
}  # fmt: skip
CONDUCT: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    ReportConduct: {
        "party_id": PARTY, "flags": ["threat"], "heard_in": "recording", "reference": "recording:000917",
        "reason": "At minute three the caller says that the police will come.",
    },
    RuleBroken: _BROKEN,
    ConductReported: {"contact_id": CONTACT, "broken": [_BROKEN]},
}  # fmt: skip

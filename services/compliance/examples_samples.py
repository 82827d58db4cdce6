"""Valid examples of the daily sample's models."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.samples import JudgeSample, SampleView
from shared.events.story import PARTY

SAMPLES: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    JudgeSample: {"verdict": "disagree", "reason": "The place of the visit was the customer's workplace."},
    SampleView: {
        "sample_id": "019d2f00-0000-8a01-8000-000000000071", "day": "2026-03-12", "kind": "decision",
        "subject_id": "019d2f00-0000-8a01-8000-000000000072", "party_id": PARTY, "state": "judged",
        "verdict": "disagree", "judged_by": "auditor-3", "judged_at": "2026-03-13T03:00:00Z",
        "finding_id": "019d2f00-0000-8a01-8000-000000000073",
    },
}  # fmt: skip

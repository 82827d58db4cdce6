"""Valid examples of the duties' models."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.duties import DutyDone, DutyView

DUTIES: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    DutyView: {
        "rule": "CN-CBA2026-VENDOR", "citation": "CBA guide (2026-01-30): each agency is inspected once a year",
        "duty": "inspect the agency", "owner": "vendors", "place": "CN", "subject": "agency-7", "every_days": 365,
        "last_done": "2026-02-11", "due_on": "2027-02-11", "waiting": 1, "late": 0,
    },
    DutyDone: {"subject": "agency-7", "done_on": "2026-02-11", "reference": "inspection report 2026-14"},
}  # fmt: skip

"""Valid examples of the duties' models."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.duties import DutyDone, DutyView
from services.compliance.schemas.duty_causes import (
    AnswerDuty,
    DutyCauseView,
    OwedView,
    RelativesGrounds,
    ReportBreach,
    TakeRequest,
)

_PARTY: Final = "019d2f00-0000-8a01-8000-0000000000b1"
_OWED: Final = {
    "rule": "CN-PIPL-49", "citation": "PIPL arts. 49, 50: near relatives' requests on a deceased person's data",
    "duty": "answer the relatives", "owner": "data_protection", "due_at": "2027-01-30T00:00:00Z", "outcome": None,
    "answered_at": None, "late": False,
}  # fmt: skip
_GROUNDS: Final = {"kinship_proof": "FILE-2027-7-2", "own_interest": "FILE-2027-7-3", "arranged_otherwise": False}
DUTIES: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    DutyView: {
        "rule": "CN-CBA2026-VENDOR", "citation": "CBA guide (2026-01-30): each agency is inspected once a year",
        "duty": "inspect the agency", "owner": "vendors", "place": "CN", "subject": "agency-7", "every_days": 365,
        "last_done": "2026-02-11", "due_on": "2027-02-11", "waiting": 1, "late": 0,
    },
    TakeRequest: {
        "party_id": _PARTY, "right": "access", "relation": "child", "received_at": "2027-01-14T09:00:00Z",
        "reference": "FILE-2027-7",
    },
    ReportBreach: {"known_at": "2027-01-14T09:00:00Z", "places": ["CN", "SG"], "reference": "INC-2027-1"},
    AnswerDuty: {
        "party_id": _PARTY, "rule": "CN-PIPL-49", "outcome": "done", "answered_at": "2027-01-20T08:00:00Z",
        "reference": "FILE-2027-7-4", "grounds": _GROUNDS,
    },
    RelativesGrounds: _GROUNDS,
    OwedView: _OWED,
    DutyCauseView: {
        "cause_id": "019d2f00-0000-8a01-8000-0000000000c1", "cause": "relatives_request", "places": ["CN"],
        "caused_at": "2027-01-14T09:00:00Z", "reference": "FILE-2027-7", "owed": [_OWED],
    },
    DutyDone: {"subject": "agency-7", "done_on": "2026-02-11", "reference": "inspection report 2026-14"},
}  # fmt: skip

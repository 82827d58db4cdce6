"""Valid examples of the examinations' models."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.examinations import (
    EndExamination,
    ExaminationReadView,
    ExaminationView,
    ExaminedRow,
    GrantExamination,
)

_CASE: Final = "019d2f00-0000-8a01-8000-000000000011"
_EXAMINER: Final = "examiner:nfra-sh-0417"
_FROM, _TO = "2026-03-12T00:00:00Z", "2026-04-12T00:00:00Z"

EXAMINATIONS: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    GrantExamination: {
        "examiner": _EXAMINER, "authority": "On-site examination 2026/17", "case_id": _CASE, "valid_from": _FROM,
        "valid_to": _TO,
    },
    EndExamination: {"reason": "The examination was closed early."},
    ExaminationView: {
        "grant_id": "019d2f00-0000-8a01-8000-000000000051", "examiner": _EXAMINER,
        "authority": "On-site examination 2026/17", "scope_kind": "case", "scope_name": _CASE, "valid_from": _FROM,
        "valid_to": _TO, "granted_by": "auditor-3", "ended_at": None,
    },
    ExaminedRow: {"position": 0, "row": {"channel": "visit", "purpose": "collection", "verdict": "lawful"}},
    ExaminationReadView: {
        "number": 1, "by_whom": _EXAMINER, "client_id": "examiner", "list": "contacts", "position": 0, "rows": 25,
        "read_at": "2026-03-13T02:00:00Z",
    },
}  # fmt: skip

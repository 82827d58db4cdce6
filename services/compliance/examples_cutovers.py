"""Valid examples of the models of cut-overs."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.domain.cutovers import CutoverSignature, CutoverTerms
from services.compliance.schemas.cutovers import (
    AcceptCutover,
    BeginCutover,
    CutoverParties,
    CutoverView,
    ImportedRecords,
    ImportedResult,
    ImportedResults,
    LookBackView,
    PartiesTaken,
    UnattestedParty,
)
from shared.events.story import PARTY

_TERMS: Final[dict[str, Any]] = {
    "cutover_id": "old-system-2026", "core": "core", "business_date": "2026-03-01", "history_from": "2025-02-01",
    "places": ["CN"], "manifest_sha256": "a" * 64, "dry_run_sha256": "b" * 64,
    "expected": {"hold": 1, "complaint": 1, "contact": 2, "third_person": 0},
}  # fmt: skip
_SIGNATURE: Final[dict[str, Any]] = {
    "approver": "Ann Ames", "signed_on": "2026-03-01", "key": "ann-ames+9f3a2c11+AWxv…", "signature": "c2lnbmVk",
}  # fmt: skip
_RESULT: Final[dict[str, Any]] = {
    "position": 0, "status": "imported", "target_id": "019d2f00-0000-8a01-8000-0000000000a1", "problem": None,
}  # fmt: skip
CUTOVERS: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    CutoverTerms: _TERMS,
    CutoverSignature: _SIGNATURE,
    BeginCutover: {"terms": _TERMS, "signatures": [_SIGNATURE]},
    AcceptCutover: {"read_back_sha256": "c" * 64, "signatures": [_SIGNATURE]},
    CutoverParties: {"party_ids": [PARTY]},
    PartiesTaken: {"parties": 1},
    ImportedRecords: {
        "items": [
            {
                "kind": "contact", "record_ref": "call-2025-000917",
                "contact": {
                    "party_id": PARTY, "channel": "call", "started_at": "2026-02-20T02:14:00Z",
                    "ended_at": "2026-02-20T02:20:00Z", "contact_point": "+86 138 0000 0000", "outcome": "spoke",
                    "reached": "debtor", "conversation": True,
                },
            },
        ],
    },
    ImportedResult: _RESULT,
    ImportedResults: {"items": [_RESULT]},
    CutoverView: {
        "cutover_id": "old-system-2026", "core": "core", "business_date": "2026-03-01",
        "history_from": "2025-02-01", "state": "importing",
        "expected": {"hold": 1, "complaint": 1, "contact": 2, "third_person": 0},
        "held": {"hold": 1, "complaint": 1, "contact": 2, "third_person": 0},
        "erased": {}, "parties": 3, "attested": 0,
    },
    LookBackView: {
        "needed_from": "2025-09-02", "rule": "CN-VISIT-6M", "citation": "The bank's policy", "window": "6_months",
    },
    UnattestedParty: {"party_id": PARTY},
}  # fmt: skip

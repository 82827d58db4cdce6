"""Valid examples of the models of rights."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.rights import (
    AccessPackView,
    ErasureView,
    LegalHoldView,
    LiftLegalHold,
    PlaceLegalHold,
    RequestErasure,
    RestrictionView,
)
from shared.access.schemas import SHAPES, AccessListView, InTwoLanguages
from shared.events.story import PARTY

_MATTER: Final[dict[str, Any]] = {
    "party_id": PARTY, "matter": "file:2026-117", "custodian": "counsel-2",
    "reason": "A court has asked for the records.",
}  # fmt: skip
RIGHTS: Final[dict[type[BaseModel] | str, dict[str, Any]]] = SHAPES | {
    PlaceLegalHold: _MATTER,
    LiftLegalHold: {"reason": "The court has closed the file: order of 2026-11-02."},
    LegalHoldView: _MATTER
    | {
        "legal_hold_id": "019d2f00-0000-8a01-8000-0000000000a1", "version": 1, "step": "place", "by_whom": "counsel-1",
        "recorded_at": "2026-03-12T02:00:00Z",
    },
    RequestErasure: {"party_id": PARTY, "received_at": "2031-09-01T02:00:00Z"},
    ErasureView: {
        "erasure_id": "019d2f00-0000-8a01-8000-0000000000a2", "party_id": PARTY, "version": 2, "cause": "request",
        "state": "erased", "by_whom": "rights-2", "received_at": "2031-09-01T02:00:00Z",
        "answer_by": "2031-09-29T02:00:00Z", "rule": "RIGHTS-CLOCK", "citation": "GDPR art. 12(3): within one month",
        "refused_by": [], "erased_at": "2031-09-03T02:00:00Z", "complete_from": "2031-12-02T02:00:00Z",
    },
    AccessPackView: {
        "title": SHAPES[InTwoLanguages],
        "party_id": PARTY, "received_at": "2026-03-12T02:00:00Z", "made_at": "2026-03-13T02:00:00Z",
        "answer_by": "2026-04-09T02:00:00Z", "rule": "RIGHTS-CLOCK", "citation": "GDPR art. 12(3): within one month",
        "lists": [SHAPES[AccessListView]], "leaf_id": "019d2f00-0000-8a01-8000-0000000000a3",
    },
    RestrictionView: {"party_id": PARTY, "since": "2031-03-13", "erased_from": "2031-06-11"},
}  # fmt: skip

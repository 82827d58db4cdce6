"""Valid examples of the models of facts, wishes, requests and permissions."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from services.compliance.schemas.dossiers import (
    FactResults,
    FactsTold,
    KnownFacts,
    OverrideRule,
    OverrideView,
    PreferencesKept,
    RecordConsent,
    RequestKept,
    TellPreferences,
    TellRequest,
)
from shared.events.story import PARTY

_TOLD_AT: Final = "2026-03-12T01:00:00Z"
_NOTICE: Final = "notice-4471"
_CONSENT: Final[dict[str, Any]] = {
    "party_id": PARTY, "rule": "US-REGF-TIME", "valid_from": "2026-03-12T02:00:00Z",
    "valid_to": "2026-06-12T02:00:00Z", "opens": "07:00:00", "closes": "08:00:00", "evidence": "call-20260312-118",
}  # fmt: skip

DOSSIERS: Final[dict[type[BaseModel] | str, dict[str, Any]]] = {
    FactsTold: {
        "items": [
            {
                "party_id": PARTY, "fact": "validation_notice_sent", "value": True, "as_of": _TOLD_AT,
                "reference": _NOTICE,
            },
            {"party_id": PARTY, "fact": "recipient", "value": "obligor", "as_of": _TOLD_AT, "reference": None},
        ]
    },
    FactResults: {
        "items": [
            {"party_id": PARTY, "fact": "validation_notice_sent", "status": "recorded"},
            {"party_id": PARTY, "fact": "recipient", "status": "known"},
        ]
    },
    KnownFacts: {
        "items": [
            {
                "fact": "validation_notice_sent", "value": True, "as_of": _TOLD_AT, "until": None, "owner": "core",
                "reference": _NOTICE,
            }
        ]
    },
    TellPreferences: {
        "party_id": PARTY, "told_at": _TOLD_AT, "reference": "call-20260312-118",
        "wishes": [{"wish": "never", "channels": ["call"], "opens": "09:00:00", "closes": "12:00:00"}],
    },
    PreferencesKept: {
        "party_id": PARTY, "status": "recorded",
        "avoided": [{"channels": ["call"], "opens": "09:00:00", "closes": "12:00:00"}],
    },
    TellRequest: {
        "party_id": PARTY, "channels": ["call"], "requested_at": _TOLD_AT, "reference": "portal-90121",
    },
    RequestKept: {"party_id": PARTY, "status": "recorded", "until": "2026-03-19T01:00:00Z"},
    RecordConsent: _CONSENT,
    OverrideRule: {
        "party_id": PARTY, "rule": "US-REGF-14A", "valid_from": "2026-03-12T02:00:00Z",
        "valid_to": "2026-03-13T02:00:00Z", "evidence": "ticket-2217",
        "reason": "The customer asked the branch for an answer today.",
    },
    OverrideView: _CONSENT | {
        "override_id": "019d2f00-0000-8a01-8000-000000000061", "by": "consent", "by_whom": "portal",
        "recorded_at": "2026-03-12T01:58:00Z", "withdrawn": False,
    },
}  # fmt: skip

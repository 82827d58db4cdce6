"""One valid example per model of compliance's API: shown in its OpenAPI document, validated against the schemas.

The log of the examples has two leaves, so that whoever reads can verify its proofs by hand.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from services.compliance.domain.canonical import canonical
from services.compliance.domain.frames import shortened
from services.compliance.examples_card_readings import CARD_READINGS
from services.compliance.examples_conduct import CONDUCT
from services.compliance.examples_cutovers import CUTOVERS
from services.compliance.examples_dossiers import DOSSIERS
from services.compliance.examples_duties import DUTIES
from services.compliance.examples_examinations import EXAMINATIONS
from services.compliance.examples_reconciliation import RECONCILIATION
from services.compliance.examples_rights import RIGHTS
from services.compliance.examples_samples import SAMPLES
from services.compliance.examples_traces import TRACES
from services.compliance.schemas.complaints import (
    ComplaintDetail,
    ComplaintReceived,
    ComplaintView,
    MakeComplaint,
    TakeComplaintStep,
)
from services.compliance.schemas.contacts import ReportedContacts, ReportedResults
from services.compliance.schemas.devices import (
    CloseLoss,
    DeviceHeard,
    HeardAgain,
    LossClosed,
    LossReported,
    ReportLoss,
)
from services.compliance.schemas.explanations import ExplainedRuleView, ExplanationView
from services.compliance.schemas.fact_tasks import BlockedPartyView, FactTaskView
from services.compliance.schemas.feeds import FEED_KEY, CloseFeedDay, DeclareFeed, FeedDayView, FeedStep, FeedView
from services.compliance.schemas.findings import ControlFindingView, FindingDetail, FindingView, TakeFindingStep
from services.compliance.schemas.holds import EndHold, HoldView, PlaceHold, StopAccepted, StopRequest
from services.compliance.schemas.permits import (
    ContactAsked,
    DecisionAnswers,
    KeysAnswer,
    PermitAnswers,
    PermitRequest,
    PermitView,
    ReleasePermit,
    RevocationsAnswer,
    UsePermit,
    WindowsAnswer,
    WindowsItem,
)
from services.compliance.schemas.reading import (
    CommittedFieldView,
    ConsistencyView,
    DecisionView,
    InclusionView,
    PartyLeafView,
    SummaryView,
)
from shared.events.story import (
    CASE,
    CELL,
    CHECKED_IN_AT,
    CHECKED_OUT_AT,
    COLLECTORS,
    COMPLAINT,
    CONTACT,
    DECISION,
    DEVICE,
    DIGEST,
    FINDING,
    HOLD,
    LEAF,
    OTHER,
    PARTY,
    PERMIT,
    PLAN,
    REQUEST,
    TOKEN,
    VISIT,
    WINDOW,
)
from shared.web.examples import ExampleKey
from shared.web.jwks import EXAMPLE_KEY


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


_HOURS: Final = {
    "rule": "CN-GBT45251-HOURS",
    "citation": "GB/T 45251-2025 cl. 5.3 (recommended standard, in force 2025-02-28)",
}
_CONTACT_WANTED: Final[dict[str, Any]] = {
    "party_id": PARTY, "channel": "visit", "purpose": "collection", "jurisdiction": "CN",
    "time_zones": ["Asia/Shanghai"], "duration_minutes": 30,
}  # fmt: skip
_TOO_LATE: Final[dict[str, Any]] = _HOURS | {
    "detail": "the contact would end after 22:00 local time", "values": {"opens": "08:00", "closes": "22:00"},
    "earliest_lawful": "2026-03-13T00:00:00Z", "lawful_after": None,
}  # fmt: skip
_RECORD: Final[dict[str, Any]] = {
    "decision_id": DECISION, "party_id": PARTY, "answer": "allow",
    "request": {"channel": "visit", "purpose": "collection", "window": WINDOW},
    "rules": [_HOURS | {"answer": "allow", "values": {"opens": "08:00", "closes": "22:00"}}],
    "earliest_lawful": None,
    "facts": {
        "case_version": 2, "zones": ["Asia/Shanghai"], "history_known_from": "2025-01-01", "holds": [], "counted": 0,
    },
    "rule_set": DIGEST, "decided_at": "2026-03-11T00:30:02Z", "recorded_at": "2026-03-11T00:30:02Z",
}  # fmt: skip
_FRAME: Final = canonical({"format": 2, "rules": [_HOURS]})
_HASHED: Final = _RECORD | {
    "format": 2, "frame": hashlib.sha256(_FRAME).hexdigest(), "rules": shortened(_RECORD["rules"], _FRAME),
}  # fmt: skip
# The commitments stand for HMACs; everything else of the leaf is as the log writes it.
_LEAF: Final[dict[str, Any]] = {
    "v": 1, "kind": "decision", "leaf_id": LEAF, "occurred_at": "2026-03-11T00:30:02Z",
    "recorded_at": "2026-03-11T00:30:02Z", "committed": {"record": DIGEST, "place": DIGEST}, "decision_id": DECISION,
    "answer": "allow", "channel": "visit", "purpose": "collection", "refused_by": [], "rule_set": DIGEST,
    "party": DIGEST, "party_sequence": 1, "previous": None,
}  # fmt: skip
_FIRST_HASH: Final = hashlib.sha256(b"\x00" + canonical({"v": 1, "kind": "rule_set", "rule_set": DIGEST})).digest()
_LEAF_HASH: Final = hashlib.sha256(b"\x00" + canonical(_LEAF)).digest()
_INCLUSION: Final[dict[str, Any]] = {
    "leaf_index": 1, "tree_size": 2, "leaf_hash": _base64(_LEAF_HASH), "path": [_base64(_FIRST_HASH)],
}  # fmt: skip
_ROOT: Final = _base64(hashlib.sha256(b"\x01" + _FIRST_HASH + _LEAF_HASH).digest())
_ORIGIN: Final = "doorstep.example/compliance/bank"
CHECKPOINT: Final = f"{_ORIGIN}\n2\n{_ROOT}\n\n— {_ORIGIN} nI5vXEHJ…\n"
_HOLD: Final[dict[str, Any]] = {
    "hold_id": HOLD, "party_id": PARTY, "kind": "plan_active", "scope": "collection",
    "valid_from": "2026-03-12T02:00:00Z", "valid_to": None, "source_ref": PLAN, "state": "open",
    "end_asked": False, "need": None, "review_by": None,
}  # fmt: skip
_VERDICT: Final[dict[str, Any]] = {"decision_id": DECISION, "earliest_lawful": None, "lawful_after": None}

_FINDING: Final[dict[str, Any]] = {
    "finding_id": FINDING, "version": 1, "party_id": PARTY, "contact_id": CONTACT, "permit_id": PERMIT,
    "rule": "PERMIT-WINDOW", "citation": "Doorstep: a permit is valid from the start to the end of its window",
    "severity": "medium", "conduct": True, "harm": True, "detail": "began or ended outside the permitted window",
    "state": "open", "recorded_at": "2026-03-12T02:05:01Z", "changed_at": "2026-03-12T02:05:01Z",
}  # fmt: skip
_FOUND: Final[dict[str, Any]] = {
    "version": 1, "step": "found", "state": "open", "by_whom": None, "reference": None, "reason": None,
    "conduct": True, "harm": True, "detail": _FINDING["detail"], "recorded_at": CHECKED_OUT_AT,
    "recorded_real": "2026-03-12T02:05:01Z",
}  # fmt: skip
_EXPLANATION: Final = {"reason": "The crew was kept at the door by a question.", "reference": "ticket:4711"}
_REPORTED: Final[dict[str, Any]] = {
    "source": "dialler-1", "record_id": "call-20260312-000917", "number": 917, "party_id": PARTY, "permit_id": PERMIT,
    "channel": "call", "purpose": "collection", "started_at": "2026-03-12T02:14:05Z",
    "ended_at": "2026-03-12T02:18:40Z", "started_real": None, "outcome": "promise_to_pay", "reached": "debtor",
    "conversation": True, "identity_shown": True, "recording_complete": True, "debt_disclosed_to_third": False,
}  # fmt: skip
_SECOND_RECORD: Final = _REPORTED | {"record_id": "call-20260312-000918"}

_COMPLAINT: Final[dict[str, Any]] = {
    "complaint_id": COMPLAINT, "version": 1, "party_id": PARTY, "channel": "visit", "about": ["collector-7"],
    "received_at": "2026-03-12T01:50:00Z", "answer_by": "2026-03-27T01:50:00Z", "late": False,
    "rule": "CN-COMPLAINT-CLOCK", "citation": "Bank policy (unverified, M): Complaint clock of 15 days, 60 if complex",
    "state": "received", "owner": None,
}  # fmt: skip
_VISIT_ASKED: Final[dict[str, Any]] = _CONTACT_WANTED | {
    "request_id": REQUEST, "case_id": CASE, "subject_id": VISIT, "window": WINDOW, "crew": COLLECTORS,
    "device_id": DEVICE, "place_cell": CELL, "versions": {"case": 2, "visit": 1},
}  # fmt: skip
EXAMPLES: Final[dict[ExampleKey, dict[str, Any]]] = {
    WindowsItem: _CONTACT_WANTED | {"days": ["2026-03-12"]},
    WindowsAnswer: {
        "party_id": PARTY, "windows": [{"start": "2026-03-12T00:00:00Z", "end": "2026-03-12T14:00:00Z"}],
        "refused": [_TOO_LATE],
    },
    PermitRequest: _VISIT_ASKED | {"replaces": None},
    ContactAsked: _VISIT_ASKED | {"replaces": None},
    DecisionAnswers: {
        "items": [
            _VERDICT | {
                "request_id": REQUEST, "decision": "deny", "reasons": [_TOO_LATE],
                "earliest_lawful": "2026-03-13T00:00:00Z",
            },
        ]
    },
    PermitAnswers: {
        "items": [
            _VERDICT | {
                "request_id": REQUEST, "decision": "allow", "reasons": [], "permit_id": PERMIT, "permit": TOKEN,
            },
            _VERDICT | {
                "request_id": OTHER, "decision_id": OTHER, "decision": "deny", "reasons": [_TOO_LATE],
                "earliest_lawful": "2026-03-13T00:00:00Z", "permit_id": None, "permit": None,
            },
        ]
    },
    MakeComplaint: {
        "party_id": PARTY, "channel": "visit", "received_at": "2026-03-12T01:50:00Z", "about": ["collector-7"],
        "reference": "complaint-4711", "words": "They came although I had asked them not to.",
    },
    ComplaintReceived: {
        "complaint_id": COMPLAINT, "hold_id": HOLD, "answer_by": "2026-03-27T01:50:00Z", "rule": "CN-COMPLAINT-CLOCK",
        "citation": _COMPLAINT["citation"],
    },
    ComplaintView: _COMPLAINT,
    ComplaintDetail: _COMPLAINT | {
        "history": [
            {
                "version": 1, "step": "receive", "state": "received", "by_whom": "collector-app",
                "words": "They came although I had asked them not to.", "reference": None,
                "recorded_at": "2026-03-12T01:51:00Z", "recorded_real": "2026-03-12T01:51:00Z",
            },
        ],
    },
    TakeComplaintStep: {"words": "We apologise; nobody will come again.", "reference": "letter-88"},
    ExplanationView: {
        "decision_id": DECISION, "answer": "deny", "voice": "collector", "language": "en",
        "text": "Do not make this visit: it is outside the hours in which the person may be contacted; not before "
        "08:00 on 13 March 2026.",
        "earliest_lawful": "2026-03-13T00:00:00Z", "lawful_after": None, "rules": [], "rule_set": DIGEST,
        "counterfactual": None, "facts_as_of": {},
    },
    ExplainedRuleView: _HOURS | {
        "answer": "deny", "confidence": "R2", "detail": "outside 08:00-22:00", "values": {"opens": "08:00"},
    },
    FactTaskView: {
        "task_id": OTHER, "party_id": PARTY, "fact": "party.time_zone", "rule": "FACTS-ZONE", "owner": "intake",
        "opened_at": "2026-03-12T02:00:00Z", "due_at": "2026-03-15T02:00:00Z", "overdue": False,
    },
    BlockedPartyView: {
        "party_id": PARTY, "since": "2026-02-20T02:00:00Z", "facts": ["party.time_zone"], "rules": ["FACTS-ZONE"],
        "owners": ["intake"],
    },
    UsePermit: {"used_at": CHECKED_IN_AT, "contact_id": CONTACT},
    ReleasePermit: {"cause": "visit_withdrawn"},
    ReportLoss: {"lost_at": CHECKED_IN_AT, "cause": "lost"},
    LossReported: {"device_id": "device-7", "permit_ids": [PERMIT]},
    CloseLoss: {"reason": "police-report-4711"},
    LossClosed: {"closed": [PERMIT], "still_running": []},
    DeviceHeard: {"synced_to": CHECKED_OUT_AT},
    HeardAgain: {"released": [PERMIT]},
    PermitView: {
        "permit_id": PERMIT, "party_id": PARTY, "decision_id": DECISION, "subject_id": VISIT, "channel": "visit",
        "purpose": "collection", "window": WINDOW, "crew": COLLECTORS, "device_id": DEVICE, "state": "used",
        "revoked": False, "revoke_cause": None, "contact_id": CONTACT, "permit": None,
    },
    KeysAnswer: {"keys": [EXAMPLE_KEY]},
    RevocationsAnswer: {
        "number": 3, "as_of": "2026-03-12T01:31:58Z", "device_id": DEVICE, "permit_ids": [OTHER], "signed": TOKEN,
    },
    PlaceHold: {
        "party_id": PARTY, "kind": "plan_active", "scope": "collection", "valid_from": "2026-03-12T02:00:00Z",
        "valid_to": None, "source_ref": PLAN, "reason": "a repayment plan was signed", "need": None, "review_by": None,
    },
    HoldView: _HOLD,
    EndHold: {"cause": "dispute.settled", "evidence": "letter-88"},
    "end_hold": _HOLD | {"valid_to": "2026-06-01T00:00:00Z", "state": "ended"},
    StopRequest: {
        "party_id": PARTY, "channel_heard": "visit", "heard_at": "2026-03-12T01:40:00Z", "detail_code": "no_visits",
    },
    StopAccepted: {"hold_id": HOLD},
    DecisionView: {
        "decision_id": DECISION, "record": _RECORD, "record_canonical": canonical(_HASHED).decode(),
        "frame_canonical": _FRAME.decode(), "record_sha256": hashlib.sha256(canonical(_HASHED)).hexdigest(),
        "permit_id": None, "leaf_id": LEAF, "leaf_index": 1,
    },
    FindingView: _FINDING,
    FindingDetail: _FINDING | {
        "version": 2, "subject": None, "state": "explained", "changed_at": "2026-03-12T03:00:00Z",
        "history": [
            _FOUND,
            _FOUND | _EXPLANATION | {
                "version": 2, "step": "explain", "state": "explained", "by_whom": "dispatcher-3",
                "recorded_at": "2026-03-12T03:00:00Z", "recorded_real": "2026-03-12T03:00:00Z",
            },
        ],
    },
    TakeFindingStep: _EXPLANATION,
    ControlFindingView: {
        "finding_id": FINDING, "version": 1, "subject": "feed:dialler-1", "rule": "FEED-SILENT",
        "citation": "Doorstep: a feed that is silent for too long closes its channels", "severity": "high",
        "conduct": True, "harm": True, "detail": "nothing heard for 26 hours", "state": "open",
        "recorded_at": "2026-03-12T02:05:01Z", "changed_at": "2026-03-12T02:05:01Z",
    },
    DeclareFeed: {
        "source": "dialler-1", "client_id": "core", "channels": ["call"], "silent_after_hours": 26,
        "total_key": FEED_KEY, "reason": "change-2026-031",
    },
    FeedStep: {"reason": "decommission-17"},
    FeedView: {
        "source": "dialler-1", "kind": "contacts", "client_id": "core", "channels": ["call"],
        "silent_after_hours": 26, "heard_at": "2026-03-12T02:20:00Z", "total_key": FEED_KEY,
        "silent": False, "closed": False, "of_erased": 0, "closed_day": "2026-03-11", "closed_number": 916,
    },
    CloseFeedDay: {"day": "2026-03-12", "last_number": 1204, "records": 288, "signature": "c2lnbmF0dXJl"},
    FeedDayView: {
        "source": "dialler-1", "day": "2026-03-12", "first_number": 917, "last_number": 1204, "records": 288,
        "known": 287, "missing": [[1002, 1002]],
    },
    ReportedContacts: {"items": [_REPORTED, _SECOND_RECORD]},
    ReportedResults: {
        "items": [
            {
                "position": 0, "source": "dialler-1", "record_id": _REPORTED["record_id"], "status": "recorded",
                "contact_id": CONTACT, "verdict": "lawful", "finding_ids": [], "problem": None,
            },
            {
                "position": 1, "source": "dialler-1", "record_id": _SECOND_RECORD["record_id"], "status": "refused",
                "contact_id": None, "verdict": None, "finding_ids": [],
                "problem": {
                    "type": "https://doorstep.example/problems/feed-number-taken",
                    "title": "Another record of the feed has this number", "status": 409, "detail": None, "errors": [],
                },
            },
        ],
        "recorded": 1, "repeated": 0, "refused": 1, "erased": 0,
    },
    SummaryView: {
        "permits": {"granted": 430, "used": 3, "recorded": 84, "released": 83}, "permits_granted": 600,
        "decisions": {"allow": 600, "deny": 52}, "refused_by_rule": [_HOURS | {"count": 52}],
        "contacts_audited": 87, "contacts_lawful": 86, "findings": 1,
        "findings_by_rule": [
            {"rule": _FINDING["rule"], "citation": _FINDING["citation"], "count": 1},
        ],
        "parties_stopped": 45, "holds_open": {"plan_active": 31, "stop_request": 14}, "leaves": 905,
        "leaves_pending": 0, "checkpoints": 211,
        "log_key": f"{_ORIGIN}+9c8e6f5c+AdFaY1jVwTkr9nN5pQ0s8cVd0m3oWb8yqE2XkJf4hZ6L", "log_key_fingerprint": DIGEST,
        "rule_set": DIGEST, "recalls": {"count": 12, "p50_ms": 140, "p95_ms": 310, "p99_ms": 330},
    },
    InclusionView: _INCLUSION,
    ConsistencyView: {"first": 1, "second": 2, "path": [_base64(_LEAF_HASH)]},
    PartyLeafView: {
        "leaf_id": LEAF, "kind": "decision", "record": _LEAF, "leaf": _base64(canonical(_LEAF)),
        "fields": [{"name": "record", "state": "open", "salt": _base64(bytes(range(32)))}], "proof": _INCLUSION,
    },
    CommittedFieldView: {"name": "place", "state": "erased", "salt": None},
    **EXAMINATIONS,
    **DOSSIERS,
    **RECONCILIATION,
    **RIGHTS,
    **SAMPLES,
    **CONDUCT,
    **DUTIES,
    **CARD_READINGS,
    **TRACES,
    **CUTOVERS,
}  # fmt: skip

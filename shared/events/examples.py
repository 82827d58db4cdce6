"""One valid example per event type: shown in the contracts and validated against their schemas.

Examples are written by hand where the meaning matters; they are data, never used at run time.
"""

from __future__ import annotations

from typing import Any, Final

from shared.events.story import (
    CASE,
    CELL,
    COLLECTORS,
    DIGEST,
    LOAN,
    OTHER,
    PAIR,
    PARTY,
    PERMIT,
    PLAN,
    VISIT,
    WINDOW,
    cny,
)

_CORE_PARTY = {"tenant": "bank", "core": "core-a", "party_ref": "P-000042", "core_sequence": 7}
_LOAN_FACT = _CORE_PARTY | {"loan_ref": "L-000042", "business_date": "2026-03-10", "currency": "CNY"}
_DUE_ITEM = {"kind": "statement_minimum", "due_date": "2026-02-05", "principal": 125000, "paid": 0}
_ON_CASE = {"case_id": CASE, "party_id": PARTY, "version": 2}
_IDENTITY = {"merged_ref": "P-000043", "business_date": "2026-03-10"}
_SAME = {
    "party_id": PARTY, "merged_id": OTHER, "survivor_id": PARTY, "version": 1, "merged_case_id": None,
    "survivor_case_id": CASE, "business_date": "2026-03-10",
}  # fmt: skip
_DEMAND = {
    "party_id": PARTY, "debt_id": OTHER, "demanded_on": "2026-03-10", "document_reference": "D-000012",
}  # fmt: skip
_ON_VISIT = {"visit_id": VISIT, "case_id": CASE, "party_id": PARTY, "version": 1}
_ON_PLAN = {"plan_id": PLAN, "case_id": CASE, "party_id": PARTY, "version": 1}
_ON_PERMIT = {
    "permit_id": PERMIT, "party_id": PARTY, "channel": "visit", "purpose": "collection", "subject_id": VISIT,
}  # fmt: skip
_CASE_STATE = _ON_CASE | {
    "business_date": "2026-03-10", "bucket": "B2", "dpd_contractual": 33, "dpd_effective": 33,
    "overdue_totals": [cny(125000)], "jurisdiction": "CN", "time_zones": ["Asia/Shanghai"], "language": "zh",
    "cell": CELL, "history_known_from": "2025-01-01", "held": False,
    "loans": [
        {
            "loan_id": LOAN, "loan_ref": "L-000042", "product_class": "card", "overdue": cny(125000),
            "balance": cny(980000), "oldest_due_date": "2026-02-05", "dpd_contractual": 33,
        }
    ],
}  # fmt: skip
_STATED = _LOAN_FACT | {
    "value_date": "2026-03-11", "booked_at": "2026-03-11T05:12:00Z", "balance": 975000,
    "due_items": [_DUE_ITEM | {"principal": 120000}],
}  # fmt: skip
_CHARGE = _STATED | {"charge_ref": "C-000031", "amount": 5000}
_HOLD_SEEN = {"hold_ref": "H-000005", "kind": "breathing_space", "scope": "party", "starts_on": "2026-03-09"}
_INSTALMENT = {"number": 1, "due_date": "2026-04-05", "amount": cny(20000)}
_HOLD = {
    "hold_id": OTHER, "party_id": PARTY, "kind": "plan_active", "valid_from": "2026-03-12T02:10:00Z",
    "source_ref": PLAN,
}  # fmt: skip
_PARKED = {
    "party_id": PARTY, "service": "intake", "cause": "schema_violation", "topic": "loan", "partition": 3,
    "offset": 917,
}  # fmt: skip

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "loan.overdue": _LOAN_FACT | {
        "obligors": [{"party_ref": "P-000042", "role": "borrower", "liability": "full"}],
        "value_date": "2026-03-10", "booked_at": "2026-03-09T17:00:00Z", "product_class": "card", "creditor": "Bank",
        "servicer": "Bank", "originated_on": "2021-06-01", "jurisdiction": "CN", "balance": 980000,
        "due_items": [_DUE_ITEM], "core_dpd": 33,
    },
    "loan.payment_received": _LOAN_FACT | {
        "transaction_ref": "T-000917", "amount": 125000, "value_date": "2026-03-11",
        "booked_at": "2026-03-11T05:12:00Z", "cleared": True, "payer_ref": "payer-1",
        "allocation": [_DUE_ITEM | {"paid": 125000}], "balance": 855000,
    },
    "loan.payment_reversed": _LOAN_FACT | {
        "transaction_ref": "T-000917", "amount": 125000, "booked_at": "2026-03-12T05:12:00Z", "due_items": [_DUE_ITEM],
    },
    "loan.cured": _LOAN_FACT | {"balance": 855000},
    "loan.due_items_changed": _STATED | {"cause": "due_date_moved"},
    "loan.credit_posted": _LOAN_FACT | {
        "transaction_ref": "T-000918", "amount": 5000, "value_date": "2026-03-11",
        "booked_at": "2026-03-11T05:12:00Z", "reason": "goodwill", "allocation": [_DUE_ITEM | {"paid": 5000}],
    },
    "loan.charge_applied": _CHARGE,
    "loan.charge_waived": _CHARGE,
    "loan.charge_reversed": _CHARGE,
    "loan.hold_started": _LOAN_FACT | _HOLD_SEEN,
    "loan.hold_ended": _LOAN_FACT | {"hold_ref": "H-000005", "ended_on": "2026-03-11"},
    "loan.rescheduled": _STATED | {"arrangement_ref": "R-000003"},
    "loan.reaged": _STATED | {"arrangement_ref": "R-000004", "due_items": []},
    "loan.charged_off": _LOAN_FACT | {"charged_off_on": "2026-03-10"},
    "loan.written_off": _LOAN_FACT | {"written_off_on": "2026-03-10"},
    "loan.recovery_received": _LOAN_FACT | {
        "transaction_ref": "T-000919", "amount": 20000, "value_date": "2026-03-11",
        "booked_at": "2026-03-11T05:12:00Z", "payer_ref": "payer-1",
    },
    "loan.transferred": _LOAN_FACT | {"kind": "sold", "transferred_on": "2026-03-10"},
    "loan.closed": _LOAN_FACT | {"reason": "paid", "closed_on": "2026-03-10"},
    "loan.obligor_changed": _LOAN_FACT | {
        "obligors": [{"party_ref": "P-000042", "role": "borrower", "liability": "full"}],
    },
    "loan.corrected": _STATED | {"corrects": "core-a-000917"},
    "loan.balance_stated": _LOAN_FACT | {"balance": 975000},
    "party.updated": _CORE_PARTY | {
        "name": "Synthetic Person 42", "language": "zh", "time_zones": ["Asia/Shanghai"], "jurisdiction": "CN",
        "contact_points": [
            {
                "kind": "home", "value": "Synthetic Road 42", "source": "contract",
                "point": {"lat": 31.23, "lon": 121.47, "crs": "WGS84"},
            }
        ],
        "history_known_from": "2025-01-01",
    },
    "party.deceased": _CORE_PARTY | {"reported_on": "2026-03-11"},
    "party.merged": _CORE_PARTY | _IDENTITY,
    "party.unmerged": _CORE_PARTY | _IDENTITY | {"business_date": "2026-03-20", "core_sequence": 9},
    "loan.business_day_closed": {
        "tenant": "bank", "core": "core-a", "business_date": "2026-03-10", "open_loans": 3000,
        "overdue_total": {"CNY": 412500000},
    },
    "case.opened": _CASE_STATE | {"version": 1},
    "case.updated": _CASE_STATE | {"cause": "loan.overdue"},
    "case.bucket_changed": _ON_CASE | {"before": "B1", "after": "B2", "business_date": "2026-03-10"},
    "case.payment_posted": _ON_CASE | {
        "loan_id": LOAN, "transaction_ref": "T-000917", "amount": cny(125000), "value_date": "2026-03-11",
        "booked_at": "2026-03-11T05:12:00Z", "cleared": True, "payer_ref": "payer-1",
    },
    "case.payment_reversed": _ON_CASE | {"loan_id": LOAN, "transaction_ref": "T-000917", "amount": cny(125000)},
    "case.cured": _ON_CASE | {"business_date": "2026-03-11", "cause": "payment", "overdue_totals": [cny(0)]},
    "case.loan_cured": _ON_CASE | {"loan_id": LOAN, "business_date": "2026-03-11", "cause": "credit"},
    "case.hold_seen": _ON_CASE | _HOLD_SEEN | {"debt_id": OTHER, "ends_on": None},
    "case.party_merged": _SAME,
    "case.demand_recorded": _DEMAND,
    "case.demand_revoked": _DEMAND,
    "case.party_unmerged": _SAME | {"version": 2},
    "case.closed": _ON_CASE | {"business_date": "2026-03-11", "cause": "sold", "overdue_totals": [cny(0)]},
    "case.suspended": _ON_CASE | {"cause": "facts_incomplete"},
    "case.released": _ON_CASE | {"cause": "facts_incomplete"},
    "case.action_chosen": {
        "case_id": CASE, "party_id": PARTY, "number": 1, "action": "letter", "reasons": ["step_due"],
        "rule": "step:letter", "next_on": None, "strategy": "strategy-demonstration", "strategy_version": 1,
        "strategy_sha256": "5e" * 32, "arm": "champion",
    },
    "visit.proposed": _ON_VISIT | {
        "field_day": "2026-03-12", "window": WINDOW, "duration_minutes": 30, "pair_id": PAIR, "crew": COLLECTORS,
        "device_id": "device-7", "cell": CELL, "jurisdiction": "CN", "case_version": 1,
    },
    "visit.offered": _ON_VISIT | {
        "permit_id": PERMIT, "channel": "sms", "window": WINDOW, "answer_by": "2026-03-11T10:00:00Z",
    },
    "visit.agreed": _ON_VISIT | {"window": WINDOW, "answered_at": "2026-03-11T03:20:00Z"},
    "visit.declined": _ON_VISIT | {"cause": "declined"},
    "visit.moved": _ON_VISIT | {"wished": WINDOW},
    "visit.assigned": _ON_VISIT | {
        "permit_id": PERMIT, "permit": "eyJ.eyJ.sig", "window": WINDOW, "field_day": "2026-03-12", "pair_id": PAIR,
        "crew": COLLECTORS, "device_id": "device-7", "stop_number": 3, "duration_minutes": 30,
    },
    "visit.withdrawn": _ON_VISIT | {"cause": "permit_denied", "rules": ["CN-CARD2011-70-STOP"]},
    "visit.checked_in": _ON_VISIT | {
        "permit_id": PERMIT, "checked_in_at": "2026-03-12T01:32:00Z", "checked_in_real": "2026-03-12T01:32:00Z",
        "crew_present": COLLECTORS, "distance_m": 12,
    },
    "party.consents_told": {
        "party_id": PARTY,
        "consents": [
            {"kind": "electronic_contact", "given": True, "said_at": "2026-03-02T09:00:00Z", "evidence": "DOC-000017"}
        ],
    },
    "party.minority_changed": {"party_id": PARTY, "is_minor": True, "seen_on": "2026-03-10"},
    "party.card_read": {
        "reading_id": OTHER, "party_id": PARTY, "reader": "collector-1", "client": "visits", "purpose": "visit",
        "what": "card", "fields": ["home", "name", "point"], "channel": "visit", "permit_id": PERMIT,
        "read_at": "2026-03-12T01:10:00Z", "read_real": "2026-03-12T01:10:00Z",
    },
    "visit.check_in_refused": _ON_VISIT | {
        "refused_at": "2026-03-12T01:32:00Z", "refused_real": "2026-03-12T01:32:00Z", "device_id": "device-7",
        "reasons": ["permit_forged"], "crew_present": COLLECTORS, "cell": CELL,
    },
    "visit.completed": _ON_VISIT | {
        "permit_id": PERMIT, "checked_in_at": "2026-03-12T01:32:00Z", "checked_out_at": "2026-03-12T02:05:00Z",
        "outcome": "promise_made", "reason": "income_late", "right_party": True, "household_contacted": True,
        "debtor_met": True, "identity_shown": True, "recording_complete": True, "promise": cny(20000),
        "crew_present": COLLECTORS,
    },
    "visit.recalled": _ON_VISIT | {
        "cause": "payment", "fact_arrived_at": "2026-03-12T01:10:00Z", "recalled_at": "2026-03-12T01:10:00.420Z",
        "state_before": "en_route",
    },
    "visit.aborted": _ON_VISIT | {"cause": "safety"},
    "visit.sos_raised": _ON_VISIT | {
        "collector_id": COLLECTORS[0], "raised_at": "2026-03-12T01:50:00Z", "silent": False,
    },
    "plan.proposed": _ON_PLAN | {
        "kind": "instalments", "instalments": [_INSTALMENT], "total": cny(20000), "monthly_surplus": cny(35000),
        "table_id": "demonstration-cn-2026",
    },
    "plan.refused": _ON_PLAN | {"rule": "PLAN-PROTECTED-MINIMUM", "wished": cny(90000), "most": cny(35000)},
    "plan.signed": _ON_PLAN | {
        "kind": "instalments", "instalments": [_INSTALMENT], "total": cny(20000), "signed_at": "2026-03-12T02:00:00Z",
        "hold_id": OTHER, "visit_id": VISIT, "document_sha256": DIGEST,
    },
    "plan.imported": _ON_PLAN | {
        "kind": "instalments", "basis": "signed_plan", "instalments": [_INSTALMENT], "total": cny(20000),
        "agreed_at": "2025-11-12T02:00:00Z", "hold_id": OTHER, "cutover_id": "old-system-2026",
        "document_sha256": DIGEST,
    },
    "plan.payment_matched": _ON_PLAN | {
        "transaction_ref": "T-000917", "amount": cny(20000), "instalments": [1], "paid_total": cny(20000),
    },
    "plan.completed": _ON_PLAN | {"paid_total": cny(20000), "cause": "paid"},
    "plan.instalment_missed": _ON_PLAN | {"instalment": 2, "due_date": "2026-05-12", "rest": cny(25000)},
    "plan.follow_up": _ON_PLAN | {
        "kind": "warning", "instalment": 1, "due_date": "2026-04-12", "rest": cny(25000), "permit_id": PERMIT,
        "channel": "sms", "cure_days": 14,
    },
    "plan.restored": _ON_PLAN | {"paid_total": cny(50000)},
    "plan.review_due": _ON_PLAN | {"missed": [1, 2], "days_missed": 52},
    "plan.broken": _ON_PLAN | {"missed": [1, 2]},
    "contact.recorded": {
        "contact_id": OTHER, "party_id": PARTY, "permit_id": PERMIT, "visit_id": VISIT, "channel": "visit",
        "purpose": "collection", "started_at": "2026-03-12T01:32:00Z", "ended_at": "2026-03-12T02:05:00Z",
        "started_real": "2026-03-12T01:32:00Z", "outcome": "promise_made", "contact": True, "conversation": True,
        "household_contacted": True, "debtor_met": True, "crew": COLLECTORS, "identity_shown": True,
        "recording_complete": True,
    },
    "compliance.permit_granted": _ON_PERMIT | {
        "decision_id": OTHER, "window": WINDOW, "rule_set": DIGEST, "device_id": "device-7",
    },
    "compliance.permit_refused": {
        "decision_id": OTHER, "party_id": PARTY, "channel": "visit", "purpose": "collection", "answer": "deny",
        "rules": ["CN-GBT45251-HOURS"], "citations": ["GB/T 45251-2025 cl. 5.3"],
        "earliest_lawful": "2026-03-13T00:00:00Z",
    },
    "compliance.permit_revoked": _ON_PERMIT | {
        "cause": "payment", "fact_arrived_at": "2026-03-12T01:10:00Z", "revoked_at": "2026-03-12T01:10:00.310Z",
        "used": False,
    },
    "compliance.permit_used": _ON_PERMIT | {"used_at": "2026-03-12T01:32:00Z"},
    "compliance.permit_released": _ON_PERMIT | {"cause": "visit_withdrawn"},
    "compliance.contact_audited": {
        "contact_id": OTHER, "party_id": PARTY, "leaf_index": 41, "verdict": "lawful", "findings": 0,
    },
    "compliance.violation_found": {
        "finding_id": OTHER, "party_id": PARTY, "contact_id": OTHER, "rule": "CN-CBA2026-VISIT-2P",
        "citation": "CBA guide 2026-01-30", "severity": "high", "conduct": True, "harm": True,
    },
    "compliance.hold_placed": _HOLD,
    "compliance.party_erased": {
        "party_id": PARTY,
        "erasure_id": "019d2f00-0000-8a01-8000-0000000000a2",
        "erased_at": "2026-03-12T02:00:00Z",
        "complete_from": "2026-06-10T02:00:00Z",
    },
    "compliance.hold_ended": _HOLD | {"valid_to": "2026-06-01T00:00:00Z"},
    "compliance.checkpoint_published": {
        "origin": "doorstep.example/compliance/bank", "tree_size": 42,
        "root_hash": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "note": "doorstep.example/compliance/bank\n42\n",
        "published_at": "2026-03-12T02:06:00Z",
    },
    "party.stopped": {
        "party_id": PARTY, "cause": "payment", "scope": "collection", "since": "2026-03-12T01:10:00Z",
        "arrived_at": "2026-03-12T01:10:00Z", "reference": "T-000917",
    },
    "party.parked": _PARKED,
    "party.unparked": {"party_id": PARTY, "service": "intake"},
    "service.heartbeat": {
        "service": "intake", "topic": "case", "partition": 3, "sent_at": "2026-03-12T02:06:00Z",
        "low_watermark": "2026-03-12T02:05:59Z",
    },
}  # fmt: skip

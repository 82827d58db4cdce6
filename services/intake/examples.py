"""One valid example per model of intake's API: shown in its OpenAPI document and validated against the schemas."""

from __future__ import annotations

from typing import Any, Final

from services.intake.api.demands import DemandRevocation, DemandRight, NewDemand
from services.intake.api.feed_suspensions import FeedReleased, FeedSuspension, ReleaseFeed
from services.intake.api.references import CoreReferences, KnownReferences
from services.intake.api.write_backs import WriteBackView
from services.intake.history_schemas import CaseOnDay, ToldFact
from services.intake.people_schemas import ContactCard, FoundParties, PersonSearch, PointAnswer, PointQuestion
from services.intake.portfolio_schemas import Portfolio, RollMatrix
from services.intake.reconciliation_schemas import OpenDifference, ReconciliationRun, TotalDifference
from services.intake.schemas import (
    BalanceAnswer,
    BalanceCheckItem,
    CaseSnapshot,
    CaseSummary,
    CaseView,
    IntakeSummary,
    LoanEventResults,
    LoanEvents,
    Reconciliation,
)
from services.intake.score_schemas import AvailableScore, CaseScore, UnavailableScore
from services.intake.strategy_schemas import (
    ActionFigures,
    CaseNextAction,
    NextActionItem,
    StepsHeld,
    TakenStepResults,
    TakenSteps,
)
from services.intake.timeline_schemas import TimelineLine
from shared.access.schemas import examples_of
from shared.events.examples import EXAMPLES as EVENTS
from shared.events.story import CASE, CELL, CHECKED_OUT_AT, HOME, LOAN, PARTY, TOKEN, VISIT, cny
from shared.web.examples import ExampleKey

_STATE: Final[dict[str, Any]] = {
    "case_id": CASE, "party_id": PARTY, "version": 2, "status": "open", "bucket": "B2", "dpd_contractual": 33,
    "dpd_effective": 33, "overdue_totals": [cny(125000)], "suspended": [], "held": False,
}  # fmt: skip
_CASE: Final[dict[str, Any]] = _STATE | {"as_of": "2026-03-10", "opened_at": "2026-02-06T01:00:00Z"}
_LOAN: Final[dict[str, Any]] = {
    "loan_id": LOAN, "loan_ref": "L-000042", "product_class": "card", "overdue": cny(125000), "balance": cny(980000),
    "oldest_due_date": "2026-02-05", "dpd_contractual": 33,
}  # fmt: skip
_CLOUD_EVENT: Final[dict[str, Any]] = {"specversion": "1.0", "source": "core-a", "time": "2026-03-09T17:00:00Z"}
_UNDATED: Final = {name: value for name, value in EVENTS["loan.cured"].items() if name != "business_date"}

_MASKED_NUMBER: Final[dict[str, Any]] = {
    "kind": "mobile", "value": "••••0042", "masked": True, "source": "contract", "point": None,
}  # fmt: skip
_CURE: Final[dict[str, Any]] = {
    "state": "available", "probability": 0.2742, "points": -70,
    "reasons": [
        {"code": "late_month_ago:1-2", "points": -27}, {"code": "paid_last_month:0-39", "points": -21},
        {"code": "late_now:0-2", "points": 4},
    ],
}  # fmt: skip
_NO_SCORE: Final[dict[str, Any]] = {
    "state": "unavailable", "because": "segment_not_shown", "citation": "docs/model-card.md",
    "detail": "In this segment the model was not shown to know more than the base rate.",
}  # fmt: skip
_NO_CONTROLS: Final[dict[str, Any]] = _NO_SCORE | {
    "because": "no_randomised_controls",
    "detail": "Needs cases left alone, or not visited, by lot; the bank's data hold none.",
}

_NEXT: Final[dict[str, Any]] = {
    "case_id": CASE, "party_id": PARTY, "action": "letter", "reasons": ["step_due"], "rule": "step:letter",
    "next_on": None, "number": 3, "chosen_at": "2026-03-10T17:20:00Z",
    "strategy": {"id": "strategy-demonstration", "version": 1, "sha256": "5e" * 32, "arm": "champion"},
}  # fmt: skip

_GUARANTEED = {"core": "core-a", "loan_ref": "L-000042"}
EXAMPLES: Final[dict[ExampleKey, dict[str, Any]]] = examples_of("intake") | {
    FeedSuspension: {
        "core": "core", "cause": "books_differ", "since": "2026-03-10T17:30:00Z",
        "detail": "61 of 5200 loans differ on 2026-03-10", "released_at": None, "released_by": None, "reason": None,
    },
    ReleaseFeed: {"cause": "books_differ", "reason": "the core's extract was of another day"},
    FeedReleased: {"core": "core", "cause": "books_differ"},
    WriteBackView: {
        "write_back_id": "019d2f00-0000-8a01-8000-0000000000b1", "party_id": PARTY, "core": "core", "kind": "plan",
        "event": "plan.signed", "reference": "019d2f00-0000-8a01-8000-000000000004", "state": "refused",
        "reason": "the loan is closed", "noted_at": "2026-03-10T02:00:00Z", "answered_at": "2026-03-10T02:00:01Z",
    },
    CoreReferences: {"core": "core", "party_refs": ["P-000917"], "loan_refs": ["L-000917"], "reserve": True},
    KnownReferences: {
        "parties": {"P-000917": PARTY}, "debts": {"L-000917": LOAN}, "one_person": {"P-000917": "P-000102"},
    },
    NewDemand: _GUARANTEED | {"demanded_on": "2026-03-10", "document_reference": "D-000012"},
    DemandRevocation: _GUARANTEED | {"document_reference": "D-000013"},
    DemandRight: _GUARANTEED | {
        "party_id": PARTY, "demanded_on": "2026-03-10", "document_reference": "D-000012", "recorded_by": "legal-desk",
        "recorded_at": "2026-03-10T01:00:00Z", "revoked_at": None,
    },
    AvailableScore: _CURE,
    UnavailableScore: _NO_SCORE,
    CaseScore: {
        "case_id": CASE, "as_of": "2026-03-10", "scored_at": "2026-03-10T17:20:00Z", "segment": "1-60 days, known",
        "model": {"version": "demonstration-1", "sha256": "b0" * 32, "purpose": "demonstration"},
        "treatment": "unknown", "cure": _CURE, "roll": _NO_SCORE, "payment": _NO_SCORE,
        "without_contact": _NO_CONTROLS, "recovery": _NO_CONTROLS, "uplift": _NO_CONTROLS,
    },
    NextActionItem: _NEXT,
    CaseNextAction: _NEXT | {
        "steps": [
            {"step": "remind", "by": "remind", "done_on": "2026-02-12"},
            {"step": "call", "by": "call", "done_on": "2026-02-20"},
            {"step": "letter", "by": "letter", "done_on": None},
            {"step": "offer_help", "by": "offer_help", "done_on": None},
        ]
    },
    ActionFigures: {
        "actions": [
            {"action": "letter", "champion": 410, "challenger": 40},
            {"action": "wait", "champion": 1800, "challenger": 190},
        ],
        "not_used": None,
    },
    TakenSteps: {
        "items": [
            {
                "core": "core-a", "party_ref": "P-000042", "step": "letter", "done_at": "2026-03-10T01:00:00Z",
                "reference": "print-000917", "vouched": "acknowledged",
            }
        ]
    },
    StepsHeld: {"held": 917, "of_nobody": 0},
    TakenStepResults: {"items": [{"reference": "print-000917", "outcome": "recorded"}]},
    LoanEvents: {
        "items": [
            _CLOUD_EVENT | {"id": "core-a-000917", "type": "loan.overdue", "data": EVENTS["loan.overdue"]},
            _CLOUD_EVENT | {"id": "core-a-000918", "type": "loan.cured", "data": _UNDATED},
        ]
    },
    LoanEventResults: {
        "items": [
            {"id": "core-a-000917", "outcome": "applied", "errors": []},
            {
                "id": "core-a-000918", "outcome": "refused",
                "errors": [{"pointer": "/data/business_date", "kind": "missing"}],
            },
        ]
    },
    BalanceCheckItem: {"party_id": PARTY, "case_id": CASE},
    BalanceAnswer: {
        "party_id": PARTY, "known": True, "overdue_totals": [cny(125000)], "bucket": "B2",
        "as_of": "2026-03-12T00:55:00Z", "basis": "core", "differs": False, "answer": TOKEN,
    },
    TimelineLine: {
        "happened_at": CHECKED_OUT_AT, "recorded_at": CHECKED_OUT_AT, "type": "visit.completed", "about": "visit",
        "sentence": "A visit was made: promise_made; reason of the arrears: income_late.", "reference": VISIT,
        "details": f"visits:/v1/visits/{VISIT}",
    },
    ContactCard: {
        "party_id": PARTY, "masked": False, "clear": ["home", "name", "point"], "name": "Synthetic Person 42",
        "born_on": "1980-••-••",
        "contacts": [
            {"kind": "home", "value": "Synthetic Road 42", "masked": False, "source": "contract", "point": HOME},
            _MASKED_NUMBER,
        ],
    },
    PointQuestion: {"items": [{"party_id": PARTY}], "purpose": "route"},
    PointAnswer: {"party_id": PARTY, "point": HOME},
    PersonSearch: {"mobile": "+86 138 0000 0042", "purpose": "inbound_call"},
    FoundParties: {
        "party_ids": [PARTY],
        "items": [{"party_id": PARTY, "name": "S••", "born_on": "1980-••-••", "contacts": [_MASKED_NUMBER]}],
    },
    CaseSummary: _CASE,
    CaseView: _CASE | {
        "loans": [_LOAN | {"currency": "CNY", "flags": []}],
        "payments": [
            {
                "transaction_ref": "T-000801", "loan_ref": "L-000042", "amount": cny(60000),
                "value_date": "2026-01-20", "cleared": True, "reversed": False,
            }
        ],
        "timeline": [
            {
                "happened_at": CHECKED_OUT_AT, "type": "visit.completed", "reference": VISIT,
                "detail": "A visit was made: promise_made; reason of the arrears: income_late.",
            }
        ],
    },
    ToldFact: {
        "fact_id": 41, "party_id": PARTY, "source": "core-a", "event_id": "core-a-000917", "type": "loan.overdue",
        "holds_from": "2026-03-10", "happened_at": "2026-03-09T17:00:00Z", "recorded_at": "2026-03-09T17:00:01Z",
        "outcome": "applied", "content": EVENTS["loan.overdue"],
    },
    CaseOnDay: {
        "case_id": CASE, "party_id": PARTY, "as_of": "2026-03-10", "known_at": "2026-03-10T02:00:00Z", "facts": 3,
        "bucket": "B2", "dpd_contractual": 33, "overdue_totals": [cny(125000)],
        "loans": [
            {
                "loan_ref": "L-000042", "product_class": "card", "overdue": cny(125000),
                "oldest_due_date": "2026-02-05", "dpd_contractual": 33,
            }
        ],
        "suspended": [], "without_facts": [],
    },
    CaseSnapshot: _STATE | {
        "sequence": 2, "business_date": "2026-03-10", "loans": [_LOAN], "jurisdiction": "CN",
        "time_zones": ["Asia/Shanghai"], "language": "zh", "cell": CELL, "history_known_from": "2025-01-01",
        "household": "5f0c4f8d9a3be1f277a1c0d2e6b49a10",
    },
    IntakeSummary: {
        "parties": 2400, "loans": 3000, "loans_awaited": 1, "cases_open": 2390, "cases_cured": 9, "cases_closed": 1,
        "cases_held": 1, "cases_suspended": 12,
        "open_by_bucket": {"B1": 1200, "B2": 700, "B3": 300, "B4": 120, "B5": 70},
        "overdue_totals": [cny(412500000)],
        "payments": [
            {
                "currency": "CNY", "posted": 41, "pending": 2, "reversed": 1, "posted_minor": 5125000,
                "reversed_minor": 125000,
            }
        ],
        "events": {"applied": 3052, "ignored": 3, "pending": 1}, "dead_letters_open": 0,
        "readings": {"card": 9, "masked_card": 4, "point": 60},
    },
    ReconciliationRun: {
        "run_id": VISIT, "core": "core-a", "business_date": "2026-03-10", "state": "differs", "compared": 3000,
        "differing": 1, "started_at": CHECKED_OUT_AT, "ended_at": CHECKED_OUT_AT,
    },
    TotalDifference: {
        "core": "core-a", "field": "overdue_total.CNY", "business_date": "2026-03-10", "ours": 125000, "cores": 205000,
        "opened_at": CHECKED_OUT_AT, "closed_at": None,
    },
    OpenDifference: {
        "party_id": PARTY, "loan_ref": "L-000043", "field": "overdue_minor", "ours": "80000", "cores": "0",
        "business_date": "2026-03-10", "opened_at": CHECKED_OUT_AT, "confirmed_at": CHECKED_OUT_AT,
    },
    Portfolio: {
        "currencies": [
            {
                "currency": "CNY",
                "buckets": [
                    {"state": "B1", "loans": 1200, "overdue_minor": 96000000},
                    {"state": "B2", "loans": 700, "overdue_minor": 87500000},
                ],
            }
        ],
        "read_at": CHECKED_OUT_AT, "heard_up_to": CHECKED_OUT_AT, "age_seconds": 0.0,
    },
    RollMatrix: {
        "month": "2026-03",
        "currencies": [
            {
                "currency": "CNY", "redefaults": 12,
                "rows": [
                    {
                        "opening": "B1", "loans": 1000, "ended_in": {"B1": 250, "B2": 200, "current": 540, "sold": 10},
                        "rates": {"B1": 0.25, "B2": 0.2, "current": 0.54, "sold": 0.01},
                        "forward": 0.2, "stabilised": 0.25, "back": 0.0, "cured": 0.54, "reaged": 0.0, "exited": 0.01,
                    }
                ],
            }
        ],
        "read_at": CHECKED_OUT_AT, "heard_up_to": CHECKED_OUT_AT, "age_seconds": 0.0,
    },
    Reconciliation: {
        "business_date": "2026-03-10", "loans_compared": 3000, "loans_of_core": 3000,
        "overdue_totals": [cny(412500000)], "differences": 1,
        "items": [{"loan_ref": "L-000043", "field": "overdue_minor", "ours": "80000", "cores": "0"}],
    },
}  # fmt: skip

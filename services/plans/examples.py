"""One valid example per model of the API of plans: shown in its OpenAPI document, validated against the schemas.

The plan, its document, digest and code are what the domain makes of the proposal; a test holds them together.
"""

from __future__ import annotations

from typing import Any, Final

from services.plans.cutover_schemas import (
    BeginPlans,
    ImportedPlanResult,
    ImportedPlanResults,
    ImportedPlans,
    LeftOutPlan,
    LeftOutPlans,
    PlansOfCutover,
)
from services.plans.follow_up_schemas import FollowUps, ReviewPlan, ReviewView, StepView
from services.plans.schemas import ImportedFrom, PlansSummary, PlanView, ProposePlan, SignPlan
from shared.access.schemas import examples_of
from shared.events.story import CASE, HOLD, PARTY, PLAN, VISIT, cny
from shared.web.examples import ExampleKey

_DOCUMENT: Final = """REPAYMENT AGREEMENT
Plan 019d2f00-0000-8a01-8000-000000000004, proposed on 2026-03-12.

Amount owed today: CNY 1,250.00.
You repay the whole amount in the monthly instalments below.
Your household keeps at least CNY 3,400.00 a month (table demonstration-cn-2026, demonstration figures).

  1. 2026-04-12  CNY 250.00
  2. 2026-05-12  CNY 250.00
  3. 2026-06-12  CNY 250.00
  4. 2026-07-12  CNY 250.00
  5. 2026-08-12  CNY 250.00
Sum of the instalments: CNY 1,250.00.

No interest and no fee is charged on the instalments while this agreement is kept.
While it is kept the bank and its agents stop all collection.
One missed instalment does not end it: we warn, wait and look at the reason first.
Next review: 2026-08-12. If your situation changes before, tell us.
You may refuse to sign, and you may ask anyone you trust for advice first.
Until the amount is settled the bank opens no new credit card for you.
"""
_SIGNATURE_CODE: Final = "B73C345B"
_PROPOSED: Final[dict[str, Any]] = {
    "plan_id": PLAN, "party_id": PARTY, "case_id": CASE, "visit_id": VISIT, "kind": "instalments",
    "state": "proposed", "version": 1, "debt": cny(125000), "total": cny(125000), "paid": cny(0),
    "instalments": [
        {"number": number, "due_date": f"2026-{number + 3:02}-12", "amount": cny(25000)} for number in range(1, 6)
    ],
    "monthly_surplus": cny(55000), "table_id": "demonstration-cn-2026", "review_on": "2026-08-12",
    "proposed_at": "2026-03-12T01:50:00Z", "signed_at": None, "completed_at": None, "hold_id": None,
    "document": _DOCUMENT, "document_sha256": "bcbd91fdb0d19eb19a0e486fe8ce0ef80843f1e35c8d163ea5898f4536cd43b0",
    "signature_code": _SIGNATURE_CODE,
}  # fmt: skip

_OLD_PLAN: Final[dict[str, Any]] = {
    "record_ref": "plan-2025-000917", "party_id": PARTY, "basis": "signed_plan", "kind": "instalments",
    "instalments": [
        {"due_date": "2026-03-12", "rest": cny(25000)}, {"due_date": "2026-04-12", "rest": cny(25000)},
    ],
    "debt": cny(50000), "agreed_at": "2025-11-12T02:00:00Z", "review_on": "2026-05-12",
    "document_ref": "agreement-2025-000917", "document_sha256": "a" * 64, "hold_id": HOLD,
}  # fmt: skip
_HELPED: Final[dict[str, Any]] = {"kind": "help", "day": "2026-04-18", "instalment": 1, "until": None}
_IMPORTED: Final[dict[str, Any]] = {"position": 0, "status": "imported", "plan_id": PLAN, "problem": None}
EXAMPLES: Final[dict[ExampleKey, dict[str, Any]]] = examples_of("plans") | {
    ProposePlan: {
        "party_id": PARTY, "case_id": CASE, "visit_id": VISIT, "household": {"adults": 2, "children": 1},
        "monthly_income": cny(620000), "monthly_rent": cny(185000), "other_commitments": cny(40000),
        "wished_instalment": cny(25000), "debts": [cny(125000)],
    },
    SignPlan: {"customer_signature_code": _SIGNATURE_CODE, "signed_at": "2026-03-12T02:00:00Z"},
    PlanView: _PROPOSED | {
        "state": "signed", "version": 2, "signed_at": "2026-03-12T02:00:00Z", "hold_id": HOLD, "signature_code": None,
    },
    "propose_plan": _PROPOSED,
    PlansSummary: {
        "plans": {"proposed": 4, "signed": 31, "completed": 2, "superseded": 3},
        "kinds_signed": {"instalments": 24, "token": 6, "pause": 3}, "refusals": {"PLAN-PROTECTED-MINIMUM": 5},
        "agreed": [cny(3875000)], "paid": [cny(250000)], "payments_matched": 10,
    },
    StepView: _HELPED,
    FollowUps: {
        "plan_id": PLAN, "state": "signed", "stage": "warned", "missed": [1, 2], "days_missed": 41,
        "cure_days_left": 9, "paused_by": [], "next_contact": None, "policy_id": "follow-up-cn-2026-1",
        "steps": [_HELPED, {"kind": "warning", "day": "2026-05-18", "instalment": 1, "until": None}],
    },
    ReviewView: {"plan_id": PLAN, "party_id": PARTY, "since": "2026-06-01T16:00:00Z"},
    ReviewPlan: {"decision": "more_time", "until": "2026-06-30", "reason": "can_pay_soon"},
    BeginPlans: {"cutover_id": "old-system-2026"},
    ImportedPlans: {"items": [_OLD_PLAN]},
    ImportedPlanResult: _IMPORTED,
    ImportedPlanResults: {"items": [_IMPORTED]},
    ImportedFrom: {
        "cutover_id": "old-system-2026", "basis": "signed_plan", "document_ref": "agreement-2025-000917",
        "agreed_at": "2025-11-12T02:00:00Z",
    },
    PlansOfCutover: {
        "cutover_id": "old-system-2026", "business_date": "2026-03-01", "state": "importing", "held": 1,
        "total": [cny(50000)], "left_out": 0, "left_out_total": [],
    },
    LeftOutPlan: {"record_ref": "plan-2025-000918", "total": cny(20000)},
    LeftOutPlans: {"items": [{"record_ref": "plan-2025-000918", "total": cny(20000)}]},
}  # fmt: skip

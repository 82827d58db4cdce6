"""Plans on a real database: proposals, signatures in three steps, payments matched once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.plans.access_desk import LISTS
from shared.events.case import CaseCured, CaseOpened, CasePartyMerged, CasePaymentPosted, CasePaymentReversed
from shared.events.compliance import PartyErased
from shared.ids import draw_shard, entity_id
from shared.money import Money
from tests.integration.assignment.harness import Desk
from tests.integration.plans.conftest import NOW, Compliance

LOAN = UUID(int=5)


def money(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "CNY"}


async def open_case(desk: Desk, *, balance: int = 500_000) -> CaseOpened:
    shard = draw_shard()
    loan = {
        "loan_id": LOAN, "loan_ref": "L1", "product_class": "card", "overdue": money(100_000),
        "balance": money(balance), "oldest_due_date": "2026-01-05", "dpd_contractual": 56,
    }  # fmt: skip
    case = CaseOpened.model_validate(
        {
            "case_id": entity_id(shard), "party_id": entity_id(shard), "version": 1, "business_date": "2026-03-01",
            "bucket": "B2", "dpd_contractual": 56, "dpd_effective": 56, "overdue_totals": [money(100_000)],
            "loans": [loan], "jurisdiction": "CN", "time_zones": ["Asia/Shanghai"], "language": "zh", "cell": None,
        }
    )  # fmt: skip
    await desk.deliver("case", ("case.opened", case))
    return case


def proposal(case: CaseOpened, **changes: Any) -> dict[str, Any]:
    body = {
        "party_id": str(case.party_id), "case_id": str(case.case_id), "household": {"adults": 1, "children": 0},
        "monthly_income": money(350_000), "monthly_rent": money(100_000), "other_commitments": money(0),
        "debts": [money(300_000)],
    }  # fmt: skip
    return body | changes


async def propose(desk: Desk, case: CaseOpened, **changes: Any) -> dict[str, Any]:
    answer = await desk.post("/v1/plans", proposal(case, **changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sign(desk: Desk, plan: dict[str, Any], *, key: str | None = None, **changes: Any) -> Any:
    body = {"customer_signature_code": plan["signature_code"]} | changes
    return await desk.post(f"/v1/plans/{plan['plan_id']}/sign", body, key=key)


async def signed(desk: Desk) -> tuple[CaseOpened, dict[str, Any]]:
    case = await open_case(desk)
    plan = await propose(desk, case)
    answer = await sign(desk, plan)
    assert answer.status_code == 200, answer.text
    return case, answer.json()


def paid(case: CaseOpened, version: int, ref: str, minor: int, *, day: date = date(2026, 4, 1)) -> CasePaymentPosted:
    return CasePaymentPosted(
        case_id=case.case_id, party_id=case.party_id, version=version, loan_id=LOAN, transaction_ref=ref,
        amount=Money(amount_minor=minor, currency="CNY"), value_date=day, booked_at=NOW, cleared=True, payer_ref="p",
    )  # fmt: skip


async def read(desk: Desk, plan: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.get(f"/v1/plans/{plan['plan_id']}")).json()
    return found


async def test_proposal_is_the_most_that_is_affordable(desk: Desk) -> None:
    plan = await propose(desk, await open_case(desk))
    assert [each["amount"]["amount_minor"] for each in plan["instalments"]] == [100_000] * 3
    assert (plan["kind"], plan["table_id"]) == ("instalments", "demonstration-cn-2026")
    assert await desk.types() == ["plan.proposed"]


async def test_wish_below_the_protected_minimum_is_refused_and_told(desk: Desk) -> None:
    case = await open_case(desk)
    answer = await desk.post("/v1/plans", proposal(case, wished_instalment=money(100_001)), key="wish")
    document = answer.json()
    assert (answer.status_code, document["type"].rsplit("/", 1)[1]) == (422, "plan_below_protected_minimum")
    assert (document["rule"], document["most_affordable"]) == ("PLAN-PROTECTED-MINIMUM", money(100_000))
    await desk.post("/v1/plans", proposal(case, wished_instalment=money(100_001)), key="wish")
    assert await desk.types() == ["plan.refused"]
    assert (await desk.get("/v1/summary")).json()["refusals"] == {"PLAN-PROTECTED-MINIMUM": 1}


async def test_nothing_left_is_a_pause_that_can_be_signed(desk: Desk) -> None:
    plan = await propose(desk, await open_case(desk), monthly_income=money(100_000))
    assert (plan["kind"], plan["instalments"]) == ("pause", [])
    assert (await sign(desk, plan)).json()["state"] == "signed"


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"debts": [money(500_001)]}, 422, "debt_not_owed"),
        ({"case_id": str(uuid4())}, 409, "case_not_open"),
        ({"monthly_rent": {"amount_minor": 1, "currency": "EUR"}}, 422, "invalid-request"),
        ({"monthly_income": money(-1)}, 422, "invalid-request"),
        ({"household": {"adults": 0, "children": 0}}, 422, "invalid-request"),
    ],
)
async def test_bad_proposals_are_named(desk: Desk, changes: dict[str, Any], status: int, kind: str) -> None:
    answer = await desk.post("/v1/plans", proposal(await open_case(desk), **changes))
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (status, kind)
    assert await desk.types() == []


async def test_household_is_kept_sealed(desk: Desk) -> None:
    await propose(desk, await open_case(desk))
    async with desk.database.read_only() as uow:
        row = await uow.sql.fetchrow("SELECT sealed_statement, sealed_document FROM plan")
    assert row is not None
    assert b"350000" not in bytes(row["sealed_statement"])
    assert b"REPAYMENT" not in bytes(row["sealed_document"])


async def test_signature_places_the_hold_first(desk: Desk, compliance: Compliance) -> None:
    case, plan = await signed(desk)
    assert compliance.open == {plan["hold_id"]: str(case.party_id)}
    assert await desk.types() == ["plan.proposed", "party.stopped", "plan.signed"]
    assert plan["signature_code"] is None


async def test_signature_waits_for_compliance(desk: Desk, compliance: Compliance) -> None:
    plan = await propose(desk, await open_case(desk))
    compliance.down = True
    answer = await sign(desk, plan, key="s")
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (503, "hold_not_placed")
    assert (await read(desk, plan))["state"] == "proposed"
    compliance.down = False
    assert (await sign(desk, plan, key="s")).status_code == 200
    assert len(compliance.open) == 1


async def test_signing_twice_is_signing_once(desk: Desk, compliance: Compliance) -> None:
    plan = await propose(desk, await open_case(desk))
    assert (await sign(desk, plan, key="s")).status_code == (await sign(desk, plan, key="s")).status_code == 200
    assert (await sign(desk, plan)).json()["state"] == "signed"
    assert (await desk.types()).count("plan.signed") == 1


async def test_wrong_code_places_no_hold(desk: Desk, compliance: Compliance) -> None:
    plan = await propose(desk, await open_case(desk))
    answer = await sign(desk, plan, customer_signature_code="00000000")
    assert answer.status_code == 422
    assert compliance.asked == []


async def test_hold_whose_signature_never_came_is_ended(desk: Desk, compliance: Compliance) -> None:
    plan = await propose(desk, await open_case(desk))
    # The signature is dated before the proposal: step 3 is refused after step 2 placed the hold.
    answer = await sign(desk, plan, signed_at=(NOW - timedelta(days=1)).isoformat())
    assert answer.status_code == 422
    assert len(compliance.open) == 1
    desk.clock.advance(timedelta(seconds=61))
    await desk.work()
    assert compliance.open == {}
    assert (await sign(desk, plan)).status_code == 200
    assert len(compliance.open) == 1


async def test_signed_plan_outlives_the_timeout(desk: Desk, compliance: Compliance) -> None:
    await signed(desk)
    desk.clock.advance(timedelta(seconds=61))
    await desk.work()
    assert len(compliance.open) == 1


async def test_new_proposal_supersedes_and_active_plan_forbids_another(desk: Desk) -> None:
    case = await open_case(desk)
    first, second = await propose(desk, case), await propose(desk, case)
    assert (await read(desk, first))["state"] == "superseded"
    assert (await sign(desk, first)).status_code in (409, 422)
    assert (await sign(desk, second)).status_code == 200
    answer = await desk.post("/v1/plans", proposal(case))
    assert answer.json()["type"].rsplit("/", 1)[1] == "plan_already_active"


async def test_payments_fill_instalments_and_complete_the_plan(desk: Desk, compliance: Compliance) -> None:
    case, plan = await signed(desk)
    await desk.deliver(
        "case",
        ("case.payment_posted", paid(case, 2, "t1", 150_000)),
        ("case.payment_posted", paid(case, 3, "t2", 200_000)),
    )
    events = await desk.events()
    matched = [data for name, data in events if name == "plan.payment_matched"]
    assert [(m["amount"]["amount_minor"], m["instalments"]) for m in matched] == [(150_000, [1, 2]), (150_000, [2, 3])]
    assert events[-1][0] == "plan.completed"
    await desk.work()
    assert compliance.open == {}
    assert (await read(desk, plan))["state"] == "completed"


async def test_same_transaction_counts_once(desk: Desk) -> None:
    case, plan = await signed(desk)
    await desk.deliver("case", ("case.payment_posted", paid(case, 2, "t1", 50_000)))
    repeated = await desk.deliver("case", ("case.payment_posted", paid(case, 2, "t1", 50_000)))
    assert list(repeated.values()) == ["ignored"]
    assert (await read(desk, plan))["paid"] == money(50_000)


async def test_payment_before_the_signature_is_not_the_plans(desk: Desk) -> None:
    case, plan = await signed(desk)
    await desk.deliver("case", ("case.payment_posted", paid(case, 2, "t1", 50_000, day=date(2026, 3, 1))))
    assert (await read(desk, plan))["paid"] == money(0)


async def test_reversed_payment_is_taken_out(desk: Desk) -> None:
    case, plan = await signed(desk)
    reversal = CasePaymentReversed(
        case_id=case.case_id, party_id=case.party_id, version=3, loan_id=LOAN, transaction_ref="t1",
        amount=Money(amount_minor=50_000, currency="CNY"),
    )  # fmt: skip
    await desk.deliver(
        "case", ("case.payment_posted", paid(case, 2, "t1", 50_000)), ("case.payment_reversed", reversal)
    )
    assert (await read(desk, plan))["paid"] == money(0)
    assert (await desk.get("/v1/summary")).json()["payments_matched"] == 0


async def test_cure_completes_the_plan(desk: Desk) -> None:
    case, plan = await signed(desk)
    cured = CaseCured(
        case_id=case.case_id, party_id=case.party_id, version=2, business_date=date(2026, 4, 2), cause="payment",
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.cured", cured))
    assert (await read(desk, plan))["state"] == "completed"
    await desk.deliver("case", ("case.payment_posted", paid(case, 3, "T-1", 100)))
    answer = await desk.post("/v1/plans", proposal(case))
    assert answer.json()["type"].rsplit("/", 1)[1] == "case_not_open"


async def test_what_an_erased_household_told_is_unreadable(desk: Desk) -> None:
    case, plan = await signed(desk)
    erased = PartyErased(
        party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW + timedelta(days=90)
    )
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    shown = await read(desk, plan)
    assert (shown["state"], shown["document"]) == ("signed", "")
    async with desk.database.read_only() as uow:
        assert await uow.sql.fetchval("SELECT count(*) FROM party_key WHERE party_id = $1", case.party_id) == 0


@pytest.mark.parametrize("under_the_survivors_key_first", [True, False])
async def test_plan_of_who_is_another_person_now_is_kept_by_payments_of_who_remains(
    desk: Desk, under_the_survivors_key_first: bool
) -> None:
    (case, plan), survivor = await signed(desk), await open_case(desk)
    told = [
        CasePartyMerged(
            party_id=own.party_id, merged_id=case.party_id, survivor_id=survivor.party_id, version=1,
            merged_case_id=case.case_id, survivor_case_id=survivor.case_id, business_date=date(2026, 3, 5),
        )
        for own in (survivor, case)
    ]  # fmt: skip
    for data in told if under_the_survivors_key_first else reversed(told):
        await desk.deliver("case", ("case.party_merged", data))
    await desk.deliver("case", ("case.payment_posted", paid(survivor, 2, "T-1", 100_000)))
    assert (await read(desk, plan))["paid"] == money(100_000)
    refused = await desk.post("/v1/plans", proposal(case))
    assert refused.status_code >= 400


async def test_plans_are_kept_over_a_chain_of_merges(desk: Desk) -> None:
    (case, plan), middle, last = await signed(desk), await open_case(desk), await open_case(desk)
    for merged, survivor in ((case, middle), (middle, last)):
        data = CasePartyMerged(
            party_id=survivor.party_id, merged_id=merged.party_id, survivor_id=survivor.party_id, version=1,
            merged_case_id=merged.case_id, survivor_case_id=survivor.case_id, business_date=date(2026, 3, 5),
        )  # fmt: skip
        await desk.deliver("case", ("case.party_merged", data))
    await desk.deliver("case", ("case.payment_posted", paid(last, 2, "T-1", 40_000)))
    await desk.deliver("case", ("case.payment_posted", paid(middle, 2, "T-2", 60_000)))
    assert (await read(desk, plan))["paid"] == money(100_000)


async def access_lists(desk: Desk, party_id: UUID) -> Any:
    return await desk.get(f"/v1/parties/{party_id}/access-lists", received_at=NOW.isoformat())


async def test_person_is_told_of_plans_and_what_the_household_said(desk: Desk) -> None:
    case, plan = await signed(desk)
    await desk.deliver("case", ("case.payment_posted", paid(case, 2, "T-1", 100_000)))
    answer = await access_lists(desk, case.party_id)
    lists = {one["name"]: one["rows"] for one in answer.json()["lists"]}
    assert list(lists)[: len(LISTS)] == list(LISTS)
    assert {name: len(lists[name]) for name in LISTS} == {
        "cases": 1, "household": 5, "plans": 1, "documents": 1, "instalments": 3, "payments": 1,
        "follow_ups": 0, "holds": 0, "refusals": 0, "identities": 0,
    }  # fmt: skip
    told = {row["values"]["name"]: row["values"]["value"] for row in lists["household"]}
    assert (told["monthly_income"], told["household"]) == ("CNY 3,500.00", "adults 1, children 0")
    assert lists["documents"][0]["values"]["text"] == (await read(desk, plan))["document"]
    assert "CNY 1,000.00" in lists["payments"][0]["words"]["zh"]


async def test_erased_person_is_told_just_that(desk: Desk) -> None:
    case, _ = await signed(desk)
    erased = PartyErased(party_id=case.party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await desk.deliver("compliance", ("compliance.party_erased", erased))
    assert (await access_lists(desk, case.party_id)).status_code == 410

"""Who is bound by which debt, as intake's cases tell it."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from services.compliance.domain.debts import Obligor
from services.compliance.store.case_facts import load_cases
from services.compliance.store.debts import load_debts, load_liable
from shared.events.case import CaseClosed, CaseCured, CaseLoan, CaseLoanCured, CaseObligor, CaseOpened, CaseUpdated
from shared.money import Money

from .conftest import Desk, visit_request


def loan(*others: UUID, debt_id: UUID | None = None, lead: UUID | None = None, **changes: Any) -> CaseLoan:
    """A loan of consumption, with co-borrowers."""
    joint: list[tuple[UUID, Any]] = [(lead, "borrower")] if lead is not None else []
    joint += [(one, "co_borrower") for one in others]
    values: dict[str, Any] = {
        "loan_id": uuid4(), "debt_id": debt_id or uuid4(), "loan_ref": "L-1", "product_class": "consumer",
        "overdue": Money(amount_minor=125_000, currency="CNY"), "balance": Money(amount_minor=900_000, currency="CNY"),
        "oldest_due_date": date(2026, 1, 15), "dpd_contractual": 45, "originated_on": date(2025, 1, 1),
        "obligors": [CaseObligor(party_id=one, role=role, liability="joint") for one, role in joint],
    }  # fmt: skip
    return CaseLoan(**(values | changes))


def updated(case: CaseOpened, **changes: Any) -> CaseUpdated:
    """The case one version later."""
    return CaseUpdated(**(dict(case) | {"version": case.version + 1, "cause": "loan.overdue"} | changes))


async def test_co_borrowers_are_found_from_the_debt_and_the_debt_from_each_of_them(desk: Desk) -> None:
    other = uuid4()
    case = await desk.open_case(loans=[loan(other)], household="a" * 32)
    debt_id = case.loans[0].debt_id
    assert debt_id is not None
    async with desk.database.read_only() as uow:
        debts = await load_debts(uow, [case.party_id, other])
        liable = await load_liable(uow, [debt_id])
        [known] = (await load_cases(uow, [case.party_id])).values()
    assert debts[case.party_id] == debts[other]
    assert [one.debt_id for one in debts[other]] == [debt_id]
    assert set(liable[debt_id]) == {
        Obligor(case.party_id, "borrower", "full"), Obligor(other, "co_borrower", "joint")
    }  # fmt: skip
    assert (known.household, known.debts_known) == ("a" * 32, True)


async def test_an_obligor_who_is_released_is_no_longer_bound(desk: Desk) -> None:
    other, debt_id = uuid4(), uuid4()
    case = await desk.open_case(loans=[loan(other, debt_id=debt_id)])
    await desk.deliver("case", ("case.updated", updated(case, loans=[loan(debt_id=debt_id)])))
    async with desk.database.read_only() as uow:
        debts = await load_debts(uow, [case.party_id, other])
        liable = await load_liable(uow, [debt_id])
    assert other not in debts
    assert [one.party_id for one in liable[debt_id]] == [case.party_id]


async def test_what_is_paid_is_kept_and_no_longer_overdue(desk: Desk) -> None:
    first, second = loan(), loan(loan_ref="L-2")
    case = await desk.open_case(loans=[first, second])
    await desk.deliver("case", ("case.updated", updated(case, loans=[second])))
    async with desk.database.read_only() as uow:
        debts = (await load_debts(uow, [case.party_id]))[case.party_id]
    assert {one.debt_id: one.is_overdue for one in debts} == {first.debt_id: False, second.debt_id: True}
    (refused,) = await desk.ask(visit_request(case, debt_ids=[str(first.debt_id)], versions={"case": 2}))
    assert "DEBT-COLLECTED" in {reason["rule"] for reason in refused["reasons"]}
    asked = {
        "party_id": str(case.party_id), "channel": "visit", "jurisdiction": "CN", "time_zones": ["Asia/Shanghai"],
        "days": ["2026-03-03"], "duration_minutes": 30,
    }  # fmt: skip
    named = [asked | {"debt_ids": [str(one.debt_id)]} for one in (first, second)]
    none, some = (await desk.post("/v1/windows", {"items": named})).json()["items"]
    assert ([reason["rule"] for reason in none["refused"]], none["windows"]) == (["DEBT-COLLECTED"], [])
    assert some["windows"]
    cured = CaseCured(
        case_id=case.case_id, party_id=case.party_id, version=3, business_date=date(2026, 3, 2), cause="payment",
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.cured", cured))
    async with desk.database.read_only() as uow:
        debts = (await load_debts(uow, [case.party_id]))[case.party_id]
    assert not any(one.is_overdue for one in debts)


def plan_message(case: CaseOpened, *loans: CaseLoan, **changes: Any) -> dict[str, Any]:
    """An SMS about a plan for these loans."""
    about = [str(one.debt_id) for one in loans]
    values = {"channel": "sms", "purpose": "plan_service", "debt_ids": about or None, "duration_minutes": 0}
    return visit_request(case, **(values | changes))


async def granted(desk: Desk, asked: dict[str, Any]) -> str:
    (answer,) = await desk.ask(asked)
    assert answer["decision"] == "allow", answer
    return answer["permit_id"]  # type: ignore[no-any-return]


async def revoked_for(desk: Desk, permit_id: str) -> str | None:
    return (await desk.get(f"/v1/permits/{permit_id}")).json()["revoke_cause"]  # type: ignore[no-any-return]


async def test_a_plan_is_not_served_any_more_for_a_debt_that_is_anothers(desk: Desk) -> None:
    kept, gone, moved = loan(), loan(loan_ref="L-2"), loan(loan_ref="L-3")
    case = await desk.open_case(loans=[kept, gone, moved])
    of_kept, *of_gone = [await granted(desk, plan_message(case, one)) for one in (kept, gone, moved)]
    sale, move = [
        CaseLoanCured(
            case_id=case.case_id, party_id=case.party_id, version=3, loan_id=one.loan_id, cause=cause,
            business_date=date(2026, 3, 2),
        )
        for one, cause in ((gone, "sold"), (moved, "moved"))
    ]  # fmt: skip
    left = ("case.loan_cured", sale), ("case.loan_cured", move)
    await desk.deliver("case", ("case.updated", updated(case, loans=[kept])), *left)
    assert [await revoked_for(desk, one) for one in of_gone] == ["DEBT-TRANSFERRED"] * 2
    assert await revoked_for(desk, of_kept) is None
    refused = await desk.ask(plan_message(case, gone), plan_message(case, moved))
    assert [[one["rule"] for one in each["reasons"]] for each in refused] == [["DEBT-TRANSFERRED"]] * 2
    bought_back = updated(case, loans=[kept, gone], version=4)
    await desk.deliver("case", ("case.updated", bought_back))
    await granted(desk, plan_message(case, gone))


async def test_who_has_a_debt_that_moved_is_served_and_contacts_of_before_count_on_it(desk: Desk) -> None:
    gone = loan()
    before = await desk.open_case(loans=[gone])
    own = loan(before.party_id, debt_id=gone.debt_id, loan_id=gone.loan_id)
    after = await desk.open_case(loans=[own])
    closed = CaseClosed(
        case_id=before.case_id, party_id=before.party_id, version=2, cause="moved", business_date=date(2026, 3, 2),
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.closed", closed))
    await granted(desk, plan_message(after, own))
    assert gone.debt_id is not None
    async with desk.database.read_only() as uow:
        liable = await load_liable(uow, [gone.debt_id])
    assert {one.party_id for one in liable[gone.debt_id]} == {before.party_id, after.party_id}


async def test_what_is_paid_is_still_served_and_the_last_debt_sold_is_not(desk: Desk) -> None:
    paid, gone = loan(), loan(loan_ref="L-2")
    case = await desk.open_case(loans=[paid, gone])
    of_paid, of_gone = [await granted(desk, plan_message(case, one)) for one in (paid, gone)]
    cured = CaseLoanCured(
        case_id=case.case_id, party_id=case.party_id, version=3, loan_id=paid.loan_id, cause="paid",
        business_date=date(2026, 3, 2),
    )  # fmt: skip
    await desk.deliver("case", ("case.updated", updated(case, loans=[gone])), ("case.loan_cured", cured))
    closed = CaseClosed(
        case_id=case.case_id, party_id=case.party_id, version=4, cause="sold", business_date=date(2026, 3, 2),
        overdue_totals=[],
    )  # fmt: skip
    await desk.deliver("case", ("case.closed", closed))
    assert (await revoked_for(desk, of_paid), await revoked_for(desk, of_gone)) == (None, "DEBT-TRANSFERRED")


async def test_loans_without_a_debts_id_leave_the_debts_unknown(desk: Desk) -> None:
    """Sent by an intake of before: nothing is guessed."""
    case = await desk.open_case(loans=[loan().model_copy(update={"debt_id": None})])
    async with desk.database.read_only() as uow:
        [known] = (await load_cases(uow, [case.party_id])).values()
    assert not known.debts_known


async def test_a_guarantor_is_not_asked_about_the_debt_before_something_is_demanded(desk: Desk) -> None:
    own, borrower = await desk.open_case(), uuid4()
    surety = [
        CaseObligor(party_id=borrower, role="borrower", liability="full"),
        CaseObligor(party_id=own.party_id, role="guarantor", liability="secondary"),
    ]
    guaranteed = loan(obligors=surety)
    await desk.open_case(party_id=borrower, loans=[guaranteed])
    asked = visit_request(own, debt_ids=[str(guaranteed.debt_id)])
    (refused,) = await desk.ask(asked)
    assert refused["decision"] == "deny"
    assert "GUARANTOR-DEMAND" in {reason["rule"] for reason in refused["reasons"]}
    await desk.deliver("case", ("case.updated", updated(own, loans=[guaranteed])))
    (answer,) = await desk.ask(visit_request(own, debt_ids=[str(guaranteed.debt_id)], versions={"case": 2}))
    assert "GUARANTOR-DEMAND" not in {reason["rule"] for reason in answer["reasons"]}

"""The past of a case by API: the core's facts as they were told, and days seen by what was known then."""

from datetime import timedelta

from services.intake.store.erasing import erase
from shared.events.loan import LoanCorrected
from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import DAY, due, hold, overdue, payment, person, stated
from tests.unit.intake.identities import merged


async def _get(api, path, **query):
    answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_fact_is_kept_once_with_what_became_of_it(intake):
    early = payment(9, 100, loan="L-9")
    await intake.tell(person(1), overdue(2), overdue(2), early)
    case_id = (await case_of(intake))["case_id"]
    async with intake.api() as api:
        facts = (await _get(api, f"/v1/cases/{case_id}/facts"))["items"]
    assert [(fact["type"], fact["outcome"]) for fact in facts] == [
        ("loan.overdue", "applied"), ("loan.overdue", "ignored"), ("loan.payment_received", "pending"),
    ]  # fmt: skip
    assert facts[0]["content"]["due_items"][0]["principal"] == 500
    assert facts[0]["holds_from"] == DAY.isoformat()


async def test_facts_are_read_in_pages(intake):
    await intake.tell(*(overdue(number, due(10, 500 + number)) for number in range(1, 6)))
    case_id = (await case_of(intake))["case_id"]
    async with intake.api() as api:
        first = await _get(api, f"/v1/cases/{case_id}/facts", limit=3)
        second = await _get(api, f"/v1/cases/{case_id}/facts", limit=3, cursor=first["next"])
    numbers = [fact["content"]["core_sequence"] for fact in first["items"] + second["items"]]
    assert numbers == [1, 2, 3, 4, 5]
    assert second["next"] is None


async def test_day_is_told_as_it_was_known_and_as_it_is_known_now(intake):
    await intake.tell(overdue(1, due(10, 500)))
    known_then = intake.clock.real_now()
    intake.clock.real += timedelta(minutes=2)
    await intake.tell(stated(LoanCorrected, 2, due(3, 200), value_date=DAY))
    case_id = (await case_of(intake))["case_id"]
    async with intake.api() as api:
        now = await _get(api, f"/v1/cases/{case_id}/on-day", as_of=DAY.isoformat())
        then = await _get(api, f"/v1/cases/{case_id}/on-day", as_of=DAY.isoformat(), known_at=known_then.isoformat())
        summary = await _get(api, f"/v1/cases/{case_id}")
    assert (then["dpd_contractual"], then["overdue_totals"][0]["amount_minor"]) == (10, 500)
    assert (now["dpd_contractual"], now["overdue_totals"]) == (summary["dpd_contractual"], summary["overdue_totals"])
    assert now["facts"] == 2
    assert now["without_facts"] == []


async def test_a_corrected_hold_keeps_what_was_known_of_it_before(intake):
    """Valid time and recorded time: on the day itself nobody knew of the hold that began before it."""
    await intake.tell(overdue(1))
    moments = [intake.clock.real_now()]
    for fact in (hold(2, starts_on=DAY - timedelta(days=3)), hold(3, starts_on=DAY + timedelta(days=1))):
        intake.clock.real += timedelta(minutes=2)
        await intake.tell(fact)
        moments.append(intake.clock.real_now())
    case_id, found = (await case_of(intake))["case_id"], []
    async with intake.api() as api:
        for moment in moments:
            day = await _get(api, f"/v1/cases/{case_id}/on-day", as_of=DAY.isoformat(), known_at=moment.isoformat())
            found.append(day["suspended"])
    assert found == [[], ["on_hold"], []]


async def test_loan_without_kept_facts_is_named(intake):
    await intake.tell(overdue(1))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM loan_fact")
    case = await case_of(intake)
    async with intake.api() as api:
        day = await _get(api, f"/v1/cases/{case['case_id']}/on-day")
    assert day["facts"] == 0
    assert len(day["without_facts"]) == 1


async def test_person_under_two_references_has_one_past(intake):
    await intake.tell(overdue(1, due(40, 500)), overdue(1, due(10, 300), loan="L-2", party="P-2"))
    await intake.tell(merged(5, "P-1", "P-2"))
    case_id = (await case_of(intake))["case_id"]
    async with intake.api() as api:
        facts = (await _get(api, f"/v1/cases/{case_id}/facts"))["items"]
        day = await _get(api, f"/v1/cases/{case_id}/on-day")
    assert [fact["content"]["loan_ref"] for fact in facts] == ["L-1", "L-2"]
    assert len({fact["party_id"] for fact in facts}) == 2
    assert [loan["loan_ref"] for loan in day["loans"]] == ["L-1", "L-2"]
    assert day["without_facts"] == []


async def test_facts_go_with_the_person(intake):
    await intake.tell(overdue(1))
    party_id = await party_of(intake)
    async with intake.database.unit_of_work() as uow:
        await uow.lock_parties([party_id])
        await erase(uow, intake.folding.cipher, [party_id])
    assert await intake.fetch("SELECT 1 FROM loan_fact") == []


async def test_unknown_case_has_no_past(intake):
    async with intake.api() as api:
        answer = await api.get("/v1/cases/018f3b60-0000-8a01-8000-000000000003/facts")
    assert answer.status_code == 404

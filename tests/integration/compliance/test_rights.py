"""Legal holds and erasures: refused with the reason and its end, carried out by two, and final."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.compliance import erasure_desk
from services.compliance.store import erasures
from shared.events.case import CaseCured
from tests.integration.compliance.conftest import NOW, Desk, visit_contact, visit_request

FIVE_YEARS = timedelta(days=5 * 365 + 5)


async def visited(desk: Desk, *, cured: bool = True) -> Any:
    """A person in China who was told about, visited, and whose case is over."""
    case = await desk.open_case()
    await desk.tell(case.party_id, collector="creditor")
    (permit,) = await desk.ask(visit_request(case))
    await desk.deliver("contact", ("contact.recorded", visit_contact(case, permit)))
    if cured:
        over = CaseCured(
            case_id=case.case_id, party_id=case.party_id, version=2, business_date=NOW.date(), cause="payment",
            overdue_totals=[],
        )  # fmt: skip
        await desk.deliver("case", ("case.cured", over))
    return case, permit


async def ask(desk: Desk, case: Any, *, by: str = "rights-1") -> Any:
    body = {"party_id": str(case.party_id), "received_at": desk.clock.business.isoformat()}
    return await desk.post("/v1/erasures", body, by=by)


def refusals(response: Any) -> dict[str, str | None]:
    document = response.json()
    assert (response.status_code, document["type"].rsplit("/", 1)[1]) == (409, "erasure-refused"), document
    return {one["rule"]: one["earliest"] for one in document["reasons"]}


async def test_law_claims_and_debts_refuse_with_their_end(desk: Desk) -> None:
    case, _ = await visited(desk, cured=False)
    await desk.post("/v1/complaints", {
        "party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-1",
    })  # fmt: skip
    await desk.post("/v1/legal-holds", {
        "party_id": str(case.party_id), "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks",
    })  # fmt: skip
    response = await ask(desk, case)
    found = refusals(response)
    assert found == {
        "RIGHTS-LEGAL-HOLD": None, "RIGHTS-COMPLAINT-OPEN": None, "RIGHTS-CASE-OPEN": None,
        "CN-CFC2024-5Y": "2031-03-03",
    }  # fmt: skip
    assert response.json()["earliest"] is None
    kept = (await desk.get(f"/v1/erasures/{response.json()['erasure_id']}")).json()
    assert (kept["state"], kept["refused_by"]) == ("refused", sorted(found))


async def test_two_people_erase_and_nothing_can_be_read_any_more(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    assert asked["state"] == "requested"
    path = f"/v1/erasures/{asked['erasure_id']}/carry-out"
    alone = await desk.post(path, {}, by="rights-1")
    assert (alone.status_code, alone.json()["type"].rsplit("/", 1)[1]) == (403, "second-person-erases")
    erased = await desk.post(path, {}, by="rights-2")
    assert (erased.status_code, erased.json()["state"]) == (200, "erased")
    for read in (f"decisions/{permit['decision_id']}", f"permits/{permit['permit_id']}"):
        assert (await desk.get(f"/v1/{read}")).status_code == 410
    (event,) = await desk.events("compliance.party_erased")
    assert (event["party_id"], event["erasure_id"]) == (str(case.party_id), asked["erasure_id"])
    assert (await ask(desk, case)).status_code == 410
    async with desk.database.read_only() as uow:
        for table in ("party_key", "dossier_entry", "given_override"):
            assert await uow.sql.fetchval(f"SELECT count(*) FROM {table} WHERE party_id = $1", case.party_id) == 0


async def test_what_came_up_in_between_refuses_the_second_person(desk: Desk) -> None:
    case, _ = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    await desk.post("/v1/complaints", {
        "party_id": str(case.party_id), "channel": "web", "received_at": NOW.isoformat(), "reference": "c-2",
    })  # fmt: skip
    late = await desk.post(f"/v1/erasures/{asked['erasure_id']}/carry-out", {}, by="rights-2")
    assert set(refusals(late)) == {"RIGHTS-COMPLAINT-OPEN", "CN-CFC2024-5Y"}


async def test_complete_once_its_date_has_come_and_everybody_heard(desk: Desk) -> None:
    case, _ = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    asked = (await ask(desk, case)).json()
    await desk.post(f"/v1/erasures/{asked['erasure_id']}/carry-out", {}, by="rights-2")
    for days, done in ((34, 0), (100, 0), (100, 1)):
        desk.clock.real += timedelta(days=days) if not done else timedelta()
        if done:
            await desk.hear()
        async with desk.database.unit_of_work() as uow:
            assert await erasure_desk.complete(uow, desk.instruments) == done
    async with desk.database.read_only() as uow:
        kept = await erasures.find(uow, UUID(asked["erasure_id"]))
        assert kept is not None
        assert kept.state == "complete"
        leaves = await uow.sql.fetch("SELECT party_id FROM log_entry WHERE kind = 'erasure' ORDER BY recorded_at")
    assert [row["party_id"] for row in leaves] == [case.party_id, case.party_id, None]


async def test_legal_hold_takes_two_people_to_lift(desk: Desk) -> None:
    case, _ = await visited(desk)
    body = {"party_id": str(case.party_id), "matter": "file:1", "custodian": "counsel-9", "reason": "a court asks"}
    placed = (await desk.post("/v1/legal-holds", body, by="counsel-1")).json()
    assert (await desk.post("/v1/legal-holds", body, by="counsel-1")).json()["version"] == 1
    path, why = f"/v1/legal-holds/{placed['legal_hold_id']}/lift", {"reason": "the court has closed it"}
    answers = [await desk.post(path, why, by=by) for by in ("counsel-1", "counsel-1", "counsel-2", "counsel-2")]
    assert [one.status_code for one in answers] == [200, 403, 200, 409]
    assert [one.json().get("step") for one in answers] == ["ask_lift", None, "lift", None]
    assert (await desk.get("/v1/legal-holds")).json()["items"] == []

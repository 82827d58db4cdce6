"""Each sort of record ends by its own minimum; the person, and the key, when nothing is kept any more."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.compliance.domain.keeping import RESTRICTED_FOR
from shared.events.case import CaseCured, CaseOpened
from tests.integration.compliance.conftest import NOW, Desk
from tests.integration.compliance.test_refused_check_ins import refused
from tests.integration.compliance.test_rights import FIVE_YEARS, look, visited


def kind_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rsplit("/", 1)[1]


async def test_sorts_are_restricted_then_deleted_and_the_key_goes_last(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + timedelta(days=730)
    await desk.tell(case.party_id, product="card")
    read = f"/v1/decisions/{permit['decision_id']}"
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    assert kind_of(await desk.get(read)) == (403, "party-restricted")
    assert (await desk.get("/v1/facts", party_id=str(case.party_id))).status_code == 200
    assert (await desk.get("/v1/restrictions")).json()["items"] == []
    pack = f"/v1/parties/{case.party_id}/access-pack"
    assert kind_of(await desk.get(pack, received_at=NOW.isoformat())) == (422, "reason-needed")
    assert (await desk.get(pack, received_at=NOW.isoformat(), reason="a court asks")).status_code == 200
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    gone = await desk.get(read)
    assert (kind_of(gone), gone.json()["rule"]) == ((410, "records-deleted"), "CN-CFC2024-5Y")
    assert kind_of(await desk.get(f"/v1/permits/{permit['permit_id']}")) == (410, "records-deleted")
    (deletion,) = await desk.leaves("retention")
    assert [(one["records"], one["rule"], one["count"]) for one in deletion["deleted"]] == [
        ("contact", "CN-CFC2024-5Y", 1), ("decision", "CN-CFC2024-5Y", 1), ("permit", "CN-CFC2024-5Y", 1)
    ]  # fmt: skip
    assert gone.json()["leaf_id"] == deletion["leaf_id"]
    given = (await desk.get(pack, received_at=NOW.isoformat())).json()
    words = next(one["rows"][0]["words"]["en"] for one in given["lists"] if one["name"] == "decisions")
    assert "cannot be read any more" in words
    await look(desk)  # what was deleted is not deleted again
    assert len(await desk.leaves("retention")) == 1
    desk.clock.business = NOW + FIVE_YEARS + timedelta(days=740)
    await look(desk)
    assert kind_of(await desk.get("/v1/facts", party_id=str(case.party_id))) == (403, "party-restricted")
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    assert kind_of(await desk.get(read)) == (410, "party-erased")
    assert len(await desk.events("compliance.party_erased")) == 1


async def test_deleted_sorts_leave_nothing_that_opens_their_leaves(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + timedelta(days=730)
    await desk.tell(case.party_id, product="card")
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    desk.clock.business += RESTRICTED_FOR
    await look(desk)
    async with desk.database.read_only() as uow:
        kinds = await uow.sql.fetch(
            "SELECT e.kind FROM leaf_salt s JOIN log_entry e USING (leaf_id) WHERE s.party_id = $1", case.party_id
        )
        row = await uow.sql.fetchrow("SELECT * FROM decision WHERE decision_id = $1", UUID(permit["decision_id"]))
    assert {one["kind"] for one in kinds} == {"told"}
    assert (row["sealed_record"], row["sealed_facts"], bytes(row["record_sha256"])) == (None, None, b"")
    assert (row["answer"], row["channel"]) == ("allow", "visit")


async def test_claim_frees_what_was_restricted(desk: Desk) -> None:
    case, permit = await visited(desk)
    desk.clock.business = NOW + FIVE_YEARS
    await look(desk)
    matter = {"party_id": str(case.party_id), "matter": "file:1", "custodian": "c-9", "reason": "a court asks"}
    await desk.post("/v1/legal-holds", matter)
    assert (await desk.get(f"/v1/decisions/{permit['decision_id']}")).status_code == 200
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    assert await desk.leaves("retention") == []
    assert [one.get("records") for one in await desk.leaves("restriction") if one["step"] == "freed"] == [
        None, ["contact", "decision", "permit", "fact"]
    ]  # fmt: skip


async def test_what_was_owed_because_of_a_person_ends_with_the_evidence_about_them(desk: Desk) -> None:
    case = await desk.open_case()
    open_one, answered, late = [await corrected(desk, case, reference) for reference in ("F-1", "F-2", "F-3")]
    await answer_all(desk, case, answered)
    await refused(desk, case, "permit_expired")
    desk.clock.business = NOW + timedelta(days=2)
    await answer_all(desk, case, late)
    await desk.deliver("case", ("case.cured", cured(case)))
    desk.clock.business = NOW + FIVE_YEARS + timedelta(days=2)
    await look(desk)
    desk.clock.business += RESTRICTED_FOR + timedelta(days=1)
    await look(desk)
    async with desk.database.read_only() as uow:
        kept = {str(row["cause_id"]) for row in await uow.sql.fetch("SELECT cause_id FROM duty_cause")}
        owed = {str(row["cause_id"]) for row in await uow.sql.fetch("SELECT cause_id FROM duty_owed")}
        opened = await uow.sql.fetchval("SELECT count(*) FROM duty_cause c JOIN leaf_salt s USING (leaf_id)")
    assert kept == owed == {open_one["cause_id"], late["cause_id"]}, "what is owed stays, and what was answered since"
    assert opened > 0, "and so does what opens its leaf"
    [deletion] = await desk.leaves("retention")
    assert [(one["records"], one["count"]) for one in deletion["deleted"]] == [("evidence", 2)]


async def corrected(desk: Desk, case: CaseOpened, reference: str) -> dict[str, Any]:
    """What is owed because the person wants something corrected."""
    body = {
        "party_id": str(case.party_id), "right": "correction", "received_at": NOW.isoformat(), "reference": reference
    }  # fmt: skip
    asked = await desk.post("/v1/duties/requests", body, client="rights-desk")
    assert asked.status_code == 201, asked.text
    return asked.json()  # type: ignore[no-any-return]


async def answer_all(desk: Desk, case: CaseOpened, cause: dict[str, Any]) -> None:
    for owed in cause["owed"]:
        said = {
            "rule": owed["rule"], "outcome": "done", "answered_at": desk.clock.business.isoformat(),
            "reference": cause["reference"], "party_id": str(case.party_id),
        }  # fmt: skip
        given = await desk.post(f"/v1/duties/causes/{cause['cause_id']}/answers", said, client="rights-desk")
        assert given.status_code == 200, given.text


def cured(case: CaseOpened) -> CaseCured:
    return CaseCured(
        case_id=case.case_id, party_id=case.party_id, version=case.version + 1, business_date=case.business_date,
        cause="payment", overdue_totals=[],
    )  # fmt: skip

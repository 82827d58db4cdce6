"""A guarantor is in no case, and so in no contact, before something is demanded on a document."""

from datetime import timedelta
from uuid import uuid4

from shared.events.loan import Obligor
from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import DAY, due, obligors, overdue, person

BOTH = [
    Obligor(party_ref="P-1", role="borrower", liability="full"),
    Obligor(party_ref="P-2", role="guarantor", liability="secondary"),
]
PLACE = {"core": "core-a", "loan_ref": "L-1", "document_reference": "D-1"}


async def guaranteed(intake):
    """The core tells of one loan under both references."""
    await intake.tell(person(1), person(1, party="P-2"), overdue(2, due(10, 500), obligors=BOTH))
    await intake.tell(overdue(2, due(10, 500), party="P-2", obligors=BOTH))
    return await party_of(intake, "P-2")


async def send(intake, party, path="", **changes):
    body = PLACE | ({} if path else {"demanded_on": DAY.isoformat()}) | changes
    async with intake.api() as api:
        return await api.post(
            f"/v1/parties/{party}/demand-rights{path}", json=body, headers={"Idempotency-Key": uuid4().hex}
        )


async def test_no_case_before_and_one_after_and_none_once_it_is_revoked(intake):
    party = await guaranteed(intake)
    assert await intake.fetch("SELECT FROM case_file WHERE party_id = $1", party) == []
    recorded = await send(intake, party)
    assert (recorded.status_code, recorded.json()["recorded_by"]) == (200, "tester@demo-driver")
    assert (await case_of(intake, "P-2"))["status"] == "open"
    assert (await send(intake, party, "/revoke")).json()["revoked_at"] is not None
    assert (await case_of(intake, "P-2"))["status"] == "cured"
    told = [name for name, key in await intake.published() if key == str(party)]
    assert told == ["case.demand_recorded", "case.opened", "case.demand_revoked", "case.cured", "party.stopped"]


async def test_the_borrowers_case_is_as_before(intake):
    party = await guaranteed(intake)
    before = await case_of(intake)
    await send(intake, party)
    assert await case_of(intake) == before


async def test_only_of_a_guarantor_of_a_known_loan_and_from_its_first_day_on(intake):
    party, borrower = await guaranteed(intake), await party_of(intake)
    ahead = (DAY + timedelta(days=2)).isoformat()
    assert [
        (await send(intake, borrower)).status_code,
        (await send(intake, party, loan_ref="L-9")).status_code,
        (await send(intake, party, demanded_on=ahead)).status_code,
        (await send(intake, party, "/revoke")).status_code,
    ] == [409, 404, 422, 404]


async def test_who_becomes_a_guarantor_leaves_the_case(intake):
    await intake.tell(person(1), overdue(2, due(10, 500)))
    await intake.tell(obligors(3, "P-9", "P-1"))
    assert (await case_of(intake))["overdue_minor"] == "[]"

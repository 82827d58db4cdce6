"""Third persons are asked at most as often as law allows, whoever asks, and never again after a refusal."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from shared.events.case import CaseOpened

from .conftest import Desk, visit_contact
from .test_contacts import call as reported
from .test_contacts import declare_source, rules_of
from .test_debts import loan
from .test_shared_budget import BOSTONIANS, call, decided, refused_by

NEIGHBOUR = "+1 617 555 0100"
BOSTON = {"jurisdiction": "US-MA", "time_zones": ["America/New_York"]}


async def borrower(desk: Desk, number: int, **changes: Any) -> CaseOpened:
    """A person in Boston whose debt is younger than the ledger, of whom everything is known that an inquiry needs."""
    young = loan(originated_on=date(2026, 3, 4), **changes)
    case = await desk.open_case(loans=[young], household=f"{number:032x}", **BOSTON)
    await desk.tell(case.party_id, **BOSTONIANS)
    told = {"party_id": str(case.party_id), "wishes": [], "told_at": desk.clock.business.isoformat()}
    assert (await desk.post("/v1/preferences", told)).status_code == 200
    return case


def inquiry(case: CaseOpened, point: str | None = NEIGHBOUR, **changes: Any) -> dict[str, Any]:
    return call(case, hour=16, channel="third_party_location", **({"contact_point": point} if point else {}), **changes)


async def test_a_third_person_is_asked_once_whoever_asks(desk: Desk) -> None:
    first, second = await borrower(desk, 1), await borrower(desk, 2)
    assert decided(await desk.ask(inquiry(first))) == ["allow"]
    for asked in (inquiry(first, day=5), inquiry(second, "+1 (617) 555-0100")):
        [answer] = await desk.ask(asked)
        assert refused_by(answer) == ["US-REGF-LOC"], answer
    assert decided(await desk.ask(inquiry(second, "+1 617 555 0199"))) == ["allow"]


async def test_in_one_batch_a_third_person_is_asked_once(desk: Desk) -> None:
    first, second = await borrower(desk, 1), await borrower(desk, 2)
    assert decided(await desk.ask(inquiry(first), inquiry(second))) == ["allow", "deny"]


async def test_an_inquiry_that_is_given_back_or_moved_frees_its_question(desk: Desk) -> None:
    first, second = await borrower(desk, 1), await borrower(desk, 2)
    [granted] = await desk.ask(inquiry(first))
    [moved] = await desk.ask(inquiry(first, day=5, replaces=granted["permit_id"]))
    assert moved["decision"] == "allow"
    assert decided(await desk.ask(inquiry(second))) == ["deny"]
    response = await desk.post(f"/v1/permits/{moved['permit_id']}/release", {"cause": "found"})
    assert response.status_code == 200
    assert decided(await desk.ask(inquiry(second))) == ["allow"]


async def test_a_refusal_binds_over_all_parties(desk: Desk) -> None:
    asked, other = await desk.open_case(), await desk.open_case()
    await desk.ask(inquiry(asked))
    await declare_source(desk, "dialler-1")
    refused = reported(
        asked, started=desk.clock.business - timedelta(minutes=9), channel="third_party_location",
        contact_point=NEIGHBOUR, reached="third_party", third_person_refused=True,
    )  # fmt: skip
    response = await desk.post("/v1/contacts", {"items": [refused]})
    assert [one["status"] for one in response.json()["items"]] == ["recorded"], response.text
    [answer] = await desk.ask(inquiry(other))
    assert "BANK-THIRD-PERSON" in refused_by(answer)
    assert answer["lawful_after"] == "never"


async def test_an_inquiry_is_reported_on_its_permit_and_counts_once(desk: Desk) -> None:
    case = await borrower(desk, 1)
    [granted] = await desk.ask(inquiry(case))
    await declare_source(desk, "dialler-1")
    began = datetime(2026, 3, 3, 16, 5, tzinfo=UTC)
    desk.clock.business = began + timedelta(minutes=9)
    desk.clock.real += timedelta(minutes=20)
    use = {"contact_id": None, "used_at": began.isoformat()}
    assert (await desk.post(f"/v1/permits/{granted['permit_id']}/use", use)).status_code == 200
    made = reported(
        case, started=began, channel="third_party_location", contact_point=NEIGHBOUR, reached="third_party",
        permit_id=granted["permit_id"],
    )  # fmt: skip
    response = await desk.post("/v1/contacts", {"items": [made]})
    [result] = response.json()["items"]
    assert (result["status"], await rules_of(desk, contact_id=result["contact_id"])) == ("recorded", [])
    async with desk.database.read_only() as uow:
        assert [row["asked"] for row in await uow.sql.fetch("SELECT asked FROM third_person")] == [1]


async def test_where_nothing_can_be_computed_nobody_is_asked(desk: Desk) -> None:
    case = await borrower(desk, 1)
    [unnamed] = await desk.ask(inquiry(case, None))
    assert unnamed["decision"] == "needs-fact"
    assert "third_person.computed" in {one["lawful_after"] for one in unnamed["reasons"]}
    old = await borrower(desk, 2, debt_id=uuid4(), loan_ref="L-9")
    await desk.deliver("case", ("case.opened", old.model_copy(update={"version": 2, "loans": [loan()]})))
    [answer] = await desk.ask(inquiry(old))
    assert refused_by(answer) == ["US-REGF-LOC"], "the debt is older than the ledger"


async def test_the_ledger_names_nobody(desk: Desk) -> None:
    case = await borrower(desk, 1)
    [granted] = await desk.ask(inquiry(case))
    key = desk.instruments.contact_point_commitment(NEIGHBOUR)
    async with desk.database.read_only() as uow:
        [entry] = await uow.sql.fetch("SELECT * FROM third_person")
    assert granted["decision"] == "allow"
    assert {table for table, row in await desk.kept() if key in row and not table.startswith("third_person")} == set()
    assert set(entry.keys()) == {"tenant", "key", "asked_on", "asked", "refused"}


async def test_a_late_fact_leaves_a_lawful_inquiry_alone(desk: Desk) -> None:
    case = await borrower(desk, 1)
    [granted] = await desk.ask(inquiry(case))
    await desk.deliver("case", ("case.opened", case.model_copy(update={"version": 2})))
    permit = (await desk.get(f"/v1/permits/{granted['permit_id']}")).json()
    assert permit["revoked"] is False


async def test_one_told_without_a_permit_counts(desk: Desk) -> None:
    case = await borrower(desk, 1)
    await desk.ask(inquiry(case, "+1 617 555 0199"))
    made = visit_contact(
        case, None, channel="third_party_location", started_at=desk.clock.business - timedelta(hours=1),
        ended_at=desk.clock.business, crew=[],
        contact_point=desk.instruments.contact_point_commitment(NEIGHBOUR),
    )  # fmt: skip
    await desk.deliver("contact", ("contact.recorded", made))
    [answer] = await desk.ask(inquiry(case))
    assert "US-REGF-LOC" in refused_by(answer)

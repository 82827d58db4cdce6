"""What is told of a person who was erased: neither kept in clear nor under a new key; answered, and counted apart."""

from typing import Any
from uuid import UUID

from services.compliance.consumers import contacts
from services.compliance.erased import unless_erased
from services.compliance.store.leaves import erase_people
from services.compliance.store.told_of_erased import load_counts
from shared.events import Received
from shared.messaging import Outcome

from .conftest import Desk, _event, visit_contact, visit_request
from .test_contacts import call, declare_source, report
from .test_contacts_feeds import close, gaps
from .test_traces import told


async def erased(desk: Desk) -> Any:
    """Somebody who was called, and then erased."""
    case = await desk.open_case()
    await report(desk, call(case))
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties([case.party_id])
        await erase_people(uow, desk.instruments.cipher, [case.party_id])
    return case


async def kept_of(desk: Desk, party_id: UUID) -> dict[str, int]:
    tables = ("party_key", "contact_audit", "reported_contact", "contact_trace", "finding", "log_entry")
    async with desk.database.read_only() as uow:
        return {
            table: await uow.sql.fetchval(f"SELECT count(*) FROM {table} WHERE party_id = $1", party_id)
            for table in tables
        }


async def counts(desk: Desk) -> dict[str, int]:
    async with desk.database.read_only() as uow:
        return await load_counts(uow)


async def test_reports_old_and_new_are_answered_erased_among_good_ones(desk: Desk) -> None:
    case, other = await erased(desk), await desk.open_case()
    before = await kept_of(desk, case.party_id)
    body = {"items": [call(case), call(other, 2), call(case, 3, outcome="no_answer")]}
    answer = (await desk.post("/v1/contacts", body)).json()
    assert [one["status"] for one in answer["items"]] == ["erased", "recorded", "erased"]
    assert (answer["erased"], answer["recorded"], answer["refused"]) == (2, 1, 0)
    assert answer["items"][2] | {"position": 0, "record_id": ""} == {
        "position": 0, "source": "dialler-1", "record_id": "", "status": "erased", "contact_id": None, "verdict": None,
        "finding_ids": [], "problem": None,
    }  # fmt: skip
    assert await kept_of(desk, case.party_id) == before
    assert before["party_key"] == 0
    assert await counts(desk) == {"dialler-1": 2}


async def test_their_numbers_leave_no_gap_in_the_feed(desk: Desk) -> None:
    case = await erased(desk)
    await report(desk, call(case, 2), call(case, 2))
    await close(desk, "2026-03-02", 2, 2)
    assert await gaps(desk) == []


async def test_traces_are_answered_erased(desk: Desk) -> None:
    case = await erased(desk)
    await declare_source(desk, "carrier-1", kind="carrier_calls")
    before = await kept_of(desk, case.party_id)
    response = await desk.post("/v1/traces", {"items": [told(case)]})
    (answer,) = response.json()["items"]
    assert (answer["status"], answer["trace_id"], answer["problem"]) == ("erased", None, None)
    assert await kept_of(desk, case.party_id) == before
    assert await counts(desk) == {"carrier-1": 1}


async def test_contacts_of_services_are_ignored(desk: Desk) -> None:
    case, other = await erased(desk), await desk.open_case()
    (permit,) = await desk.ask(visit_request(other))
    before = await kept_of(desk, case.party_id)
    happened = [
        _event(visit_contact(one, None if one is case else permit), "contact.recorded", desk.clock)
        for one in (case, other)
    ]
    subscription = unless_erased(contacts.subscription(desk.instruments), desk.instruments.cipher)
    async with desk.database.unit_of_work() as uow:
        await uow.lock_parties({case.party_id, other.party_id})
        outcomes = await subscription.handle(uow, [Received(one, "contact", 0, 0) for one in happened])
    assert list(outcomes.values()) == [Outcome.IGNORED]
    assert await kept_of(desk, case.party_id) == before
    assert (await kept_of(desk, other.party_id))["contact_audit"] == 1
    assert await counts(desk) == {"/services/test": 1}

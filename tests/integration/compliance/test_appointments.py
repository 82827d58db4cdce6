"""A visit in China rests on the answer to its offer, or on a message that announced it, where there is one."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.events.base import TimeWindow
from shared.events.case import CaseOpened
from shared.events.contact import ContactRecorded
from shared.events.visit import VisitAgreed, VisitDeclined, VisitFact, VisitRecalled

from .conftest import NOW, Desk, visit_request

WINDOW = TimeWindow(start=NOW + timedelta(hours=4), end=NOW + timedelta(hours=6))


def agreed(case: CaseOpened, visit_id: UUID) -> tuple[str, VisitFact]:
    fact = VisitAgreed(**_base(case, visit_id, 3), window=WINDOW, answered_at=NOW - timedelta(hours=1))
    return "visit.agreed", fact


def declined(case: CaseOpened, visit_id: UUID) -> tuple[str, VisitFact]:
    return "visit.declined", VisitDeclined(**_base(case, visit_id, 3), cause="declined")


def recalled(case: CaseOpened, visit_id: UUID) -> tuple[str, VisitFact]:
    fact = VisitRecalled(
        **_base(case, visit_id, 4), cause="payment", fact_arrived_at=NOW, recalled_at=NOW, state_before="assigned"
    )
    return "visit.recalled", fact


def _base(case: CaseOpened, visit_id: UUID, version: int) -> dict[str, Any]:
    return {"visit_id": visit_id, "case_id": case.case_id, "party_id": case.party_id, "version": version}


async def notice_asked(desk: Desk, case: CaseOpened) -> list[dict[str, Any]]:
    answer = (await desk.ask(visit_request(case)))[0]
    return [one for one in answer["reasons"] if one["rule"] == "CN-VISIT-NOTICE"]


async def test_agreed_visit_rests_on_the_answer_and_ends_with_the_visit(desk: Desk) -> None:
    case, visit_id = await desk.open_case(), uuid4()
    await desk.deliver("visit", agreed(case, visit_id))
    answer = (await desk.ask(visit_request(case)))[0]
    assert answer["decision"] == "allow"
    async with desk.database.read_only() as uow:
        told = await uow.sql.fetch("SELECT name, owner, as_of FROM dossier_entry WHERE party_id = $1", case.party_id)
    assert [(one["name"], one["owner"], one["as_of"]) for one in told] == [
        ("visit_time_agreed", "visits", NOW - timedelta(hours=1))
    ]
    await desk.deliver("visit", recalled(case, visit_id))
    assert await notice_asked(desk, case)


async def test_answer_and_end_in_one_batch(desk: Desk) -> None:
    case, visit_id = await desk.open_case(), uuid4()
    await desk.deliver("visit", agreed(case, visit_id), recalled(case, visit_id))
    assert await notice_asked(desk, case)


async def test_who_declined_is_not_visited_on_the_offer(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("visit", declined(case, uuid4()))
    assert await notice_asked(desk, case)


async def test_recorded_message_announces_after_a_decline(desk: Desk) -> None:
    case = await desk.open_case()
    await desk.deliver("visit", declined(case, uuid4()))
    desk.clock.business += timedelta(hours=1)
    sent = desk.clock.business
    message = ContactRecorded(
        contact_id=uuid4(), party_id=case.party_id, permit_id=await _sms(desk, case), channel="sms",
        purpose="appointment_admin", started_at=sent, ended_at=sent, started_real=desk.clock.real,
        outcome="handed_to_gateway", contact=True, conversation=False, household_contacted=False, debtor_met=False,
    )  # fmt: skip
    await desk.deliver("contact", ("contact.recorded", message))
    refused = await notice_asked(desk, case)
    assert "2026-03-03T03:00" in str(refused[0])


async def _sms(desk: Desk, case: CaseOpened) -> str:
    start = desk.clock.business
    asked = visit_request(
        case, channel="sms", purpose="appointment_admin", crew=[], device_id=None, place_cell=None, duration_minutes=1,
        window={"start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat()},
    )  # fmt: skip
    answer = (await desk.ask(asked))[0]
    assert answer["decision"] == "allow", answer
    used = await desk.post(f"/v1/permits/{answer['permit_id']}/use", {"used_at": start.isoformat()})
    assert used.status_code == 200, used.text
    return str(answer["permit_id"])

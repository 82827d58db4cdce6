"""What happened to a case over all services: heard, read from the outbox, and gathered before that forgets."""

from datetime import timedelta
from uuid import uuid4

from services.intake.store.erasing import erase
from services.intake.timeline_desk import GatherTimeline, gather_timeline
from shared.events.base import TimeWindow
from shared.events.compliance import PermitRefused
from shared.events.contact import ContactRecorded
from shared.events.stop import PartyStopped
from shared.events.visit import VisitAgreed
from tests.integration.intake.conftest import NOW, carry_out
from tests.integration.intake.test_facts import case_of, party_of
from tests.unit.intake.facts import due, overdue, payment, person


async def lines_of(intake, case_id, *, limit=200):
    found, cursor = [], ""
    async with intake.api() as api:
        while True:
            answer = await api.get(f"/v1/cases/{case_id}/timeline?limit={limit}{cursor}")
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if answer.json()["next"] is None:
                return found
            cursor = f"&cursor={answer.json()['next']}"


async def gathered(intake, *, page_rows=5_000):
    """All that the outbox holds, an hour and more later; how many pages it took."""
    intake.clock.real += timedelta(hours=2)
    async with intake.database.unit_of_work() as uow:
        uow.intend(gather_timeline(uow))
    pages = await carry_out(intake, GatherTimeline(page_rows=page_rows))
    intake.clock.real -= timedelta(hours=2)
    return pages


async def eventful(intake):
    """A case of which every service has told something."""
    await intake.tell(person(1), overdue(2), payment(3, 100, due(10, 500, 100)))
    party, case = await party_of(intake), await case_of(intake)
    visit = {"visit_id": uuid4(), "case_id": case["case_id"], "party_id": party, "version": 2}
    window = TimeWindow(start=NOW, end=NOW + timedelta(hours=1))
    await intake.hear(VisitAgreed(**visit, window=window, answered_at=NOW), topic="visit")
    refused = PermitRefused(
        decision_id=uuid4(), party_id=party, channel="call", purpose="collection", answer="deny", rules=["R-1"],
        citations=[],
    )  # fmt: skip
    await intake.hear(refused, topic="compliance")
    recorded = ContactRecorded(
        contact_id=uuid4(), party_id=party, channel="sms", purpose="collection", started_at=NOW, ended_at=NOW,
        started_real=NOW, outcome="delivered", contact=True, conversation=False, household_contacted=False,
        debtor_met=False,
    )  # fmt: skip
    await intake.hear(recorded, topic="contact")
    stop = PartyStopped(
        party_id=party, cause="stop_request", scope="party", since=NOW, arrived_at=NOW, reference="request-1"
    )
    await intake.hear(stop)
    return party, case["case_id"], visit["visit_id"], refused.decision_id


async def test_everything_is_told_in_order_with_where_to_ask(intake):
    _, case_id, visit_id, decision_id = await eventful(intake)
    lines = await lines_of(intake, case_id)
    told = {line["type"]: line for line in lines}
    assert {
        "case.opened", "case.payment_posted", "visit.agreed", "compliance.permit_refused", "contact.recorded",
        "party.stopped",
    } <= told.keys()  # fmt: skip
    assert [line["happened_at"] for line in lines] == sorted(line["happened_at"] for line in lines)
    assert told["visit.agreed"]["details"] == f"visits:/v1/visits/{visit_id}"
    assert told["compliance.permit_refused"]["details"] == f"compliance:/v1/decisions/{decision_id}"
    assert told["compliance.permit_refused"]["sentence"] == (
        "A contact by call for collection was refused (R-1); earliest lawful time: not known."
    )
    assert told["case.payment_posted"]["sentence"] == "Money reached a loan: payment of CNY 1.00, cleared: yes."
    assert "Synthetic" not in str(lines)
    assert await lines_of(intake, case_id, limit=2) == lines


async def test_own_events_stay_when_the_outbox_forgets_them(intake):
    _, case_id, *_ = await eventful(intake)
    before = await lines_of(intake, case_id)
    assert await gathered(intake, page_rows=2) > 2
    assert await lines_of(intake, case_id) == before, "what is in both is shown once"
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM outbox_pending")
        await uow.sql.execute("DELETE FROM outbox")
    assert await lines_of(intake, case_id) == before


async def test_what_may_still_be_written_before_is_not_gathered(intake):
    await intake.tell(overdue(1))
    async with intake.database.unit_of_work() as uow:
        uow.intend(gather_timeline(uow))
    assert await carry_out(intake, GatherTimeline()) == 1
    assert await intake.fetch("SELECT FROM case_entry") == []
    intake.clock.real += timedelta(hours=2)
    assert await carry_out(intake, GatherTimeline()) == 1, "the next look was intended"
    assert [row["type"] for row in await intake.fetch("SELECT type FROM case_entry")] == ["case.opened"]


async def test_an_erased_person_has_no_timeline_and_gets_none(intake):
    party, case_id, *_ = await eventful(intake)
    async with intake.database.unit_of_work() as uow:
        await uow.lock_parties([party])
        await erase(uow, intake.folding.cipher, [party])
    assert await lines_of(intake, case_id) == []
    await gathered(intake)
    late = PartyStopped(party_id=party, cause="payment", scope="party", since=NOW, arrived_at=NOW, reference="T-9")
    await intake.hear(late)
    assert await intake.fetch("SELECT FROM case_entry") == []


async def test_an_unknown_case_has_none(intake):
    async with intake.api() as api:
        assert (await api.get(f"/v1/cases/{uuid4()}/timeline")).status_code == 404

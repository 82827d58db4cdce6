"""Facts of the core through the consumer's transaction into the tables."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from services.intake import consumers, folding
from services.intake.ageing import DayClose
from services.intake.store.parties import reserve
from shared.events.base import TimeWindow
from shared.events.compliance import PartyErased, PermitGranted
from shared.events.loan import Obligor
from shared.events.plan import PlanSigned
from shared.events.stop import PartyParked, PartyUnparked
from shared.messaging import TimerDue, intent_store
from shared.money import Money
from tests.integration.intake.conftest import NOW, record_of
from tests.unit.intake.facts import (
    DAY,
    closed,
    day_closed,
    due,
    hold,
    hold_end,
    overdue,
    payment,
    person,
    reversal,
    sold,
)


async def party_of(intake, ref="P-1"):
    return (await intake.fetch("SELECT party_id FROM party_alias WHERE party_ref = $1", ref))[0][0]


async def case_of(intake, ref="P-1"):
    rows = await intake.fetch("SELECT * FROM case_file WHERE party_id = $1", await party_of(intake, ref))
    return rows[0]


async def test_party_and_loan_make_one_case(intake):
    await intake.tell(person(1), overdue(2), overdue(3, due(40, 700), loan="L-2"))
    assert await intake.types() == ["case.opened", "case.updated", "case.bucket_changed"]
    case = await case_of(intake)
    assert (case["status"], case["bucket"], case["held"], case["overdue_minor"]) == (
        "open", "B2", False, '[["CNY",1200]]',
    )  # fmt: skip


async def test_state_survives_between_batches(intake):
    await intake.tell(overdue(1, due(10, 500)))
    await intake.tell(payment(2, 500, due(10, 500, 500)), topic="loan-urgent")
    await intake.tell(reversal(3, 500, due(10, 500)))
    assert await intake.types() == [
        "case.opened", "case.payment_posted", "case.cured", "party.stopped", "party.stopped", "case.payment_reversed",
        "case.opened",
    ]  # fmt: skip
    assert (await case_of(intake))["status"] == "open"


async def test_holds_and_ends_survive_between_batches(intake):
    await intake.tell(overdue(1), overdue(2, loan="L-2"))
    await intake.tell(hold(3, starts_on=DAY - timedelta(days=2)), sold(4, loan="L-2"))
    await intake.tell(hold_end(5), hold(3, starts_on=DAY - timedelta(days=2)))
    await intake.tell(closed(6))
    told = [name for name in await intake.types() if name in {"case.hold_seen", "case.loan_cured", "case.closed"}]
    assert told == ["case.hold_seen", "case.loan_cured", "case.hold_seen", "case.closed"]
    assert (await case_of(intake))["status"] == "closed"


async def test_version_equals_the_streams_sequence(intake):
    await intake.tell(overdue(1), person(2), payment(3, 100, due(10, 500, 100)), overdue(4, flags=["disputed"]))
    case = await case_of(intake)
    issued = await intake.fetch("SELECT last FROM sequence_issued WHERE aggregate_id = $1", case["case_id"])
    assert issued[0][0] == case["version"] == len([name for name in await intake.types() if name.startswith("case.")])


async def test_payment_waits_for_its_loan_in_the_table(intake):
    await intake.tell(payment(2, 500, due(10, 500, 500)))
    assert (await intake.fetch("SELECT outcome FROM inbox"))[0][0] == "pending"
    await intake.tell(overdue(1))
    assert await intake.types() == [
        "case.opened", "case.payment_posted", "case.cured", "party.stopped", "party.stopped",
    ]  # fmt: skip


async def test_redelivered_event_counts_once(intake):
    record = record_of(payment(2, 100, due(10, 500, 100)), identity="same")
    await intake.tell(overdue(1), record, record)
    await intake.tell(record)
    assert (await intake.types()).count("case.payment_posted") == 1


async def test_overtaken_movement_is_history(intake):
    await intake.tell(overdue(1), payment(2, 100, due(10, 500, 100)))
    await intake.tell(overdue(3, due(10, 500, 100)))
    assert [row[0] for row in await intake.fetch("SELECT matters FROM movement")] == [False]


async def test_future_business_date_is_a_dead_letter_and_parks(intake):
    await intake.tell(overdue(1, party="P-2"), overdue(2, business_date=DAY + timedelta(days=2)))
    assert [row[0] for row in await intake.fetch("SELECT type FROM dead_letter")] == ["loan.overdue"]
    assert (await case_of(intake, "P-2"))["status"] == "open"
    assert ("party.parked", str(await party_of(intake))) in await intake.published()


async def test_malformed_record_parks_its_party_and_spares_neighbours(intake):
    await intake.tell(overdue(1), overdue(2, party="P-2"), record_of(overdue(3), value=b'{"tenant":'))
    await intake.tell(overdue(4, due(10, 900)), overdue(5, due(10, 900), party="P-2"))
    assert (await case_of(intake))["overdue_minor"] == '[["CNY",500]]'
    assert (await case_of(intake, "P-2"))["overdue_minor"] == '[["CNY",900]]'


async def test_parked_party_suspends_its_case_and_release_frees_it(intake):
    await intake.tell(overdue(1))
    party = await party_of(intake)
    await intake.hear(PartyParked(party_id=party, service="visits", cause="x", topic="case", partition=0, offset=1))
    assert (await case_of(intake))["suspended"] == ["facts_incomplete"]
    await intake.hear(PartyUnparked(party_id=party, service="visits"))
    assert (await intake.types())[-2:] == ["case.suspended", "case.released"]


async def test_personal_data_are_sealed(intake):
    await intake.tell(person(1))
    card = (await intake.fetch("SELECT card FROM person"))[0][0]
    assert "王小明".encode() not in bytes(card)
    dump = await intake.fetch("SELECT value FROM outbox")
    assert not any("王小明".encode() in bytes(row[0]) for row in dump)


async def test_older_description_of_a_person_changes_nothing(intake):
    await intake.tell(person(2))
    before = await intake.fetch("SELECT profile, card FROM person")
    await intake.tell(person(1, language="en"))
    assert await intake.fetch("SELECT profile, card FROM person") == before


async def test_day_close_ages_quiet_loans_once(intake):
    await intake.tell(*(overdue(1, party=f"P-{number}") for number in range(5)))
    intake.clock.business = NOW + timedelta(days=25)
    closed = DAY + timedelta(days=25)
    await intake.tell(day_closed(closed), day_closed(closed))
    assert await carry_out(intake) == 1
    assert (await intake.types())[5:] == ["case.bucket_changed"] * 5
    assert {row[0] for row in await intake.fetch("SELECT days_contractual FROM case_file")} == {35}


async def test_day_close_goes_on_where_it_stopped(intake, monkeypatch):
    await intake.tell(*(overdue(1, party=f"P-{number}") for number in range(5)))
    intake.folding = intake.folding.__class__(
        intake.folding.settings.model_copy(update={"ageing_batch": 2}), intake.folding.policy, intake.folding.cipher
    )
    intake.clock.business = NOW + timedelta(days=25)
    await intake.tell(day_closed(DAY + timedelta(days=25)))
    assert await carry_out(intake) == 3
    assert {row[0] for row in await intake.fetch("SELECT as_of FROM case_file")} == {DAY + timedelta(days=25)}


async def carry_out(intake, handler=None):
    """Run the intents of a handler (none: the day close's) until none is due; how many ran."""
    handler, ran = handler or DayClose(intake.folding), 0
    while True:
        lease = uuid4()
        async with intake.database.unit_of_work() as uow:
            leased = await intent_store.lease(
                uow, handler.kind, limit=1, lease_id=lease, duration=timedelta(seconds=30)
            )
        if not leased:
            return ran
        async with intake.database.unit_of_work() as uow:
            await handler.commit(uow, [(intent, TimerDue()) for intent in leased])
            await intent_store.finish(uow, [intent.id for intent in leased], lease_id=lease)
        ran += 1


async def test_two_consumers_meet_at_an_unknown_party(intake):
    await intake.tell(overdue(9, party="P-0"))
    await intake.tell(overdue(9, party="P-9"), topic="loan-urgent")
    await asyncio.gather(
        intake.tell(*(overdue(1, party=f"P-{n}", loan="L-1") for n in range(20, 60))),
        intake.tell(*(overdue(2, party=f"P-{n}", loan="L-2") for n in range(59, 19, -1)), topic="loan-urgent"),
    )
    loans = await intake.fetch("SELECT party_id, count(*) FROM loan GROUP BY 1 HAVING count(*) = 2")
    assert len(loans) == 40


async def test_signed_pause_enters_timeline_and_effective_days(intake):
    await intake.tell(overdue(1))
    case, party = await case_of(intake), await party_of(intake)
    plan = PlanSigned(
        plan_id=uuid4(), case_id=case["case_id"], party_id=party, version=1, kind="pause", instalments=[],
        total=Money(amount_minor=0, currency="CNY"), signed_at=NOW, hold_id=uuid4(), document_sha256="0" * 64,
    )  # fmt: skip
    await intake.hear(plan, topic="plan")
    assert (await case_of(intake))["days_effective"] == 9
    assert [row[0] for row in await intake.fetch("SELECT type FROM case_entry")] == ["plan.signed"]


async def test_permit_void_before_it_is_heard_of_stays_void(intake):
    await intake.tell(person(1))
    party, permit = await party_of(intake), uuid4()
    granted = PermitGranted(
        permit_id=permit, party_id=party, channel="visit", purpose="collection", subject_id=uuid4(),
        decision_id=uuid4(), window=TimeWindow(start=NOW, end=NOW + timedelta(hours=1)), rule_set="0" * 64,
    )  # fmt: skip
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute(
            "INSERT INTO known_permit (tenant, party_id, permit_id, channel, is_void) "
            "VALUES ('bank', $1, $2, 'visit', true)",
            party, permit,
        )  # fmt: skip
    await intake.hear(granted, topic="compliance")
    assert [row[0] for row in await intake.fetch("SELECT is_void FROM known_permit")] == [True]


async def test_one_fact_alone_is_a_batch_too(intake):
    await intake.tell(overdue(1))
    assert await intake.fetch("SELECT FROM dead_letter") == []
    assert (await case_of(intake))["suspended"] == []


async def test_an_obligor_has_the_id_that_the_person_gets(intake):
    both = [
        Obligor(party_ref="P-1", role="borrower", liability="full"),
        Obligor(party_ref="P-2", role="co_borrower", liability="joint"),
    ]
    await intake.tell(overdue(1, obligors=both))
    await intake.tell(person(1, party="P-2"), overdue(2, loan="L-2", party="P-2"))
    opened = [data for name, data in await intake.told() if name == "case.opened"]
    assert opened[0]["loans"][0]["obligors"][1]["party_id"] == str(await party_of(intake, "P-2"))
    assert opened[1]["party_id"] == str(await party_of(intake, "P-2"))


async def test_two_who_first_hear_of_each_other_in_opposite_roles_do_not_deadlock(intake, monkeypatch):
    """Both transactions reserve before either goes on, as far as one lets the other."""
    both = asyncio.Barrier(2)

    async def reserve_and_wait(uow, keys):
        found = await reserve(uow, keys)
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            async with asyncio.timeout(0.5):
                await both.wait()
        return found

    monkeypatch.setattr(consumers, "reserve", reserve_and_wait)
    monkeypatch.setattr(folding, "reserve", reserve_and_wait)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await intake.fetch(deadlocks)
    roles = {"P-1": "borrower", "P-2": "co_borrower"}
    facts = [
        overdue(
            1, party=party, loan=f"L-{party}",
            obligors=[Obligor(party_ref=one, role=roles[one], liability="joint") for one in order],
        )
        for party, order in (("P-1", ("P-1", "P-2")), ("P-2", ("P-2", "P-1")))
    ]  # fmt: skip
    await asyncio.gather(intake.tell(facts[0]), intake.tell(facts[1], topic="loan-urgent"))
    assert await intake.fetch(deadlocks) == before
    opened = [data for name, data in await intake.told() if name == "case.opened"]
    bound = [{one["party_id"] for one in data["loans"][0]["obligors"]} for data in opened]
    assert bound == [{str(await party_of(intake, one)) for one in ("P-1", "P-2")}] * 2


async def test_nothing_of_an_erased_person_stays(intake):
    await intake.tell(person(1), overdue(2, due(10, 500)), payment(3, 500, due(10, 500, 500)))
    party = await party_of(intake)
    erased = PartyErased(party_id=party, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW + timedelta(days=90))
    await intake.hear(erased, topic="compliance")
    for table in ("party_key", "party_alias", "person", "loan", "movement", "case_entry"):
        assert await intake.fetch(f"SELECT 1 FROM {table} WHERE party_id = $1", party) == [], table
    await intake.tell(person(4))
    assert await party_of(intake) != party

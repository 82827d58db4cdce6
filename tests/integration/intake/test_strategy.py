"""Next actions on a real database: chosen after facts of the core, anew at each word of the field, told on change."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.intake.identifying import SETTLING, SettleIdentity
from services.intake.strategy import release as strategies
from services.intake.strategy_desk import ChooseActions, ChooseAll, begin_use
from shared.events.compliance import HoldEnded, HoldPlaced, PartyErased
from shared.events.contact import ContactRecorded
from shared.events.plan import PlanProposed
from shared.events.stop import PartyStopped
from shared.events.visit import VisitCompleted
from shared.messaging.liveness import Pulse
from shared.messaging.worker import Worker
from tests.integration.intake.conftest import NOW
from tests.integration.intake.test_facts import carry_out
from tests.unit.intake.facts import due, overdue, payment, person
from tests.unit.intake.identities import merged, unmerged

STEPS = ("remind", "call", "letter", "offer_help")


async def work(intake) -> None:
    """Choose until nothing is due."""
    intake.clock.real += timedelta(seconds=5)
    handlers = [ChooseActions(intake.deciding), ChooseAll(intake.deciding)]
    worker = Worker(intake.database, handlers, pulse=Pulse("worker"))
    while any([await worker.work_once(handler) for handler in handlers]):
        pass


async def told(intake) -> list[tuple[str, list[str]]]:
    return [(data["action"], data["reasons"]) for name, data in await intake.told() if name == "case.action_chosen"]


async def party_of(intake) -> UUID:
    return (await intake.fetch("SELECT party_id FROM case_file"))[0][0]


async def next_action(intake, client) -> dict:
    case_id = (await intake.fetch("SELECT case_id FROM case_file"))[0][0]
    return (await client.get(f"/v1/cases/{case_id}/next-action")).json()


def step(name: str, days_ago: int, **changes) -> dict:
    done_at = (NOW - timedelta(days=days_ago)).isoformat()
    return {
        "core": "core-a", "party_ref": "P-1", "step": name, "done_at": done_at, "reference": f"{name}-{days_ago}",
        "vouched": "attested",
    } | changes  # fmt: skip


async def send(client, *items: dict) -> list[str]:
    answer = await client.post("/v1/steps", json={"items": items}, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 200, answer.text
    return [item["outcome"] for item in answer.json()["items"]]


async def late_case(intake, *, days: int = 45, walked: bool = True) -> UUID:
    """An open case, with all softer steps attested when it was `walked`."""
    await intake.tell(person(1), overdue(2, due(days, 500_000)))
    await work(intake)
    if walked:
        async with intake.api() as client:
            steps = [step(name, 40 - 5 * number) for number, name in enumerate(STEPS)]
            assert set(await send(client, *steps)) == {"recorded"}
    return await party_of(intake)


def visit(party_id: UUID, outcome: str, **changes) -> VisitCompleted:
    facts = {
        "visit_id": uuid4(), "case_id": uuid4(), "party_id": party_id, "version": 9, "permit_id": uuid4(),
        "checked_in_at": NOW, "checked_out_at": NOW, "outcome": outcome, "right_party": True,
        "household_contacted": True, "debtor_met": True, "identity_shown": True, "recording_complete": True,
        "crew_present": [uuid4()],
    }  # fmt: skip
    return VisitCompleted(**(facts | changes))


def contact(party_id: UUID, channel: str, **changes) -> ContactRecorded:
    facts = {
        "contact_id": uuid4(), "party_id": party_id, "channel": channel, "purpose": "collection", "started_at": NOW,
        "ended_at": NOW, "started_real": NOW, "outcome": "delivered", "contact": True, "conversation": False,
        "household_contacted": False, "debtor_met": False,
    }  # fmt: skip
    return ContactRecorded(**(facts | changes))


async def test_case_of_the_core_is_chosen_for_within_seconds(intake):
    await intake.tell(person(1), overdue(2, due(45, 500_000)))
    assert await told(intake) == []

    await work(intake)

    assert await told(intake) == [("remind", ["step_due"])]
    async with intake.api() as client:
        found = await next_action(intake, client)
        listed = (await client.get("/v1/next-actions", params={"action": "remind"})).json()["items"]
        figures = (await client.get("/v1/next-actions/figures")).json()
    assert (found["action"], found["number"], found["strategy"]["arm"]) == ("remind", 1, "champion")
    assert [one["done_on"] for one in found["steps"]] == [None] * 4
    assert [one["case_id"] for one in listed] == [found["case_id"]]
    assert figures == {"actions": [{"action": "remind", "champion": 1, "challenger": 0}], "not_used": None}


async def test_case_that_waits_is_told_of_when_something_else_was(intake):
    await late_case(intake, days=3, walked=False)
    assert await told(intake) == []

    async with intake.api() as client:
        found = await next_action(intake, client)
    assert (found["action"], found["reasons"], found["number"]) == ("wait", ["self_cure"], 0)


async def test_payment_on_its_way_stops_what_was_chosen(intake):
    await late_case(intake)
    await intake.tell(payment(9, 500_000))
    await work(intake)

    assert (await told(intake))[-1] == ("wait", ["payment_pending"])


async def test_same_facts_again_tell_nothing(intake):
    await late_case(intake)
    before = await told(intake)
    async with intake.database.unit_of_work() as uow:
        await begin_use(uow, intake.strategy)
    await work(intake)

    assert await told(intake) == before
    assert before[-1] == ("field_visit", ["softer_steps_done"])


async def test_steps_are_recorded_once_and_each_for_itself(intake):
    await late_case(intake, walked=False)
    async with intake.api() as client:
        outcomes = await send(
            client,
            step("letter", 9),
            step("letter", 9),
            step("letter", 8, party_ref="P-unknown", vouched="acknowledged"),
            step("call", -1),
        )
        again = await send(client, step("letter", 9))

    assert outcomes == ["recorded", "duplicate", "unknown_party", "in_future"]
    assert again == ["duplicate"]


async def test_history_that_is_attested_may_come_before_the_loans(intake):
    async with intake.api() as client:
        await send(client, *(step(name, 40 - 5 * number) for number, name in enumerate(STEPS)))
    await late_case(intake, walked=False)

    assert await told(intake) == [("field_visit", ["softer_steps_done"])]


@pytest.mark.parametrize(
    ("channel", "changes", "following"),
    [
        ("sms", {}, "wait"),
        ("sms", {"purpose": "appointment_admin"}, "remind"),
        ("call", {"contact": False}, "remind"),
    ],
)
async def test_contact_of_any_channel_is_the_step_it_was(intake, channel, changes, following):
    party_id = await late_case(intake, walked=False)
    await intake.hear(contact(party_id, channel, **changes), topic="contact")

    async with intake.api() as client:
        assert (await next_action(intake, client))["action"] == following


async def test_word_of_the_field_counts_at_once(intake):
    """In the transaction in which the event is read: no worker runs in between."""
    party_id = await late_case(intake)
    await intake.hear(visit(party_id, "met_customer", reason="income_lost"), topic="visit")
    assert (await told(intake))[-1] == ("offer_help", ["income_lost"])

    plan = PlanProposed(
        plan_id=uuid4(), case_id=uuid4(), party_id=party_id, version=1, kind="token", instalments=[],
        total={"amount_minor": 0, "currency": "CNY"}, monthly_surplus={"amount_minor": 0, "currency": "CNY"},
        table_id="t",
    )  # fmt: skip
    await intake.hear(plan, topic="plan")

    assert (await told(intake))[-1] == ("wait", ["income_lost"])


async def test_complaint_stops_at_once_and_its_hold_until_it_ends(intake):
    party_id = await late_case(intake)
    stop = PartyStopped(
        party_id=party_id, cause="complaint", scope="collection", since=NOW, arrived_at=NOW, reference="C-1"
    )
    held = {
        "hold_id": uuid4(), "party_id": party_id, "kind": "complaint", "valid_from": NOW, "source_ref": "complaint:C-1"
    }  # fmt: skip
    await intake.hear(stop, topic="stop")
    assert (await told(intake))[-1] == ("wait", ["complaint"])

    await intake.hear(HoldPlaced(**held), topic="compliance")
    async with intake.api() as client:
        assert (await next_action(intake, client))["rule"] == "hold"
    intake.clock.business += timedelta(days=2)
    await intake.hear(HoldEnded(**held), topic="compliance")

    assert (await told(intake))[-1][0] == "field_visit"


async def test_erasure_leaves_nothing(intake):
    party_id = await late_case(intake)
    await intake.hear(visit(party_id, "no_answer"), topic="visit")
    erased = PartyErased(party_id=party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW)
    await intake.hear(erased, topic="compliance")

    for table in ("case_history", "party_hold", "next_action", "choice_made"):
        assert await intake.fetch(f"SELECT 1 FROM {table}") == []


async def test_strategy_that_may_not_be_used_lets_everything_wait(intake):
    intake.strategy = strategies.release(strategies.read_folder(strategies.SHIPPED), production=True)
    await intake.tell(person(1), overdue(2, due(45, 500_000)))
    await work(intake)

    async with intake.api() as client:
        found = await next_action(intake, client)
    assert (found["action"], found["reasons"]) == ("wait", ["demonstration_only"])


async def test_new_strategy_chooses_for_every_open_case_once(intake):
    """So does the first start after an upgrade: cases from before get their action without a fact."""
    await intake.tell(person(1), overdue(2, due(45, 500_000)))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM intent")
    for _ in range(2):
        async with intake.database.unit_of_work() as uow:
            await begin_use(uow, intake.strategy)
    runs = await intake.fetch("SELECT id FROM intent WHERE kind = 'choose_all_actions'")
    await work(intake)

    assert len(runs) == 1
    assert await told(intake) == [("remind", ["step_due"])]


async def test_what_was_done_with_who_is_somebody_else_counts_for_who_remains(intake):
    await intake.tell(person(1), overdue(2, due(45, 500_000)), person(1, party="P-2"))
    async with intake.api() as client:
        await send(client, *(step(name, 40 - 5 * number, party_ref="P-2") for number, name in enumerate(STEPS[:2])))
    await intake.tell(merged(5, "P-1", "P-2"))
    intake.clock.advance(SETTLING)
    await carry_out(intake, SettleIdentity(intake.folding.settings))
    await work(intake)
    assert (await told(intake))[-1] == ("letter", ["step_due"])

    async with intake.api() as client:
        await send(client, *(step(name, 20, party_ref="P-2") for name in STEPS[2:]))
    assert (await told(intake))[-1] == ("field_visit", ["softer_steps_done"])


async def test_a_hold_on_who_is_somebody_else_holds_who_remains_until_they_are_two_again(intake):
    await late_case(intake)
    await intake.tell(person(1, party="P-2"), merged(5, "P-1", "P-2"))
    intake.clock.advance(SETTLING)
    await carry_out(intake, SettleIdentity(intake.folding.settings))
    other = (await intake.fetch("SELECT party_id FROM party_identity"))[0][0]
    held = HoldPlaced(hold_id=uuid4(), party_id=other, kind="hardship", valid_from=NOW, source_ref="H-1")
    await intake.hear(held, topic="compliance")
    async with intake.api() as client:
        assert (await next_action(intake, client))["rule"] == "hold"
        await intake.tell(unmerged(6, "P-1", "P-2"))
        intake.clock.advance(SETTLING)
        await carry_out(intake, SettleIdentity(intake.folding.settings))
        await work(intake)
        assert (await next_action(intake, client))["action"] == "field_visit"

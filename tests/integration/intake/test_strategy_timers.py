"""A wait ends when it is due: no core and no close is needed for what the calendar or a hold says."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.intake.strategy_timers import ChooseAtTurns, ChooseDue, next_sweep
from shared.events.compliance import HoldPlaced
from tests.integration.intake.conftest import NOW, carry_out
from tests.integration.intake.test_strategy import contact, late_case, told

ZONE = "Asia/Shanghai"


async def sweep(intake, moment: datetime) -> int:
    """The sweeps that are due by `moment`, business time."""
    intake.clock.business = moment
    return await carry_out(intake, ChooseDue(intake.deciding))


async def test_time_to_answer_is_over_at_midnight_of_its_last_day(intake):
    async with intake.database.unit_of_work() as uow:
        uow.intend(next_sweep(uow, ZONE))
    party_id = await late_case(intake, walked=False)
    await intake.hear(contact(party_id, "sms"), topic="contact")
    assert (await told(intake))[-1] == ("wait", ["time_to_answer"])
    midnight = datetime(2026, 3, 12, 16, tzinfo=UTC)

    assert await sweep(intake, midnight - timedelta(minutes=1)) > 0
    assert (await told(intake))[-1][0] == "wait"

    assert await sweep(intake, midnight) > 0
    assert (await told(intake))[-1] == ("call", ["step_due"])


async def test_hold_turns_when_it_begins_and_when_it_ends(intake):
    party_id = await late_case(intake)
    begins, ends = NOW + timedelta(days=2), NOW + timedelta(days=4, hours=5)
    held = HoldPlaced(
        hold_id=uuid4(), party_id=party_id, kind="client_request", valid_from=begins, valid_to=ends, source_ref="r-1"
    )
    await intake.hear(held, topic="compliance")
    assert (await told(intake))[-1][0] == "field_visit"

    found = []
    for moment in (begins, ends - timedelta(minutes=1), ends):
        intake.clock.business = moment
        await carry_out(intake, ChooseAtTurns(intake.deciding))
        found.append((await told(intake))[-1][0])

    assert found == ["wait", "wait", "field_visit"]

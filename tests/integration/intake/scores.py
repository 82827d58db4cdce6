"""Cases with a past, scored."""

import csv
from datetime import timedelta
from uuid import uuid4

from services.intake.ageing import DayClose
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.score_desk import ScoreRun, Scoring
from services.intake.scoring.features import CHARACTERISTICS
from services.intake.settings import IntakeSettings
from services.intake.store import score_features
from services.intake.transitions import export
from shared.messaging import TimerDue, intent_store
from tests.integration.intake.conftest import NOW
from tests.unit.intake.facts import DAY, day_closed
from training.transitions import read


async def carry_out(intake, *, batch=20_000):
    """Run day closes and scorings until none is due; how many steps of scoring ran."""
    scoring = ScoreRun(Scoring(intake.scored_by, "Asia/Shanghai", DelinquencyPolicy(), batch))
    ran = 0
    for handler in (DayClose(intake.folding), scoring):
        while True:
            lease = uuid4()
            async with intake.database.unit_of_work() as uow:
                leased = await intent_store.lease(
                    uow, handler.kind, limit=1, lease_id=lease, duration=timedelta(seconds=30)
                )
            if not leased:
                break
            async with intake.database.unit_of_work() as uow:
                await handler.commit(uow, [(intent, TimerDue()) for intent in leased])
                await intent_store.finish(uow, [intent.id for intent in leased], lease_id=lease)
            ran += handler is scoring
    return ran


async def set_past(intake, *changes):
    """Pretend that loans (the first, unless one is named) changed their state so many days ago, and only then."""
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM bucket_change")
        for days_ago, state, *loan_ref in changes:
            await uow.sql.execute(
                "INSERT INTO bucket_change (tenant, party_id, loan_id, as_of, before, state, currency, overdue_minor, "
                "recorded_at) SELECT tenant, party_id, loan_id, $2, 'new', $3, 'CNY', 1, $4 FROM loan "
                "WHERE loan_ref = $1",
                loan_ref[0] if loan_ref else "L-1", DAY - timedelta(days=days_ago), state, NOW,
            )  # fmt: skip


async def features_of(intake):
    """The one case's characteristics by name."""
    async with intake.database.unit_of_work() as uow:
        where = await score_features.next_range(uow, "core-a", after=score_features.FIRST, limit=10)
        heard = await score_features.heard_since(uow, "core-a", time_zone="Asia/Shanghai")
        cases = await score_features.load_cases(
            uow, where, heard=heard, time_zone="Asia/Shanghai", bucket_last_days=(30, 60, 90, 180)
        )
    assert len(cases) == 1
    return {name: int(cases.features.column(name)[0]) for name in CHARACTERISTICS}


async def score_of(intake):
    case_id = (await intake.fetch("SELECT case_id FROM case_file"))[0][0]
    async with intake.api() as client:
        return (await client.get(f"/v1/cases/{case_id}/score")).json()


async def exported(intake, path, closed_on):
    """The rows of an export made after `closed_on` was closed."""
    intake.clock.business += timedelta(days=30)
    await intake.tell(day_closed(closed_on))
    async for written in export(intake.database, IntakeSettings(), path):
        assert written.left_out == 0
    transitions = read(path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(transitions) == len(rows) > 0
    return rows

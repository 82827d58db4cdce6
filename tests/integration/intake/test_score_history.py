"""History told from the facts is what the score would have looked at."""

from datetime import timedelta

from tests.integration.intake.conftest import NOW
from tests.integration.intake.scores import carry_out, exported, features_of
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment, person
from tests.unit.intake.identities import merged


async def test_history_told_from_facts_is_what_the_score_would_have_looked_at(intake, tmp_path):
    """The features of an exported row are those that the present tables gave on that day."""
    earlier, paid_on = DAY - timedelta(days=60), DAY - timedelta(days=20)
    told = {"business_date": earlier, "value_date": earlier}
    await intake.tell(person(1), overdue(2, due(70, 500), balance=1_000, **told), day_closed(earlier))
    await intake.tell(day_closed(DAY - timedelta(days=35)))
    await carry_out(intake)
    await intake.tell(payment(3, 100, due(70, 500, 100), business_date=paid_on, value_date=paid_on, balance=900))
    await intake.tell(day_closed(DAY))
    await carry_out(intake)
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE case_file SET opened_at = $1", NOW - timedelta(days=60))
    rows = await exported(intake, tmp_path / "history.csv", DAY + timedelta(days=30))
    now = next(row for row in rows if row["days_now"] == "70")
    found = await features_of(intake)
    assert int(now["paid_last_permille"]) == found["paid_last_month"] == 100
    assert [-(-int(now[name]) // 30) for name in ("days_now", "days_month_ago", "days_two_months_ago")] == [
        found[name] for name in ("late_now", "late_month_ago", "late_two_months_ago")
    ]
    assert (now["cure"], now["roll"], now["payment"]) == ("0", "1", "0")


async def test_history_of_a_person_with_two_references_is_one_account(intake, tmp_path):
    earlier = DAY - timedelta(days=60)
    told = {"business_date": earlier, "value_date": earlier}
    await intake.tell(
        person(1), overdue(1, due(70, 500), **told), overdue(1, due(90, 500), loan="L-2", party="P-2", **told),
        merged(9, "P-1", "P-2"), day_closed(earlier),
    )  # fmt: skip
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("UPDATE case_file SET opened_at = $1", NOW - timedelta(days=60))
    rows = await exported(intake, tmp_path / "history.csv", DAY)
    assert {(row["account"], row["days_now"]) for row in rows} == {("1", "30"), ("1", "60")}

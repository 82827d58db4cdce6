"""What a score is made from, as it was known on the day."""

from datetime import timedelta

import pytest

from services.intake.scoring.features import UNKNOWN
from tests.integration.intake.conftest import NOW
from tests.integration.intake.scores import carry_out, features_of, set_past
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment, person, reversal
from tests.unit.intake.identities import merged, unmerged


async def test_case_just_told_is_known_by_todays_lateness_only(intake):
    await intake.tell(overdue(1, due(40, 500)))

    assert await features_of(intake) == {
        "late_now": 2, "late_month_ago": UNKNOWN, "late_two_months_ago": UNKNOWN, "paid_last_month": UNKNOWN,
        "paid_month_before": UNKNOWN,
    }  # fmt: skip


async def test_lateness_before_is_the_bucket_of_that_day(intake):
    await intake.tell(overdue(1, due(40, 500)))
    await set_past(intake, (99, "B5"), (70, "B1"), (45, "current"), (35, "B3"), (20, "B4"))

    found = await features_of(intake)

    assert (found["late_month_ago"], found["late_two_months_ago"]) == (3, 1)


async def test_worst_of_the_loans_counts(intake):
    await intake.tell(overdue(1, due(40, 500)), overdue(1, due(40, 500), loan="L-2"))
    await set_past(intake, (30, "B2"), (45, "B4", "L-2"))

    assert (await features_of(intake))["late_month_ago"] == 6


async def test_second_change_of_a_day_counts(intake):
    await intake.tell(overdue(1, due(40, 500)))
    await set_past(intake, (30, "B3"), (30, "B1"))

    assert (await features_of(intake))["late_month_ago"] == 1


async def test_case_that_came_while_we_listened_was_not_late_before(intake):
    await intake.tell(overdue(1, due(10, 500)), overdue(1, due(50, 5), party="P-2", loan="L-2"))
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute(
            "UPDATE case_file SET opened_at = $1, status = 'cured' WHERE days_contractual = 50",
            NOW - timedelta(days=99),
        )

    found = await features_of(intake)

    assert (found["late_month_ago"], found["late_two_months_ago"]) == (0, 0)


@pytest.mark.parametrize(
    ("payments", "share"),
    [
        ([(10_000, 5, True)], 100),
        ([(10_000, 5, False)], 0),
        ([(10_000, 35, True)], 0),
        ([], 0),
    ],
    ids=["cleared", "uncleared", "a month before", "nothing"],
)
async def test_share_paid_is_of_the_balance_before(intake, payments, share):
    paid_back = [
        payment(2 + n, amount, value_date=DAY - timedelta(days=ago), cleared=cleared, ref=f"T-{n}")
        for n, (amount, ago, cleared) in enumerate(payments)
    ]
    await intake.tell(overdue(1, due(40, 500), balance=100_000), *paid_back)
    await set_past(intake, (40, "B1"))

    assert (await features_of(intake))["paid_last_month"] == share


async def test_payment_in_the_stated_balance_is_not_taken_off_twice(intake):
    await intake.tell(payment(1, 10_000, value_date=DAY - timedelta(days=5)))
    await intake.tell(overdue(2, due(40, 500), balance=90_000))
    await set_past(intake, (40, "B1"))

    assert (await features_of(intake))["paid_last_month"] == 100


async def test_payment_taken_back_is_no_payment(intake):
    await intake.tell(overdue(1, due(40, 500)), payment(2, 10_000), reversal(3, 10_000, due(40, 500)))
    await set_past(intake, (40, "B1"))

    assert (await features_of(intake))["paid_last_month"] == 0


async def test_share_paid_is_not_known_of_a_case_that_was_not_open(intake):
    await intake.tell(overdue(1, due(10, 500)), payment(2, 10_000, due(10, 500)))
    await set_past(intake, (40, "current"))

    assert (await features_of(intake))["paid_last_month"] == UNKNOWN


async def test_currencies_are_never_added(intake):
    await intake.tell(
        overdue(1, due(40, 500), balance=100_000),
        overdue(1, due(40, 500), balance=100, currency="JPY", loan="L-2"),
        payment(2, 50, currency="JPY", loan="L-2"),
    )
    await set_past(intake, (40, "B1"))

    assert (await features_of(intake))["paid_last_month"] == 0, "the currency in which least was paid"


@pytest.mark.parametrize("second", ["P-1", "P-2"], ids=["one reference", "two that are one person"])
async def test_a_person_is_scored_over_the_loans_of_all_references_as_over_those_of_one(intake, second):
    await intake.tell(
        person(1), overdue(1, due(40, 500), balance=100_000),
        overdue(1, due(70, 500), balance=300_000, loan="L-2", party=second),
        payment(2, 10_000, due(40, 500), ref="T-1", balance=90_000),
        payment(2, 90_000, due(70, 500), ref="T-2", loan="L-2", party=second, balance=210_000),
        *([] if second == "P-1" else [merged(9, "P-1", second)]),
    )  # fmt: skip
    await set_past(intake, (40, "B1"), (40, "B2", "L-2"), (70, "B1", "L-2"))

    assert await features_of(intake) == {
        "late_now": 3, "late_month_ago": 2, "late_two_months_ago": 1, "paid_last_month": 250, "paid_month_before": 0,
    }  # fmt: skip


async def test_a_loan_and_a_payment_that_two_references_know_count_once(intake):
    known = [
        (overdue(1, due(40, 500), balance=100_000, party=one), payment(2, 10_000, party=one, value_date=DAY))
        for one in ("P-1", "P-2")
    ]
    newest = overdue(3, due(40, 500), balance=90_000, party="P-2")
    await intake.tell(person(1), *(fact for facts in known for fact in facts), newest, merged(9, "P-1", "P-2"))
    await set_past(intake, (40, "B1"))

    assert (await features_of(intake))["paid_last_month"] == 100


async def test_two_people_again_are_scored_each_for_themselves(intake):
    await intake.tell(
        person(1), overdue(1, due(40, 500)), overdue(1, due(70, 500), loan="L-2", party="P-2"),
        merged(9, "P-1", "P-2"), day_closed(DAY - timedelta(days=1)),
    )  # fmt: skip
    await carry_out(intake)
    assert [row["segment"] for row in await intake.fetch("SELECT segment FROM score")] == [4]
    await intake.tell(unmerged(10, "P-1", "P-2"), day_closed(DAY))
    await carry_out(intake)
    assert [row["segment"] for row in await intake.fetch("SELECT segment FROM score ORDER BY 1")] == [3, 4]

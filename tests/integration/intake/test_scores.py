"""Scores on a real database: what is read, what is stored, what is told, and that nothing else happens by them."""

import csv
import dataclasses
from datetime import timedelta
from uuid import uuid4

import pytest

from services.intake.ageing import DayClose
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.score_desk import ScoreRun, Scoring
from services.intake.scoring.artefact import ArtefactError, encode
from services.intake.scoring.features import CHARACTERISTICS, UNKNOWN
from services.intake.scoring.scorecard import TARGETS
from services.intake.scoring.shipped import SHIPPED, challenger_file
from services.intake.settings import IntakeSettings
from services.intake.store import score_features
from services.intake.transitions import export
from shared.events.compliance import PartyErased
from shared.messaging import TimerDue, intent_store
from tests.integration.intake.conftest import NOW
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment, person, reversal
from tests.unit.intake.identities import merged, unmerged
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


async def test_day_close_scores_with_three_reasons(intake):
    await intake.tell(person(1), overdue(2, due(40, 500)), payment(3, 10_000, due(40, 500)))
    await set_past(intake, (70, "B1"), (40, "B1"))
    await intake.tell(day_closed(DAY))
    assert await carry_out(intake) == 1

    told = await score_of(intake)

    assert (told["segment"], told["treatment"], told["as_of"]) == ("1-60 days, known", "unknown", DAY.isoformat())
    assert told["cure"]["state"] == "available"
    assert 0 < told["cure"]["probability"] < 1
    points = [one["points"] for one in told["cure"]["reasons"]]
    assert (len(points), points) == (3, sorted(points))
    assert told["roll"] == {
        "state": "unavailable", "because": "segment_not_shown", "citation": "docs/model-card.md",
        "detail": "In this segment the model was not shown to know more than the base rate.",
    }  # fmt: skip
    assert {told[name]["because"] for name in ("without_contact", "recovery", "uplift")} == {"no_randomised_controls"}


async def test_closed_segment_stores_no_number(intake):
    await intake.tell(overdue(1, due(40, 500)), day_closed(DAY))
    await carry_out(intake)

    row = (await intake.fetch("SELECT * FROM score"))[0]

    assert {row[f"{target}_{part}"] for target in ("cure", "roll", "payment") for part in ("points", "reasons")} == {
        None
    }


async def test_score_makes_nothing_happen(intake):
    await intake.tell(person(1), overdue(2, due(40, 500)))
    await set_past(intake, (40, "B1"))
    before = await intake.types()
    await intake.tell(day_closed(DAY))
    await carry_out(intake)

    assert (await score_of(intake))["cure"]["state"] == "available"
    assert await intake.types() == before
    assert {row[0] for row in await intake.fetch("SELECT kind FROM intent")} <= {
        "day_close", "control_totals", "score_run", "choose_actions", "choose_all_actions",
    }  # fmt: skip


async def test_run_in_small_steps_scores_everybody_once(intake):
    await intake.tell(*(overdue(1, due(40, 500), party=f"P-{n}", loan=f"L-{n}") for n in range(7)), day_closed(DAY))

    assert await carry_out(intake, batch=3) == 3

    assert len(await intake.fetch("SELECT 1 FROM score")) == 7
    assert [row["cases"] for row in await intake.fetch("SELECT cases FROM score_run")] == [7]


async def test_score_can_be_read_before_the_run_ends(intake):
    await intake.tell(overdue(1, due(40, 500)), overdue(1, due(40, 500), party="P-2", loan="L-2"))
    scoring = Scoring(intake.scored_by, "Asia/Shanghai", DelinquencyPolicy(), 1)
    async with intake.database.unit_of_work() as uow:
        first = await score_features.next_range(uow, "core-a", after=score_features.FIRST, limit=1)
        await scoring.score_range(uow, first, heard=None)
    assert not first.is_last
    case_id = (await intake.fetch("SELECT case_id FROM score"))[0][0]

    async with intake.api() as client:
        told = (await client.get(f"/v1/cases/{case_id}/score")).json()

    assert told["model"]["sha256"] == intake.scored_by.sha256


async def test_cured_case_keeps_no_score(intake):
    await intake.tell(overdue(1, due(10, 500)), day_closed(DAY - timedelta(days=1)))
    await carry_out(intake)
    assert len(await intake.fetch("SELECT 1 FROM score")) == 1
    await intake.tell(payment(2, 500, due(10, 500, 500)), day_closed(DAY))
    await carry_out(intake)

    assert await intake.fetch("SELECT 1 FROM score") == []
    assert (await score_of(intake))["cure"]["because"] == "not_overdue"


async def test_model_that_may_not_be_used_scores_nobody_and_says_why(intake):
    intake.scored_by = dataclasses.replace(intake.scored_by, not_used="not_approved")
    await intake.tell(overdue(1, due(40, 500)), day_closed(DAY))
    await carry_out(intake)

    assert await intake.fetch("SELECT 1 FROM score") == []
    assert (await score_of(intake))["cure"]["because"] == "not_approved"


async def test_score_is_read_by_the_model_that_made_it(intake):
    await intake.tell(overdue(1, due(40, 500)), day_closed(DAY))
    await set_past(intake, (40, "B1"))
    await carry_out(intake)
    before = await score_of(intake)
    other = dataclasses.replace(intake.scored_by.model, version="other", cards=())
    intake.scored_by = dataclasses.replace(intake.scored_by, model=other, sha256="0" * 64)

    assert await score_of(intake) == before
    assert before["model"]["version"] != "other"
    assert b"other" in encode(other)


async def test_erased_person_has_no_score_and_gets_none(intake):
    await intake.tell(person(1), overdue(2, due(40, 500)), day_closed(DAY - timedelta(days=1)))
    await carry_out(intake)
    party_id = (await intake.fetch("SELECT party_id FROM score"))[0][0]
    await intake.hear(
        PartyErased(party_id=party_id, erasure_id=uuid4(), erased_at=NOW, complete_from=NOW), topic="compliance"
    )
    await intake.tell(day_closed(DAY))
    await carry_out(intake)

    assert await intake.fetch("SELECT 1 FROM score") == []


async def test_unknown_case_has_no_score(intake):
    async with intake.api() as client:
        assert (await client.get(f"/v1/cases/{uuid4()}/score")).status_code == 404


async def test_challenger_scores_apart(intake):
    from services.intake.shadow import shadow  # LightGBM takes a second: not in every process that collects tests

    await intake.tell(person(1), overdue(2, due(40, 500)), day_closed(DAY))
    await carry_out(intake)

    assert await shadow(intake.database, IntakeSettings()) == 1
    assert await shadow(intake.database, IntakeSettings()) == 1, "again, in the place of the first"

    rows = await intake.fetch("SELECT as_of, cure, roll, payment FROM challenger_score")
    assert [row["as_of"] for row in rows] == [DAY]
    assert all(0 < rows[0][target] < 1 for target in TARGETS)
    assert (await score_of(intake))["cure"]["because"] == "segment_not_shown", "what is shown does not change by it"


async def test_changed_challenger_does_not_shadow(intake, tmp_path):
    from services.intake.shadow import load_challengers

    for target in TARGETS:
        (tmp_path / challenger_file(target)).write_bytes((SHIPPED / challenger_file(target)).read_bytes() + b"\n")

    with pytest.raises(ArtefactError, match="is not the challenger"):
        load_challengers(tmp_path, intake.scored_by)


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

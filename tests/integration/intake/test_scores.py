"""Scoring: who gets a number, by which model, and what it does not do."""

import dataclasses
from datetime import timedelta
from uuid import uuid4

import pytest

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.score_desk import Scoring
from services.intake.scoring.artefact import ArtefactError, encode
from services.intake.scoring.scorecard import TARGETS
from services.intake.scoring.shipped import SHIPPED, challenger_file
from services.intake.settings import IntakeSettings
from services.intake.store import score_features
from shared.events.compliance import PartyErased
from tests.integration.intake.conftest import NOW
from tests.integration.intake.scores import carry_out, score_of, set_past
from tests.unit.intake.facts import DAY, day_closed, due, overdue, payment, person


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

"""`./doorstep strategy simulate` over a real past: nothing is changed, and harm is shown by group."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from typer.testing import CliRunner

import cli.strategy
from services.intake.strategy.policy import policy_hash
from services.intake.strategy.release import SHIPPED, approve, read_folder
from shared.events.compliance import HoldPlaced
from tests.integration.intake.conftest import NOW
from tests.integration.intake.scores import carry_out as close_and_score
from tests.integration.intake.scores import set_past
from tests.integration.intake.test_strategy import late_case, send, step, visit, work
from tests.unit.intake.facts import DAY, day_closed, due, hold, hold_end, overdue, payment, person

CONTENT = (SHIPPED / "policy.toml").read_bytes()


async def past_of(intake, days: int) -> None:
    """As if every loan had been late for so many days, told from the first of them."""
    async with intake.database.unit_of_work() as uow:
        await uow.sql.execute("DELETE FROM bucket_change")
        await uow.sql.execute(
            "INSERT INTO bucket_change (tenant, party_id, loan_id, as_of, before, state, currency, overdue_minor, "
            "recorded_at) SELECT tenant, party_id, loan_id, $1::date + 30 * n, 'new', 'B' || (n + 1), 'CNY', 500000, "
            "$2 FROM loan, generate_series(0, $3) AS n",
            DAY - timedelta(days=days), NOW, days // 30,
        )  # fmt: skip


async def simulate(intake, monkeypatch, folder, content: bytes, *more: str) -> tuple[int, str, dict]:
    file, output = folder / "policy.toml", folder / "simulation.json"
    file.write_bytes(content)
    monkeypatch.setattr(cli.strategy, "attached_settings", lambda *_: intake.settings)
    arguments = ["simulate", "--strategy", str(file), "--output", str(output), *more]
    answer = await asyncio.to_thread(CliRunner().invoke, cli.strategy.strategy_app, arguments)
    return answer.exit_code, answer.output, json.loads(output.read_text())


async def test_volumes_cost_and_harm_by_group_are_told_beside_the_strategy_in_force(intake, monkeypatch, tmp_path):
    party_id = await late_case(intake)
    await intake.tell(person(1, party="P-2"), overdue(2, due(45, 500_000), party="P-2", loan="L-2"))
    await intake.hear(visit(party_id, "met_customer", reason="income_lost"), topic="visit")
    held = HoldPlaced(
        hold_id=uuid4(), party_id=party_id, kind="vulnerability", valid_from=NOW, source_ref="r-1", channels=None
    )
    await intake.hear(held, topic="compliance")
    await past_of(intake, 55)
    before = await intake.types()
    labels = tmp_path / "labels.csv"
    labels.write_text("core,party_ref,age\ncore-a,P-1,under 30\ncore-a,P-2,50 and older\n")
    later = CONTENT.replace(b"version = 2", b"version = 3").replace(b"from_days = 31", b"from_days = 60")

    code, said, found = await simulate(intake, monkeypatch, tmp_path, later, "--groups", str(labels))

    assert code == 0, said
    assert found["in_force"]["total"]["people"] == 2
    assert found["in_force"]["total"]["visits"] > found["new"]["total"]["visits"] == 0
    assert found["in_force"]["groups"]["age"]["under 30"]["people_visited_known_now_as_vulnerable"] == 1
    assert found["in_force"]["total"]["visits_before_softer_steps"] == 0
    assert found["new"]["total"]["cost_minor"] < found["in_force"]["total"]["cost_minor"]
    assert set(found["new"]["groups"]) == {"age", "jurisdiction", "language", "product"}
    assert "50 and older" in said, "each group has a column that can be read"
    assert await intake.types() == before


async def test_what_was_simulated_can_be_signed(intake, monkeypatch, tmp_path):
    await late_case(intake)
    await simulate(intake, monkeypatch, tmp_path, CONTENT)

    assert approve(read_folder(tmp_path), approver="Ada Ito", on=DAY, sign=lambda _: b"s").sha256 == policy_hash(
        CONTENT
    )


async def test_the_past_of_nobody_is_nothing_to_sign(intake, monkeypatch, tmp_path):
    monkeypatch.setattr(cli.strategy, "attached_settings", lambda *_: intake.settings)
    output = tmp_path / "simulation.json"
    arguments = ["simulate", "--strategy", str(SHIPPED / "policy.toml"), "--output", str(output)]
    answer = await asyncio.to_thread(CliRunner().invoke, cli.strategy.strategy_app, arguments)
    assert (answer.exit_code, output.exists()) == (1, False)


@pytest.mark.parametrize("text", ["", "core,party_ref\n", "core,party_ref,age\ncore-a,P-1\n", "a,b,c\n"])
async def test_faulty_labels_are_refused(intake, monkeypatch, tmp_path, text):
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    monkeypatch.setattr(cli.strategy, "attached_settings", lambda *_: intake.settings)
    arguments = ["simulate", "--strategy", str(SHIPPED / "policy.toml"), "--groups", str(labels)]
    answer = await asyncio.to_thread(CliRunner().invoke, cli.strategy.strategy_app, arguments)

    assert answer.exit_code == 1


async def close_day(intake, days: int) -> None:
    """The core closes the day that lies so many days ahead; cases age, are scored and chosen for."""
    intake.clock.business = NOW + timedelta(days=days)
    await intake.tell(day_closed(DAY + timedelta(days=days)))
    await close_and_score(intake)
    await work(intake)


async def test_released_strategy_over_the_past_makes_exactly_the_live_choices(intake, monkeypatch, tmp_path):
    """With a score, a pause, suspensions, a hold that ends in the course of a day, words of the field, and time."""
    party_id = await late_case(intake, walked=False)
    await set_past(intake, (40, "B1"))
    async with intake.api() as client:
        await send(client, step("remind", 30), step("call", 20))
    await close_day(intake, 1)
    await intake.tell(payment(9, 1_000), hold(11, starts_on=DAY + timedelta(days=1), ends_on=DAY + timedelta(days=3)))
    await work(intake)
    await close_day(intake, 2)
    await intake.tell(hold_end(12, ended_on=DAY + timedelta(days=3)), overdue(13, due(45, 400_000)))
    held = HoldPlaced(
        hold_id=uuid4(), party_id=party_id, kind="client_request", valid_from=NOW, source_ref="r-1",
        valid_to=NOW + timedelta(days=5, hours=5), channels=None,
    )  # fmt: skip
    await intake.hear(held, topic="compliance")
    for days in range(3, 8):
        await close_day(intake, days)
    intake.clock.business += timedelta(hours=3)
    await intake.hear(visit(party_id, "met_customer", reason="income_lost"), topic="visit")
    for days in range(8, 11):
        await close_day(intake, days)
    live = await intake.fetch("SELECT action, rule, seen FROM choice_made ORDER BY choice_id")

    _, said, found = await simulate(intake, monkeypatch, tmp_path, CONTENT)

    replayed = found["in_force"]["live_choices"]
    assert replayed["choices"] == replayed["made_by_it"] == len(live)
    assert (replayed["different"], replayed["of_them_different"]) == (0, 0), said
    assert {row["rule"] for row in live} > {"suspended", "hold", "difficulty"}


async def test_other_strategy_is_told_by_the_choices_that_it_would_have_made_otherwise(intake, monkeypatch, tmp_path):
    await late_case(intake)
    later = CONTENT.replace(b"version = 2", b"version = 3").replace(b"from_days = 31", b"from_days = 60")
    _, _, found = await simulate(intake, monkeypatch, tmp_path, later)

    assert found["new"]["live_choices"]["actions_that_became_others"] == {"field_visit -> wait": 1}
    assert found["new"]["live_choices"]["made_by_it"] == 0

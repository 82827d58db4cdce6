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
from tests.integration.intake.test_strategy import late_case, visit
from tests.unit.intake.facts import DAY, due, overdue, person

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
    later = CONTENT.replace(b"version = 1", b"version = 2").replace(b"from_days = 31", b"from_days = 60")

    code, said, found = await simulate(intake, monkeypatch, tmp_path, later, "--groups", str(labels))

    assert code == 0, said
    assert found["in_force"]["total"]["people"] == 2
    assert found["in_force"]["total"]["visits"] > found["new"]["total"]["visits"] == 0
    assert found["in_force"]["groups"]["age"]["under 30"]["people_visited_known_now_as_vulnerable"] == 1
    assert found["in_force"]["total"]["visits_before_softer_steps"] == 0
    assert found["new"]["total"]["cost_minor"] < found["in_force"]["total"]["cost_minor"]
    assert set(found["new"]["groups"]) == {"age", "jurisdiction", "language", "product"}
    assert await intake.types() == before


async def test_what_was_simulated_can_be_signed(intake, monkeypatch, tmp_path):
    await late_case(intake)
    await simulate(intake, monkeypatch, tmp_path, CONTENT)

    assert approve(read_folder(tmp_path), approver="Ada Ito", on=DAY, sign=lambda _: b"s").sha256 == policy_hash(
        CONTENT
    )


@pytest.mark.parametrize("text", ["", "core,party_ref\n", "core,party_ref,age\ncore-a,P-1\n", "a,b,c\n"])
async def test_faulty_labels_are_refused(intake, monkeypatch, tmp_path, text):
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    monkeypatch.setattr(cli.strategy, "attached_settings", lambda *_: intake.settings)
    arguments = ["simulate", "--strategy", str(SHIPPED / "policy.toml"), "--groups", str(labels)]
    answer = await asyncio.to_thread(CliRunner().invoke, cli.strategy.strategy_app, arguments)

    assert answer.exit_code == 1

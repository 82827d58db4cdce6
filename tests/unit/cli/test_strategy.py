"""`./doorstep strategy`: what a person reads and signs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.strategy import strategy_app
from services.intake.strategy.policy import policy_hash
from services.intake.strategy.release import SHIPPED, read_folder

SHIPPED_FILE = SHIPPED / "policy.toml"
CONTENT = SHIPPED_FILE.read_bytes()


def run(*arguments: object) -> tuple[int, str]:
    answer = CliRunner().invoke(strategy_app, [str(one) for one in arguments])
    return answer.exit_code, answer.output


@pytest.fixture
def other(tmp_path: Path) -> Path:
    file = tmp_path / "other.toml"
    file.write_bytes(CONTENT.replace(b"version = 2", b"version = 3").replace(b"from_days = 31", b"from_days = 45"))
    return file


def test_check_says_in_words_what_a_strategy_does() -> None:
    code, said = run("check", SHIPPED_FILE)

    assert code == 0
    assert policy_hash(CONTENT) in said
    assert "4. offer_help by letter from day 24" in said


def test_check_names_the_field_of_a_fault(other: Path) -> None:
    other.write_bytes(CONTENT.replace(b"promise_days = 14", b"promise_days = 0"))

    code, said = run("check", other)

    assert code == 1
    assert "promise_days" in said


def test_diff_names_what_differs(other: Path) -> None:
    code, said = run("diff", SHIPPED_FILE, other)

    assert code == 0
    assert "visit.from_days" in said
    assert "promise_days" not in said
    assert "They say the same." in run("diff", SHIPPED_FILE, SHIPPED_FILE)[1]


def test_show_says_why_production_would_not_use_it() -> None:
    code, said = run("show")

    assert code == 1
    assert "every case would wait: demonstration_only" in said


def test_two_people_sign_strategy_and_simulation(tmp_path: Path) -> None:
    folder, keys = tmp_path / "strategy", tmp_path / "keys"
    folder.mkdir()
    content = CONTENT.replace(b'purpose = "demonstration" ', b'purpose = "tenant"')
    (folder / "policy.toml").write_bytes(content)
    assert run("approve", folder, "--person", "Ada Ito", "--keys", keys, "--on", "2026-03-02")[0] == 1

    (folder / "simulation.json").write_text(json.dumps({"strategy_sha256": policy_hash(content)}))
    code, said = run("approve", folder, "--person", "Ada Ito", "--keys", keys, "--on", "2026-03-02")

    assert code == 0, said
    assert "[[approval]]" in said
    (folder / "approvals.toml").write_text(said[said.index("[[approval]]") :])
    assert read_folder(folder).keys() == {"policy.toml", "simulation.json", "approvals.toml"}
    assert "not_approved" in run("show", "--folder", folder)[1]

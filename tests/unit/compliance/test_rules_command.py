"""`./doorstep rules`: check, diff, list."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.rules import rules_app
from services.compliance.rule_book import sources_of

RUN = CliRunner()
CHINA = sources_of()["cn-contact.toml"]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A version of the shipped Chinese pack with another closing hour."""
    file = tmp_path / "cn-contact.toml"
    file.write_bytes(CHINA.replace(b"22:00:00", b"21:00:00").replace(b"version = 1", b"version = 2"))
    return file


def test_check_prints_what_two_people_approve(pack: Path) -> None:
    result = RUN.invoke(rules_app, ["check", str(pack)])
    assert (result.exit_code, "fit to load, sha256 " in result.output) == (0, True)


def test_check_names_file_rule_and_reason(pack: Path) -> None:
    pack.write_bytes(CHINA.replace(b"minimum = 2", b"minimum = 0"))
    result = RUN.invoke(rules_app, ["check", str(pack)])
    assert result.exit_code == 1
    assert all(
        word in result.output
        for word in (str(pack), "rule CN-CBA2026-VISIT-2P: crew.minimum", "greater than or equal to 1")
    )


def test_diff_says_what_changes(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_bytes(CHINA)
    result = RUN.invoke(rules_app, ["diff", str(tmp_path / "old.toml"), str(pack)])
    assert "CN-GBT45251-HOURS: closes changes from 22:00 to 21:00." in result.output


def test_list_shows_rules_of_a_place_with_their_rows() -> None:
    result = RUN.invoke(rules_app, ["list", "--place", "SG"], env={"COLUMNS": "200"})
    assert "SG-DCA-LICENCE" in result.output
    assert "IE-CPC-3M" not in result.output

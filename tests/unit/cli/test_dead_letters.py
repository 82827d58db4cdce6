"""`dlq` before it reaches a service."""

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.dead_letters import _text

LETTER = "0190a5d8-1111-7000-8000-000000000000"


@pytest.mark.parametrize("arguments", [["list"], ["show"], ["replay"], ["discard"]])
def test_unknown_service_is_refused(arguments):
    letter = [] if arguments == ["list"] else [LETTER]
    answer = CliRunner().invoke(app, ["dlq", *arguments, "billing", *letter])
    assert answer.exit_code == 2
    assert "billing" in answer.output


def test_says_when_no_platform_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("DOORSTEP_HOME", str(tmp_path))
    answer = CliRunner().invoke(app, ["dlq", "list", "intake"])
    assert answer.exit_code == 1
    assert "./doorstep serve" in answer.output


def test_control_characters_do_not_reach_the_terminal():
    assert _text(b"\x1b[2Jname\x00\xff") == r"\x1b[2Jname\x00\\xff"

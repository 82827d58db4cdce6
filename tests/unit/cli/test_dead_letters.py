"""`dlq` before it reaches a service."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.dead_letters import _lines, _text
from shared.messaging.dead_letters import DeadLetter

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


def test_what_is_there_to_be_copied_stands_unbroken():
    letter = DeadLetter(
        id=UUID(LETTER), party_id=None, topic="loan-urgent", partition=3, offset=1_234_567, source=None, event_id=None,
        type="loan.payment_reversed", reason="schema-violation", detail="amount is missing", digest="0", state="open",
        attempts=5, recorded_at=datetime(2026, 1, 2, tzinfo=UTC), resolved_at=None,
    )  # fmt: skip
    assert _lines(letter) == [
        LETTER,
        "  2026-01-02 00:00:00Z  loan-urgent/3@1234567  loan.payment_reversed  tried 5 times",
        "  schema-violation amount is missing",
    ]

"""`test` and `lint` as a person or CI sees them."""

import sys
from pathlib import Path

import pytest

from cli.checks import Check, benchmarks, run_lint, worker_count


@pytest.mark.parametrize(("cores", "workers"), [(None, 2), (1, 2), (2, 3), (6, 7), (64, 8)])
def test_workers_follow_the_cores(cores, workers):
    assert worker_count(cores) == workers


def test_failing_check_prints_finding_and_hint(capsys):
    python = Path(sys.executable).name
    failing = Check("types", (python, "-c", "print('found it'); raise SystemExit(1)"), "mend it so")
    assert run_lint([failing]) == 1
    said = capsys.readouterr().out
    assert "found it" in said
    assert "mend it so" in said


def test_all_checks_run_although_one_fails(capsys):
    python = Path(sys.executable).name
    failing = Check("first", (python, "-c", "raise SystemExit(1)"), "")
    passing = Check("second", (python, "-c", ""), "")
    assert run_lint([failing, passing]) == 1
    assert "second" in capsys.readouterr().out


def test_passing_checks_end_with_zero():
    assert run_lint([Check("nothing", (Path(sys.executable).name, "-c", ""), "")]) == 0


def test_what_can_be_measured_can_be_run():
    assert {"intake_events", "permits", "tapes"} <= set(benchmarks())
    assert "figures" not in benchmarks()

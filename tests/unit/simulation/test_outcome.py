"""The exit code's reasons: each thing that is off is named, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulation.evidence import LogEvidence, Verification
from simulation.faults import Act
from simulation.figures import Figures
from simulation.oracle import Breach, History, Verdict
from simulation.story import Told
from simulation.summary import Outcome

HELD = Act("check-in without a permit", "refused", "403", held=True)


def figures(*, differences: int = 0, late: int = 0, lawful: int = 5) -> Figures:
    summaries: dict[str, dict[str, Any]] = {
        "visits": {"check_ins_after_fact": {"beyond_limit": late}},
        "compliance": {"contacts_audited": 5, "contacts_lawful": lawful},
    }
    return Figures(summaries, {}, {"differences": differences}, [], "note")


def outcome() -> Outcome:
    log = LogEvidence(100, Verification(0, "the log verifies"), Verification(1, "FAULT leaf 7: its bytes"), 7)
    verdict = Verdict([], records=3, checks=2)
    history = History(records=[], freshness=timedelta(seconds=2))
    return Outcome(figures=figures(), log=log, verdict=verdict, told=Told(acts=[HELD]), history=history)


def test_run_in_order_holds() -> None:
    assert outcome().holds


BREACH = Breach("sequence", "visit[1]@2", "sequence 3 after 1", datetime(2026, 3, 2, tzinfo=UTC))
WRONG_LEAF = LogEvidence(100, Verification(0, "the log verifies"), Verification(1, "FAULT leaf 8"), 7)
UNNOTICED = LogEvidence(100, Verification(0, "the log verifies"), Verification(0, "the log verifies"), 7)
NOT_VERIFIED = LogEvidence(100, Verification(1, "FAULT"), Verification(1, "FAULT leaf 7"), 7)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"told": Told(acts=[HELD, replace(HELD, tried="a forged permit", held=False)])}, "a forged permit"),
        ({"verdict": Verdict([BREACH], records=3, checks=2)}, "sequence 3 after 1"),
        ({"log": WRONG_LEAF}, "log"),
        ({"log": UNNOTICED}, "log"),
        ({"log": NOT_VERIFIED}, "log"),
        ({"figures": figures(differences=2)}, "2 differences"),
        ({"figures": figures(late=1)}, "later than F"),
        ({"figures": figures(lawful=4)}, "not lawful"),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], named: str) -> None:
    (fault,) = replace(outcome(), **changes).faults
    assert named in fault


def test_run_without_forbidden_acts_does_not_hold() -> None:
    assert not replace(outcome(), told=Told(acts=[])).holds

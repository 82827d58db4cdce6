"""The verifier on cut-overs: two people signed that it begins, and that what was imported is what was announced."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.approving import Approver
from services.compliance.domain.cutovers import Stage, sign
from tools import verify_log

DAY = date(2026, 3, 2)
TERMS = {"cutover_id": "old-2026", "expected": {"contact": 1}}
READ_BACK = {"cutover_id": "old-2026", "read_back_sha256": "c" * 64}


@pytest.fixture
def people(tmp_path: Path) -> list[Approver]:
    return [Approver.open(tmp_path, who) for who in ("Ada", "Ben")]


def signed(people: list[Approver], stage: Stage, said: Any) -> list[Any]:
    return [
        sign(stage, said, approver=one.person, on=DAY, key=one.key.vkey, signs=one.signing.sign_bytes).document()
        for one in people
    ]


def leaves(people: list[Approver]) -> list[dict[str, Any]]:
    named = {"kind": "cutover", "cutover_id": "old-2026"}
    return [
        *({"kind": "approver_key", **one.registration(DAY).document()} for one in people),
        named | {"state": "begun", "terms": TERMS, "signatures": signed(people, "begin", TERMS)},
        named | {"state": "accepted", **READ_BACK, "signatures": signed(people, "accept", READ_BACK)},
    ]


def judged(records: list[dict[str, Any]], named: list[Approver]) -> tuple[list[str], set[str]]:
    report = verify_log.Report()
    reader = verify_log.Releases([one.key.fingerprint for one in named], report)
    open_between: set[str] = set()
    for index, record in enumerate(records):
        reader.read(index, record)
        open_between |= reader.importing
    assert not reader.importing or report.problems
    return report.problems, open_between


def test_two_named_people_begin_and_accept(people: list[Approver]) -> None:
    assert judged(leaves(people), people) == ([], {"old-2026"})
    assert judged(leaves(people), [])[0] == [], "nobody named judges only the signatures"


def test_one_person_is_not_enough(people: list[Approver]) -> None:
    problems, _ = judged(leaves(people), people[:1])
    assert len(problems) == 2
    assert "was not signed by two of the named people" in problems[0]


def test_other_terms_than_the_signed_ones_are_forged(people: list[Approver]) -> None:
    records = leaves(people)
    records[2]["terms"] = TERMS | {"expected": {"contact": 0}}
    assert "is forged" in judged(records, people)[0][0]

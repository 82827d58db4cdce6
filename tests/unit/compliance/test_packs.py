"""Packs load whole or not at all, and their hash names every input."""

from datetime import date

import pytest

from services.compliance.domain.packs import PackError, RuleBook, load
from services.compliance.domain.rules.known import _JUDGES

PACK = b"""
id = "test"
title = "A test"
jurisdiction = "CN"
status = "policy"
effective_from = 2026-01-01
effective_to = 2026-07-01

[[rule]]
id = "TEST-HOLDS"
kind = "hold"
hold_kinds = ["plan_active", "stop_request", "deceased", "dispute", "hardship", "facts_incomplete", "represented",
              "complaint", "safety", "insolvency", "breathing_space", "mental_health_crisis", "ombudsman",
              "cease_contact", "channel_opt_out", "debt_advice", "vulnerability", "minor", "disaster"]
lifted_by = "never"
citation = "for the test only"
purposes_blocked = ["collection"]
"""


def loaded(pack: bytes = PACK, code: bytes = b"code", zones: str = "2026f") -> RuleBook:
    return load({"test.toml": pack}, rule_code=[code], tzdata_version=zones)


def test_hash_covers_packs_code_and_zones() -> None:
    hashes = {
        loaded().rule_set,
        loaded(pack=PACK + b"# note").rule_set,
        loaded(code=b"other").rule_set,
        loaded(zones="2027a").rule_set,
    }
    assert len(hashes) == 4
    assert loaded().rule_set == loaded().rule_set


@pytest.mark.parametrize(
    "pack",
    [
        b"not toml",
        PACK.replace(b'"safety"', b'"complaint"'),
        PACK.replace(b"lifted_by", b"unknown_field"),
        PACK + PACK[PACK.index(b"[[rule]]") :],
        PACK.replace(b'kind = "hold"', b'kind = "mood"'),
    ],
)
def test_faulty_pack_is_refused(pack: bytes) -> None:
    with pytest.raises(PackError):
        loaded(pack=pack)


@pytest.mark.parametrize(
    ("day", "count"), [((2025, 12, 31), 0), ((2026, 1, 1), 1), ((2026, 6, 30), 1), ((2026, 7, 1), 0)]
)
def test_pack_holds_from_its_first_day_until_its_end(day: tuple[int, int, int], count: int) -> None:
    assert len(loaded().rules(jurisdiction="CN", day=date(*day))) == count


def test_rules_of_another_place_do_not_apply() -> None:
    assert not loaded().rules(jurisdiction="US", day=date(2026, 3, 1))


def test_every_shipped_rule_can_be_judged(book: RuleBook) -> None:
    facts = [rule.kind for pack in book.packs for rule in pack.rule if rule.kind in _JUDGES]
    assert sorted(facts) == sorted(_JUDGES)
    assert all(len(rule.citation) > 20 for pack in book.packs for rule in pack.rule)

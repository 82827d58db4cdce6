"""Packs load whole or not at all, and their hash names every input."""

from datetime import date
from pathlib import Path

import pytest

from cli.approving import Approver, release_folder, released_for_development
from services.compliance.domain.differences import differences
from services.compliance.domain.packs import PackError, RuleBook, load
from services.compliance.domain.rules.known import _JUDGES
from services.compliance.rule_book import read_packs, rule_book, sources_of

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


RULE = b"""
[[rule]]
id = "TEST-RULE"
kind = "hours"
opens = 07:59:00
closes = 20:00:00
channels = ["visit"]
citation = "for the test only"
purposes_blocked = "all"
"""
SHIPPED = sources_of()


def with_rule(*changes: tuple[bytes, bytes], pack: str = "bank-cn.toml") -> RuleBook:
    """The shipped packs with one more rule in the bank's own for China."""
    rule = RULE
    for old, new in changes:
        assert old in rule
        rule = rule.replace(old, new)
    return read_packs(SHIPPED | {pack: SHIPPED[pack] + rule})


@pytest.mark.parametrize(
    ("opens", "closes", "loads"),
    [(b"08:00:00", b"22:00:00", True), (b"09:00:00", b"20:00:00", True), (b"07:59:00", b"20:00:00", False),
     (b"08:00:00", b"22:01:00", False)],
)  # fmt: skip
def test_policy_tightens_hours_but_never_loosens_them(opens: bytes, closes: bytes, loads: bool) -> None:
    changes = ((b"07:59:00", opens), (b"20:00:00", closes))
    if loads:
        assert with_rule(*changes).rule("TEST-RULE") is not None
    else:
        with pytest.raises(PackError, match="TEST-RULE is looser than CN-"):
            with_rule(*changes)


@pytest.mark.parametrize(
    ("kind", "looser"),
    [
        (b'kind = "crew"\nminimum = 1', True),
        (b'kind = "crew"\nminimum = 3', False),
        (b'kind = "plan_terms"\nmax_months = 61', True),
        (b'kind = "plan_terms"\nmax_months = 48', False),
        (
            b'kind = "cap"\nunit = "conversation"\nwindow = "local_day"\nlimit = 4\nkey = ["person", "institution"]',
            True,
        ),
        (b'kind = "cap"\nunit = "conversation"\nwindow = "local_dates_2"\nlimit = 3\nkey = ["person"]', False),
    ],
)
def test_policy_is_compared_with_each_law_it_touches(kind: bytes, looser: bool) -> None:
    changes = ((b'kind = "hours"\nopens = 07:59:00\ncloses = 20:00:00', kind), (b'["visit"]', b'["visit", "call"]'))
    if kind.startswith(b'kind = "cap"'):
        changes = (changes[0], (b'["visit"]', b'["call"]'))
    if looser:
        with pytest.raises(PackError, match="looser"):
            with_rule(*changes)
    else:
        with_rule(*changes)


def test_warning_without_a_number_needs_the_banks() -> None:
    own = SHIPPED["bank-cn.toml"].replace(b"cn_contacts_in_7_dates = 7", b"")
    with pytest.raises(PackError, match="CN-CBA2026-FREQ: the bank sets no parameter"):
        read_packs(SHIPPED | {"bank-cn.toml": own})


def test_unverified_rules_bind_as_policy_that_says_so(book: RuleBook) -> None:
    unverified = [rule for pack in book.packs for rule in pack.rule if rule.confidence == "M"]
    assert len(unverified) > 10
    assert all(rule.status == "policy" and rule.override == "none" for rule in unverified)
    assert all("unverified, M" in rule.citation and rule.action != "warn" for rule in unverified)


def test_rule_of_law_states_where_it_was_read(book: RuleBook) -> None:
    laws = [rule for pack in book.packs for rule in pack.rule if rule.status != "policy"]
    assert all(rule.confidence is not None and rule.source_read_on is not None for rule in laws)
    with pytest.raises(PackError, match="confidence"):
        with_rule((b"citation", b'status = "law"\ncitation'))


@pytest.mark.parametrize(
    ("start", "end", "loads"),
    [("2027-01-01", "", False), ("2026-12-31", "2027-06-01", False), ("2027-06-01", "", True)],
)
def test_versions_of_a_pack_never_overlap(start: str, end: str, loads: bool) -> None:
    first = PACK.replace(b"effective_to = 2026-07-01", b"effective_to = 2027-06-01")
    until = f"effective_to = {end}" if end else ""
    head = f'id = "test"\nversion = 2\ntitle = "T"\njurisdiction = "CN"\nstatus = "policy"\neffective_from = {start}\n'
    second = (head + until + "\n").encode() + PACK[PACK.index(b"[[rule]]") :]
    packs = {"one.toml": first, "two.toml": second}
    if loads:
        book = load(packs, rule_code=[], tzdata_version="")
        assert [len(book.rules(jurisdiction="CN", day=date(2027, month, 1))) for month in (5, 6)] == [1, 1]
    else:
        with pytest.raises(PackError, match="overlap"):
            load(packs, rule_code=[], tzdata_version="")


def test_production_refuses_what_nobody_approved(tmp_path: Path) -> None:
    for name, content in SHIPPED.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PackError, match="not approved by two people with keys of their own: au/2, au-sa/1"):
        rule_book(folder=tmp_path, production=True)
    people = [Approver.open(tmp_path / who, who) for who in ("Ada", "Ben")]
    release_folder(tmp_path / "released", people, on=date(2026, 1, 1))
    assert rule_book(folder=tmp_path / "released", production=True).hashes == read_packs(SHIPPED).hashes
    release_folder(tmp_path / "one", people[:1], on=date(2026, 1, 1))
    with pytest.raises(PackError, match="not approved by two people"):
        rule_book(folder=tmp_path / "one", production=True)


def test_development_starts_with_released_packs_until_they_change(tmp_path: Path) -> None:
    rules = released_for_development(tmp_path, on=date(2026, 1, 1))
    approvals = (rules / "approvals.toml").read_bytes()
    assert rule_book(folder=rules, production=True).hashes == read_packs(SHIPPED).hashes
    assert released_for_development(tmp_path, on=date(2026, 1, 2)) == rules
    assert (rules / "approvals.toml").read_bytes() == approvals
    (rules / "cn-contact.toml").write_bytes(SHIPPED["cn-contact.toml"] + b"\n# otherwise\n")
    released_for_development(tmp_path, on=date(2026, 1, 3))
    assert (rules / "cn-contact.toml").read_bytes() == SHIPPED["cn-contact.toml"]
    assert (rules / "approvals.toml").read_bytes() != approvals


def test_difference_is_said_in_words() -> None:
    changed = SHIPPED["cn-contact.toml"].replace(b"minimum = 2", b"minimum = 3")
    old, new = (
        next(pack for pack in read_packs(SHIPPED | {"cn-contact.toml": one}).packs if pack.id == "cn-contact")
        for one in (SHIPPED["cn-contact.toml"], changed)
    )
    assert differences(old, new) == ["CN-CBA2026-VISIT-2P: minimum changes from 2 to 3."]
    assert differences(old, old) == []


def test_a_shipped_version_says_in_words_what_it_changes(book: RuleBook) -> None:
    """What a rule takes from its pack's head is said once, of the head."""
    old, new = (next(pack for pack in book.packs if (pack.id, pack.version) == ("hk", number)) for number in (1, 2))
    said = differences(old, new)
    assert "The pack's effective from changes from 2015-02-06 to 2026-12-15." in said
    assert "HK-PDPO-REQUEST: confidence changes from M to R1." in said
    assert not [line for line in said if "effective from" in line and not line.startswith("The pack's")]


def test_hours_of_one_product_do_not_narrow_what_the_bank_sets_for_all(book: RuleBook) -> None:
    """Both are judged, so the stricter counts; a policy for that very product is compared."""
    rule = RULE.replace(b'channels = ["visit"]', b'channels = ["visit"]\nproducts = ["microfinance"]')
    assert book.rule("BANK-IN-HOURS") is not None
    with pytest.raises(PackError, match="TEST-RULE is looser than IN-MFI-HOURS"):
        read_packs(SHIPPED | {"bank-in.toml": SHIPPED["bank-in.toml"] + rule})


def test_place_within_a_place_and_a_union(book: RuleBook) -> None:
    def ids(place: str) -> set[str]:
        return {rule.id for rule in book.rules(jurisdiction=place, day=date(2026, 10, 14))}

    assert {"US-MA-VISIT", "US-REGF-TIME"} <= ids("US-MA")
    assert "US-MA-VISIT" not in ids("US-NYC")
    assert {"IE-CPC-3M", "EU-NPL-10-2"} <= ids("IE")
    assert "IE-CPC-3M" not in ids("DE")
    assert "IN-D26-HOURS" not in ids("IN")

"""The audit holds a contact against the caps of everybody who shares a key, by what was told of them at its time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from services.compliance.domain.audit import Finding, judge_contact
from services.compliance.domain.audited_on import Made, at_home_of_then, evidence_of, keys_named
from services.compliance.domain.decisions import decide, decide_plainly
from services.compliance.domain.dossier import Dossier, DossierEntry
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.places import Place
from services.compliance.domain.rulings import Answer
from shared.events.contact import ContactRecorded

from .conftest import PARTY, REAL, facts
from .test_sharers import a_call, bo, reserved

F = timedelta(seconds=120)
LONG_AGO = REAL - timedelta(days=300)
LAW = "US-MA-CALLS"


@pytest.mark.parametrize(
    ("homes", "home"),
    [
        ({}, "new"),
        ({"new": -9}, "new"),
        ({"new": 9}, "new"),  # nobody knows where they lived before
        ({"new": 9, "old": -99}, "old"),
        ({"new": 9, "old": -99, "between": -5}, "between"),
        ({"new": -99, "old": -50}, "new"),  # who moved back lives there as before
    ],
)
def test_a_contact_without_a_permit_counts_on_the_home_of_its_own_time(homes: dict[str, int], home: str) -> None:
    contact = call_to_bo()
    since = {name: contact.started_at + timedelta(days=days) for name, days in homes.items()}
    party = facts(keys={"household": frozenset({"new"}), "debt": frozenset({"d"})})
    assert at_home_of_then(party, contact, None, since).keys == {
        "household": frozenset({home}), "debt": frozenset({"d"})
    }  # fmt: skip


def call_to_bo(**changes: Any) -> ContactRecorded:
    """On the sixth, after two calls to Ada about the debt that both owe."""
    start = datetime(2026, 3, 6, 12, tzinfo=UTC)
    values: dict[str, Any] = {
        "contact_id": uuid4(), "party_id": PARTY, "permit_id": None, "channel": "call", "purpose": "collection",
        "started_at": start, "ended_at": start + timedelta(minutes=5), "started_real": REAL, "outcome": "met_customer",
        "contact": True, "conversation": True, "household_contacted": True, "debtor_met": True,
    }  # fmt: skip
    return ContactRecorded(**(values | changes))


def lived(place: str, zone: str, *, since: datetime = LONG_AGO, heard: datetime = LONG_AGO) -> Place:
    return Place(party_id=uuid4(), since=since, recorded_real=heard, jurisdiction=place, zones=(zone,))


BOSTON = lived("US-MA", "America/New_York")
LONDON = lived("GB", "Europe/London")


def ada(*places: Place, known: datetime = LONG_AGO, at: str = "home", heard: datetime = LONG_AGO) -> PastSharer:
    told = {"collector": "creditor", "place": at, "recipient": "obligor"}
    entries = tuple(
        DossierEntry(
            party_id=uuid4(), name=name, value=value, as_of=LONG_AGO, recorded_real=heard, owner="bank"  # type: ignore[arg-type]
        )
        for name, value in told.items()
    )  # fmt: skip
    return PastSharer(known_real={"debt:one": known}, places=places or (BOSTON,), dossier=Dossier(entries))


def found(
    book: RuleBook, *sharers: PastSharer, days: Sequence[int] = (3, 5), told: datetime = LONG_AGO
) -> Finding | None:
    others = [structs.replace(reserved(day), permit_id=None, told_real=told) for day in days]
    evidence = evidence_of(
        call_to_bo(), permit=None, party=bo(shared=tuple(others)), dossier=Dossier(), sharers=sharers, others=(),
        freshness_limit=F,
    )  # fmt: skip
    return {one.rule: one for one in judge_contact(call_to_bo(), evidence, book)}.get(LAW)


def test_contact_over_the_cap_of_who_shares_the_debt_is_found_by_rule_and_nobodys_name(book: RuleBook) -> None:
    finding = found(book, ada())
    assert finding is not None
    assert (finding.conduct, finding.harm) == (True, True)
    assert finding.citation.startswith("940 CMR 7.04")
    assert finding.detail == (
        "number 3 where 2 in local_dates_7 are allowed, by the law of somebody who shares the key"
    )  # fmt: skip


def test_nobody_who_shares_or_one_contact_less_is_no_finding(book: RuleBook) -> None:
    assert found(book) is None
    assert found(book, ada(), days=(5,)) is None


def test_law_is_that_of_where_they_lived_when_the_contact_was_made(book: RuleBook) -> None:
    moved_later = lived("GB", "Europe/London", since=datetime(2026, 3, 7, tzinfo=UTC))
    moved_before = lived("GB", "Europe/London", since=datetime(2026, 3, 1, tzinfo=UTC))
    assert found(book, ada(BOSTON, moved_later)) is not None
    assert found(book, ada(BOSTON, moved_before)) is None


def test_law_binds_from_the_day_on_which_the_key_is_theirs(book: RuleBook) -> None:
    contact = call_to_bo().started_at
    assert found(book, replace(ada(), since={"debt:one": contact})) is not None
    assert found(book, replace(ada(), since={"debt:one": contact + timedelta(seconds=1)})) is None


def test_what_was_told_before_still_counts_on_the_home_of_then() -> None:
    told = Made(contact_id=uuid4(), counted=structs.replace(reserved(3), keys={"household": frozenset({"left"})}))
    again = call_to_bo(contact_id=told.contact_id)
    assert keys_named([again], [], {PARTY: [told]}) == {PARTY: {"household": frozenset({"left"})}}
    assert keys_named([call_to_bo()], [], {PARTY: [told]}) == {PARTY: {}}


def test_what_nobody_knew_of_them_is_harm_and_no_conduct(book: RuleBook) -> None:
    """That they share the debt, where they live, that they are called at home, or one of the calls before."""
    late = REAL + timedelta(days=1)
    boston_after_all = lived("US-MA", "America/New_York", heard=late)
    for finding in (
        found(book, ada(known=late)),
        found(book, ada(LONDON, boston_after_all)),
        found(book, ada(known=REAL - timedelta(seconds=60))),
        found(book, ada(), told=late),
    ):
        assert finding is not None
        assert (finding.conduct, finding.harm) == (False, True)


def test_at_work_another_cap_is_theirs(book: RuleBook) -> None:
    assert found(book, ada(at="work")) is None


def test_decision_says_why_the_law_of_who_has_no_case_is_not_asked(book: RuleBook) -> None:
    known = bo(sharers_without_case=1)
    decision = decide(a_call(), known, book)
    assert decision == decide_plainly(a_call(), known, book)
    [ruling] = [one for one in decision.rulings if one.rule.id == "SHARERS-WITHOUT-CASE"]
    assert (ruling.answer, ruling.values) == (Answer.ALLOW, {"people": 1})
    assert "no case" in ruling.rule.citation
    assert decision.rulings[:-1] == decide(a_call(), structs.replace(known, sharers_without_case=0), book).rulings

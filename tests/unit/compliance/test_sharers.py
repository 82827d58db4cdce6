"""A contact keeps the caps of everybody who shares a key, whatever the law of its own person."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

from services.compliance.domain.counterfactuals import counterfactual
from services.compliance.domain.decisions import decide, decide_plainly
from services.compliance.domain.facts import Circumstances, Counted, PartyFacts, Question, Sharer
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn, decode
from services.compliance.domain.local_time import Span
from services.compliance.domain.narrow_allows import what_would_deny
from services.compliance.domain.packs import CapRule, RuleBook
from services.compliance.domain.replay import replay
from services.compliance.domain.rules.caps import matching_each
from services.compliance.domain.rulings import Answer, Earliest, Ruling
from services.compliance.domain.windows import lawful_windows

from .conftest import PARTY, REAL, facts, question

BOSTON = ("America/New_York",)
DEBT = {"debt": frozenset({"one"})}
AT_HOME = Circumstances(collector="creditor", place="home", recipient="obligor")
START = datetime(2026, 3, 4, 4, tzinfo=UTC)
ADA = Sharer(jurisdiction="US-MA", keys=DEBT, circumstances=AT_HOME)
"""Whose law allows two calls in seven dates on a debt (940 CMR 7.04)."""


def reserved(day: int, *, keys: Any = DEBT, channel: Any = "call") -> Counted:
    """What Ada was granted for three o'clock in Boston."""
    start = datetime(2026, 3, day, 20, tzinfo=UTC)
    return Counted(
        channel=channel, purpose="collection", span=Span(start, start + timedelta(minutes=5)), zones=BOSTON, keys=keys,
        permit_id=uuid4(), of_another=True,
    )  # fmt: skip


def bo(*sharers: Sharer, shared: tuple[Counted, ...] = (), **changes: Any) -> PartyFacts:
    """In London, where no law limits calls; everybody's contacts are attested."""
    known = facts(
        jurisdiction="GB", zones=("Europe/London",), keys=DEBT, shared=shared, sharers=sharers, inconvenient=(),
        sharers_known_from={"debt:one": date(2026, 1, 1)}, circumstances=AT_HOME,
    )  # fmt: skip
    return structs.replace(known, **changes)


def a_call(**changes: Any) -> Question:
    values = {"keys": DEBT, "span": Span(START.replace(hour=12), START.replace(hour=12, minute=5))} | changes
    return question(
        channel="call", jurisdiction="GB", zones=("Europe/London",), duration=timedelta(minutes=5), **values
    )  # fmt: skip


def of_sharers(asked: Question, known: PartyFacts, book: RuleBook) -> dict[str, Ruling]:
    """The rulings that the sharers' laws add; compiled and plain rules say the same."""
    decision = decide(asked, known, book)
    assert decision == decide_plainly(asked, known, book)
    return {one.rule.id: one for one in decision.rulings if one.values.get("kept_for") == "sharers"}


def test_third_call_on_the_debt_is_refused_by_the_law_of_who_shares_it(book: RuleBook) -> None:
    known = bo(ADA, shared=(reserved(3), reserved(5)))
    decision = decide(a_call(), known, book)
    [ruling] = [one for one in decision.refusals if one.rule.id == "US-MA-CALLS"]
    assert decision.answer is Answer.DENY
    assert ruling.rule.citation.startswith("940 CMR 7.04")
    assert ruling.values["count"] == 2
    assert ruling.detail == "2 of 2 in local_dates_7 are used or reserved, by the law of somebody who shares the key"
    assert ruling.earliest == Earliest(at=datetime(2026, 3, 10, tzinfo=UTC)), "only one of Ada's is in its week then"


def test_refusal_says_nothing_of_the_other_person(book: RuleBook) -> None:
    other = reserved(3), reserved(5)
    refusals = decide(a_call(), bo(ADA, shared=other), book).refusals
    said = json.dumps([one.document() for one in refusals])
    assert not [one for one in other if str(one.permit_id) in said]
    assert "New_York" not in said
    assert '"one"' not in said


def test_earliest_moment_is_granted_when_it_is_asked_for(book: RuleBook) -> None:
    asked, known = a_call(), bo(ADA, shared=(reserved(3), reserved(5)))
    earliest = decide(asked, known, book).earliest
    assert earliest is not None
    assert earliest.at is not None
    later = decide(asked.at(earliest.at), known, book)
    assert not [one for one in later.refusals if one.values.get("kept_for") or one.rule.kind == "hours"]


def test_two_calls_keep_it(book: RuleBook) -> None:
    rulings = of_sharers(a_call(), bo(ADA, shared=(reserved(3),)), book)
    assert {name: one.answer for name, one in rulings.items()} == {"US-MA-CALLS": Answer.ALLOW}


def test_own_law_is_asked_once(book: RuleBook) -> None:
    known = bo(ADA, jurisdiction="US-MA", shared=(reserved(3), reserved(5)))
    assert of_sharers(a_call(), known, book) == {}


def test_the_same_law_with_other_circumstances_is_asked_as_well(book: RuleBook) -> None:
    """At work it is two in thirty dates: that rule is not the one that Bo is called by at home."""
    at_work = structs.replace(ADA, circumstances=structs.replace(AT_HOME, place="work"))
    known = bo(at_work, jurisdiction="US-MA")
    assert set(of_sharers(a_call(), known, book)) == {"US-MA-CALLS-ELSEWHERE"}


def test_circumstances_that_are_not_known_make_a_rule_apply(book: RuleBook) -> None:
    unknown = structs.replace(ADA, circumstances=Circumstances(recipient="obligor"))
    assert set(of_sharers(a_call(), bo(unknown), book)) == {"US-MA-CALLS", "US-MA-CALLS-ELSEWHERE"}


def test_contact_about_another_debt_concerns_nobody(book: RuleBook) -> None:
    asked = a_call(keys={"debt": frozenset({"two"})})
    assert of_sharers(asked, bo(ADA, shared=(reserved(3), reserved(5))), book) == {}


def test_a_rule_on_home_and_debt_needs_both_in_common(book: RuleBook) -> None:
    """209 CMR 18.17(6), of a person in Boston who lives elsewhere; where nobody knows the home, it may be the same."""
    keys = {**DEBT, "household": frozenset({"mine"})}
    asked = a_call(keys=keys)
    visit = structs.replace(asked, channel="visit")
    agency = structs.replace(ADA, circumstances=structs.replace(AT_HOME, collector="agency"))
    elsewhere = bo(agency)
    assert of_sharers(visit, elsewhere, book) == {}
    together = bo(structs.replace(agency, keys=keys), shared=(reserved(3, keys=keys, channel="visit"),))
    assert of_sharers(visit, together, book)["US-MA-VISIT"].answer is Answer.DENY
    unknown = bo(structs.replace(agency, unresolved=frozenset({"household"})))
    assert of_sharers(visit, unknown, book)["US-MA-VISIT"].answer is Answer.ALLOW
    nobody_knows_mine = bo(agency, unresolved=frozenset({"household"}))
    assert of_sharers(visit, nobody_knows_mine, book)["US-MA-VISIT"].earliest.after == "party.household"


@pytest.mark.parametrize("known_from", [None, date(2026, 3, 1)])
def test_look_back_of_the_other_law_is_attested_or_counts_as_full(book: RuleBook, known_from: date | None) -> None:
    [ruling] = of_sharers(a_call(), bo(ADA, sharers_known_from={"debt:one": known_from}), book).values()
    assert ruling.answer is (Answer.NEEDS_FACT if known_from is None else Answer.DENY)


def test_of_several_sharers_the_strictest_is_told_once(book: RuleBook) -> None:
    two = {"debt": frozenset({"one", "two"})}
    other = structs.replace(ADA, keys={"debt": frozenset({"two"})})
    known = bo(other, ADA, keys=two, shared=(reserved(3), reserved(5)))
    assert of_sharers(a_call(keys=two), known, book)["US-MA-CALLS"].values["count"] == 2


def test_days_ahead_are_no_window_either(book: RuleBook) -> None:
    known = bo(ADA, shared=(reserved(3), reserved(5)))
    found = lawful_windows(a_call(), [date(2026, 3, 4)], known, book)
    assert "US-MA-CALLS" in found.refused


def test_refusal_is_replayed_to_the_byte_and_has_a_counterfactual(book: RuleBook) -> None:
    judged_on = JudgedOn(question=a_call(), facts=bo(ADA, shared=(reserved(3), reserved(5))))
    content = judged_on.encoded()
    decision = judged_on.decide(book)
    assert decision.frame is not None
    record = judged_on.record(decision, content, book=book, decision_id=uuid4(), request={"channel": "call"})
    assert replay(record, content, book, frame=decision.frame.content).state == "identical"
    changes = counterfactual(decode(content), book)
    assert changes
    assert all(str(one.permit_id) not in f"{changes}" for one in judged_on.facts.shared)


def test_contacts_of_others_that_were_not_made_would_have_allowed_it(book: RuleBook) -> None:
    """Named all together: when one of them was is the other person's own. Here a dispute stands in the way as well."""
    dispute = Hold(
        hold_id=uuid4(), party_id=PARTY, kind="dispute", scope="party", valid_from=START - timedelta(days=9),
        valid_to=None, source_ref="letter", recorded_real=REAL,
    )  # fmt: skip
    known = bo(ADA, shared=(reserved(3), reserved(5)), holds=(dispute,))
    changes = counterfactual(JudgedOn(question=a_call(), facts=known), book)
    assert {one.subject for one in changes} == {str(dispute.hold_id), "contacts with others who share a key"}


def test_an_allow_names_what_would_have_passed_the_other_law(book: RuleBook) -> None:
    """Nothing in London limits letters; of the debtor in Sydney who is bound as well, three a week are allowed."""
    sydney = Sharer(jurisdiction="AU", keys=DEBT)
    asked = structs.replace(a_call(), channel="letter")
    changes = what_would_deny(JudgedOn(question=asked, facts=bo(sydney, shared=(reserved(3),))), book)
    assert [(one.kind, one.would_be) for one in changes] == [("contact_made", "2 more")]


def test_so_many_are_allowed_on_each_debt(book: RuleBook) -> None:
    """Two calls about two debts each have room for one about both; a third about one of them has none."""
    both = {"debt": frozenset({"one", "two"})}
    other = structs.replace(ADA, keys=both)
    about_each = (reserved(3), reserved(4, keys={"debt": frozenset({"two"})}))
    assert (
        of_sharers(a_call(keys=both), bo(other, keys=both, shared=about_each), book)["US-MA-CALLS"].values["count"] == 1
    )
    full = (*about_each, reserved(5, keys=both))
    ruling = of_sharers(a_call(), bo(other, keys=both, shared=full), book)["US-MA-CALLS"]
    assert (ruling.answer, ruling.values["count"]) == (Answer.DENY, 2)


def test_several_ids_of_one_person_count_together(book: RuleBook) -> None:
    """Two links to other ids of the same person are no two limits."""
    rule = book.rule("US-REGF-COOLOFF")
    assert isinstance(rule, CapRule)
    ids = {"person": frozenset({"a", "b"})}
    made = tuple(
        structs.replace(reserved(3, keys={"person": frozenset({link}), **DEBT}), of_another=False)
        for link in ids["person"]
    )
    assert [len(each) for each in matching_each(rule, made, a_call(keys={**ids, **DEBT}))] == [2]

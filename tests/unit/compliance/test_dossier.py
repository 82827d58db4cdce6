"""What stood at a moment follows from what was told by then, in whatever order it was told."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.compliance.domain.debts import Debt, Obligor
from services.compliance.domain.dossier import Dossier, DossierEntry, GivenOverride, age_limit
from services.compliance.domain.facts import Counted, Inconvenient, Override, PartyFacts, Told
from services.compliance.domain.judging import judge_rule
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.preferences import (
    DAY_BEGINS,
    DAY_ENDS,
    ContradictoryPreferences,
    Hours,
    Wish,
    inconvenient_of,
    longest_left,
)
from services.compliance.domain.rule_parts import FactName
from services.compliance.domain.rule_records import RequiresRule
from services.compliance.domain.rulings import Answer
from services.compliance.domain.telling import owning_client
from services.compliance.rule_book import rule_book
from shared.security.scopes import CLIENTS

from .conftest import NOW, PARTY, REAL, facts, question

DAY = timedelta(days=1)


def entry(value: Any, *, as_of: datetime = NOW, recorded: datetime = REAL, name: Any = "collector") -> DossierEntry:
    return DossierEntry(party_id=PARTY, name=name, value=value, as_of=as_of, recorded_real=recorded, owner="assignment")


def standing(*entries: DossierEntry, at: datetime = NOW, known_by: datetime | None = None) -> PartyFacts:
    return Dossier(entries).applied_to(facts(), at=at, known_by=known_by)


def test_later_word_supersedes_and_the_past_stays() -> None:
    told = entry("agency", as_of=NOW - DAY), entry("creditor", as_of=NOW)
    assert standing(*told).circumstances.collector == "creditor"
    assert standing(*told, at=NOW - timedelta(hours=1)).circumstances.collector == "agency"
    assert standing(*told, at=NOW - 2 * DAY).circumstances.collector is None


def test_same_moment_is_corrected_by_the_later_record() -> None:
    told = entry("agency", recorded=REAL), entry("creditor", recorded=REAL + DAY)
    assert standing(*told).circumstances.collector == "creditor"
    assert standing(*told, known_by=REAL).circumstances.collector == "agency"


def test_what_came_later_was_not_known() -> None:
    late = entry(True, name="collector_certified", as_of=NOW - 5 * DAY, recorded=REAL + DAY)
    assert "collector_certified" in standing(late).told
    assert standing(late, known_by=REAL).told == {}


def test_fact_ages() -> None:
    told = standing(entry(True, name="sms_number_checked")).told["sms_number_checked"]
    assert told.until == NOW + timedelta(days=60)
    assert standing(entry(True, name="validation_notice_sent")).told["validation_notice_sent"].until is None


def test_no_rule_trusts_longer_than_the_fact_lasts() -> None:
    rules = [rule for pack in rule_book().packs for rule in pack.rule if isinstance(rule, RequiresRule)]
    asked = [(name, rule.max_age_days) for rule in rules for name in rule.facts if rule.max_age_days is not None]
    assert asked
    assert [pair for pair in asked if (limit := age_limit(pair[0])) is None or limit.days > pair[1]] == []


def test_every_fact_has_an_owner_that_is_a_client() -> None:
    assert [name for name in get_args(FactName) if owning_client(name) not in CLIENTS] == []


def test_withdrawn_permission_ends() -> None:
    override = Override(by="consent", evidence=uuid4(), valid=Span(NOW, NOW + 3 * DAY))
    given_one = GivenOverride(
        override_id=uuid4(), party_id=PARTY, rule="R", override=override, recorded_real=REAL, ended_at=NOW + DAY
    )
    (left,) = Dossier((), (given_one,)).applied_to(facts(), at=NOW).overrides["R"]
    assert left.valid == Span(NOW, NOW + DAY)


def test_request_lasts_seven_days() -> None:
    told = entry(frozenset({"call"}), name="customer_request")
    (request,) = standing(told, at=NOW + 6 * DAY).requested
    assert request.covers("call", Span(NOW + 6 * DAY, NOW + 7 * DAY))
    assert not request.covers("sms", Span(NOW, NOW + DAY))
    assert not request.covers("call", Span(NOW + 6 * DAY, NOW + 7 * DAY + timedelta.resolution))
    assert standing(told, at=NOW + 7 * DAY).requested == ()


@given(
    told=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["agency", "creditor", "consumer_finance"])),
        unique_by=lambda one: one[:2],
        max_size=8,
    ),
    at=st.integers(0, 5),
    known=st.integers(0, 5),
)
def test_order_of_telling_does_not_matter(told: list[tuple[int, int, str]], at: int, known: int) -> None:
    """What stands is the latest `as_of` not after the moment, of the records made by then, the last one of each."""
    entries = [entry(value, as_of=NOW + DAY * a, recorded=REAL + DAY * r) for a, r, value in told]
    expected = max(((a, r, value) for a, r, value in told if a <= at and r <= known), default=(0, 0, None))[2]
    for order in (entries, entries[::-1]):
        found = standing(*order, at=NOW + DAY * at, known_by=REAL + DAY * known)
        assert found.circumstances.collector == expected


def wish(kind: Any, opens: time | None = None, closes: time | None = None) -> Wish:
    hours = None if opens is None or closes is None else Hours(opens, closes)
    return Wish(wish=kind, channels=frozenset({"call"}), hours=hours)


def test_only_is_kept_as_what_it_excludes() -> None:
    found = inconvenient_of([wish("only", time(10), time(12)), wish("only", time(15), time(17))])
    assert [(one.opens, one.closes) for one in found] == [
        (DAY_BEGINS, time(10)),
        (time(12), time(15)),
        (time(17), DAY_ENDS),
    ]


@pytest.mark.parametrize(
    "wishes",
    [
        [wish("never", time(9), time(12)), wish("only", time(11), time(13))],
        [wish("never"), wish("only", time(11), time(13))],
        [wish("never", time(9), time(12)), wish("only")],
    ],
)
def test_opposite_wishes_on_the_same_hours_contradict(wishes: list[Wish]) -> None:
    with pytest.raises(ContradictoryPreferences):
        inconvenient_of(wishes)


def test_neighbouring_wishes_do_not_contradict() -> None:
    inconvenient_of([wish("never", time(9), time(12)), wish("only", time(12), time(13))])


hours = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda pair: pair[0] < pair[1])


@given(wanted=st.lists(hours, min_size=1, max_size=5), minute=st.integers(0, 24 * 60 - 1))
def test_only_avoids_exactly_the_rest(wanted: list[tuple[int, int]], minute: int) -> None:
    moment = time(minute // 60, minute % 60)
    avoided = inconvenient_of([wish("only", time(opens), time(closes)) for opens, closes in wanted])
    is_wanted = any(time(opens) <= moment < time(closes) for opens, closes in wanted)
    assert is_wanted != any(_holds(one, moment) for one in avoided)


def _holds(one: Inconvenient, moment: time) -> bool:
    return one.opens is not None and one.closes is not None and one.opens <= moment < one.closes


@given(taken=st.lists(hours, max_size=6))
def test_longest_left_is_the_longest_free_stretch(taken: list[tuple[int, int]]) -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC)
    spans = [Span(day + timedelta(hours=opens), day + timedelta(hours=closes)) for opens, closes in taken]
    longest = run = 0
    for hour in range(8, 20):
        run = 0 if any(opens <= hour < closes for opens, closes in taken) else run + 1
        longest = max(longest, run)
    whole = Span(day + timedelta(hours=8), day + timedelta(hours=20))
    assert longest_left(whole, spans) == timedelta(hours=longest)


def test_a_notice_speaks_of_the_debts_that_there_were() -> None:
    def debt(number: int, *, known: datetime = REAL - DAY, since: date = date(2020, 1, 1)) -> Debt:
        return Debt(
            debt_id=UUID(int=number), case_party_id=PARTY, loan_id=UUID(int=number), is_overdue=True,
            originated_on=since, obligors=(Obligor(PARTY, "borrower", "full"),), known_real=known,
        )  # fmt: skip

    debts = (debt(1), debt(2, known=REAL + DAY), debt(3, since=(NOW + DAY).date()))
    notice = entry(True, name="validation_notice_sent")
    later = entry(True, name="validation_notice_sent", as_of=NOW + 2 * DAY, recorded=REAL + 2 * DAY)

    def unnoticed(*entries: DossierEntry, at: datetime = NOW, known_by: datetime | None = None) -> set[int]:
        known = Dossier(entries, debts=debts).applied_to(facts(), at=at, known_by=known_by)
        return {one.int for one in known.unnoticed}

    assert unnoticed(notice) == {2, 3}
    assert unnoticed(notice, known_by=REAL) == {3}, "nobody knew of the second"
    assert unnoticed(notice, later, at=NOW + 3 * DAY) == set()
    assert unnoticed() == set(), "where none was sent the rule asks for it of itself"

    of_second = replace(later, value=(str(UUID(int=2)),))
    after = NOW + 3 * DAY
    assert unnoticed(of_second, at=after) == {1, 3}, "told late, it speaks of the debt that it names and of no other"
    assert unnoticed(notice, of_second, at=after) == {3}, "a notice of its own for each debt"
    taken_back = replace(later, value=False, as_of=NOW + 2 * DAY, recorded_real=REAL + 3 * DAY)
    assert unnoticed(notice, of_second, taken_back, at=after) == set()
    told = Dossier((of_second,), debts=debts).applied_to(facts(), at=after).told["validation_notice_sent"]
    assert (told.value, told.as_of) == (True, NOW + 2 * DAY)


def test_each_debt_has_its_own_time_for_its_notice(book: RuleBook) -> None:
    rule = next(one for one in book.rules(jurisdiction="US-CA", day=NOW.date()) if one.id == "US-REGF-VALID")
    old, new = UUID(int=1), UUID(int=2)
    long_ago = Counted(
        channel="call", purpose="collection", span=Span(NOW - 30 * DAY, NOW - 30 * DAY), zones=("UTC",),
        keys={"debt": frozenset({str(old)})},
    )  # fmt: skip
    told = {"validation_notice_sent": Told(value=True, as_of=NOW - 29 * DAY)}
    known = facts(told=told, unnoticed=frozenset({new}), counted=(long_ago,), history_known_from=date(2020, 1, 1))

    def answer(about: UUID, *more: Counted) -> Answer:
        asked = structs.replace(question(), keys={"debt": frozenset({str(about)})})
        return judge_rule(rule, asked, structs.replace(known, counted=(long_ago, *more)), book).answer

    assert answer(old) is Answer.ALLOW
    assert answer(new) is Answer.ALLOW, "the first communication about it"
    reached = structs.replace(long_ago, keys={"debt": frozenset({str(new)})})
    assert answer(new, reached) is Answer.NEEDS_FACT, "30 days later its notice is overdue"
    assert answer(old, reached) is Answer.ALLOW
    unnamed = structs.replace(long_ago, keys={"debt": frozenset[str]()})
    assert answer(new, unnamed) is Answer.NEEDS_FACT, "nobody knows what it was about"
    untold = structs.replace(known, told={}, unnoticed=frozenset())
    asked = structs.replace(question(), keys={"debt": frozenset[str]()})
    assert judge_rule(rule, asked, untold, book).answer is Answer.NEEDS_FACT, "nobody knows what it is about"

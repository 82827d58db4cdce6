"""A look-back that reaches before anybody's attested history who shares the key counts its cap as full."""

from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec import structs

from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import PartyFacts
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import CapRule, RuleBook
from services.compliance.domain.rules.caps import judge_cap
from services.compliance.domain.rulings import Answer, Ruling

from .conftest import facts, question

KEYS = {"debt": frozenset({"one", "two"})}
START = datetime(2026, 3, 3, 4, tzinfo=UTC)


def cap(book: RuleBook) -> CapRule:
    """At most three calls in seven local dates on a debt, as the pack in force says it."""
    rules = book.rules(jurisdiction="AU", day=START.date())
    [rule] = [one for one in rules if isinstance(one, CapRule) and one.id == "AU-RG96-3W10M"]
    return rule


def judged(book: RuleBook, sharers: dict[str, date | None], **changes: object) -> Ruling:
    """By the rule, and the same by the whole book."""
    values = {"jurisdiction": "AU", "zones": ("Australia/Sydney",), "sharers_known_from": sharers} | changes
    known: PartyFacts = structs.replace(facts(), **values)
    asked = question(
        channel="call", jurisdiction="AU", zones=known.zones, duration=timedelta(minutes=5), keys=KEYS,
        span=Span(START, START + timedelta(minutes=5)),
    )  # fmt: skip
    ruling = judge_cap(cap(book), asked, known)
    [by_book] = [one for one in decide(asked, known, book).rulings if one.rule.id == "AU-RG96-3W10M"]
    assert by_book == ruling
    return ruling


def test_attested_long_enough_by_all_is_allowed(book: RuleBook) -> None:
    assert judged(book, {"debt:one": date(2026, 2, 25)}).answer is Answer.ALLOW


def test_newest_history_of_any_sharer_decides(book: RuleBook) -> None:
    ruling = judged(book, {"debt:one": date(2026, 1, 1), "debt:two": date(2026, 2, 26)})
    assert ruling.answer is Answer.DENY
    assert ruling.earliest.at == datetime(2026, 3, 3, 13, tzinfo=UTC), "the 4th in Sydney: its seventh date is attested"


def test_sharers_nobody_attests_are_a_missing_fact(book: RuleBook) -> None:
    ruling = judged(book, {"debt:one": date(2026, 1, 1), "debt:two": None})
    assert (ruling.answer, ruling.earliest.after) == (Answer.NEEDS_FACT, "party.sharers_known_from")


def test_own_history_still_decides_where_it_is_the_newest(book: RuleBook) -> None:
    ruling = judged(book, {"debt:one": date(2026, 1, 1)}, history_known_from=date(2026, 3, 1))
    assert ruling.answer is Answer.DENY


@pytest.mark.parametrize("name", ["household:home", "debt:three"])
def test_key_that_the_rule_or_the_contact_does_not_count_on_says_nothing(book: RuleBook, name: str) -> None:
    assert judged(book, {name: None}).answer is Answer.ALLOW

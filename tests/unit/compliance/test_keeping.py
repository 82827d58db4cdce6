"""Until when records are kept: the longest minimum, never less, and for ever where nobody knows."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.compliance.domain.keeping import (
    RESTRICTED_FOR,
    Holding,
    day_of,
    keep_until_of,
    kept_for_ever,
    reasons_to_keep,
    state_of,
    states_of,
    today_everywhere,
)
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rule_records import RetainRule
from services.compliance.domain.rules.records import keep_until

LAST = datetime(2026, 3, 2, 6, 40, tzinfo=UTC)
OVER = Holding(
    party_id=UUID(int=1), jurisdiction="CN", case_open=False, newest={"contact": LAST}, last_recorded=LAST,
    last_activity=LAST,
)  # fmt: skip
FREE_FROM = date(2031, 3, 3)


def rules_of(holding: Holding, book: RuleBook, today: date) -> dict[str, date | None]:
    return {one.rule: one.earliest for one in reasons_to_keep(holding, book, today=today)}


def test_longest_minimum_counts_and_names_its_end(book: RuleBook) -> None:
    assert rules_of(OVER, book, date(2031, 3, 2)) == {"CN-CFC2024-5Y": FREE_FROM}
    assert rules_of(OVER, book, FREE_FROM) == {}


@pytest.mark.parametrize("jurisdiction", [None, "XX"])
def test_in_an_unknown_place_the_longest_minimum_of_all_places_counts(book: RuleBook, jurisdiction: str | None) -> None:
    unknown = replace(OVER, jurisdiction=jurisdiction)
    assert rules_of(unknown, book, date(2031, 3, 3)) == {"BANK-KEEP": date(2032, 3, 3)}


def test_where_no_rule_says_how_long_it_is_kept(book: RuleBook) -> None:
    silent = replace(book, packs=tuple(pack for pack in book.packs if pack.id not in ("bank-policy", "bank-cn")))
    told = replace(OVER, newest={"fact": LAST})
    assert rules_of(told, silent, date(2099, 1, 1)) == {"RIGHTS-RETENTION-UNKNOWN": None}
    assert ("CN", "fact") in kept_for_ever(silent, today=date(2026, 3, 2))
    assert kept_for_ever(book, today=date(2026, 3, 2)) == []


def test_each_sort_ends_by_its_own_minimum(book: RuleBook) -> None:
    """In Britain complaints end three years after their last step, the rest six years after the last contact."""
    british = replace(OVER, jurisdiction="GB", newest={"contact": LAST, "decision": LAST, "complaint": LAST})
    assert states_of(british, book, today=date(2029, 3, 2)) == dict.fromkeys(british.newest, "kept")
    seen = date(2029, 3, 3)
    expected = {"contact": "kept", "decision": "kept", "complaint": "restricted"}
    assert states_of(british, book, today=seen) == expected
    restricted = replace(british, restricted={"complaint": seen})
    assert states_of(restricted, book, today=seen + RESTRICTED_FOR) == expected | {"complaint": "due"}
    assert states_of(replace(restricted, case_open=True), book, today=date(2099, 1, 1))["complaint"] == "kept"
    assert rules_of(british, book, seen) == {"BANK-KEEP": date(2032, 3, 3)}


def test_an_activity_has_older_records_of_other_sorts_kept(book: RuleBook) -> None:
    later = datetime(2028, 3, 2, tzinfo=UTC)
    american = replace(OVER, jurisdiction="US-NY", newest={"finding": LAST}, last_activity=later)
    assert keep_until_of(american, book, today=date(2029, 6, 1))["finding"].until == date(2031, 3, 2)


def test_recording_of_a_plan_is_kept_until_it_is_paid(book: RuleBook) -> None:
    running = replace(OVER, had_plan=True)
    assert rules_of(running, book, date(2040, 1, 1)) == {"CN-CARD2011-70-ORAL": None}
    assert rules_of(replace(running, plan_paid_off=date(2027, 1, 1)), book, date(2040, 1, 1)) == {}


@pytest.mark.parametrize(
    ("claim", "rule"),
    [({"legal_holds": ("file:1",)}, "RIGHTS-LEGAL-HOLD"), ({"open_complaints": 1}, "RIGHTS-COMPLAINT-OPEN"),
     ({"case_open": True}, "RIGHTS-CASE-OPEN"), ({"open_claims": ("dispute",)}, "RIGHTS-CLAIM-OPEN")],
)  # fmt: skip
def test_claims_keep_whatever_the_law_says(book: RuleBook, claim: dict[str, object], rule: str) -> None:
    held = replace(OVER, **claim)  # type: ignore[arg-type]
    assert rules_of(held, book, date(2099, 1, 1)) == {rule: None}
    assert state_of(held, book, today=date(2099, 1, 1), restricted_since=date(2031, 1, 1)) == "kept"


def test_restricted_for_90_days_from_the_day_it_is_seen(book: RuleBook) -> None:
    late = date(2035, 6, 1)
    assert state_of(OVER, book, today=late, restricted_since=None) == "restricted"
    assert state_of(OVER, book, today=late + RESTRICTED_FOR - timedelta(days=1), restricted_since=late) == "restricted"
    assert state_of(OVER, book, today=late + RESTRICTED_FOR, restricted_since=late) == "due"


def test_of_whom_nothing_was_recorded_nothing_runs_out(book: RuleBook) -> None:
    assert state_of(replace(OVER, last_recorded=None), book, today=FREE_FROM, restricted_since=None) == "kept"


_days = st.dates(date(2000, 1, 1), date(2090, 1, 1))
_minima = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def retain(years: int, number: int) -> RetainRule:
    return RetainRule.model_validate(
        {
            "id": f"XX-KEEP-{number}", "kind": "retain", "jurisdiction": "XX", "citation": "a law of ten letters",
            "confidence": "M", "purposes_blocked": "all", "action": "retain", "effective_from": date(2000, 1, 1),
            "records": "contact", "years": years,
        }
    )  # fmt: skip


@given(last=_days, years=_minima)
@hypothesis_settings(max_examples=60, deadline=None)
def test_no_minimum_is_ever_shortened(last: date, years: list[int]) -> None:
    rules = [retain(one, number) for number, one in enumerate(years)]
    kept = keep_until(rules, records="contact", last_contact=last, paid_off=None)
    assert kept.until is not None
    assert kept.until.year - last.year == max(years)
    for rule in rules:
        alone = keep_until([rule], records="contact", last_contact=last, paid_off=None).until
        assert alone is not None
        assert alone <= kept.until


@given(day=_days, time=st.times())
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_day_kept_is_over_everywhere_before_it_is_free(day: date, time: time) -> None:
    moment = datetime.combine(day, time, tzinfo=UTC)
    assert day_of(moment) >= moment.date() >= today_everywhere(moment)
    assert today_everywhere(moment) < day_of(moment) + timedelta(days=1)


@given(last=_days, later=st.integers(0, 4_000))
@hypothesis_settings(max_examples=30, deadline=None)
def test_what_is_recorded_later_is_never_free_earlier(book: RuleBook, last: date, later: int) -> None:
    first = datetime(last.year, last.month, last.day, tzinfo=UTC)
    ends = [
        keep_until_of(replace(OVER, newest={"contact": one}, last_activity=one), book, today=date(2026, 3, 2))[
            "contact"
        ].until
        for one in (first, first + timedelta(days=later))
    ]
    assert None not in ends
    assert ends[0] <= ends[1]  # type: ignore[operator]

"""The compiled rules answer, to the byte, what the plain functions answer: over all packs, places and channels."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.compliance.domain.canonical import canonical
from services.compliance.domain.decisions import Stage, decide, decide_plainly, encoded_record, record
from services.compliance.domain.facts import PartyFacts, Question
from services.compliance.domain.frames import told
from services.compliance.domain.history import Counter
from services.compliance.domain.local_time import Span
from services.compliance.domain.rules.applicability import concerned
from services.compliance.domain.rules.caps import busiest, next_free
from services.compliance.domain.rules.hours import hours_rules, lawful_span
from services.compliance.domain.rulings import Ruling
from services.compliance.domain.windows import lawful_windows

from .conftest import CASE
from .drawn_cases import BOOK, cases, sound_cases
from .test_canonical import plain_json

# Drawing a history costs ten times what is asked of it, so each is asked more.
MOVES = st.lists(st.integers(0, 60 * 24 * 9), min_size=2, max_size=5)


@settings(deadline=None, max_examples=150)
@given(case=cases(), moves=MOVES)
def test_compiled_rules_answer_what_the_plain_ones_do(case: tuple[Question, PartyFacts], moves: list[int]) -> None:
    """Asked several times of one history, as in a batch: what was recalled may not leak into another answer."""
    question, facts = case
    for stage in get_args(Stage):
        compare(question, facts, stage=stage, moves=moves)
        # What was recalled of one person may not leak into another's answer.
        other = structs.replace(facts, case_version=facts.case_version + 2, held=not facts.held)
        compare(question, other, stage=stage, moves=[])


@settings(deadline=None, max_examples=200)
@given(case=sound_cases(), moves=MOVES)
def test_earliest_moment_is_that_of_the_plain_ones(case: tuple[Question, PartyFacts], moves: list[int]) -> None:
    question, facts = case
    compare(question, facts, stage="grant", moves=moves)


def compare(question: Question, facts: PartyFacts, *, stage: Stage, moves: list[int]) -> None:
    for minutes in (0, *moves):
        asked = question.at(question.span.start + timedelta(minutes=minutes)) if minutes else question
        quick, slow = (how(asked, facts, BOOK, stage=stage) for how in (decide, decide_plainly))
        assert (quick.answer, quick.earliest) == (slow.answer, slow.earliest)
        assert quick.rulings == slow.rulings
        known: dict[str, Any] = {
            "question": asked,
            "facts": facts,
            "book": BOOK,
            "decision_id": CASE,
            "request": {"a": "ü"},
        }
        whole = record(slow, **known)
        assert quick.frame is not None
        written = encoded_record(quick, quick.frame, **known)
        framed = record(slow, **known, frame=quick.frame.content)
        assert written == plain_json(framed) == canonical(framed)
        assert told(json.loads(written), quick.frame.content) == json.loads(canonical(whole))


@given(
    offsets=st.lists(st.integers(-40, 40), max_size=9),
    asked=st.sets(st.integers(-3, 3), min_size=1),
    limit=st.integers(1, 4),
    window=st.sampled_from(["local_day", "local_dates_7", "local_dates_30", "month_date_to_date", "6_months", "ever"]),
)
def test_counters_count_what_the_plain_ones_do(offsets: list[int], asked: set[int], limit: int, window: str) -> None:
    days = [date(2026, 3, 10) + timedelta(days=offset) for offset in offsets]
    dates = frozenset(date(2026, 3, 10) + timedelta(days=offset) for offset in asked)
    each = [frozenset({day}) for day in days]
    counter = Counter(days, window)
    assert counter.busiest(dates) == busiest(each, dates, window)
    assert counter.next_free(limit, max(dates)) == next_free(window, limit, [each], max(dates))


@settings(deadline=None, max_examples=120)
@given(case=sound_cases(), ahead=st.sets(st.integers(-1, 12), min_size=2, max_size=8))
def test_windows_are_those_of_the_plain_rules(case: tuple[Question, PartyFacts], ahead: set[int]) -> None:
    question, facts = case
    days = [question.now.date() + timedelta(days=offset) for offset in ahead]
    spans: list[Span] = []
    refused: dict[str, Ruling] = {}
    for day in sorted(days):
        asked = whole_day(question, day, facts)
        refusals = decide_plainly(asked, facts, BOOK, stage="window").refusals
        spans += [] if refusals else [asked.span]
        for ruling in refusals:
            refused.setdefault(ruling.rule.id, ruling)
    found = lawful_windows(question, days, facts, BOOK)
    assert list(found.spans) == spans
    assert list(found.refused.items()) == list(refused.items())


def whole_day(question: Question, day: date, facts: PartyFacts) -> Question:
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    asked = question.at(noon)
    rules = hours_rules(concerned(asked, facts, BOOK), asked)
    if not rules:
        return asked
    lawful = lawful_span(rules, day, asked.candidate_zones(facts))
    rest = Span(max(lawful.start, question.now), lawful.end)
    long_enough = rest.length >= question.duration and rest.length > timedelta()
    return structs.replace(asked, span=rest) if long_enough else asked.at(lawful.start)


@given(days=st.lists(st.integers(-60, 60), max_size=9), day=st.integers(-5, 5))
def test_epochs_hold_the_same_rules(days: list[int], day: int) -> None:
    for boundary in (date(2026, 1, 30), date(2025, 2, 28)):
        one, other = boundary + timedelta(days=day), boundary + timedelta(days=day + 1)
        same = BOOK.epoch(one) == BOOK.epoch(other)
        rules = [
            {rule.id for pack in BOOK.packs if pack.in_force(each) for rule in pack.rule if rule.in_force(each)}
            for each in (one, other)
        ]
        assert not same or rules[0] == rules[1]

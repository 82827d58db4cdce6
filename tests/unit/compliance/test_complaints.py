"""Complaints: who may do what, in which order, and until when."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.complaints import (
    ComplainedAbout,
    Complaint,
    ComplaintStepRefused,
    SecondPersonNeeded,
    Step,
    clock_of,
    take_step,
    unkeyed_complaint_id,
)
from services.compliance.domain.packs import RuleBook
from services.compliance.rule_book import rule_book

from .conftest import NOW, PARTY

STEPS: tuple[Step, ...] = ("take", "acknowledge", "answer", "escalate", "close", "reopen")
PEOPLE = ("ann", "bob", "collector-7")


def complaint(**changes: Any) -> Complaint:
    known: dict[str, Any] = {
        "complaint_id": unkeyed_complaint_id(PARTY, "c-1"),
        "version": 1,
        "party_id": PARTY,
        "channel": "visit",
        "about": frozenset({"collector-7"}),
        "received_at": NOW,
        "clock": clock_of(rule_book(), jurisdiction="CN", received_at=NOW),
        "by_whom": "collector-app",
    }
    return Complaint(**(known | changes))


def step(current: Complaint, name: Step, by_whom: str = "ann") -> Complaint:
    return take_step(current, name, by_whom=by_whom, words=None, reference=None)


@pytest.mark.parametrize(("place", "days"), [("CN", 15), ("GB", 56), ("AU", 30), ("IN", 30)])
def test_clock_of_the_place(book: RuleBook, place: str, days: int) -> None:
    clock = clock_of(book, jurisdiction=place, received_at=NOW)
    assert clock.answer_by == NOW + timedelta(days=days)
    assert clock.citation


@pytest.mark.parametrize("place", [None, "XX", "SG"])
def test_unknown_place_has_the_strictest_clock(book: RuleBook, place: str | None) -> None:
    assert clock_of(book, jurisdiction=place, received_at=NOW).answer_by == NOW + timedelta(days=15)


def test_a_second_person_closes() -> None:
    answered = step(step(complaint(), "acknowledge"), "answer")
    with pytest.raises(SecondPersonNeeded):
        step(answered, "close")
    closed = step(answered, "close", "bob")
    assert (closed.state, closed.version, closed.owner) == ("closed", 4, "ann")


def test_an_unanswered_complaint_is_not_closed() -> None:
    with pytest.raises(ComplaintStepRefused):
        step(complaint(), "close", "bob")


@pytest.mark.parametrize("name", STEPS)
def test_whoever_it_is_about_never_touches_it(name: Step) -> None:
    with pytest.raises(ComplainedAbout):
        step(complaint(), name, "collector-7")


def test_reopened_it_is_answered_and_closed_again() -> None:
    closed = step(step(complaint(), "answer"), "close", "bob")
    again = step(closed, "reopen", "bob")
    assert again.state == "acknowledged"
    with pytest.raises(ComplaintStepRefused):
        step(again, "close", "bob")


def test_an_answer_stops_the_clock() -> None:
    late = complaint().clock.answer_by
    assert complaint().is_late(late)
    assert not complaint().is_late(late - timedelta(microseconds=1))
    assert not step(complaint(), "answer").is_late(late)


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(PEOPLE)), max_size=12))
def test_whatever_is_tried_a_closed_one_was_answered_by_another(tried: list[tuple[Step, str]]) -> None:
    current = complaint()
    for name, person in tried:
        try:
            after = step(current, name, person)
        except (ComplainedAbout, ComplaintStepRefused, SecondPersonNeeded):
            continue
        assert after.version == current.version + 1
        assert after.clock == current.clock
        current = after
    assert current.owner != "collector-7"
    if current.state == "closed":
        assert current.answered_by
        assert current.step == "close"
        assert current.by_whom not in current.answered_by

"""Holds: each its own source; contact resumes when the last one ends, and never before its end was recorded."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.decisions import decide
from services.compliance.domain.facts import Requested
from services.compliance.domain.holds import (
    FOUR_EYES,
    Hold,
    HoldEndNeedsEvidence,
    HoldKind,
    SecondPersonEndsHold,
    covers,
    end_by,
    ended,
    lawful_end,
)
from services.compliance.domain.local_time import Span
from services.compliance.rule_book import rule_book

from .conftest import NOW, PARTY, REAL, at, facts, question

DAY = timedelta(days=1)
HOURS = st.integers(-200, 200).map(lambda hours: NOW + timedelta(hours=hours))


def hold(**changes: Any) -> Hold:
    known: dict[str, Any] = {
        "hold_id": uuid4(), "party_id": PARTY, "kind": "dispute", "scope": "party", "valid_from": NOW - DAY,
        "valid_to": None, "source_ref": "s", "recorded_real": REAL,
    }  # fmt: skip
    return Hold(**(known | changes))


@pytest.mark.parametrize("kind", get_args(HoldKind))
def test_every_kind_keeps_a_collection_visit_away(kind: HoldKind) -> None:
    decision = decide(question(), facts(holds=(hold(kind=kind),)), rule_book())
    assert decision.answer.value != "allow"


@pytest.mark.parametrize("kind", ["deceased", "insolvency", "minor", "safety"])
@pytest.mark.parametrize("place", sorted({pack.jurisdiction for pack in rule_book().packs} - {"*"}))
def test_what_the_customer_asks_for_never_passes_it(kind: HoldKind, place: str) -> None:
    asked = question(purpose="customer_requested", jurisdiction=place)
    wish = Requested(channels=frozenset({"visit"}), at=NOW - DAY, until=NOW + 6 * DAY)
    decisions = [
        decide(asked, facts(holds=holds, jurisdiction=place, requested=(wish,)), rule_book())
        for holds in ((), (hold(kind=kind),))
    ]
    without, under = ({one.rule.id for one in each.refusals} for each in decisions)
    assert "FACTS-REQUEST" not in without
    assert under - without


def test_breathing_space_lasts_sixty_days_whatever_was_said() -> None:
    assert lawful_end("breathing_space", valid_from=NOW, valid_to=None) == NOW + 60 * DAY
    assert lawful_end("breathing_space", valid_from=NOW, valid_to=NOW + DAY) == NOW + 60 * DAY


def test_mental_health_crisis_lasts_thirty_days_beyond_treatment() -> None:
    crisis = hold(kind="mental_health_crisis")
    assert lawful_end("mental_health_crisis", valid_from=NOW, valid_to=NOW + DAY) == NOW + 31 * DAY
    assert lawful_end("mental_health_crisis", valid_from=NOW, valid_to=None) is None
    assert ended(crisis, at=NOW).ended_at == NOW + 30 * DAY


@pytest.mark.parametrize("kind", sorted(FOUR_EYES))
def test_two_people_end_it(kind: HoldKind) -> None:
    asked = end_by(hold(kind=kind), "ann", evidence="letter-1", at=NOW)
    assert (asked.ended_at, asked.end_asked_by) == (None, "ann")
    with pytest.raises(SecondPersonEndsHold):
        end_by(asked, "ann", evidence="letter-1", at=NOW)
    assert end_by(asked, "bob", evidence="letter-1", at=NOW).ended_at == NOW


def test_an_end_needs_evidence() -> None:
    with pytest.raises(HoldEndNeedsEvidence):
        end_by(hold(), "ann", evidence=None, at=NOW)
    assert end_by(hold(kind="plan_active"), "plans", evidence=None, at=NOW).ended_at == NOW


@given(valid_from=HOURS, at_=HOURS, again=HOURS)
def test_ending_never_acts_earlier_than_it_was_recorded(valid_from: datetime, at_: datetime, again: datetime) -> None:
    over = ended(hold(valid_from=valid_from), at=at_)
    assert over.ended_at is not None
    assert over.ended_at >= at_
    assert ended(over, at=again) == over


@given(ends=st.lists(st.one_of(st.none(), HOURS), min_size=1, max_size=4), moment=HOURS)
def test_contact_resumes_when_the_last_of_overlapping_holds_ends(ends: list[datetime | None], moment: datetime) -> None:
    holds = [replace(hold(valid_from=NOW - 300 * DAY, source_ref=str(n)), ended_at=end) for n, end in enumerate(ends)]
    span = Span(moment, moment + timedelta(minutes=30))
    stands = any(one.touches(span) for one in holds)
    assert stands == any(end is None or end > moment for end in ends)


def test_refusal_tells_when_the_last_hold_ends() -> None:
    two = (hold(valid_to=at(15)), hold(valid_to=at(16), source_ref="t"))
    decision = decide(question(at(14)), facts(holds=two), rule_book())
    assert decision.earliest is not None
    assert decision.earliest.at == at(16)


@pytest.mark.parametrize("kind", ["deceased", "cease_contact", "complaint"])
def test_one_person_says_no_end_beforehand_of_what_two_people_end(kind: HoldKind) -> None:
    assert lawful_end(kind, valid_from=NOW, valid_to=NOW + DAY) is None


def test_a_need_may_pass_on_a_day_that_is_known() -> None:
    assert lawful_end("vulnerability", valid_from=NOW, valid_to=NOW + DAY) == NOW + DAY


def test_a_hold_told_again_is_the_same_while_it_lasts_as_long() -> None:
    dispute = hold(kind="dispute", valid_from=NOW, valid_to=NOW + 9 * DAY)
    assert covers(dispute, until=NOW + 9 * DAY, now=NOW)
    assert not covers(dispute, until=NOW + 10 * DAY, now=NOW)
    assert not covers(dispute, until=None, now=NOW)
    assert not covers(dispute, until=NOW + 9 * DAY, now=NOW + 9 * DAY), "it is over"
    space = hold(kind="breathing_space", valid_from=NOW, valid_to=NOW + 60 * DAY)
    assert covers(space, until=NOW + 70 * DAY, now=NOW + 10 * DAY), "sixty days, however often it is told"

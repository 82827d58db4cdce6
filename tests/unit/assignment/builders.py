"""Candidacies and facts for the tests of assignment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.assignment.domain.candidacy import Candidacy, CaseFacts, ChosenAction
from services.assignment.domain.policy import SelectionPolicy
from services.assignment.domain.visits import PlannedVisit, VisitState
from shared.events.base import TimeWindow
from shared.geo import Point
from shared.ids import entity_id
from shared.money import Money

POLICY = SelectionPolicy.load()
NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DAY = date(2026, 3, 5)
PARTY = entity_id(7)
CASE = entity_id(7)
CELL = Point(lat=31.23, lon=121.47, crs="WGS84").cell()
WINDOW = TimeWindow(start=datetime(2026, 3, 5, 2, tzinfo=UTC), end=datetime(2026, 3, 5, 4, tzinfo=UTC))


def case(**changes: Any) -> CaseFacts:
    """An open case that the policy would choose."""
    facts = CaseFacts(
        case_id=CASE,
        version=3,
        bucket="B3",
        dpd_effective=65,
        overdue_totals=(Money(amount_minor=300_000, currency="CNY"),),
        jurisdiction="CN",
        time_zones=("Asia/Shanghai",),
        language="zh",
        cell=CELL,
        held=False,
        facts_at=NOW - timedelta(days=1),
    )
    return replace(facts, **changes)


def candidate(party_id: UUID = PARTY, **changes: Any) -> Candidacy:
    """A party with an open case, for whom the strategy chose a visit."""
    chosen = ChosenAction(case_id=CASE, number=1, action="field_visit")
    return replace(Candidacy(party_id=party_id, case=case(), chosen=chosen), **changes)


def visit(state: VisitState = VisitState.PROPOSED, **changes: Any) -> PlannedVisit:
    """A visit in `state`."""
    planned = PlannedVisit(
        visit_id=UUID(int=99),
        party_id=PARTY,
        case_id=CASE,
        field_day_id=UUID(int=5),
        field_day=DAY,
        pair_id=UUID(int=6),
        crew=(UUID(int=1), UUID(int=2)),
        device_id="dev-1",
        stop_number=1,
        arrives_at=WINDOW.start + timedelta(minutes=30),
        window=WINDOW,
        duration_minutes=30,
        cell=CELL,
        jurisdiction="CN",
        time_zones=("Asia/Shanghai",),
        case_version=3,
        changed_at=NOW,
        state=state,
    )
    return replace(planned, **changes)

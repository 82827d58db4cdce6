"""Behaviour, forbidden acts' forgeries, report and display: the parts that need no services."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from datetime import date

import pytest

from simulation.behaviour import DOORS, REPLIES, Behaviour
from simulation.core.ledger import Ledger
from simulation.faults import choose, claims, forged
from simulation.portfolio.fitted import load_fitted
from simulation.portfolio.generate import generate_accounts
from simulation.report_page import bars, route_map, table, timeline
from simulation.summary import counted, money

AS_OF = date(2026, 3, 2)


def behaviour() -> Behaviour:
    return Behaviour(load_fitted(), seed=4)


def test_shares_are_shares() -> None:
    assert sum(REPLIES.values()) == pytest.approx(1)
    assert sum(DOORS.values()) == pytest.approx(1)


def test_answers_depend_on_seed_and_person_only() -> None:
    first = [behaviour().reply(f"L-{number:06d}", "2026-03-03") for number in range(50)]
    again = [behaviour().reply(f"L-{number:06d}", "2026-03-03") for number in reversed(range(50))]
    assert first == again[::-1]
    assert len(set(first)) > 1


def test_months_follow_the_fitted_moves() -> None:
    ledger = Ledger.of(generate_accounts(load_fitted(), count=3_000, seed=9), as_of=AS_OF, seed=9)
    two_late = [loan for loan in ledger.late_loans() if loan.account.statuses[-1] == 2]
    outcomes = Counter(behaviour().month(loan).outcome for loan in two_late)
    assert outcomes["cure"] / len(two_late) == pytest.approx(load_fitted().repayment["2"].cure, abs=0.03)


def test_self_cures_spread_over_the_month() -> None:
    ledger = Ledger.of(generate_accounts(load_fitted(), count=600, seed=9), as_of=AS_OF, seed=9)
    draws = behaviour()
    curing = [loan for loan in ledger.late_loans() if draws.month(loan).outcome == "cure"]
    days = [day for loan in curing for day in range(30) if draws.pays_by_itself_on(loan, day)]
    assert len(days) == len(curing)
    assert len(set(days)) > 20


def permit() -> str:
    parts = ({"alg": "EdDSA"}, {"channel": "visit", "place_cell": "88309a5915fffff"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*encoded, "c2lnbmF0dXJl"))


def test_forged_permit_keeps_its_signature_and_changes_a_claim() -> None:
    genuine, false = permit(), forged(permit())
    assert false != genuine
    assert false.rpartition(".")[2] == genuine.rpartition(".")[2]
    assert claims(false) != claims(genuine)


def test_chosen_visits_come_from_different_pairs_first() -> None:
    visits = [
        {"visit_id": str(number), "pair_id": str(number // 3), "window": {"start": f"2026-03-03T0{number}:00:00Z"}}
        for number in range(6)
    ]
    assert [visit["visit_id"] for visit in choose(visits, 3)] == ["0", "3", "1"]


def test_page_parts_escape_what_they_show() -> None:
    hostile = '<script>alert("x")</script>'
    for html in (table(("a",), [(hostile,)]), bars([(hostile, 1)]), timeline([(hostile, hostile, hostile, hostile)])):
        assert "<script>" not in html


def test_map_is_drawn_inside_its_frame() -> None:
    html = route_map([[(31.2, 121.4), (31.25, 121.5), (31.2, 121.4)], [(31.1, 121.45), (31.3, 121.6), (31.1, 121.45)]])
    places = [float(value) for value in re.findall(r'c[xy]="([0-9.]+)"', html)]
    assert places
    assert all(0 <= value <= 1000 for value in places)


def test_map_of_no_routes_says_so() -> None:
    assert "No routes" in route_map([])


def test_words_of_the_summary() -> None:
    assert money([{"currency": "TWD", "amount_minor": 123_456_789}]) == "TWD 1,234,567.89"
    assert money({}) == "0"
    assert counted({"a": 1, "b": 2_000, "c": 0}) == "b 2,000, a 1"

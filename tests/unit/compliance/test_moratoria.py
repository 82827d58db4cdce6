"""A moratorium on a debt reaches everyone jointly liable for it, whoever's case names the debt."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.compliance.domain.debts import Debt, Obligor
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold
from services.compliance.domain.moratoria import Told, as_reaching, debts_under, jointly_liable, reaching, to_tell

from .conftest import NOW, REAL

ANN, BOB, EVE = uuid4(), uuid4(), uuid4()
DEBT, OTHER = uuid4(), uuid4()


def debt(debt_id: Any = DEBT, *, case: Any = ANN, **liabilities: Any) -> Debt:
    bound = {"ann": ANN, "bob": BOB, "eve": EVE}
    obligors = tuple(Obligor(bound[name], "borrower", how) for name, how in sorted(liabilities.items()))
    return Debt(
        debt_id=debt_id, case_party_id=case, loan_id=uuid4(), is_overdue=True, originated_on=None, obligors=obligors
    )  # fmt: skip


def a_hold(**changes: Any) -> Hold:
    values: dict[str, Any] = {
        "hold_id": uuid4(), "party_id": ANN, "kind": "breathing_space", "scope": "party", "valid_from": NOW,
        "valid_to": NOW + timedelta(days=60), "source_ref": "s", "recorded_real": REAL,
    }  # fmt: skip
    return Hold(**(values | changes))


def reached(
    hold: Hold, *, party: Any = BOB, debts: Any = (debt(ann="full", bob="joint"),), known: Any = None
) -> list[Hold]:
    return reaching(party, debts, {hold.party_id: [hold]}, known or {})


def test_who_had_a_debt_that_moved_is_liable_no_more() -> None:
    moved = replace(debt(ann="full", bob="joint"), has_moved=True)
    assert jointly_liable([moved, debt(case=BOB, bob="full", eve="joint")]) == {DEBT: {BOB, EVE}}
    assert (moved.is_anothers([ANN]), moved.is_anothers([BOB])) == (True, False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"kind": "insolvency"}, True),
        ({"kind": "mental_health_crisis"}, True),
        ({"scope": "collection"}, True),
        ({"scope": "loan", "scope_key": scope_key_of_debt(DEBT)}, True),
        ({"scope": "loan", "scope_key": scope_key_of_debt(OTHER)}, False),
        ({"scope": "visit_channel"}, False),
        ({"scope": "contact_point", "scope_key": "phone:a"}, False),
        ({"kind": "dispute"}, False),
        ({"kind": "deceased"}, False),
    ],
)
def test_only_a_moratorium_on_the_debt_reaches_others(changes: dict[str, Any], *, expected: bool) -> None:
    assert bool(reached(a_hold(**changes))) is expected
    assert (debts_under(a_hold(**changes), [debt(ann="full", bob="joint")]) == {DEBT}) is expected


def test_it_is_read_as_a_hold_on_that_loan() -> None:
    hold = a_hold()
    (found,) = reached(hold)
    assert found == replace(hold, party_id=BOB, scope="loan", scope_key=scope_key_of_debt(DEBT))


@pytest.mark.parametrize(
    ("ann", "bob", "expected"),
    [("full", "full", True), ("joint", "joint", True), ("full", "secondary", False), ("secondary", "full", False)],
)
def test_who_only_stands_behind_the_debt_is_neither_protected_nor_protects(
    ann: str, bob: str, *, expected: bool
) -> None:
    assert bool(reached(a_hold(), debts=[debt(ann=ann, bob=bob)])) is expected


def test_two_cases_that_name_the_debt_are_one_debt() -> None:
    both = [debt(ann="full", bob="joint"), debt(case=BOB, bob="full", eve="joint")]
    assert jointly_liable(both) == {DEBT: {ANN, BOB, EVE}}
    assert len(reached(a_hold(), debts=both)) == 1


def test_one_who_is_not_bound_is_not_reached() -> None:
    assert reached(a_hold(), party=EVE) == []


def test_nobody_could_know_before_the_liability_was_known() -> None:
    later = REAL + timedelta(days=3)
    (found,) = reached(a_hold(), known={(BOB, DEBT): later, (ANN, DEBT): REAL})
    assert found.recorded_real == later


def test_each_change_is_told_once_and_names_nobody() -> None:
    (found,) = reached(hold := a_hold(source_ref="register-7"))
    known = as_reaching(found)
    assert (known.party_id, known.hold_id == hold.hold_id, "register-7" in known.source_ref) == (BOB, False, False)
    assert to_tell([], [known], now=NOW) == ([known], [])
    told = [Told(known, known.until)]
    assert to_tell(told, [known], now=NOW) == ([], [])
    over = replace(known, ended_at=NOW + timedelta(days=3))
    assert to_tell(told, [over], now=NOW + timedelta(days=3)) == ([], [over])
    assert to_tell([Told(known, over.until)], [over], now=NOW + timedelta(days=3)) == ([], [])


def test_end_of_a_liability_is_told_as_an_end() -> None:
    known = as_reaching(reached(a_hold())[0])
    later = NOW + timedelta(days=3)
    (ended,) = to_tell([Told(known, known.until)], [], now=later)[1]
    assert ended.until == later
    assert to_tell([Told(known, later)], [], now=later) == ([], [])
    assert to_tell([Told(known, later)], [known], now=later) == ([known], []), "bound again"

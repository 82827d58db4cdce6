"""What a hold's scope includes: unknown means that it covers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.compliance.domain.budget_keys import Keys, key_of_home
from services.compliance.domain.decisions import decide, decide_plainly
from services.compliance.domain.hold_scopes import (
    covers,
    debts_asked,
    scope_key_of_debt,
    scope_key_of_point,
)
from services.compliance.domain.holds import Hold, same_source
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.recalls import channels_held, recall_of, revoked_by
from services.compliance.domain.rulings import Answer

from .conftest import NOW, PARTY, REAL, at, facts, question

HELD, OTHER = UUID(int=1), UUID(int=2)
PHONE = scope_key_of_point("phone", "a" * 32)


def a_hold(**changes: Any) -> Hold:
    values: dict[str, Any] = {
        "hold_id": uuid4(), "party_id": PARTY, "kind": "dispute", "scope": "loan", "valid_from": NOW, "valid_to": None,
        "scope_key": scope_key_of_debt(HELD), "source_ref": "s", "recorded_real": REAL,
    }  # fmt: skip
    return Hold(**(values | changes))


@pytest.mark.parametrize(
    ("debts", "expected"),
    [(None, True), ({HELD}, True), ({HELD, OTHER}, True), ({OTHER}, False)],
)
def test_hold_on_a_loan_covers_what_is_about_it_or_about_nothing_named(
    debts: set[Any] | None, *, expected: bool
) -> None:
    about = None if debts is None else frozenset(debts)
    assert covers(a_hold(), "call", "collection", debts=about, keys={}) is expected


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [({"a" * 32}, True), ({"b" * 32}, False), ({key_of_home("b" * 32)}, True), (None, True)],
)
def test_hold_on_an_address_covers_a_visit_of_whose_address_only_a_key_is_known(
    addresses: set[str] | None, *, expected: bool
) -> None:
    hold = a_hold(scope="contact_point", scope_key=scope_key_of_point("address", "a" * 32))
    keys: Keys = {} if addresses is None else {"address": frozenset(addresses)}
    assert covers(hold, "visit", "collection", debts=None, keys=keys) is expected


@pytest.mark.parametrize(
    ("channel", "point", "expected"),
    [
        ("call", "a" * 32, True),
        ("sms", "a" * 32, True),
        ("call", None, True),
        ("call", "b" * 32, False),
        ("email", None, False),
        ("visit", None, False),
        ("letter", "a" * 32, False),
    ],
)
def test_hold_on_a_number_covers_what_goes_through_it(channel: Any, point: str | None, *, expected: bool) -> None:
    hold = a_hold(scope="contact_point", scope_key=PHONE)
    keys: Any = {} if point is None else {"contact_point": frozenset({point})}
    assert covers(hold, channel, "collection", debts=None, keys=keys) is expected


def test_hold_on_an_address_covers_visits_there() -> None:
    hold = a_hold(scope="contact_point", scope_key=scope_key_of_point("address", "c" * 32))
    for key, expected in (("c" * 32, True), ("d" * 32, False)):
        keys: Any = {"address": frozenset({key})}
        assert covers(hold, "visit", "collection", debts=None, keys=keys) is expected


@pytest.mark.parametrize(
    ("named", "known", "expected"),
    [
        (None, {HELD}, None),
        ({HELD}, {HELD, OTHER}, {HELD}),
        ({OTHER}, {HELD}, None),
        ({HELD, OTHER}, {HELD}, None),
        (set(), {HELD}, None),
    ],
)
def test_naming_a_debt_that_is_not_the_persons_narrows_nothing(named: Any, known: Any, expected: Any) -> None:
    assert debts_asked(None if named is None else frozenset(named), frozenset(known)) == expected


@pytest.mark.parametrize(("about", "answer"), [(None, Answer.DENY), (HELD, Answer.DENY), (OTHER, Answer.ALLOW)])
def test_decision_about_another_loan_is_allowed(book: RuleBook, about: Any, answer: Answer) -> None:
    asked = question(debts=None if about is None else frozenset({about}))
    known = facts(holds=(a_hold(),), debts=frozenset({HELD, OTHER}))
    assert decide(asked, known, book).answer is answer
    assert decide(asked, known, book) == decide_plainly(asked, known, book)


def test_two_complaints_on_two_loans_are_two_holds() -> None:
    holds = [a_hold()]
    same: Any = {"kind": "dispute", "scope": "loan", "source_ref": "s"}
    assert same_source(holds, scope_key=scope_key_of_debt(HELD), **same) is holds[0]
    assert same_source(holds, scope_key=scope_key_of_debt(OTHER), **same) is None


@pytest.mark.parametrize(("about", "revoked"), [(None, True), (HELD, True), (OTHER, False)])
def test_hold_revokes_exactly_the_permits_it_covers(book: RuleBook, permit: Any, about: Any, *, revoked: bool) -> None:
    granted = replace(permit, debts=None if about is None else frozenset({about}))
    recall = recall_of(a_hold(), book, fact_arrived_real=REAL)
    found = revoked_by([recall], [granted], now=at(10), real_now=REAL + timedelta(seconds=1))
    assert bool(found) is revoked


@pytest.mark.parametrize(
    ("scope", "key", "channels"),
    [
        ("party", "", None),
        ("loan", scope_key_of_debt(HELD), None),
        ("visit_channel", "", ["visit"]),
        ("contact_point", PHONE, ["call", "sms"]),
        ("contact_point", scope_key_of_point("address", "a"), ["visit"]),
    ],
)
def test_others_are_told_of_the_channels_that_it_covers(
    book: RuleBook, scope: Any, key: str, channels: list[str] | None
) -> None:
    assert channels_held(a_hold(scope=scope, scope_key=key), book) == channels

"""Which fact would have changed a refusal: applied, it does; and none of several could be spared."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from services.compliance.domain.counterfactuals import applied, as_of_times, counterfactual
from services.compliance.domain.facts import Balance, Circumstances, Counted, Told
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.local_time import Span
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import Answer

from .conftest import NOW, PARTY, REAL, at, facts, question
from .test_replay import a_case


def a_hold(days: int | None = None) -> Hold:
    until = None if days is None else NOW + timedelta(days=days)
    return Hold(
        hold_id=uuid4(), party_id=PARTY, kind="complaint", scope="party", valid_from=NOW, valid_to=until,
        source_ref="s", recorded_real=REAL,
    )  # fmt: skip


def visited(days_ago: int) -> Counted:
    start = at(14) - timedelta(days=days_ago)
    return Counted(channel="visit", purpose="collection", span=Span(start, start), zones=("Asia/Shanghai",))


def kinds(judged_on: JudgedOn, book: RuleBook) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in counterfactual(judged_on, book)]


def test_applied_it_changes_the_answer(book: RuleBook) -> None:
    draw, seen = random.Random("counterfactuals"), Counter[str]()
    for _ in range(1_500):
        judged_on = a_case(draw)
        changes = counterfactual(judged_on, book)
        if not changes:
            seen["none"] += 1
            continue
        assert judged_on.decide(book).answer is not Answer.ALLOW
        assert applied(judged_on, changes).decide(book).answer is Answer.ALLOW
        for one in changes:
            rest = [other for other in changes if other is not one]
            assert applied(judged_on, rest).decide(book).answer is not Answer.ALLOW, "one of them could be spared"
        seen["one" if len(changes) == 1 else "several"] += 1
    assert seen["one"] > 20, seen
    assert seen["several"] > 20, seen


def test_allow_has_none(book: RuleBook) -> None:
    assert counterfactual(JudgedOn(question=question(), facts=facts()), book) == ()


def test_what_the_desk_refused_has_none(book: RuleBook) -> None:
    judged_on = JudgedOn(question=question(), facts=facts(), refused_by="request_reused")
    assert counterfactual(judged_on, book) == ()


def test_night_visit_would_have_been_allowed_in_the_morning(book: RuleBook) -> None:
    (change,) = counterfactual(JudgedOn(question=question(at(23)), facts=facts()), book)
    assert (change.kind, change.would_be) == ("soon", "2026-03-03T00:00:00.000000Z")


def test_open_hold_would_have_had_to_end(book: RuleBook) -> None:
    hold = a_hold()
    assert kinds(JudgedOn(question=question(), facts=facts(holds=(hold,))), book) == [("hold_ended", str(hold.hold_id))]


def test_hold_on_one_loan_leaves_the_others_to_be_named(book: RuleBook) -> None:
    held, other = uuid4(), uuid4()
    hold = replace(a_hold(), scope="loan", scope_key=scope_key_of_debt(held))
    judged_on = JudgedOn(question=question(), facts=facts(holds=(hold,), debts=frozenset({held, other})))
    (change,) = counterfactual(judged_on, book)
    assert (change.kind, change.subject, change.was, change.would_be) == ("found_out", "debts", "all", [str(other)])


def test_two_open_holds_would_both_have_had_to_end(book: RuleBook) -> None:
    holds = (a_hold(), a_hold())
    found = kinds(JudgedOn(question=question(), facts=facts(holds=holds)), book)
    assert sorted(found) == sorted(("hold_ended", str(hold.hold_id)) for hold in holds)


def test_hold_that_ends_soon_is_waited_for(book: RuleBook) -> None:
    assert kinds(JudgedOn(question=question(), facts=facts(holds=(a_hold(3),))), book) == [("soon", "begins_at")]


def test_unknown_balance_is_to_be_found_out(book: RuleBook) -> None:
    assert kinds(JudgedOn(question=question(), facts=facts(balance=None)), book) == [("found_out", "balance")]


@pytest.mark.parametrize(("days_ago", "expected"), [(20, "soon"), (2, "soon")])
def test_visit_too_soon_is_lawful_later(book: RuleBook, days_ago: int, expected: str) -> None:
    ((kind, _),) = kinds(JudgedOn(question=question(), facts=facts(counted=(visited(days_ago),))), book)
    assert kind == expected


def test_gate_would_have_been_opened_by_failed_attempts(book: RuleBook) -> None:
    told = dict.fromkeys(("visit_permitted", "visit_purpose_told", "visit_time_agreed"), Told(value=True, as_of=NOW))
    place = {"jurisdiction": "AU", "zones": ("Australia/Sydney",)}
    home = Circumstances(collector="creditor", place="home")
    known = facts(**place, told=told, circumstances=home, history_known_from=date(2020, 1, 1), inconvenient=())
    judged_on = JudgedOn(question=question(datetime(2026, 3, 4, 1, tzinfo=UTC), **place), facts=known)
    (change,) = counterfactual(judged_on, book)
    assert (change.kind, change.subject, change.would_be) == ("found_out", "failed_attempts", "1 lawful ones, in vain")


def test_visit_that_was_not_announced_could_have_been_agreed(book: RuleBook) -> None:
    judged_on = JudgedOn(question=question(), facts=facts(told={"visit_time_agreed": Told(value=False, as_of=NOW)}))
    (change,) = counterfactual(judged_on, book)
    assert (change.kind, change.subject, change.would_be) == ("found_out", "visit_time_agreed", True)


def test_times_of_facts_are_shown() -> None:
    hold, told = a_hold(), Told(value=True, as_of=NOW)
    known = facts(
        holds=(hold,), told={"agency_licensed": told}, balance=Balance(as_of=REAL, overdue_minor={}, digest="")
    )
    times = as_of_times(JudgedOn(question=question(), facts=known))
    assert times["balance"] == times["watermark.intake"] == REAL
    assert times["told.agency_licensed"] == times[f"hold.{hold.hold_id}"] == NOW

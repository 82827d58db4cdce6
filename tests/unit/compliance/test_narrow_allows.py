"""Which fact would have made a deny of an allow: judged again with it, it does."""

import random
from collections import Counter
from datetime import time, timedelta
from typing import get_args
from uuid import uuid4

import pytest

from services.compliance.domain.counterfactuals import DenyingKind, applied, counterfactual
from services.compliance.domain.facts import Counted, Override
from services.compliance.domain.judged_on import JudgedOn
from services.compliance.domain.local_time import Span
from services.compliance.domain.narrow_allows import what_would_deny
from services.compliance.domain.packs import RuleBook
from services.compliance.domain.rulings import Answer

from .conftest import NOW, at, facts, question
from .test_replay import a_case


def nearest(judged_on: JudgedOn, book: RuleBook) -> tuple[str, str]:
    (change,) = what_would_deny(judged_on, book)
    return change.kind, change.subject


def called(hour: int) -> Counted:
    return Counted(
        channel="call", purpose="collection", span=Span(at(hour), at(hour, 5)), zones=("Asia/Shanghai",), lawful=True
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_applied_it_denies(book: RuleBook, seed: int) -> None:
    """Seeded people and questions; the refusals are allowed first by what would have allowed them."""
    draw, seen = random.Random(f"narrow allows {seed}"), Counter[str]()
    for _ in range(250):
        judged_on = a_case(draw)
        judged_on = applied(judged_on, counterfactual(judged_on, book))
        changes = what_would_deny(judged_on, book)
        if judged_on.decide(book).answer is not Answer.ALLOW:
            assert changes == ()
            continue
        seen["allowed"] += 1
        if not changes:
            assert judged_on.question.purpose in ("safety", "customer_requested", "reply", "statutory_notice")
            continue
        (change,) = changes
        assert change.kind in get_args(DenyingKind)
        assert applied(judged_on, changes).decide(book).answer is Answer.DENY
        seen[change.kind] += 1
    assert seen["allowed"] > 20, seen


def test_refusal_has_none(book: RuleBook) -> None:
    assert what_would_deny(JudgedOn(question=question(at(23)), facts=facts()), book) == ()


def test_call_shortly_before_the_hours_close_would_have_been_too_late(book: RuleBook) -> None:
    late = question(at(21, 20), channel="call")
    (change,) = what_would_deny(JudgedOn(question=late, facts=facts()), book)
    assert (change.kind, change.was, change.would_be) == (
        "moved", "2026-03-02T13:20:00.000000Z", "2026-03-02T13:31:00.000000Z"
    )  # fmt: skip


def test_moment_that_is_over_is_no_answer(book: RuleBook) -> None:
    """Soon after the hours opened, asked a minute ago: earlier could not be asked any more."""
    early = question(at(8), channel="call", now=at(8))
    (change,) = what_would_deny(JudgedOn(question=early, facts=facts()), book)
    assert str(change.would_be) > str(change.was)


def test_letter_has_no_hour_but_too_many_before_it(book: RuleBook) -> None:
    """The bank's number for soft law is seven contacts in seven dates; the letter would have been the eighth."""
    earlier = tuple(called(hour) for hour in (8, 9, 10))
    elements = frozenset(
        part for pack in book.packs for rule in pack.rule if rule.kind == "letter" for part in rule.required
    )
    asked = question(channel="letter")
    (change,) = what_would_deny(JudgedOn(question=asked, facts=facts(letter=elements, counted=earlier)), book)
    assert (change.kind, change.would_be) == ("contact_made", "4 more")


def test_permission_that_was_given_is_nearest(book: RuleBook) -> None:
    agreed = Override(
        by="consent", evidence=uuid4(), valid=Span(NOW - timedelta(days=1), NOW + timedelta(days=2)), opens=time(21),
        closes=time(23),
    )  # fmt: skip
    given = dict.fromkeys(("CN-GBT45251-HOURS", "CN-CBA2026-HOURS"), (agreed,))
    night = question(at(22), channel="call")
    kind, subject = nearest(JudgedOn(question=night, facts=facts(overrides=given)), book)
    assert kind == "permission_withdrawn"
    assert subject in given

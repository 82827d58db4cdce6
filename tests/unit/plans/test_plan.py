"""Signing, killed at each step; payments once each; what a cure does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.plans.domain import plan as plans
from services.plans.domain.affordability import Affordability, solve
from services.plans.domain.document import signature_code
from services.plans.domain.payments import Payment
from services.plans.domain.plan import Change, Plan, PlanNotOpen, PlanState, SignatureCodeMismatch, SigningExpired
from shared.ids import entity_id
from shared.money import Money

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOLD = UUID(int=3)
PARTY = entity_id(9)
DOCUMENT = "the agreement"
CODE = signature_code(DOCUMENT)


def cny(minor: int) -> Money:
    return Money(amount_minor=minor, currency="CNY")


def proposal(*, debt: int = 300, monthly: int = 100) -> Plan:
    result = Affordability(protected_minimum=cny(0), surplus=cny(monthly), table_id="t")
    schedule = solve(cny(debt), result, wished=None, start=date(2026, 3, 2))
    return plans.new_plan(
        plan_id=entity_id(9), party_id=PARTY, case_id=entity_id(9), visit_id=None, debt=cny(debt), surplus=cny(monthly),
        table_id="t", schedule=schedule, document=DOCUMENT, now=NOW,
    )  # fmt: skip


def opened(plan: Plan | None = None) -> Plan:
    return plans.open_attempt(plan or proposal(), code=CODE, now=NOW, real_now=NOW).plan


def sign(plan: Plan, *, attempt: int = 1) -> Change:
    return plans.sign(plan, attempt=attempt, hold_id=HOLD, signed_at=NOW, now=NOW, real_now=NOW)


def signed() -> Plan:
    return sign(opened()).plan


def pay(plan: Plan, ref: str, minor: int) -> Change:
    payment = Payment(transaction_ref=ref, loan_id=UUID(int=1), amount_minor=minor, position=len(plan.payments) + 1)
    return plans.payment_posted(plan, payment, now=NOW, real_now=NOW)


def types(change: Change) -> list[str]:
    return [event.type for event in change.events]


def test_attempt_sets_its_timeout_with_itself() -> None:
    change = plans.open_attempt(proposal(), code=CODE.lower(), now=NOW, real_now=NOW)
    (timer,) = change.intents
    assert (timer.kind, timer.due_at, timer.clock) == (
        "plan.signing_timeout",
        NOW + timedelta(seconds=60),
        "real",
    )


def test_concurrent_tries_share_one_attempt() -> None:
    first = opened()
    second = plans.open_attempt(first, code=CODE, now=NOW + timedelta(seconds=1), real_now=NOW)
    assert second == Change(plan=first)


def test_code_of_another_document_opens_nothing() -> None:
    with pytest.raises(SignatureCodeMismatch):
        plans.open_attempt(proposal(), code=signature_code("another"), now=NOW, real_now=NOW)


def test_signature_tells_everybody_to_stop() -> None:
    change = sign(opened())
    assert types(change) == ["party.stopped", "plan.signed"]
    assert (change.plan.state, change.plan.hold_id) == (PlanState.SIGNED, HOLD)


def test_without_an_attempt_nothing_is_signed() -> None:
    with pytest.raises(SigningExpired):
        sign(proposal(), attempt=0)


def test_killed_after_opening_ends_the_hold_that_may_exist() -> None:
    change = plans.close_attempt(opened(), attempt=1, real_now=NOW)
    (end,) = change.intents
    assert (end.kind, end.payload["attempt"], end.payload["valid_from"]) == ("hold.end", 1, NOW.isoformat())
    with pytest.raises(SigningExpired):
        sign(change.plan)


def test_timeout_after_the_signature_ends_nothing() -> None:
    plan = signed()
    assert plans.close_attempt(plan, attempt=1, real_now=NOW) == Change(plan=plan)


def test_next_attempt_has_its_own_hold() -> None:
    closed = plans.close_attempt(opened(), attempt=1, real_now=NOW).plan
    again = opened(closed)
    assert again.attempt == 2
    assert plans.hold_key(again.plan_id, 1) != plans.hold_key(again.plan_id, 2)
    assert plans.hold_source(again.plan_id, 1) != plans.hold_source(again.plan_id, 2)
    with pytest.raises(SigningExpired):
        sign(again, attempt=1)


def test_old_proposal_cannot_be_signed() -> None:
    with pytest.raises(PlanNotOpen):
        plans.open_attempt(proposal(), code=CODE, now=NOW + timedelta(days=31), real_now=NOW)


def test_last_instalment_completes_and_ends_the_hold() -> None:
    change = pay(pay(signed(), "a", 250).plan, "b", 50)
    assert types(change) == ["plan.payment_matched", "plan.completed"]
    assert change.plan.state is PlanState.COMPLETED
    assert change.intents[0].payload["hold_id"] == str(HOLD)


def test_same_transaction_counts_once() -> None:
    once = pay(signed(), "a", 100).plan
    assert pay(once, "a", 100) == Change(plan=once)


def test_reversal_is_told_as_a_negative_match() -> None:
    change = plans.payment_reversed(pay(signed(), "a", 120).plan, "a", now=NOW)
    assert (change.plan.paid, types(change)) == (cny(0), ["plan.payment_matched"])
    assert change.events[0].data.model_dump()["amount"] == {"amount_minor": -120, "currency": "CNY"}


def test_payment_on_a_proposal_is_not_matched() -> None:
    assert pay(proposal(), "a", 100).events == ()


def test_cure_completes_a_signed_plan() -> None:
    change = plans.case_ended(signed(), cause="cured", now=NOW, real_now=NOW)
    assert types(change) == ["plan.completed"]


def test_cure_lapses_a_proposal() -> None:
    assert plans.case_ended(proposal(), cause="cured", now=NOW, real_now=NOW).plan.state is PlanState.LAPSED


class SigningMachine(RuleBasedStateMachine):
    """Crashes between any two steps: a signed plan's hold is never ended, every other placed hold is."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = proposal()
        self.holds: dict[int, UUID] = {}
        self.timers: list[int] = []
        self.endings: list[int] = []
        self.signed_with: int | None = None
        self.standing: set[int] = set()

    @rule()
    def open(self) -> None:
        if self.plan.state is not PlanState.PROPOSED:
            return
        change = plans.open_attempt(self.plan, code=CODE, now=NOW, real_now=NOW)
        self.timers += [intent.payload["attempt"] for intent in change.intents]
        self.plan = change.plan

    @rule(attempt=st.integers(1, 5))
    def place_hold(self, attempt: int) -> None:
        if attempt <= self.plan.attempt and attempt not in self.holds:
            self.holds[attempt] = UUID(int=attempt)
            self.standing.add(attempt)

    @rule(attempt=st.integers(1, 5))
    def commit_signature(self, attempt: int) -> None:
        if attempt not in self.holds:
            return
        try:
            change = plans.sign(
                self.plan, attempt=attempt, hold_id=self.holds[attempt], signed_at=NOW, now=NOW, real_now=NOW
            )
        except (SigningExpired, PlanNotOpen):
            return
        self.plan, self.signed_with = change.plan, attempt

    @rule()
    def timer_fires(self) -> None:
        for attempt in self.timers:
            change = plans.close_attempt(self.plan, attempt=attempt, real_now=NOW)
            self.plan = change.plan
            self.endings += [intent.payload["attempt"] for intent in change.intents]
        self.timers = []

    @rule()
    def compensate(self) -> None:
        for attempt in self.endings:
            # Asking for the hold again under the same key tells its id, or places it only to end it.
            self.holds.setdefault(attempt, UUID(int=attempt))
            self.standing.discard(attempt)
        self.endings = []

    @invariant()
    def signed_plan_keeps_its_hold(self) -> None:
        if self.signed_with is not None:
            assert self.signed_with in self.standing
            assert self.signed_with not in self.endings

    @invariant()
    def every_other_hold_has_an_ending_ahead(self) -> None:
        for attempt in self.standing - {self.signed_with}:
            assert attempt in self.timers or attempt in self.endings


TestSigningMachine = SigningMachine.TestCase
TestSigningMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

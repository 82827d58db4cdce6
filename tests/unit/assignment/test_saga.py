"""Assignment's half of the visit saga: each step, each race, each repetition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.assignment.domain import candidacy as parties
from services.assignment.domain import saga
from services.assignment.domain.candidacy import Block, Candidacy, ChosenAction, Step
from services.assignment.domain.visits import OURS, VisitState
from shared.events.base import TimeWindow
from tests.unit.assignment.builders import CASE, NOW, PARTY, POLICY, WINDOW, candidate, case, visit

VISIT = visit().visit_id
PERMIT = UUID(int=77)


def stop(cause: str = "payment", reference: str = "tx-1") -> Block:
    return Block(cause=cause, reference=reference, since=NOW)


def grant(candidacy: Candidacy, *, now: datetime = NOW) -> Step:
    return saga.permit_granted(candidacy, VISIT, permit_id=PERMIT, permit="jws", policy=POLICY, now=now)


def names(step: Step) -> list[str]:
    return [event.type for event in step.events]


def test_proposal_has_a_guard_at_the_window() -> None:
    step, reason = saga.propose(candidate(), visit(), policy=POLICY, now=NOW)
    assert (names(step), reason) == (["visit.proposed"], None)
    assert [(intent.kind, intent.due_at, intent.clock) for intent in step.intents] == [
        ("visit.guard", WINDOW.start, "business")
    ]


ANOTHER = ChosenAction(case_id=UUID(int=3), number=1, action="field_visit")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"blocks": (stop(),)}, "stopped:payment"),
        ({"visit": visit()}, "already_planned"),
        ({"case": case(is_open=False)}, "no_open_case"),
        ({"case": case(case_id=UUID(int=3))}, "no_action_chosen"),
        ({"case": case(case_id=UUID(int=3)), "chosen": ANOTHER}, "case_changed"),
        ({"case": case(held=True)}, "held"),
        ({"not_before": date(2026, 3, 6)}, "cooling"),
    ],
)
def test_facts_that_came_meanwhile_prevent_the_proposal(changes: dict[str, Any], reason: str) -> None:
    step, said = saga.propose(candidate(PARTY, **changes), visit(), policy=POLICY, now=NOW)
    assert (said, step.events, step.intents) == (reason, (), ())


def test_agreement_asks_for_the_permit_of_the_agreed_window() -> None:
    agreed = TimeWindow(start=WINDOW.start + timedelta(minutes=15), end=WINDOW.end)
    step = saga.agreed(candidate(visit=visit(VisitState.OFFERED)), VISIT, 3, agreed, now=NOW)
    (intent,) = step.intents
    assert intent.kind == "visit.permit"
    assert intent.payload["request"]["versions"] == {"case": 3, "visit": 3}
    assert intent.payload["request"]["window"]["start"] == "2026-03-05T02:15:00Z"


def test_proposal_and_permit_request_name_the_opaque_key_of_the_home() -> None:
    known = case(shared=("debt:1", f"household:{'c' * 32}"))
    proposed, _ = saga.propose(candidate(case=known), visit(), policy=POLICY, now=NOW)
    agreed = saga.agreed(candidate(case=known, visit=visit()), VISIT, 3, WINDOW, now=NOW)
    assert proposed.events[0].data.address_key == agreed.intents[0].payload["request"]["address_key"] == "c" * 32  # type: ignore[attr-defined]


def test_home_that_is_not_known_is_not_named() -> None:
    proposed, _ = saga.propose(candidate(), visit(), policy=POLICY, now=NOW)
    agreed = saga.agreed(candidate(visit=visit()), VISIT, 3, WINDOW, now=NOW)
    assert proposed.events[0].data.address_key is None  # type: ignore[attr-defined]
    assert "address_key" not in agreed.intents[0].payload["request"]


def test_agreement_before_the_offer_is_seen_still_counts() -> None:
    assert saga.agreed(candidate(visit=visit()), VISIT, 3, WINDOW, now=NOW).intents


def test_second_agreement_asks_nothing() -> None:
    assert not saga.agreed(candidate(visit=visit(VisitState.AGREED)), VISIT, 3, WINDOW, now=NOW).applied


def test_grant_assigns() -> None:
    step = grant(candidate(visit=visit(VisitState.AGREED, version=3)))
    assert names(step) == ["visit.assigned"]
    assert step.candidacy.visit is not None
    assert (step.candidacy.visit.state, step.candidacy.visit.version) == (VisitState.ASSIGNED, 4)


@pytest.mark.parametrize(
    "candidacy",
    [
        candidate(),
        candidate(visit=visit(VisitState.OFFERED)),
        candidate(visit=visit(VisitState.AGREED, visit_id=UUID(int=1))),
        candidate(visit=visit(VisitState.AGREED), blocks=(stop("deceased"),)),
    ],
)
def test_permit_of_no_use_is_given_back(candidacy: Candidacy) -> None:
    step = grant(candidacy)
    assert step.events == ()
    assert [intent.kind for intent in step.intents] == ["permit.release"]


def test_permit_after_the_window_opened_is_given_back_and_the_visit_withdrawn() -> None:
    step = grant(candidate(visit=visit(VisitState.AGREED)), now=WINDOW.start)
    assert names(step) == ["visit.withdrawn"]
    assert [intent.kind for intent in step.intents] == ["permit.release"]


def test_denial_withdraws_with_the_rules() -> None:
    agreed = candidate(visit=visit(VisitState.AGREED))
    step = saga.permit_refused(agreed, VISIT, ("CN-BUDGET",), policy=POLICY, now=NOW)
    (event,) = step.events
    assert event.type == "visit.withdrawn"
    assert getattr(event.data, "rules") == ["CN-BUDGET"]  # noqa: B009
    assert step.candidacy.not_before == date(2026, 3, 9)


@pytest.mark.parametrize("state", sorted(OURS))
def test_stop_withdraws_what_is_ours(state: VisitState) -> None:
    step = parties.block(candidate(visit=visit(state)), stop("stop_request"), policy=POLICY, now=NOW)
    assert names(step) == ["visit.withdrawn"]
    assert step.candidacy.visit is None


def test_stop_leaves_an_assigned_visit_to_visits() -> None:
    step = parties.block(candidate(visit=visit(VisitState.ASSIGNED)), stop(), policy=POLICY, now=NOW)
    assert step.events == ()
    assert step.candidacy.visit is not None


@pytest.mark.parametrize("state", sorted(OURS))
def test_guard_ends_what_was_never_assigned(state: VisitState) -> None:
    step = saga.guard_due(candidate(visit=visit(state)), VISIT, policy=POLICY, now=WINDOW.start)
    assert names(step) == ["visit.withdrawn"]


def test_guard_leaves_an_assigned_visit_alone() -> None:
    step = saga.guard_due(candidate(visit=visit(VisitState.ASSIGNED)), VISIT, policy=POLICY, now=WINDOW.start)
    assert not step.applied


@pytest.mark.parametrize(("cause", "day"), [("declined", 16), ("expired", 9), ("offer_refused", 5)])
def test_declined_cools(cause: str, day: int) -> None:
    step = saga.declined(candidate(visit=visit(VisitState.OFFERED)), VISIT, 2, cause, policy=POLICY, now=NOW)  # type: ignore[arg-type]
    assert step.candidacy.not_before == date(2026, 3, day)
    assert parties.refusal(step.candidacy, date(2026, 3, day - 1), policy=POLICY, now=NOW) == "cooling"
    assert parties.refusal(step.candidacy, date(2026, 3, day), policy=POLICY, now=NOW) is None


def test_moved_is_planned_for_the_wished_day() -> None:
    wished = TimeWindow(start=WINDOW.start + timedelta(days=2), end=WINDOW.end + timedelta(days=2))
    step = saga.moved(candidate(visit=visit(VisitState.OFFERED)), VISIT, 2, wished, now=NOW)
    assert step.candidacy.not_before == date(2026, 3, 7)


def test_completed_visit_keeps_the_person_free_for_thirty_days() -> None:
    assigned = candidate(visit=visit(VisitState.ASSIGNED))
    step = saga.over(assigned, VISIT, 9, VisitState.COMPLETED, "met_customer", policy=POLICY, now=NOW)
    assert step.candidacy.not_before == date(2026, 4, 1)


def test_events_of_another_visit_are_ignored() -> None:
    assert not saga.offered(candidate(visit=visit()), UUID(int=1), 2, now=NOW).applied


class SagaMachine(RuleBasedStateMachine):
    """Any order of facts, repeated or not: one live visit, one outcome, no permit both assigned and released."""

    def __init__(self) -> None:
        super().__init__()
        self.candidacy = candidate()
        self.now = NOW
        self.proposals = 0
        self.current = VISIT
        self.granted: set[UUID] = set()
        self.assigned: list[UUID] = []
        self.ended: list[UUID] = []
        self.released: set[str] = set()
        self.asked: set[str] = set()

    def take(self, step: Step) -> None:
        self.candidacy = step.candidacy
        for event in step.events:
            if event.type == "visit.assigned":
                self.assigned.append(event.aggregate_id)
        self.ended += [each.visit_id for each in step.finished]
        self.asked |= {intent.key for intent in step.intents if intent.kind == "visit.permit"}
        self.released |= {intent.key for intent in step.intents if intent.kind == "permit.release"}

    @rule()
    def propose(self) -> None:
        candidacy = replace(self.candidacy, not_before=None)
        planned = visit(visit_id=UUID(int=1000 + self.proposals))
        step, reason = saga.propose(candidacy, planned, policy=POLICY, now=self.now)
        self.take(step)
        if reason is None:
            self.proposals += 1
            self.current = planned.visit_id

    @rule(version=st.integers(2, 9))
    def offered(self, version: int) -> None:
        self.take(saga.offered(self.candidacy, self.current, version, now=self.now))

    @rule(version=st.integers(2, 9))
    def agreed(self, version: int) -> None:
        self.take(saga.agreed(self.candidacy, self.current, version, WINDOW, now=self.now))

    @rule(cause=st.sampled_from(["declined", "expired", "offer_refused", "stop_request"]))
    def declined(self, cause: str) -> None:
        self.take(saga.declined(self.candidacy, self.current, 5, cause, policy=POLICY, now=self.now))  # type: ignore[arg-type]

    @precondition(lambda self: bool(self.asked))
    @rule(data=st.data())
    def permit_answer(self, data: st.DataObject) -> None:
        visit_id = UUID(data.draw(st.sampled_from(sorted(self.asked))))
        if data.draw(st.booleans()):
            permit_id = UUID(int=visit_id.int + 5_000)
            self.granted.add(permit_id)
            step = saga.permit_granted(
                self.candidacy, visit_id, permit_id=permit_id, permit="jws", policy=POLICY, now=self.now
            )
        else:
            step = saga.permit_refused(self.candidacy, visit_id, ("R",), policy=POLICY, now=self.now)
        self.asked.discard(str(visit_id))  # the worker commits an answer once
        self.take(step)

    @rule(cause=st.sampled_from(["payment", "deceased", "stop_request"]), reference=st.sampled_from(["a", "b"]))
    def stopped(self, cause: str, reference: str) -> None:
        self.take(parties.block(self.candidacy, stop(cause, reference), policy=POLICY, now=self.now))

    @rule(cause=st.sampled_from(["payment", "deceased", "stop_request"]), reference=st.sampled_from(["a", "b"]))
    def lifted(self, cause: str, reference: str) -> None:
        self.take(parties.unblock(self.candidacy, cause=cause, reference=reference, at=self.now))

    @rule(state=st.sampled_from([VisitState.RECALLED, VisitState.ABORTED, VisitState.COMPLETED]))
    def over(self, state: VisitState) -> None:
        self.take(saga.over(self.candidacy, self.current, 9, state, "x", policy=POLICY, now=self.now))

    @rule()
    def guard(self) -> None:
        self.take(saga.guard_due(self.candidacy, self.current, policy=POLICY, now=self.now))

    @invariant()
    def blocked_means_nothing_of_ours(self) -> None:
        if self.candidacy.blocking(self.now) is not None and self.candidacy.visit is not None:
            assert self.candidacy.visit.state is VisitState.ASSIGNED

    @invariant()
    def every_visit_ends_at_most_once(self) -> None:
        assert len(self.ended) == len(set(self.ended))
        assert len(self.assigned) == len(set(self.assigned))

    @invariant()
    def every_permit_is_used_or_given_back(self) -> None:
        assigned = {UUID(int=visit_id.int + 5_000) for visit_id in self.assigned}
        released = {UUID(key) for key in self.released}
        assert assigned | released == self.granted
        assert not assigned & released


TestSagaMachine = SagaMachine.TestCase
TestSagaMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_case_ids_of_the_builders_agree() -> None:
    assert candidate().case is not None
    assert visit().case_id == CASE
    assert visit().party_id == PARTY


def test_permit_that_comes_while_the_core_is_not_believed_is_given_back() -> None:
    agreed = candidate(
        case=case(core="core-a"), visit=visit(VisitState.AGREED), disbelieved=frozenset({"core-a", "core-b"})
    )
    step = grant(agreed)
    assert [event.data.cause for event in step.events] == ["feed_suspended"]  # type: ignore[attr-defined]
    assert [intent.kind for intent in step.intents] == [saga.RELEASE_INTENT]
    assert names(grant(replace(agreed, disbelieved=frozenset({"core-b"})))) == ["visit.assigned"]

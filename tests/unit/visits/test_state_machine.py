"""Whatever happens in whatever order: only tabled steps, growing versions, one contact, no door without a check-in."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.visits.domain import appointment, door
from services.visits.domain.recall import recall, refuse_by_customer, stop_by_customer
from services.visits.domain.visit import (
    BEFORE_THE_DOOR,
    READY,
    TRANSITIONS,
    Change,
    IllegalTransitionError,
    State,
    Visit,
    VisitRecord,
    WrongVisitState,
)
from shared.events import Event
from shared.events.base import TimeWindow
from shared.events.visit import VisitAssigned, VisitProposed

START: Final = datetime(2026, 3, 12, 0, 0, tzinfo=UTC)
REAL: Final = datetime(2030, 1, 1, tzinfo=UTC)
PARTY, VISIT, PERMIT = UUID(int=1), UUID(int=3), UUID(int=5)
CREW: Final = [UUID(int=10), UUID(int=11)]
ON_VISIT: Final = {"visit_id": VISIT, "case_id": UUID(int=2), "party_id": PARTY, "version": 1}
WINDOW: Final = TimeWindow(start=START + timedelta(hours=4), end=START + timedelta(hours=6))


def _event(name: str, data: Any) -> Event[Any]:
    return Event(
        id="e", source="/services/assignment", type=name, version=1, tenant="bank", key=str(PARTY), party_id=PARTY,
        aggregate_type="visit", aggregate_id=str(VISIT), sequence=1, time=START, recorded_time=REAL,
        correlation_id="saga", causation_id="", traceparent="", data=data,
    )  # fmt: skip


PROPOSAL: Final = _event(
    "visit.proposed",
    VisitProposed(
        **ON_VISIT, field_day=date(2026, 3, 12), window=WINDOW, duration_minutes=30, pair_id=UUID(int=9), crew=CREW,
        device_id="d", cell="88309a5915fffff", jurisdiction="CN", case_version=1,
    ),
)  # fmt: skip
ASSIGNMENT: Final = _event(
    "visit.assigned",
    VisitAssigned(
        **ON_VISIT, permit_id=PERMIT, permit="x", window=WINDOW, field_day=date(2026, 3, 12), pair_id=UUID(int=9),
        crew=CREW, device_id="d", stop_number=1, duration_minutes=30,
    ),
)  # fmt: skip
OUTCOMES: Final = st.sampled_from(["met_customer", "no_answer", "other_person", "promise_made", "dispute_raised"])


class VisitMachine(RuleBasedStateMachine):
    """Drives one visit with everything that may reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.visit: Visit
        self.events: list[Any] = []
        self.intents: list[Any] = []
        self.alarms = 0
        self.held: list[Any] = []

    @initialize()
    def proposed(self) -> None:
        change = appointment.propose(PROPOSAL, tenant="bank", partition=0, now=self.now)
        self.visit = change.visit
        self.intents += change.intents

    def _take(self, change: Change) -> None:
        before, after = self.visit, change.visit
        assert after.state is before.state or after.state in TRANSITIONS[before.state]
        assert after.version == before.version + (after != before)
        for event in change.events:
            if event.type.startswith("visit."):
                assert event.data.version == after.version
        if after.state is not before.state and not TRANSITIONS[before.state]:
            raise AssertionError("a final state was left")
        self.visit = after
        self.events += change.events
        self.intents += change.intents
        self.alarms += change.alarm is not None
        self.held += [change.held] if change.held is not None else []

    def _try(self, step: Any) -> None:
        try:
            change = step()
        except WrongVisitState:
            return
        self._take(change)

    @rule(minutes=st.integers(1, 240))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def offer_granted(self) -> None:
        self._take(appointment.offer(self.visit, permit_id=UUID(int=6), now=self.now, real_now=REAL))

    @rule(attempt=st.integers(1, 3), later=st.none() | st.integers(0, 300))
    def offer_refused(self, attempt: int, later: int | None) -> None:
        earliest = None if later is None else self.now + timedelta(minutes=later)
        self._take(appointment.refuse_offer(self.visit, attempt=attempt, earliest_lawful=earliest, now=self.now))

    @rule()
    def customer_agrees(self) -> None:
        self._try(lambda: appointment.agree(self.visit, now=self.now))

    @rule()
    def customer_moves(self) -> None:
        self._try(lambda: appointment.move(self.visit, wished=WINDOW, now=self.now))

    @rule()
    def customer_declines(self) -> None:
        self._take(refuse_by_customer(self.visit, now=self.now, real_now=REAL))

    @rule()
    def customer_says_stop(self) -> None:
        self._take(stop_by_customer(self.visit, now=self.now, real_now=REAL))
        assert self.events[-1].type == "party.stopped" or "party.stopped" in [e.type for e in self.events[-2:]]

    @rule()
    def assigned(self) -> None:
        self._take(appointment.assign(self.visit, ASSIGNMENT, door_code="7K3M9Q2X", real_now=REAL))

    @rule()
    def withdrawn(self) -> None:
        self._take(appointment.withdraw(self.visit, cause="permit_denied"))

    @rule(cause=st.sampled_from(["payment", "cured", "plan_signed"]))
    def fact_arrives(self, cause: str) -> None:
        self._take(recall(self.visit, cause=cause, fact_arrived_at=REAL, now=self.now, real_now=REAL))
        assert self.visit.state not in BEFORE_THE_DOOR

    @rule()
    def crew_sets_off(self) -> None:
        self._try(lambda: door.set_off(self.visit))

    @precondition(lambda self: self.visit.state in READY)
    @rule()
    def crew_arrives(self) -> None:
        arrival = door.Arrival(permit_id=PERMIT, crew_present=tuple(CREW), distance_m=12)
        self._take(door.check_in(self.visit, arrival, now=self.now, real_now=REAL))

    @rule(outcome=OUTCOMES, minutes_ago=st.integers(0, 600))
    def crew_checks_out(self, outcome: Any, minutes_ago: int) -> None:
        met = outcome in {"met_customer", "promise_made", "dispute_raised"}
        record = VisitRecord(
            outcome=outcome, reason=None, right_party=met, household_contacted=met, debtor_met=met,
            identity_shown=True, recording_complete=True, promise=None,
        )  # fmt: skip
        left_at = self.now - timedelta(minutes=minutes_ago)
        self._take(door.check_out(self.visit, record, left_at=left_at, now=self.now, real_now=REAL))
        assert self.visit.record is not None

    @rule(silent=st.booleans())
    def collector_calls_for_help(self, silent: bool) -> None:
        call = door.CallForHelp(collector_id=CREW[0], silent=silent, raised_at=self.now)
        alarms = self.alarms
        self._take(door.raise_sos(self.visit, call, now=self.now, real_now=REAL))
        assert self.alarms == alarms + 1
        assert self.visit.state not in {State.CHECKED_IN, *BEFORE_THE_DOOR}

    @rule()
    def timers_fire(self) -> None:
        self._take(appointment.answer_overdue(self.visit, now=self.now))
        self._take(appointment.window_over(self.visit, now=self.now))
        self._take(door.stay_over(self.visit, now=self.now, real_now=REAL))
        if self.now >= WINDOW.end:
            assert self.visit.state not in BEFORE_THE_DOOR, "a visit outlived its window"

    @rule(leaf=st.integers(0, 9))
    def audited(self, leaf: int) -> None:
        if any(event.type == "contact.recorded" and event.data.channel == "visit" for event in self.events):
            self._take(door.audited(self.visit, leaf_index=leaf))

    @invariant()
    def one_contact_per_channel(self) -> None:
        contacts = Counter(e.data.channel for e in self.events if e.type == "contact.recorded")
        assert all(count == 1 for count in contacts.values())

    @invariant()
    def every_check_in_becomes_a_contact_with_its_permit(self) -> None:
        done = [e.data for e in self.events if e.type == "contact.recorded" and e.data.channel == "visit"]
        if self.visit.checked_in_at is not None and self.visit.state is not State.CHECKED_IN:
            assert [contact.permit_id for contact in done] == [PERMIT]
        if self.visit.checked_in_at is None:
            assert all(contact.permit_id is None for contact in done)

    @invariant()
    def contacts_do_not_end_before_they_start(self) -> None:
        for event in self.events:
            if event.type == "contact.recorded":
                assert event.data.started_at <= event.data.ended_at <= self.now

    @invariant()
    def each_ending_is_told_once(self) -> None:
        endings = {"visit.declined", "visit.recalled", "visit.aborted", "visit.completed", "visit.moved"}
        assert sum(event.type in endings for event in self.events) <= 1

    @invariant()
    def an_unused_permit_waits_for_its_device(self) -> None:
        over = self.visit.state in {State.RECALLED, State.EXPIRED, State.ABORTED_SAFETY}
        if over and self.visit.permit_id is not None and self.visit.checked_in_at is None:
            assert [(one.permit_id, one.device_id, one.valid_to) for one in self.held] == [
                (PERMIT, self.visit.device_id, WINDOW.end)
            ]

    @invariant()
    def waiting_states_have_a_timer(self) -> None:
        kinds = {intent.kind for intent in self.intents}
        if self.visit.state in {State.PROPOSED, State.OFFERED}:
            assert "answer_due" in kinds
        if self.visit.state in {State.AGREED, *READY}:
            assert "window_ended" in kinds
        if self.visit.state is State.CHECKED_IN:
            assert "stay_overdue" in kinds


VisitMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestVisitMachine = VisitMachine.TestCase


def test_untabled_step_is_our_mistake() -> None:
    visit = appointment.propose(PROPOSAL, tenant="bank", partition=0, now=START).visit
    with pytest.raises(IllegalTransitionError):
        visit.to(State.CHECKED_IN)


def test_proposal_whose_window_has_begun_is_declined() -> None:
    change = appointment.propose(PROPOSAL, tenant="bank", partition=0, now=WINDOW.start)
    assert change.visit.state is State.DECLINED
    assert [event.data.cause for event in change.events] == ["expired"]
    assert not change.intents

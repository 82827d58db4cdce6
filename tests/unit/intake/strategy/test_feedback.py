"""Whatever the field can say about a visit counts in the shipped strategy, or is said here to say nothing."""

from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

import pytest

from services.intake.strategy.decision import choose
from services.intake.strategy.history import PastFact
from services.intake.strategy_feedback import facts_of
from shared.events import Event
from shared.events.examples import EXAMPLES
from shared.events.visit import Outcome, Reason, VisitCompleted
from tests.unit.intake.strategy.states import ALL_DONE, POLICY, TODAY, case

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
ONLY_A_VISIT = {
    "met_customer", "other_person", "no_answer",  # that somebody was there counts towards pause and number of visits
    "forgot", "unwilling", "not_said",  # no difficulty, and nothing to be looked at
    "plan_signed", "complaint_made",  # told by plans and as a stop, each in an event of its own
}  # fmt: skip


def facts(outcome: str, reason: str | None = None) -> tuple[PastFact, ...]:
    example = EXAMPLES["visit.completed"] | {"outcome": outcome, "reason": reason, "promise": None}
    event = Event(
        id="e", source="/services/visits", type="visit.completed", version=1, tenant="bank", key="k",
        party_id=UUID(int=1), aggregate_type="visit", aggregate_id="a", sequence=1, time=NOW, recorded_time=NOW,
        correlation_id="c", causation_id="", traceparent="", data=VisitCompleted.model_validate(example),
    )  # fmt: skip
    return tuple(PastFact(TODAY, one.kind, one.reference, one.codes) for one in facts_of(event))


def after(*told: str) -> str:
    """The rule that chooses a month after such a visit, once help was offered: only the visit's words are left."""
    choice = choose(POLICY, case(100, *ALL_DONE, *facts(*told)))
    return choice.rule


@pytest.mark.parametrize("outcome", sorted(get_args(Outcome)))
def test_outcome_of_a_visit_counts(outcome):
    assert (after(outcome) == "visit") == (outcome in ONLY_A_VISIT)


@pytest.mark.parametrize("reason", sorted(get_args(Reason)))
def test_reason_of_arrears_counts(reason):
    assert (after("met_customer", reason) == "visit") == (reason in ONLY_A_VISIT)


def test_who_paid_at_the_door_is_waited_for():
    assert after("paid_digitally") == "promise"

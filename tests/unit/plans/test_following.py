"""The ladder of a plan: help before breach, nothing without the step before it, and no day under a hold counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.plans.domain import ladder
from services.plans.domain.follow_up_policy import FollowUpPolicies, FollowUpPolicy
from services.plans.domain.following import NextContact, Paused, Standing, Step, counted_days, standing
from services.plans.domain.payments import Payment
from services.plans.domain.plan import Plan, PlanState
from shared.events.plan import Instalment
from shared.ids import entity_id
from shared.money import Money
from shared.web.problems import InvalidRequest

POLICY = FollowUpPolicies.load().policy[0]
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIRST = date(2026, 4, 10)
PERMIT = UUID(int=77)


def cny(minor: int) -> Money:
    return Money(amount_minor=minor, currency="CNY")


def plan(count: int = 3, **changes: object) -> Plan:
    """A signed plan of `count` monthly instalments of 100.00, the first due on 10 April."""
    due = [FIRST + timedelta(days=30 * n) for n in range(count)]
    instalments = tuple(
        Instalment(number=number, due_date=day, amount=cny(10_000)) for number, day in enumerate(due, start=1)
    )
    made = Plan(
        plan_id=entity_id(7), party_id=entity_id(7), case_id=entity_id(7), visit_id=None, kind="instalments",
        instalments=instalments, total=cny(10_000 * count), debt=cny(10_000 * max(count, 1)), surplus=cny(20_000),
        table_id="t", review_on=FIRST + timedelta(days=90), document="text", document_sha256="0" * 64, proposed_at=NOW,
        state=PlanState.SIGNED, hold_id=UUID(int=3), signed_at=NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def paying(minor: int, made: Plan, position: int = 1) -> Plan:
    payment = Payment(transaction_ref=f"t{position}", loan_id=UUID(int=5), amount_minor=minor, position=position)
    return replace(made, payments=(*made.payments, payment))


def look(made: Plan, steps: list[Step], day: date, *pauses: Paused) -> Standing:
    return standing(made, steps, pauses, today=day, policy=POLICY)


def after(days: int) -> date:
    """So many days after the first instalment was due."""
    return FIRST + timedelta(days=days)


def step(kind: str, day: date, instalment: int | None = 1, until: date | None = None) -> Step:
    return Step(kind=kind, day=day, instalment=instalment, until=until)  # type: ignore[arg-type]


WALKED = [step("missed", after(6)), step("help", after(6)), step("missed", after(36), 2)]
WARNED = [*WALKED, step("warning", after(36))]


@pytest.mark.parametrize(
    ("days", "contact"), [(-4, None), (-3, "reminder"), (0, "reminder"), (1, None), (5, None), (6, "help")]
)
def test_a_friendly_word_before_the_due_date_and_help_when_grace_is_over(days: int, contact: str | None) -> None:
    found = look(plan(), [], after(days))
    assert (found.contact.kind if found.contact else None) == contact


def test_who_was_reminded_is_not_reminded_again_but_of_the_next_instalment() -> None:
    reminded = [step("reminder", after(-3))]
    assert look(plan(), reminded, after(-1)).contact is None
    paid = paying(10_000, plan())
    assert look(paid, reminded, after(28)).contact == NextContact(kind="reminder", instalment=2)


def test_one_missed_instalment_is_never_warned_of() -> None:
    for days in range(6, 400, 7):
        made = paying(10_000 * min(2, days // 30), plan(3))
        found = look(made, WALKED[:2], after(days))
        assert len(found.missed) < 2 or days >= 90
        if len(found.missed) == 1 and days < 60:
            assert found.stage == "missed"
            assert found.contact is None or found.contact.kind != "warning"


def test_two_missed_and_help_offered_are_warned_of_and_then_waited_for() -> None:
    assert look(plan(), WALKED, after(36)).contact == NextContact(kind="warning", instalment=1)
    assert look(plan(), [step("missed", after(36), n) for n in (1, 2)], after(36)).contact == NextContact(
        kind="help", instalment=1
    ), "no warning without help before"
    for days, stage, left in ((36, "warned", 14), (50, "warned", 0), (51, "in_review", 0)):
        found = look(plan(), WARNED, after(days))
        assert (found.stage, found.cure_days_left) == (stage, left)
    assert [one.kind for one in look(plan(), WARNED, after(51)).records] == ["review"]


def test_the_last_instalment_alone_is_waited_for_much_longer() -> None:
    made, steps = plan(1), [step("missed", after(6)), step("help", after(6))]
    assert look(made, steps, after(59)).contact is None
    assert look(made, steps, after(60)).contact == NextContact(kind="warning", instalment=1)


def test_a_payment_restores_the_plan_and_the_kind_steps_begin_anew() -> None:
    paid = paying(20_000, plan())
    found = look(paid, WARNED, after(40))
    assert (found.stage, [one.kind for one in found.records]) == ("kept", ["restored"])
    steps = [*WARNED, step("restored", after(40), None)]
    assert look(paid, steps, after(40)).records == ()
    bounced = replace(paid, payments=tuple(replace(one, reversed=True) for one in paid.payments))
    again = look(bounced, steps, after(41))
    assert (again.stage, again.contact) == ("missed", NextContact(kind="help", instalment=1))


def test_a_hold_stops_every_step_and_its_days_count_nowhere() -> None:
    hold = Paused(first=after(37), last=after(66), cause="breathing_space")
    held = look(plan(), WARNED, after(60), hold)
    assert (held.paused_by, held.contact, held.records, held.may_be_judged) == (("breathing_space",), None, (), False)
    assert look(plan(), WARNED, after(67), hold).cure_days_left == 13, "one day before the hold, one after it"
    assert look(plan(), [], after(6), replace(hold, first=after(-30))).contact is None
    assert standing(plan(), WARNED, (), today=after(60), policy=POLICY, withheld=["case_suspended"]).records == ()


def test_overlapping_holds_count_once() -> None:
    pauses = [Paused(first=after(2), last=after(5), cause="a"), Paused(first=after(4), last=None, cause="b")]
    assert counted_days(FIRST, after(10), pauses) == 1


def test_a_person_breaks_what_was_waited_for_or_waits_on() -> None:
    now = datetime.combine(after(51), datetime.min.time(), tzinfo=UTC)
    found = look(plan(), WARNED, after(51))
    made = plan()
    taken = ladder.decided(made, found, "break", None, policy=POLICY, now=now, real_now=now)
    assert (taken.change.plan.state, [event.type for event in taken.change.events]) == (
        PlanState.BROKEN, ["plan.broken"],
    )  # fmt: skip
    assert taken.change.events[0].data.missed == [1, 2]  # type: ignore[attr-defined]
    assert [intent.payload["cause"] for intent in taken.change.intents] == ["plan_broken"]
    more = ladder.decided(made, found, "more_time", after(60), policy=POLICY, now=now, real_now=now)
    assert more.change.events == ()
    assert look(made, [*WARNED, more.step], after(60)).stage == "more_time"
    again = look(made, [*WARNED, more.step], after(61))
    assert (again.stage, [one.kind for one in again.records]) == ("in_review", ["review"])
    for decision, until in (("end", None), ("more_time", after(51)), ("more_time", after(500))):
        with pytest.raises(InvalidRequest):
            ladder.decided(made, found, decision, until, policy=POLICY, now=now, real_now=now)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [[], WALKED, WARNED])
def test_nobody_breaks_a_plan_before_its_time(steps: list[Step]) -> None:
    found = look(plan(), steps, after(40))
    with pytest.raises(ladder.PlanNotInReview):
        ladder.decided(plan(), found, "break", None, policy=POLICY, now=NOW, real_now=NOW)


def test_a_pause_is_looked_at_by_a_person_on_its_day() -> None:
    pause = plan(0, kind="pause")
    assert look(pause, [], after(89)).records == ()
    found = look(pause, [], after(90))
    assert (found.stage, [one.kind for one in found.records]) == ("in_review", ["review"])
    now = datetime.combine(after(90), datetime.min.time(), tzinfo=UTC)
    ended = ladder.decided(pause, found, "end", None, policy=POLICY, now=now, real_now=now).change
    assert (ended.plan.state, ended.events[0].data.cause) == (  # type: ignore[attr-defined]
        PlanState.COMPLETED, "reviewed",
    )  # fmt: skip
    with pytest.raises(InvalidRequest):
        ladder.decided(pause, found, "break", None, policy=POLICY, now=now, real_now=now)


def _moved(made: Plan, steps: list[Step], day: date, pauses: list[Paused], *, reaches: bool) -> None:
    """What a day's look and the messages that reach the person add."""
    found = look(made, steps, day, *pauses)
    steps += found.records
    if found.contact is not None and reaches:
        steps.append(step(found.contact.kind, day, found.contact.instalment))


DAYS = st.lists(
    st.tuples(st.sampled_from(["wait", "pay", "bounce", "hold", "free"]), st.integers(1, 20), st.booleans()),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_whatever_happens_nothing_is_broken_without_help_warning_and_wait(days: list[tuple[str, int, bool]]) -> None:
    made, steps, today = plan(4), list[Step](), FIRST - timedelta(days=10)
    pauses: list[Paused] = []
    for number, (what, many, reaches) in enumerate(days):
        if what == "pay":
            made = paying(3_000 * many, made, number + 1)
        elif what == "bounce" and made.payments:
            made = replace(made, payments=(*made.payments[:-1], replace(made.payments[-1], reversed=True)))
        elif what == "hold":
            pauses.append(Paused(first=today, last=None, cause="complaint"))
        elif what == "free":
            pauses = [one if one.last else replace(one, last=today) for one in pauses]
        for _ in range(many):
            today += timedelta(days=1)
            _moved(made, steps, today, pauses, reaches=reaches)
            _check(made, steps, today, pauses)


def _check(made: Plan, steps: list[Step], today: date, pauses: list[Paused]) -> None:
    found = look(made, steps, today, *pauses)
    if any(pause.covers(today) for pause in pauses):
        assert (found.contact, found.records, found.may_be_judged) == (None, (), False)
    if not (found.may_be_judged and found.missed):
        return
    oldest = found.missed[0]
    helped, warned = (
        [one.day for one in steps if one.kind == kind and one.instalment == oldest] for kind in ("help", "warning")
    )
    assert len(found.missed) >= 2 or found.days_missed >= POLICY.last_missed_days
    assert helped
    assert warned
    assert counted_days(helped[0], warned[-1], pauses) >= POLICY.help_wait_days
    assert counted_days(warned[-1], today, pauses) > POLICY.cure_days


@pytest.mark.parametrize(
    "wrong",
    [
        {"missed_before_warning": 1}, {"cure_days": 0}, {"time_zone": "Nowhere/At-All"},
        {"other_holds": ["deceased"]}, {"last_missed_days": 5}, {"fee_minor": 100},
    ],
)  # fmt: skip
def test_a_policy_that_is_too_hard_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FollowUpPolicy.model_validate(POLICY.model_dump() | wrong)


def test_the_policy_in_force_is_the_newest_that_has_begun() -> None:
    later = POLICY.model_copy(update={"id": "later", "valid_from": date(2026, 7, 1)})
    policies = FollowUpPolicies(policy=(POLICY, later))
    # 16:00 UTC is midnight in Shanghai.
    moments = (NOW, datetime(2026, 6, 30, 15, tzinfo=UTC), datetime(2026, 6, 30, 16, tzinfo=UTC))
    assert [policies.at(moment).id for moment in moments] == [POLICY.id, POLICY.id, "later"]
    assert POLICY.pauses("a_kind_of_tomorrow"), "an unknown hold pauses"

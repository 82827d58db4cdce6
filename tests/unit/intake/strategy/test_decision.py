"""What happens next: softer steps first, help before visits, nothing by a timer or a score alone."""

from datetime import timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.strategy.decision import CaseState, choose, walk
from services.intake.strategy.history import ActiveHold, FactKind, PastFact, PastHold
from shared.events.case import NextAction
from tests.unit.intake.strategy.states import ALL_DONE, LADDER, POLICY, TODAY, ago, case, fact

HARD = {"field_visit", "legal_review"}
CODES = sorted({*POLICY.help.told, *POLICY.review.after, *POLICY.visit.never_after, "met_customer", "no_answer"})

facts = st.builds(
    PastFact,
    on=st.integers(0, 200).map(ago),
    kind=st.sampled_from(get_args(FactKind)),
    reference=st.text("abc", min_size=1, max_size=3),
    codes=st.lists(st.sampled_from(CODES), max_size=2).map(tuple),
)
holds = st.builds(
    ActiveHold,
    kind=st.sampled_from(["vulnerability", "hardship", "complaint", "channel_opt_out", "unheard_of"]),
    channels=st.none() | st.lists(st.sampled_from(["sms", "call", "letter", "visit"]), max_size=3).map(tuple),
)
# Mostly such that a visit is near: else the properties would hold of nothing.
_MOSTLY = st.sampled_from([True] * 9 + [False])
cases = st.builds(
    CaseState,
    status=st.sampled_from(["open"] * 20 + ["cured", "closed", "new"]),
    held=_MOSTLY.map(lambda yes: not yes),
    suspended=st.sampled_from([()] * 12 + [("payment_pending",), ("deceased", "on_hold")]),
    bucket=st.sampled_from(["B2", "B3", "B4"]) | st.sampled_from(["current", "B1", "B5"]),
    days=st.integers(31, 120) | st.integers(0, 400),
    as_of=st.just(TODAY),
    late_since=st.integers(41, 120).map(ago) | st.integers(0, 400).map(ago),
    overdue_minor=st.just((("CNY", 500_000),))
    | st.lists(st.tuples(st.sampled_from(["CNY", "KWD"]), st.integers(0, 10**9)), max_size=2).map(tuple),
    has_phone=_MOSTLY,
    has_home=_MOSTLY,
    today=st.just(TODAY),
    holds=st.just(()) | st.lists(holds, max_size=2).map(tuple),
    was_under=st.just(()),
    history=st.builds(
        lambda done, rest: (*done, *rest),
        st.just(ALL_DONE) | st.lists(st.sampled_from(ALL_DONE), max_size=4, unique=True),
        st.just([]) | st.lists(facts, max_size=4),
    ),
    cure_permille=st.none() | st.integers(0, 1_000),
    score_days_old=st.integers(0, 60),
)


@given(cases)
@settings(max_examples=150)
def test_every_case_has_an_action_with_a_reason(one):
    choice = choose(POLICY, one)

    assert choice.action in get_args(NextAction)
    assert choice.reasons
    assert choice.rule


@given(cases)
@settings(max_examples=150)
def test_nobody_is_visited_before_every_softer_step_was_done(one):
    if choose(POLICY, one).action == "field_visit":
        assert all(step.done_on is not None for step in walk(POLICY, one))
        assert not {fact.kind for fact in one.history if fact.on >= one.late_since}.isdisjoint({"offer_help"})


@given(st.sampled_from(LADDER), st.integers(1, 3_000), st.integers(0, 3_000))
@settings(max_examples=120)
def test_no_timer_takes_the_place_of_a_step(missing, days, later):
    """Whatever else was done, and however much time passes: without the step there is no visit and no review."""
    done = tuple(one for one in ALL_DONE if one.kind != missing)
    one = case(days, *done, today=TODAY + timedelta(days=later), late_since=ago(400))

    assert choose(POLICY, one).action not in HARD


@given(cases, st.none() | st.integers(0, 1_000))
@settings(max_examples=150)
def test_no_score_makes_a_visit_or_keeps_one_away(one, other):
    scored = msgspec.structs.replace(one, cure_permille=other)

    assert (choose(POLICY, one).action == "field_visit") == (choose(POLICY, scored).action == "field_visit")


@given(cases)
@settings(max_examples=120)
def test_order_of_arrival_changes_nothing(one):
    turned = msgspec.structs.replace(one, history=tuple(reversed(one.history)))

    assert choose(POLICY, turned) == choose(POLICY, one)


def test_jump_over_buckets_walks_every_step():
    """Told of for the first time in B4: a reminder comes first all the same, then each step in its turn."""
    taken, history = [], []
    one = case(100, late_since=ago(100))
    for days in range(60):
        day = TODAY + timedelta(days=days)
        choice = choose(POLICY, case(100, *history, today=day, late_since=ago(100)))
        if choice.action in LADDER:
            taken.append(choice.action)
            history.append(PastFact(day, choice.action, f"{days}"))
        elif choice.action != "wait":
            taken.append(choice.action)
            break

    assert choose(POLICY, one).action == "remind"
    assert taken == [*LADDER, "field_visit"]


def test_first_days_are_the_customers():
    choice = choose(POLICY, case(3))

    assert (choice.action, choice.reasons, choice.next_on) == ("wait", ("self_cure",), TODAY + timedelta(days=2))


def test_customer_has_time_to_answer():
    choice = choose(POLICY, case(45, fact("remind", 1)))

    assert (choice.action, choice.reasons, choice.next_on) == ("wait", ("time_to_answer",), TODAY + timedelta(days=2))


def test_likely_cure_is_waited_for_longer():
    assert choose(POLICY, case(7)).action == "remind"
    assert choose(POLICY, case(7, cure_permille=700)).reasons == ("self_cure",)
    assert choose(POLICY, case(7, cure_permille=700, score_days_old=99)).action == "remind"


def test_unlikely_cure_brings_help_forward():
    assert choose(POLICY, case(7, cure_permille=50)).action == "offer_help"


def test_visit_needs_every_line():
    assert choose(POLICY, case(45, *ALL_DONE)).action == "field_visit"
    assert choose(POLICY, case(45, *ALL_DONE, overdue_minor=(("CNY", 100),))).reasons == ("not_worth_a_visit",)
    assert choose(POLICY, case(45, *ALL_DONE, overdue_minor=(("KWD", 10**9),))).reasons == ("not_worth_a_visit",)
    assert choose(POLICY, case(45, *ALL_DONE, bucket="B1")).reasons == ("bucket_not_visited",)
    assert choose(POLICY, case(45, *ALL_DONE, has_home=False)).rule == "unreachable"
    assert choose(POLICY, case(45, *ALL_DONE, was_under=("vulnerability",))).reasons[0] == "no_visit_under"


def test_very_late_goes_to_a_person():
    assert choose(POLICY, case(190, *ALL_DONE)).action == "legal_review"


def test_letter_stands_for_a_call_that_cannot_be_made_and_is_one_letter_more():
    one_letter = [fact("letter", 30), fact("offer_help", 20)]
    choice = choose(POLICY, case(45, *one_letter, has_phone=False))

    assert (choice.action, choice.reasons) == ("letter", ("step_due", "instead_of_call"))
    assert choose(POLICY, case(45, *one_letter, fact("letter", 29), fact("letter", 28), has_phone=False)).action == (
        "field_visit"
    )


def test_step_whose_channel_is_closed_is_not_left_out():
    closed = (ActiveHold("channel_opt_out", ("letter",)),)
    choice = choose(POLICY, case(45, fact("remind", 40), fact("call", 35), holds=closed))

    assert (choice.action, choice.rule) == ("wait", "unreachable")


@pytest.mark.parametrize("code", ["hardship_told", "income_lost"])
def test_difficulty_told_at_the_door_brings_help_first(code):
    choice = choose(POLICY, case(45, *ALL_DONE, fact("visit", 2, "met_customer", code)))

    assert (choice.action, choice.rule) == ("offer_help", "difficulty")


def test_nobody_goes_back_where_somebody_was_vulnerable():
    told = fact("visit", 200, "vulnerability_signal")

    assert choose(POLICY, case(45, *ALL_DONE, told)).reasons == ("no_visit_after", "vulnerability_signal")


def test_dispute_is_looked_at_by_a_person_until_they_say_so():
    dispute = fact("visit", 5, "dispute_raised")

    assert choose(POLICY, case(45, *ALL_DONE, dispute)).action == "legal_review"
    assert choose(POLICY, case(45, *ALL_DONE, dispute, fact("legal_review", 1))).action == "wait"


def test_promise_is_waited_for():
    choice = choose(POLICY, case(45, *ALL_DONE, fact("promise", 3)))

    assert (choice.action, choice.rule) == ("wait", "promise")


def test_broken_plan_is_written_to_and_helped_again():
    signed, broken = fact("plan_signed", 15, reference="P"), fact("plan_broken", 1, reference="P")

    assert choose(POLICY, case(45, *ALL_DONE, signed)).rule == "plan"
    assert choose(POLICY, case(45, *ALL_DONE, signed, broken)).action == "letter"


def test_calls_that_reach_nobody_count_as_one_in_time():
    attempts = [fact("call_attempt", days) for days in (33, 32)]
    before = case(45, fact("remind", 40), *attempts)

    assert choose(POLICY, before).action == "call"
    assert choose(POLICY, case(45, fact("remind", 40), *attempts, fact("call_attempt", 31))).action == "letter"


def test_steps_of_an_earlier_arrears_do_not_count():
    assert choose(POLICY, case(45, *(fact(one.kind, 60) for one in ALL_DONE))).action == "remind"


def test_one_visit_in_thirty_days_and_two_in_all():
    assert choose(POLICY, case(75, *ALL_DONE, fact("visit", 10, "no_answer"))).reasons == ("after_visit",)
    visits = [fact("visit", days, "no_answer", reference=str(days)) for days in (35, 70)]
    assert choose(POLICY, case(75, *ALL_DONE, *visits)).reasons == ("visits_used",)


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"suspended": ("deceased",)}, "never"),
        ({"holds": (ActiveHold("minor"),)}, "never"),
        ({"held": True}, "wait"),
        ({"suspended": ("facts_incomplete",)}, "wait"),
        ({"holds": (ActiveHold("complaint"),)}, "wait"),
        ({"status": "cured"}, "wait"),
    ],
)
def test_what_forbids_contact_goes_before_everything(changes, action):
    assert choose(POLICY, case(45, *ALL_DONE, **changes)).action == action


def test_hold_covers_the_days_from_its_first_to_before_its_end():
    hold = PastHold("complaint", ago(5), ago(2))

    assert [hold.on(ago(days)) is not None for days in (6, 5, 3, 2)] == [False, True, True, False]
    assert [hold.meets(ago(first), ago(last)) for first, last in ((9, 6), (9, 5), (3, 0), (2, 0))] == [
        False, True, True, False,
    ]  # fmt: skip

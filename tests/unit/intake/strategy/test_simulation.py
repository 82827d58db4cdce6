"""The past under a strategy: what is done, what it costs, and whom it burdens."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.strategy.decision import Choice
from services.intake.strategy.history import PastFact, PastHold
from services.intake.strategy.policy import policy_hash, read_policy
from services.intake.strategy.release import Strategy, Version, release
from services.intake.strategy.seen import MadeChoice
from services.intake.strategy.simulation import Compared, LoanChange, Past, Tally, lateness, replay
from tests.unit.intake.strategy.states import CONTENT, LADDER, TODAY, ago, fact
from tests.unit.intake.strategy.test_seen import made, seen

BUCKETS = DelinquencyPolicy()
STRATEGY = release({"policy.toml": CONTENT}, production=False)
HURRIED = CONTENT.replace(b"answer_days = 7", b"answer_days = 1")
STATES = ("B1", "B2", "B3", "B4", "B5", "current", "closed")


def past(*changes: tuple[int, str], facts=(), holds=(), number=1, until=TODAY, **labels: str) -> Past:
    loan = tuple(LoanChange(ago(days), state, "CNY", 500_000) for days, state in changes)
    return Past(UUID(int=number), (loan,), tuple(facts), tuple(holds), True, True, labels, until)


def taken(one: Past, strategy: Strategy = STRATEGY) -> list[str]:
    return [step.choice.action for step in replay(strategy, one, BUCKETS)]


def as_seen(days_ago: int, **changes) -> MadeChoice:
    what = seen(as_of=ago(days_ago), scored_on=None, cure_permille=None, **changes)
    return made(ago(days_ago), what, choice=Choice("wait", (), "suspended"))


def remembered(*choices: MadeChoice, until=TODAY) -> Past:
    return Past(UUID(int=1), (), (), (), True, True, {}, until, made=choices, known=((),) * len(choices))


def test_days_in_which_live_choices_saw_a_suspension_are_left_alone():
    long = as_seen(20, days_contractual=40, days_effective=40, bucket="B2", suspended=("disputed",))
    over = as_seen(2, days_contractual=58, days_effective=58, bucket="B2")

    assert [(one.choice.action, one.on) for one in replay(STRATEGY, remembered(long, over), BUCKETS)] == [
        ("remind", ago(2))
    ]


def test_days_that_were_given_to_the_person_do_not_count():
    """40 days late, of which 38 were a pause: the two that are left are the customer's own."""
    assert taken(remembered(as_seen(1, days_contractual=40, days_effective=2, bucket="B1"))) == []


def test_likely_cure_is_waited_for_as_the_live_choices_did():
    late = {"days_contractual": 5, "days_effective": 5, "bucket": "B1"}
    scored = msgspec.structs.replace(as_seen(3, **late).seen, cure_permille=900, scored_on=ago(3))

    assert taken(remembered(as_seen(3, **late)))[0] == "remind"
    assert taken(remembered(made(ago(3), scored))) == []


def test_choice_that_would_be_another_is_counted_with_what_it_becomes():
    right = made(TODAY, seen(), choice=Choice("remind", ("step_due",), "step:remind"), facts_to=0)
    right = msgspec.structs.replace(right, strategy_sha256=STRATEGY.champion.sha256)
    wrong = msgspec.structs.replace(right, choice=Choice("field_visit", ("softer_steps_done",), "visit"))
    idle = msgspec.structs.replace(right, choice=Choice("wait", ("not_approved",), "no-strategy"))
    found = Compared()
    found.add(STRATEGY, remembered(right, wrong, idle))

    assert (found.choices, found.own, found.own_different) == (2, 2, 1)
    assert found.became == {"field_visit -> remind": 1}


def test_person_who_only_gets_later_is_helped_before_being_visited():
    found = taken(past((50, "B1"), (20, "B2")))

    assert found == [*LADDER, "field_visit"]


def test_jump_into_a_late_bucket_walks_every_step():
    assert taken(past((40, "B3"))) == [*LADDER, "field_visit"]


def test_who_cures_by_themselves_is_left_alone():
    assert taken(past((10, "B1"), (7, "current"))) == []


def test_what_was_done_before_the_record_begins_was_done():
    before = [fact(step, 90 - number) for number, step in enumerate(LADDER)]
    one = Past(UUID(int=1), ((LoanChange(ago(2), "B4", "CNY", 500_000),),), tuple(before), (), True, True, {}, TODAY)

    assert taken(one) == ["field_visit"]


def test_open_case_is_as_late_as_its_oldest_item_says():
    """First heard of in B2, 56 days late: what was done in its first days was done in this arrears."""
    before = [fact(step, 50 - number) for number, step in enumerate(LADDER)]
    one = Past(UUID(int=1), past((2, "B2")).loans, tuple(before), (), True, True, {}, TODAY, ago(58))
    cured_between = Past(
        UUID(int=1),
        past((70, "B3"), (60, "current"), (2, "B1")).loans,
        tuple(before),
        (),
        True,
        True,
        {},
        TODAY,
        ago(3),
    )

    assert taken(one) == ["field_visit"]
    assert "field_visit" not in taken(cured_between)


def test_what_the_bank_did_is_replaced_and_what_people_said_stays():
    facts = [fact("letter", 20), fact("visit", 25, "met_customer", "income_lost")]
    steps = list(replay(STRATEGY, past((60, "B1"), (30, "B2"), facts=facts), BUCKETS))

    assert [step.choice.action for step in steps].count("letter") == 1
    assert ("offer_help", "difficulty", ago(25)) in {(one.choice.action, one.choice.rule, one.on) for one in steps}


def test_hold_keeps_everybody_away_while_it_stands():
    hold = PastHold("complaint", ago(59), ago(5))
    steps = list(replay(STRATEGY, past((60, "B1"), (30, "B2"), holds=[hold]), BUCKETS))

    assert all(step.on >= ago(5) for step in steps)


def test_days_age_within_a_bucket_to_its_last():
    loans = past((100, "B1"), (10, "B3")).loans

    assert [lateness(loans, ago(days), BUCKETS).days for days in (101, 100, 90, 50, 10, 0)] == [0, 1, 11, 30, 61, 71]


def test_cost_and_volumes_are_summed_by_group():
    tally = Tally(STRATEGY)
    for number, language in enumerate(("zh", "zh", "yue")):
        tally.add(past((50, "B1"), (20, "B2"), number=number, language=language), BUCKETS)
    policy = STRATEGY.champion.policy
    one = sum(policy.cost.of(action) for action in (*LADDER, "field_visit"))

    assert tally.total.cost_minor == 3 * one
    assert {label: cell.visits for label, cell in tally.groups["language"].items()} == {"zh": 2, "yue": 1}
    assert tally.total.actions == dict.fromkeys((*LADDER, "field_visit"), 3)
    assert (tally.total.contacts, tally.total.most_contacts) == (15, 5)


def test_visit_to_whom_vulnerability_came_out_later_is_shown():
    tally = Tally(STRATEGY)
    later = fact("visit", 0, "vulnerability_signal")
    tally.add(past((60, "B1"), (30, "B2"), facts=[later]), BUCKETS)

    assert (tally.total.visited_and_vulnerable, tally.total.visits_under_hold) == (1, 0)


def test_relief_parity_compares_groups_that_are_large_enough():
    tally = Tally(STRATEGY)
    for number in range(80):
        # Every other person of the second group is not late any more when they tell of a difficulty.
        label = "first" if number < 40 else "second"
        told = fact("visit", 9, "income_lost") if number < 40 or number % 2 else fact("told", 10, "income_lost")
        changes = ((60, "B1"),) if label == "first" or number % 2 else ((60, "B1"), (50, "current"))
        tally.add(past(*changes, facts=[told], number=number, group=label, alone=str(number)), BUCKETS)

    assert tally.relief_parity()["group"] < 1
    assert "alone" not in tally.relief_parity()


def test_strategy_that_gives_less_time_contacts_more():
    hurried = Strategy(Version(read_policy(HURRIED), policy_hash(HURRIED)), None, None, ())
    slow, fast = Tally(STRATEGY), Tally(hurried)
    for tally in (slow, fast):
        tally.add(past((38, "B1"), (8, "B2")), BUCKETS)

    assert fast.total.contacts >= slow.total.contacts


histories = st.builds(
    Past,
    party_id=st.uuids(),
    loans=st.lists(
        st.lists(
            st.builds(
                LoanChange,
                st.integers(0, 150).map(ago),
                st.sampled_from(STATES),
                st.just("CNY"),
                st.integers(0, 10**7),
            ),
            max_size=5,
        ).map(lambda changes: tuple(sorted(changes))),
        max_size=2,
    ).map(tuple),
    facts=st.lists(
        st.builds(
            PastFact,
            st.integers(0, 200).map(ago),
            st.sampled_from(["letter", "offer_help", "visit", "promise", "complaint", "plan_signed"]),
            st.sampled_from("abc"),
            st.sampled_from([(), ("income_lost",), ("vulnerability_signal",), ("no_answer",)]),
        ),
        max_size=5,
    ).map(tuple),
    holds=st.lists(
        st.builds(
            PastHold,
            st.sampled_from(["vulnerability", "complaint", "hardship"]),
            st.integers(20, 150).map(ago),
            st.none() | st.integers(0, 19).map(ago),
        ),
        max_size=2,
    ).map(tuple),
    has_phone=st.booleans(),
    has_home=st.booleans(),
    labels=st.just({}),
    until=st.just(TODAY),
)


@given(histories)
@settings(max_examples=120)
def test_no_past_brings_a_visit_before_softer_steps_or_under_a_hold(one):
    tally = Tally(STRATEGY)
    tally.add(one, BUCKETS)

    assert (tally.total.visits_before_softer_steps, tally.total.visits_under_hold) == (0, 0)


@pytest.mark.parametrize("until", [ago(70), ago(61)])
def test_nothing_happens_before_the_record_begins(until):
    assert list(replay(STRATEGY, past((60, "B1"), until=until), BUCKETS)) == []

"""What choices looked at: aged by time alone, and kept in a form that can be read again."""

from datetime import date, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.policy import DelinquencyPolicy
from services.intake.strategy.decision import Choice
from services.intake.strategy.history import PastHold
from services.intake.strategy.seen import MadeChoice, Seen
from tests.unit.intake.strategy.states import TODAY, fact

BUCKET_OF = DelinquencyPolicy().bucket


def seen(**changes) -> Seen:
    facts = {
        "status": "open", "held": False, "suspended": (), "as_of": TODAY, "days_contractual": 29, "days_effective": 29,
        "bucket": "B1", "overdue_minor": (("CNY", 500_000),), "has_phone": True, "has_home": True,
        "cure_permille": 300, "scored_on": TODAY,
    }  # fmt: skip
    return Seen(**(facts | changes))


def made(on: date, what: Seen, **changes) -> MadeChoice:
    facts = {"facts_to": 4, "choice": Choice("call", ("step_due",), "step:call"), "arm": "champion"}
    return MadeChoice(on=on, seen=what, strategy_sha256="a", **(facts | changes))


def test_open_case_ages_into_the_next_bucket():
    later = seen().later(TODAY + timedelta(days=2), BUCKET_OF)

    assert (later.days_contractual, later.days_effective, later.bucket) == (31, 31, "B2")
    assert later.late_since == seen().late_since
    assert later.scored_on == TODAY + timedelta(days=2)


def test_case_that_is_not_open_stands_still():
    assert seen(status="cured").later(TODAY + timedelta(days=9), BUCKET_OF) == seen(status="cured")


def test_time_alone_is_foretold_and_everything_else_is_not():
    tomorrow = TODAY + timedelta(days=1)
    first = made(TODAY, seen())
    aged = seen().later(tomorrow, BUCKET_OF)

    assert first.foretells(made(tomorrow, aged), BUCKET_OF)
    for other in (
        made(tomorrow, aged, facts_to=5),
        made(tomorrow, aged, choice=Choice("wait", (), "plan")),
        made(tomorrow, aged, arm="challenger"),
        made(tomorrow, msgspec.structs.replace(aged, days_effective=29)),
        made(tomorrow, msgspec.structs.replace(aged, suspended=("disputed",))),
    ):
        assert not first.foretells(other, BUCKET_OF)


def test_hold_that_has_ended_stands_no_longer_on_its_last_day_but_stood():
    ended = PastHold("complaint", TODAY - timedelta(days=3), TODAY + timedelta(days=1), None, is_over=True)
    state = seen(holds=(ended,)).state([fact("remind", 3)], TODAY)

    assert (state.holds, state.was_under) == ((), ("complaint",))


@given(
    st.lists(
        st.builds(PastHold, st.just("dispute"), st.dates(), st.none() | st.dates(), st.none() | st.just(("call",)))
    ),
    st.none() | st.integers(0, 1000),
)
def test_what_was_kept_is_read_again(holds, cure):
    kept = seen(holds=tuple(holds), cure_permille=cure, suspended=("on_hold",))

    assert msgspec.json.decode(msgspec.json.encode(kept), type=Seen) == kept

"""A strategy's file: what it must say, and what it cannot leave out."""

import pytest

from services.intake.strategy.policy import PolicyError, read_policy
from tests.unit.intake.strategy.states import CONTENT, POLICY


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b'default = "wait"', b'default = "call"', "default"),
        (b'"deceased", "sold"', b'"sold"', "never lacks deceased"),
        (b'"hardship_told", "vulnerability_signal",', b"", "help.told lacks"),
        (
            b'never_after = [\n    "vulnerability_signal", "asked_to_leave",',
            b"never_after = [",
            "visit.never_after lacks",
        ),
        (b'never_under = ["vulnerability", ', b"never_under = [", "visit.never_under lacks"),
        (b"from_days = 31", b"from_days = 20", "softer channels first"),
        (b'action = "offer_help"', b'action = "letter"', "each action once"),
        (b"from_days = 24", b"from_days = 2", "in order of from_days"),
        (b'after_breach = ["letter", "offer_help"]', b'after_breach = ["letter"]', "help before breach"),
        (b"promise_days = 14", b"promise_days = 0", "promise_days"),
        (b"version = 2", b"version = 2\nhurry = true", "hurry"),
        (b"CNY = 50_000", b"XXY = 50_000", "minimum_overdue_minor"),
        (b"[cost]", b"\xff[cost]", "utf-8"),
    ],
)
def test_faulty_strategy_is_refused_with_the_field(old, new, named):
    assert old in CONTENT
    with pytest.raises(PolicyError, match=named):
        read_policy(CONTENT.replace(old, new, 1))


def test_costs_are_of_every_action():
    assert POLICY.cost.of("field_visit") > POLICY.cost.of("letter") > POLICY.cost.of("wait") == 0

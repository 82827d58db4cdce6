"""When an answer of compliance is one, and when the same is asked again."""

from uuid import UUID

import pytest

from shared.permits import PermitDecision, PermitReason


def _decision(answer: str, *facts: str) -> PermitDecision:
    reasons = [PermitReason(rule="A-RULE", lawful_after=fact) for fact in facts]
    return PermitDecision.model_validate({"request_id": UUID(int=1), "decision": answer, "reasons": reasons})


@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_an_answer_stands_at_once(answer: str) -> None:
    assert _decision(answer).stands(tries=0)


@pytest.mark.parametrize("fact", ["facts.fresh", "facts.caught_up", "log.current", "balance.confirmed"])
def test_what_comes_by_itself_is_waited_for_however_long_compliance_was_away(fact: str) -> None:
    assert not _decision("needs-fact", "case.open", fact).stands(tries=1_000)


def test_a_fact_that_never_comes_is_not_waited_for() -> None:
    lacking = _decision("needs-fact", "case.open")
    assert not lacking.stands(tries=9)
    assert lacking.stands(tries=10)


def test_nobody_asks_for_ever() -> None:
    assert _decision("needs-fact", "facts.fresh").stands(tries=20_000)

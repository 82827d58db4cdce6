"""The state machine of findings: nobody decides on his own explanation, nothing closed moves, nothing is forgotten."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import (
    Decision,
    FindingStepRefused,
    FindingVersion,
    OwnExplanation,
    decide,
    judged_again,
    of_contact,
)

FOUND = of_contact(
    Finding("PERMIT-MISSING", "Doorstep: no contact without a permit", "high", "no permit"),
    party_id=uuid4(), contact_id=uuid4(), permit_id=None,
)  # fmt: skip
Step = tuple[str, str]
steps = st.lists(st.tuples(st.sampled_from(get_args(Decision)), st.sampled_from("abc")), max_size=12)


def after(taken: list[Step]) -> list[FindingVersion]:
    """Every version that the steps make; refused steps make none."""
    versions = [FOUND]
    for decision, by_whom in taken:
        try:
            versions.append(decide(versions[-1], decision, by_whom=by_whom, reason="why", reference=None))  # type: ignore[arg-type]  # sampled
        except (FindingStepRefused, OwnExplanation):
            continue
    return versions


@given(steps)
def test_versions_count_up_and_keep_their_subject(taken: list[Step]) -> None:
    versions = after(taken)
    assert [one.version for one in versions] == list(range(1, len(versions) + 1))
    assert {(one.finding_id, one.contact_id) for one in versions} == {(FOUND.finding_id, FOUND.contact_id)}


@given(steps)
def test_nobody_decides_on_his_own_explanation(taken: list[Step]) -> None:
    versions = after(taken)
    explained = {one.by_whom for one in versions if one.step == "explain"}
    decided = {one.by_whom for one in versions if one.step in ("uphold", "dismiss")}
    assert not explained & decided


@given(steps)
def test_only_what_was_upheld_is_remedied_and_closed_is_closed(taken: list[Step]) -> None:
    states = [one.state for one in after(taken)]
    for before, later in pairwise(states):
        assert before not in ("remedied", "dismissed")
        assert (later == "remedied") == (before == "upheld")


@given(steps, st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4))
def test_new_verdicts_reopen_only_what_is_worse_and_dismiss_what_was_nothing(
    taken: list[Step], verdicts: list[tuple[bool, bool]]
) -> None:
    version = after(taken)[-1]
    for conduct, harm in verdicts:
        before = version.finding
        again = judged_again(version, replace(before, conduct=conduct, harm=harm, detail="later"))
        assert (again.finding.conduct, again.finding.harm) == (conduct, harm)
        assert (again is version) == ((before.conduct, before.harm) == (conduct, harm))
        closed, worse = version.state in ("remedied", "dismissed"), conduct > before.conduct or harm > before.harm
        if closed:
            assert again.state == ("open" if worse else version.state)
        elif version.state == "upheld" or conduct or harm:
            assert again.state == version.state
        else:
            assert again.state == "dismissed"
        version = again


@pytest.mark.parametrize(
    ("state", "decision", "leads_to"),
    [
        ("open", "explain", "explained"), ("open", "uphold", "upheld"), ("open", "dismiss", "dismissed"),
        ("explained", "explain", "explained"), ("explained", "uphold", "upheld"), ("explained", "dismiss", "dismissed"),
        ("upheld", "remedy", "remedied"), ("upheld", "explain", None), ("upheld", "dismiss", None),
        ("open", "remedy", None), ("explained", "remedy", None), ("remedied", "remedy", None),
        ("dismissed", "uphold", None),
    ],
)  # fmt: skip
def test_steps_of_each_state(state: str, decision: Decision, leads_to: str | None) -> None:
    version = replace(FOUND, state=state)  # type: ignore[arg-type]  # the table's text
    if leads_to is None:
        with pytest.raises(FindingStepRefused):
            decide(version, decision, by_whom="ann", reason="why", reference=None)
    else:
        assert decide(version, decision, by_whom="ann", reason="why", reference=None).state == leads_to

"""A hold of compliance keeps visits away, unless it is on other channels only."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.assignment.consumers import _held, _released, _stopped
from tests.unit.assignment.builders import NOW, POLICY, candidate, visit


@pytest.mark.parametrize(
    ("channels", "applied"), [(None, True), (["visit"], True), (["call", "sms"], False), (["letter"], False)]
)
def test_hold_on_a_number_keeps_no_visit_away(channels: list[str] | None, *, applied: bool) -> None:
    data = SimpleNamespace(kind="dispute", source_ref="s", valid_from=NOW, valid_to=None, channels=channels)
    event: Any = SimpleNamespace(data=data, time=NOW)
    assert _held(candidate(), event, POLICY, NOW).applied is applied


def hold(**changes: Any) -> Any:
    values = {"kind": "dispute", "source_ref": "s", "valid_from": NOW, "valid_to": None, "channels": None} | changes
    return SimpleNamespace(data=SimpleNamespace(**values), time=NOW)


def test_hold_that_ends_later_blocks_until_then() -> None:
    until = NOW + timedelta(days=30)
    held = _held(candidate(), hold(), POLICY, NOW).candidacy
    ended = _released(held, hold(valid_to=until), POLICY, NOW).candidacy
    assert [ended.blocking(at) is not None for at in (NOW, until - timedelta(hours=1), until)] == [True, True, False]
    assert not _released(ended, hold(valid_to=until), POLICY, NOW).applied


def test_end_that_lies_ahead_may_come_before_the_hold() -> None:
    until = NOW + timedelta(days=30)
    ended = _released(candidate(), hold(valid_to=until), POLICY, NOW).candidacy
    late = _held(ended, hold(), POLICY, NOW).candidacy
    assert [late.blocking(at) is not None for at in (NOW, until)] == [True, False]


def test_a_feed_that_is_not_believed_takes_the_proposal_back_and_keeps_nobody_away_afterwards() -> None:
    facts = SimpleNamespace(cause="feed_suspended", reference="feed:core-a", since=NOW)
    stop: Any = SimpleNamespace(data=facts, time=NOW)
    recalled = _stopped(candidate(visit=visit()), stop, POLICY, NOW)
    assert [event.data.cause for event in recalled.events] == ["feed_suspended"]
    assert (recalled.candidacy.visit, recalled.candidacy.blocking(NOW)) == (None, None)
    assert not _stopped(recalled.candidacy, stop, POLICY, NOW).applied


@pytest.mark.parametrize(
    ("cause", "kind", "source"), [("sos", "safety", "R"), ("complaint", "complaint", "complaint:1")]
)
def test_stop_that_became_a_hold_ends_with_it(cause: str, kind: str, source: str) -> None:
    stop: Any = SimpleNamespace(data=SimpleNamespace(cause=cause, reference="R", since=NOW), time=NOW)
    stopped = _stopped(candidate(), stop, POLICY, NOW).candidacy
    held = _held(stopped, hold(kind=kind, source_ref=source), POLICY, NOW).candidacy
    later = NOW + timedelta(days=2)
    assert held.blocking(later) is not None
    over: Any = SimpleNamespace(data=hold(kind=kind, source_ref=source, valid_to=later).data, time=later)
    assert _released(held, over, POLICY, later).candidacy.blocking(later) is None

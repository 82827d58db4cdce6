"""A hold of compliance keeps visits away, unless it is on other channels only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.assignment.consumers import _held
from tests.unit.assignment.builders import NOW, POLICY, candidate


@pytest.mark.parametrize(
    ("channels", "applied"), [(None, True), (["visit"], True), (["call", "sms"], False), (["letter"], False)]
)
def test_hold_on_a_number_keeps_no_visit_away(channels: list[str] | None, *, applied: bool) -> None:
    data = SimpleNamespace(kind="dispute", source_ref="s", valid_from=NOW, valid_to=None, channels=channels)
    event: Any = SimpleNamespace(data=data, time=NOW)
    assert _held(candidate(), event, POLICY, NOW).applied is applied

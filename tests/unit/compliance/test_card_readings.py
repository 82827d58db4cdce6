"""A reading of contact data is judged on the permits that compliance itself granted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.compliance.domain.card_readings import CardReading, judge
from services.compliance.domain.local_time import Span
from services.compliance.domain.permits import Permit

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARTY: UUID = uuid4()
PERMIT = Permit(
    permit_id=uuid4(), party_id=PARTY, tenant="bank", decision_id=uuid4(), request_id=uuid4(), case_id=uuid4(),
    subject_id=uuid4(), channel="visit", purpose="collection", crew=(), device_id=None, place_cell=None,
    window=Span(NOW - HOUR, NOW + HOUR), duration=HOUR, zones=("Asia/Shanghai",), rule_set="0" * 64, granted_real=NOW,
)  # fmt: skip
READING = CardReading(
    reading_id=uuid4(), party_id=PARTY, reader="collector-1", client="visits", purpose="visit", what="card",
    fields=("home",), channel="visit", permit_id=PERMIT.permit_id, refused_for=None, read_at=NOW, read_real=NOW,
)  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "permit", "wrong"),
    [
        (READING, PERMIT, None),
        (READING, None, "no such permit"),
        (READING, replace(PERMIT, party_id=uuid4()), "no such permit"),
        (READING, replace(PERMIT, channel="call"), "for call"),
        (replace(READING, read_at=NOW + HOUR), PERMIT, "outside"),
        (READING, replace(PERMIT, revoked_real=NOW - HOUR), "revoked"),
        (READING, replace(PERMIT, revoked_real=NOW - timedelta(seconds=30)), None),
        (replace(READING, what="refused"), None, None),
        (replace(READING, channel=None), None, None),
    ],
)
def test_only_a_permit_of_our_own_allows(reading: CardReading, permit: Permit | None, wrong: str | None) -> None:
    found = judge(reading, permit)
    assert (found is None) == (wrong is None)
    if found is not None and wrong is not None:
        assert found.finding.rule == "CARD-WITHOUT-PERMIT"
        assert wrong in found.finding.detail


def test_the_same_reading_is_one_finding() -> None:
    first, again = judge(READING, None), judge(READING, None)
    assert first is not None
    assert first == again

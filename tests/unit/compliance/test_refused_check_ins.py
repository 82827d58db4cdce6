"""What refused check-ins of one person come to."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.compliance.domain.refused_check_ins import RefusedCheckIn, misconduct

PARTY, VISIT = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def refused(*reasons: str, device: str = "device-1", hours: float = 0, visit: UUID = VISIT) -> RefusedCheckIn:
    at = NOON + timedelta(hours=hours)
    return RefusedCheckIn(
        event_id=str(uuid4()), party_id=PARTY, visit_id=visit, device_id=device, reasons=frozenset(reasons),
        refused_at=at, refused_real=at,
    )  # fmt: skip


def rules(*attempts: RefusedCheckIn) -> list[str]:
    found = misconduct(attempts)
    assert all((one.finding.conduct, one.finding.harm) == (True, False) for one in found)
    assert [one.finding_id for one in found] == [one.finding_id for one in misconduct(reversed(attempts))]
    return [one.finding.rule for one in found]


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([refused("permit_forged", "too_far")], ["CHECK-IN-FORGED"]),
        ([refused("permit_expired"), refused("no_permit", hours=1)], []),
        ([refused("permit_expired"), refused("permit_revoked"), refused("crew_incomplete", hours=2)],
         ["CHECK-IN-REPEATED"]),
        ([refused("not_of_crew")] * 3, ["CHECK-IN-REPEATED"]),
        ([refused("permit_forged")] * 3, ["CHECK-IN-FORGED", "CHECK-IN-REPEATED"]),
        ([refused("facts_stale"), refused("too_far"), refused("permit_not_yet_valid"), refused("nothing_owed")], []),
        ([refused("no_permit"), refused("no_permit"), refused("no_permit", hours=13)], []),
        ([refused("no_permit"), refused("no_permit"), refused("no_permit", device="device-2")], []),
        ([refused("no_permit"), refused("no_permit"), refused("no_permit", visit=UUID(int=3))], []),
    ],
)  # fmt: skip
def test_forged_at_once_others_by_the_third_attempt_of_a_day(attempts: list[RefusedCheckIn], found: list[str]) -> None:
    assert rules(*attempts) == found

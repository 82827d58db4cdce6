"""Check-ins that visits refused. Nobody was met, so nothing was harmed; who tries all the same shows what they do.

A forged permit is found at once; three attempts of one device at one visit on one date, each for want of a
permit or of a crew, are found too. A place not reached yet, a clock or stale facts may stop anybody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.packs import Severity
from shared.ids import derived_id

FORGED: Final = "permit_forged"
_BARRED: Final[frozenset[str]] = frozenset(
    {
        "not_of_crew", "no_permit", FORGED, "permit_foreign", "permit_used", "permit_revoked", "permit_expired",
        "crew_incomplete",
    }
)  # fmt: skip
ATTEMPTS_FOUND: Final = 3
CHECK_IN_RULES: Final[dict[str, str]] = {
    "CHECK-IN-FORGED": "Doorstep: nobody rings a doorbell with a permit that compliance did not sign",
    "CHECK-IN-REPEATED": "Doorstep: who was refused at a door does not try until it opens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCheckIn:
    """One refused check-in. `refused_at` is business time, `refused_real` real time."""

    event_id: str
    party_id: UUID
    visit_id: UUID
    device_id: str
    reasons: frozenset[str]
    refused_at: datetime
    refused_real: datetime

    @property
    def barred(self) -> bool:
        """Whether it was refused for something that its crew knew or could have known."""
        return not _BARRED.isdisjoint(self.reasons)


def misconduct(attempts: Iterable[RefusedCheckIn]) -> list[FindingVersion]:
    """What all refused check-ins of one person come to, in whatever order they were told."""
    groups: dict[tuple[UUID, str, date], list[RefusedCheckIn]] = defaultdict(list)
    for one in attempts:
        groups[one.visit_id, one.device_id, one.refused_at.astimezone(UTC).date()].append(one)
    return [found for (_, _, day), of_day in sorted(groups.items()) for found in _of_a_day(day, of_day)]


def _of_a_day(day: date, attempts: list[RefusedCheckIn]) -> Iterator[FindingVersion]:
    if any(FORGED in one.reasons for one in attempts):
        yield _found("CHECK-IN-FORGED", "high", attempts[0], day, f"a permit that is not genuine, on {day}")
    if sum(1 for one in attempts if one.barred) >= ATTEMPTS_FOUND:
        detail = f"{ATTEMPTS_FOUND} or more check-ins were refused on {day}"
        yield _found("CHECK-IN-REPEATED", "medium", attempts[0], day, detail)


def _found(rule: str, severity: Severity, one: RefusedCheckIn, day: date, detail: str) -> FindingVersion:
    # Named by the visit: what follows from the person's own id would lead back to them after an erasure.
    return FindingVersion(
        finding_id=derived_id("finding", rule, str(one.visit_id), one.device_id, day.isoformat()),
        version=1,
        finding=Finding(rule, CHECK_IN_RULES[rule], severity, f"{detail} (device {one.device_id})", harm=False),
        party_id=one.party_id,
    )

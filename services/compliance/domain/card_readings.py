"""Readings of contact data that intake told: each is judged on the permits that compliance itself knows.

Intake shows a card in clear only under a permit that it has heard of. Here the same reading is judged at the source: a
permit that was never granted, is for another channel, or was revoked long before, is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.permits import Permit
from shared.ids import derived_id

RULE: Final = "CARD-WITHOUT-PERMIT"
CITATION: Final = "PIPL arts. 6, 51; GDPR art. 5(1)(b)-(c): personal data for a stated purpose, the least that it needs"
# As long as a revocation may be under way: an older one had been heard by whoever is allowed to act.
REVOCATION_TRAVELS: Final = timedelta(minutes=2)
# A reading to which no contact follows within this time is shown as one without.
CONTACT_FOLLOWS_WITHIN: Final = timedelta(hours=26)
MUCH_READ: Final = 50
"""People whose cards one reader opened on one day, from which on the list of readers marks it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReading:
    """One reading, or an attempt. `channel`: by which its purpose reaches the person; None: it reaches nobody.

    `read_at` is business time, `read_real` real time.
    """

    reading_id: UUID
    party_id: UUID
    reader: str
    client: str
    purpose: str
    what: str
    fields: tuple[str, ...]
    channel: str | None
    permit_id: UUID | None
    refused_for: str | None
    read_at: datetime
    read_real: datetime


def judge(reading: CardReading, permit: Permit | None) -> FindingVersion | None:
    """The finding, where a card was opened to reach somebody and no permit of compliance's allowed it."""
    if reading.what != "card" or reading.channel is None:
        return None
    wrong = _wrong(reading, permit)
    if wrong is None:
        return None
    return FindingVersion(
        finding_id=derived_id("finding", RULE, str(reading.reading_id)),
        version=1,
        finding=Finding(RULE, CITATION, "high", f"a contact card was read for {reading.purpose}: {wrong}", harm=True),
        party_id=reading.party_id,
        permit_id=reading.permit_id,
    )


def _wrong(reading: CardReading, permit: Permit | None) -> str | None:
    if permit is None or permit.party_id != reading.party_id:
        return "no such permit of this person was granted"
    if permit.channel != reading.channel:
        return f"the permit is for {permit.channel}"
    if not permit.window.start <= reading.read_at < permit.window.end:
        return "outside the permit's window"
    if permit.revoked_real is not None and permit.revoked_real + REVOCATION_TRAVELS < reading.read_real:
        return "the permit was revoked before"
    return None

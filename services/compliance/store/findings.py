"""The SQL of findings: versions are only ever appended; the one without a successor is what stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.compliance.domain.audit import Finding
from services.compliance.domain.findings import FindingState, FindingVersion
from services.compliance.domain.packs import Severity
from shared.database import UnitOfWork

_INSERT = """
INSERT INTO finding_version
  (tenant, finding_id, version, party_id, contact_id, permit_id, subject, rule, citation, severity, conduct, harm,
   detail, state, step, by_whom, reference, sealed_reason, reason, recorded_at, recorded_real, opened_real)
SELECT $1, f.*, $20, $21, coalesce(
    (SELECT first.opened_real FROM finding_version first
     WHERE first.tenant = $1 AND first.finding_id = f.finding_id AND first.version = 1), $21)
FROM unnest($2::uuid[], $3::int[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::bool[], $12::bool[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[],
            $19::text[])
  AS f(finding_id, version, party_id, contact_id, permit_id, subject, rule, citation, severity, conduct, harm, detail,
       state, step, by_whom, reference, sealed_reason, reason)
ORDER BY f.finding_id
ON CONFLICT DO NOTHING RETURNING finding_id
"""
# The view `finding` holds of each finding the version that stands.
_CURRENT = "SELECT * FROM finding WHERE tenant = $1 AND finding_id = ANY($2::uuid[])"
_OF_CONTACTS = "SELECT * FROM finding WHERE tenant = $1 AND contact_id = ANY($2::uuid[]) ORDER BY finding_id"
# Of no person: those of people are counted by their own lists.
_COUNT_OPEN = """
SELECT count(*) FROM finding
WHERE tenant = $1 AND party_id IS NULL AND rule = $2 AND harm AND state NOT IN ('remedied', 'dismissed')
"""
_HISTORY = """
SELECT *, '{}'::text[] AS explained_by FROM finding_version WHERE tenant = $1 AND finding_id = $2 ORDER BY version
"""
_LIST = """
SELECT * FROM finding
WHERE tenant = $1 AND (party_id IS NOT NULL) = $12
  AND ($2::timestamptz IS NULL OR (opened_real, finding_id) > ($2, $3::uuid))
  AND ($4::text IS NULL OR state = $4) AND ($5::text IS NULL OR severity = $5) AND ($6::text IS NULL OR rule = $6)
  AND ($7::uuid IS NULL OR party_id = $7) AND ($8::uuid IS NULL OR contact_id = $8)
  AND ($9::bool IS NULL OR conduct = $9) AND ($10::bool IS NULL OR harm = $10)
  AND NOT EXISTS (SELECT FROM restriction r WHERE r.tenant = $1 AND r.party_id = finding.party_id)
  AND NOT EXISTS (SELECT FROM record_ending r
                  WHERE r.tenant = $1 AND r.party_id = finding.party_id AND r.kind = 'finding' AND r.since IS NOT NULL)
ORDER BY opened_real, finding_id LIMIT $11
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """A version as it is kept: when the finding was opened, when this version was recorded, its sealed reason."""

    version: FindingVersion
    opened_real: datetime
    recorded_at: datetime
    recorded_real: datetime
    sealed_reason: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings a list shows: those about people, or those about feeds and services. None: any."""

    about_people: bool = True
    state: FindingState | None = None
    severity: Severity | None = None
    rule: str | None = None
    party_id: UUID | None = None
    contact_id: UUID | None = None
    conduct: bool | None = None
    harm: bool | None = None

    @property
    def list_name(self) -> str:
        """Names the list, so that a cursor of another filter is refused."""
        parts = (self.state, self.severity, self.rule, self.party_id, self.contact_id, self.conduct, self.harm)
        return f"findings|{self.about_people}|{'|'.join('' if part is None else str(part) for part in parts)}"


async def append_versions(
    uow: UnitOfWork, versions: Sequence[FindingVersion], *, sealed_reasons: Mapping[UUID, bytes]
) -> set[UUID]:
    """Append versions (one per finding); returns the findings whose version was new.

    A reason about a person is kept sealed only; of a finding without a person it is kept as it is.
    """
    if not versions:
        return set()
    found = [one.finding for one in versions]
    rows = await uow.sql.fetch(
        _INSERT,
        uow.tenant,
        [one.finding_id for one in versions],
        [one.version for one in versions],
        [one.party_id for one in versions],
        [one.contact_id for one in versions],
        [one.permit_id for one in versions],
        [one.subject for one in versions],
        [finding.rule for finding in found],
        [finding.citation for finding in found],
        [finding.severity for finding in found],
        [finding.conduct for finding in found],
        [finding.harm for finding in found],
        [finding.detail for finding in found],
        [one.state for one in versions],
        [one.step for one in versions],
        [one.by_whom for one in versions],
        [one.reference for one in versions],
        [sealed_reasons.get(one.finding_id) for one in versions],
        [None if one.party_id is not None else one.reason for one in versions],
        uow.now,
        uow.real_now,
    )
    return {row["finding_id"] for row in rows}


async def load_current(uow: UnitOfWork, finding_ids: Iterable[UUID]) -> dict[UUID, FindingVersion]:
    """The versions that stand, by finding. Reasons are not opened."""
    rows = await uow.sql.fetch(_CURRENT, uow.tenant, sorted(set(finding_ids)))
    return {row["finding_id"]: _version(row) for row in rows}


async def load_of_contacts(uow: UnitOfWork, contact_ids: Iterable[UUID]) -> dict[UUID, list[FindingVersion]]:
    """The versions that stand, by contact."""
    found: dict[UUID, list[FindingVersion]] = {}
    for row in await uow.sql.fetch(_OF_CONTACTS, uow.tenant, sorted(set(contact_ids))):
        found.setdefault(row["contact_id"], []).append(_version(row))
    return found


async def count_open(uow: UnitOfWork, rule: str) -> int:
    """How many findings of a rule about feeds and services stand: harm is done, and nobody has closed them."""
    return int(await uow.sql.fetchval(_COUNT_OPEN, uow.tenant, rule))


async def load_history(uow: UnitOfWork, finding_id: UUID) -> list[KeptVersion]:
    """Every version of a finding, oldest first; empty when there is no such finding."""
    return [_kept(row) for row in await uow.sql.fetch(_HISTORY, uow.tenant, finding_id)]


async def list_findings(
    uow: UnitOfWork, which: FindingFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[KeptVersion]:
    """The findings that pass the filter, in the order in which they were opened, after (real time, id)."""
    since, last = after if after is not None else (None, None)
    rows = await uow.sql.fetch(
        _LIST, uow.tenant, since, last, which.state, which.severity, which.rule, which.party_id, which.contact_id,
        which.conduct, which.harm, limit, which.about_people,
    )  # fmt: skip
    return [_kept(row) for row in rows]


def _kept(row: asyncpg.Record) -> KeptVersion:
    return KeptVersion(
        version=_version(row),
        opened_real=row["opened_real"],
        recorded_at=row["recorded_at"],
        recorded_real=row["recorded_real"],
        sealed_reason=None if row["sealed_reason"] is None else bytes(row["sealed_reason"]),
    )


def _version(row: asyncpg.Record) -> FindingVersion:
    return FindingVersion(
        finding_id=row["finding_id"],
        version=row["version"],
        finding=Finding(
            row["rule"], row["citation"], row["severity"], row["detail"], conduct=row["conduct"], harm=row["harm"]
        ),
        party_id=row["party_id"],
        contact_id=row["contact_id"],
        permit_id=row["permit_id"],
        subject=row["subject"],
        state=row["state"],
        step=row["step"],
        by_whom=row["by_whom"],
        reference=row["reference"],
        reason=row["reason"],
        explained_by=frozenset(row["explained_by"]),
    )

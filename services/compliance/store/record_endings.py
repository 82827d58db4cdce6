"""The SQL of sorts of records that end: restricted since when, deleted by which rule, and the deletion itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.compliance.domain.record_kinds import LEAVES_OF, RecordKind
from services.compliance.store.card_readings import forget as forget_readings
from services.compliance.store.duty_causes import forget as forget_causes
from services.compliance.store.refused_check_ins import forget as forget_refused
from shared.database import UnitOfWork

_LOAD = """
SELECT party_id, kind, since, deleted_on, deleted_to, rule, leaf_id FROM record_ending
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_RESTRICT = """
INSERT INTO record_ending (tenant, party_id, kind, since, recorded_real)
SELECT $1, r.party_id, r.kind, $4, $5 FROM unnest($2::uuid[], $3::text[]) AS r(party_id, kind)
ORDER BY r.party_id, r.kind
ON CONFLICT (tenant, party_id, kind) DO UPDATE SET since = excluded.since, recorded_real = excluded.recorded_real
"""
_FREE = """
UPDATE record_ending e SET since = NULL, recorded_real = $4
FROM unnest($2::uuid[], $3::text[]) AS r(party_id, kind)
WHERE e.tenant = $1 AND e.party_id = r.party_id AND e.kind = r.kind
"""
_DELETED = """
UPDATE record_ending e
SET since = NULL, deleted_on = $6, deleted_to = d.deleted_to, rule = d.rule, leaf_id = d.leaf_id, recorded_real = $8
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $7::uuid[])
  AS d(party_id, kind, deleted_to, rule, leaf_id)
WHERE e.tenant = $1 AND e.party_id = d.party_id AND e.kind = d.kind
"""
# The owner's function: the append-only tables let nothing else through.
_FORGET = "SELECT party_id, forgotten FROM forget_records($1, $2::uuid[], $3, $4)"
# What opens the cause of something that is still owed stays with it.
_FORGET_SALTS = """
WITH gone AS (
    DELETE FROM leaf_salt s USING log_entry e
    WHERE s.tenant = $1 AND s.party_id = ANY($2::uuid[]) AND e.leaf_id = s.leaf_id AND e.kind = ANY($3::text[])
      AND (e.kind <> 'duty' OR NOT EXISTS (SELECT FROM duty_cause c WHERE c.leaf_id = e.leaf_id))
    RETURNING s.party_id)
SELECT party_id, count(*) AS leaves FROM gone GROUP BY party_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a sort of somebody's records ends. `since`: restricted from that day. `deleted_to`: up to which record."""

    since: date | None = None
    deleted_on: date | None = None
    deleted_to: datetime | None = None
    rule: str | None = None
    leaf_id: UUID | None = None

    def is_before(self, moment: datetime) -> bool:
        """Whether a record of that moment was not deleted with the others."""
        return self.deleted_to is None or self.deleted_to < moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A sort of a person's records, deleted: up to which record, because of which rule, proved by which leaf."""

    party_id: UUID
    kind: RecordKind
    deleted_to: datetime
    rule: str
    leaf_id: UUID


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many records said something, and how many leaves' commitments could be opened."""

    records: int = 0
    leaves: int = 0


async def load_endings(uow: UnitOfWork, party_ids: Collection[UUID]) -> dict[UUID, dict[RecordKind, Ending]]:
    """What is ending, or was deleted, of each party."""
    found: dict[UUID, dict[RecordKind, Ending]] = {}
    for row in await uow.sql.fetch(_LOAD, uow.tenant, sorted(set(party_ids))):
        found.setdefault(row["party_id"], {})[row["kind"]] = Ending(
            since=row["since"], deleted_on=row["deleted_on"], deleted_to=row["deleted_to"], rule=row["rule"],
            leaf_id=row["leaf_id"],
        )  # fmt: skip
    return found


async def restrict_kinds(uow: UnitOfWork, sorts: Sequence[tuple[UUID, RecordKind]], *, since: date) -> None:
    """Restrict these sorts of these parties' records."""
    if sorts:
        await uow.sql.execute(
            _RESTRICT, uow.tenant, [one for one, _ in sorts], [kind for _, kind in sorts], since, uow.real_now
        )


async def free_kinds(uow: UnitOfWork, sorts: Sequence[tuple[UUID, RecordKind]]) -> None:
    """End the restriction of these sorts."""
    if sorts:
        await uow.sql.execute(_FREE, uow.tenant, [one for one, _ in sorts], [kind for _, kind in sorts], uow.real_now)


async def forget(uow: UnitOfWork, kind: RecordKind, until: Mapping[UUID, datetime]) -> dict[UUID, Forgotten]:
    """Delete what these records say, and what opens their leaves. Rows that repeat a leaf keep what the leaf says.

    `until`: whose, and of when the newest of them is.
    """
    ids = sorted(until)
    records = {
        row["party_id"]: row["forgotten"] for row in await uow.sql.fetch(_FORGET, uow.tenant, ids, kind, uow.now)
    }
    if kind == "evidence":
        ended = (await forget_refused(uow, ids), await forget_readings(uow, ids), await forget_causes(uow, until))
        for of_party in ended:
            for party_id, count in of_party.items():
                records[party_id] = records.get(party_id, 0) + count
    opened = await uow.sql.fetch(_FORGET_SALTS, uow.tenant, ids, list(LEAVES_OF[kind]))
    leaves = {row["party_id"]: row["leaves"] for row in opened}
    return {one: Forgotten(records.get(one, 0), leaves.get(one, 0)) for one in ids}


async def note_deletions(uow: UnitOfWork, deletions: Sequence[Deletion], *, on: date) -> None:
    """Keep which sorts were deleted, and why."""
    if deletions:
        await uow.sql.execute(
            _DELETED, uow.tenant,
            [one.party_id for one in deletions], [one.kind for one in deletions],
            [one.deleted_to for one in deletions], [one.rule for one in deletions], on,
            [one.leaf_id for one in deletions], uow.real_now,
        )  # fmt: skip

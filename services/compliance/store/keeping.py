"""The SQL of keeping: what decides until when people's records are kept, set-wise; and who is restricted now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.compliance.domain.keeping import CLAIMS, Holding, day_of
from services.compliance.domain.record_kinds import RECORD_KINDS, RecordKind
from services.compliance.store.record_endings import Ending, load_endings
from shared.database import UnitOfWork

# Of the newest record of each sort only what still says something counts; `last_recorded` also counts what was deleted.
_HOLDINGS = """
SELECT p.party_id, f.jurisdiction,
       coalesce(f.case_open, false) OR EXISTS (
         SELECT FROM liable_party o JOIN debt b USING (tenant, debt_id, case_party_id)
         WHERE o.tenant = $1 AND o.party_id = p.party_id AND b.is_overdue) AS case_open,
       ARRAY(SELECT l.matter FROM legal_hold l
             WHERE l.tenant = $1 AND l.party_id = p.party_id AND l.step <> 'lift' ORDER BY l.matter) AS legal_holds,
       ARRAY(SELECT DISTINCT h.kind FROM hold h
             WHERE h.tenant = $1 AND h.party_id = p.party_id AND h.kind = ANY($3::text[])
               AND (h.ended_at IS NULL OR h.ended_at > $4) AND (h.valid_to IS NULL OR h.valid_to > $4)
             ORDER BY h.kind) AS open_claims,
       complaints.open AS open_complaints,
       contacts.newest AS contact, decisions.newest AS decision, permits.newest AS permit,
       (SELECT greatest(
          (SELECT max(t.seen_at) FROM contact_trace t WHERE t.tenant = $1 AND t.party_id = p.party_id),
          (SELECT max(g.recorded_at) FROM given_override g WHERE g.tenant = $1 AND g.party_id = p.party_id),
          (SELECT max(c.refused_at) FROM refused_check_in c WHERE c.tenant = $1 AND c.party_id = p.party_id),
          (SELECT max(r.read_at) FROM card_reading r WHERE r.tenant = $1 AND r.party_id = p.party_id)
        )) AS evidence,
       complaints.newest AS complaint, findings.newest AS finding, holds.newest AS hold, told.newest AS fact,
       greatest(contacts.ever, decisions.ever, permits.ever) AS last_activity,
       greatest(contacts.ever, decisions.ever, permits.ever, complaints.newest, findings.newest, holds.newest,
                told.newest) AS last_recorded,
       plan.plans, plan.completed_at
FROM unnest($2::uuid[]) AS p(party_id)
LEFT JOIN party_fact f ON f.tenant = $1 AND f.party_id = p.party_id
CROSS JOIN LATERAL (
    SELECT max(a.ended_at) AS ever,
           max(a.ended_at) FILTER (WHERE a.record IS NOT NULL OR a.sealed_record IS NOT NULL) AS newest
    FROM contact_audit a WHERE a.tenant = $1 AND a.party_id = p.party_id) AS contacts
CROSS JOIN LATERAL (
    SELECT max(d.decided_at) AS ever,
           max(d.decided_at) FILTER (WHERE d.record IS NOT NULL OR d.sealed_record IS NOT NULL) AS newest
    FROM decision d WHERE d.tenant = $1 AND d.party_id = p.party_id) AS decisions
CROSS JOIN LATERAL (
    SELECT max(e.window_end) AS ever,
           max(e.window_end) FILTER (WHERE e.token IS NOT NULL OR e.sealed_terms IS NOT NULL) AS newest
    FROM permit e WHERE e.tenant = $1 AND e.party_id = p.party_id) AS permits
CROSS JOIN LATERAL (
    SELECT max(v.recorded_at) AS newest FROM complaint_version v
    WHERE v.tenant = $1 AND v.party_id = p.party_id) AS complaint_steps
CROSS JOIN LATERAL (
    SELECT complaint_steps.newest, (
        SELECT count(*) FROM complaint c
        WHERE c.tenant = $1 AND c.party_id = p.party_id AND c.state <> 'closed') AS open) AS complaints
CROSS JOIN LATERAL (
    SELECT max(v.recorded_at) AS newest FROM finding_version v
    WHERE v.tenant = $1 AND v.party_id = p.party_id) AS findings
CROSS JOIN LATERAL (
    SELECT max(greatest(h.valid_from, h.ended_at, CASE WHEN h.valid_to < $4 THEN h.valid_to END)) AS newest FROM hold h
    WHERE h.tenant = $1 AND h.party_id = p.party_id) AS holds
CROSS JOIN LATERAL (
    SELECT max(w.recorded_at) AS newest FROM dossier_entry w
    WHERE w.tenant = $1 AND w.party_id = p.party_id) AS told
CROSS JOIN LATERAL (
    SELECT count(*) AS plans,
           CASE WHEN bool_and(h.ended_cause = 'plan.completed') THEN max(h.ended_at) END AS completed_at
    FROM hold h WHERE h.tenant = $1 AND h.party_id = p.party_id AND h.kind = 'plan_active'
) AS plan
ORDER BY p.party_id
"""
# Whoever has a key has something to erase; of those erased before that is what came late.
_PAGE = """
SELECT k.party_id FROM party_key k
WHERE k.tenant = $1 AND k.party_id > $2
ORDER BY k.party_id LIMIT $3
"""
_RESTRICT = """
INSERT INTO restriction (tenant, party_id, since, recorded_real)
SELECT $1, r.party_id, $3, $4 FROM unnest($2::uuid[]) AS r(party_id) ORDER BY r.party_id
ON CONFLICT DO NOTHING RETURNING party_id
"""
_FREE = "DELETE FROM restriction WHERE tenant = $1 AND party_id = ANY($2::uuid[]) RETURNING party_id"
_COUNT = "SELECT count(*) FROM restriction WHERE tenant = $1"
_RESTRICTED = "SELECT party_id, since FROM restriction WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_BEGIN = "INSERT INTO retention_round (tenant, begun_real) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_END = "UPDATE retention_round SET ended_real = $3 WHERE tenant = $1 AND begun_real = $2"
_LOOKED = "SELECT coalesce(max(ended_real), min(begun_real)) FROM retention_round WHERE tenant = $1"
_LIST = """
SELECT party_id, since, recorded_real FROM restriction
WHERE tenant = $1 AND ($2::date IS NULL OR (since, party_id) > ($2, $3::uuid)) ORDER BY since, party_id LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Restriction:
    """A person whose records only the rights and legal desks read. `since`: when nothing kept them any more."""

    party_id: UUID
    since: date
    recorded_real: datetime


async def load_holdings(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, Holding]:
    """What is known of each party that may have to be kept; one statement for any number."""
    rows = await uow.sql.fetch(_HOLDINGS, uow.tenant, sorted(set(party_ids)), sorted(CLAIMS), uow.now)
    endings = await load_endings(uow, party_ids)
    return {row["party_id"]: _holding(row, endings.get(row["party_id"], {})) for row in rows}


def _holding(row: asyncpg.Record, endings: Mapping[RecordKind, Ending]) -> Holding:
    """What was deleted of a sort is not kept any more, unless something newer came."""
    newest = {
        kind: row[kind]
        for kind in RECORD_KINDS
        if row[kind] is not None and (kind not in endings or endings[kind].is_before(row[kind]))
    }
    return Holding(
        party_id=row["party_id"],
        jurisdiction=row["jurisdiction"],
        case_open=row["case_open"],
        legal_holds=tuple(row["legal_holds"]),
        open_complaints=row["open_complaints"],
        open_claims=tuple(row["open_claims"]),
        newest=newest,
        restricted={kind: one.since for kind, one in endings.items() if one.since is not None},
        last_recorded=row["last_recorded"],
        last_activity=row["last_activity"],
        had_plan=row["plans"] > 0,
        plan_paid_off=None if row["completed_at"] is None else day_of(row["completed_at"]),
    )


async def load_page(uow: UnitOfWork, *, after: UUID, limit: int) -> list[UUID]:
    """The next parties, by id, of whom something sealed is kept."""
    return [row["party_id"] for row in await uow.sql.fetch(_PAGE, uow.tenant, after, limit)]


async def load_restrictions(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, date]:
    """Since when those of the parties are restricted who are."""
    rows = await uow.sql.fetch(_RESTRICTED, uow.tenant, list(party_ids))
    return {row["party_id"]: row["since"] for row in rows}


async def restrict(uow: UnitOfWork, party_ids: Sequence[UUID], *, since: date) -> list[UUID]:
    """Restrict the parties; returns those who were not yet."""
    if not party_ids:
        return []
    rows = await uow.sql.fetch(_RESTRICT, uow.tenant, list(party_ids), since, uow.real_now)
    return [row["party_id"] for row in rows]


async def count_restricted(uow: UnitOfWork) -> int:
    """How many people are restricted."""
    return int(await uow.sql.fetchval(_COUNT, uow.tenant))


async def free(uow: UnitOfWork, party_ids: Sequence[UUID]) -> list[UUID]:
    """End the parties' restrictions; returns those who had one."""
    if not party_ids:
        return []
    return [row["party_id"] for row in await uow.sql.fetch(_FREE, uow.tenant, list(party_ids))]


async def list_restricted(uow: UnitOfWork, *, after: tuple[date, UUID] | None, limit: int) -> list[Restriction]:
    """Who is restricted, the longest first."""
    since, last = after if after is not None else (None, None)
    return [
        Restriction(row["party_id"], row["since"], row["recorded_real"])
        for row in await uow.sql.fetch(_LIST, uow.tenant, since, last, limit)
    ]


async def begin_round(uow: UnitOfWork) -> datetime:
    """A look at everybody begins now (real time)."""
    await uow.sql.execute(_BEGIN, uow.tenant, uow.real_now)
    return uow.real_now


async def end_round(uow: UnitOfWork, begun_real: datetime) -> None:
    """The look that began then has seen everybody."""
    await uow.sql.execute(_END, uow.tenant, begun_real, uow.real_now)


async def looked_until(uow: UnitOfWork) -> datetime:
    """When everybody was last looked at (real time): the end of the last round, the begin of the first, or now."""
    found: datetime | None = await uow.sql.fetchval(_LOOKED, uow.tenant)
    return found or uow.real_now

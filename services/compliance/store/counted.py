"""The SQL of what counts: contacts that were made, and permits that reserve one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import structs

from services.compliance.domain.budget_keys import keys_named
from services.compliance.domain.facts import Counted
from services.compliance.domain.local_time import Span
from shared.database import UnitOfWork

_RESERVED = """
SELECT party_id, permit_id, channel, purpose, window_start, window_end, zones, budget_keys FROM permit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND state IN ('granted', 'used') AND window_end >= $3
"""
_CONTACTS = """
SELECT party_id, contact_id, permit_id, channel, purpose, started_at, ended_at, zones, attempt, contact, conversation,
       household_contacted, debtor_met, budget_keys,
       (told_by IS NOT NULL OR verdict = 'lawful') AND verdict <> 'imported' AND NOT EXISTS (
         SELECT FROM finding f
         WHERE f.tenant = a.tenant AND f.contact_id = a.contact_id AND (f.conduct OR f.harm)) AS lawful
FROM contact_audit a WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND ended_at >= $3
"""


async def load_counted(uow: UnitOfWork, ids: Sequence[UUID], *, since: datetime) -> dict[UUID, list[Counted]]:
    """The contacts with each party that ended at `since` (business time) or later, and what is reserved for more."""
    contacts = await uow.sql.fetch(_CONTACTS, uow.tenant, ids, since)
    reserved = await uow.sql.fetch(_RESERVED, uow.tenant, ids, since)
    found = [(row["party_id"], structs.replace(counted_of(row), lawful=row["lawful"])) for row in contacts]
    found += [(row["party_id"], _reservation(row)) for row in reserved]
    counted: dict[UUID, list[Counted]] = {}
    for party_id, one in found:
        counted.setdefault(party_id, []).append(one)
    return counted


def _reservation(row: asyncpg.Record) -> Counted:
    return Counted(
        channel=row["channel"],
        purpose=row["purpose"],
        span=Span(row["window_start"], row["window_end"]),
        zones=tuple(row["zones"]),
        permit_id=row["permit_id"],
        keys=keys_named(row["budget_keys"] or ()),
    )


def counted_of(row: asyncpg.Record) -> Counted:
    """How the audited contact of that row counts."""
    return Counted(
        channel=row["channel"],
        purpose=row["purpose"],
        span=Span(row["started_at"], row["ended_at"]),
        zones=tuple(row["zones"]),
        attempt=row["attempt"],
        contact=row["contact"],
        conversation=row["conversation"],
        household_contacted=row["household_contacted"],
        debtor_met=row["debtor_met"],
        permit_id=row["permit_id"],
        unanswered=row["attempt"] and not row["contact"],
        keys=keys_named(row["budget_keys"] or ()),
    )

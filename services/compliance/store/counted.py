"""The SQL of what counts: contacts that were made, and permits that reserve one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import structs

from services.compliance.domain.budget_keys import keys_named
from services.compliance.domain.facts import Counted
from services.compliance.domain.local_time import Span
from services.compliance.domain.same_persons import Same, others_of
from shared.database import UnitOfWork
from shared.database.session import together

_NOBODY: Final[Same] = MappingProxyType({})

_RESERVED = """
SELECT party_id, permit_id, channel, purpose, window_start, window_end, zones, budget_keys FROM permit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND state IN ('granted', 'used') AND window_end >= $3
"""
_CONTACTS = """
SELECT party_id, contact_id, permit_id, channel, purpose, started_at, ended_at, zones, attempt, contact, conversation,
       household_contacted, debtor_met, budget_keys, recorded_real,
       (told_by IS NOT NULL OR verdict = 'lawful') AND verdict <> 'imported' AND NOT EXISTS (
         SELECT FROM finding f
         WHERE f.tenant = a.tenant AND f.contact_id = a.contact_id AND (f.conduct OR f.harm)) AS lawful
FROM contact_audit a WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND ended_at >= $3
"""


async def load_counted(
    uow: UnitOfWork, ids: Sequence[UUID], *, since: datetime, same: Same = _NOBODY
) -> dict[UUID, list[Counted]]:
    """The contacts with each party that ended at `since` (business time) or later, and what is reserved for more.

    `same`: other ids of the parties, whose contacts are theirs, too.
    """
    everybody = sorted({*ids, *others_of(same)})
    contacts, reserved = await together(
        uow.sql,
        uow.sql.fetch(_CONTACTS, uow.tenant, everybody, since),
        uow.sql.fetch(_RESERVED, uow.tenant, everybody, since),
    )
    own: dict[UUID, list[tuple[datetime | None, Counted]]] = {}
    for row in contacts:
        one = structs.replace(counted_of(row), lawful=row["lawful"])
        own.setdefault(row["party_id"], []).append((row["recorded_real"], one))
    for row in reserved:
        own.setdefault(row["party_id"], []).append((None, _reservation(row)))
    return {party_id: counted for party_id in ids if (counted := _with_others(party_id, own, same))}


def _with_others(
    party_id: UUID, own: Mapping[UUID, Sequence[tuple[datetime | None, Counted]]], same: Same
) -> list[Counted]:
    """Their own contacts and reservations, and those under other ids: of somebody who is another one again only what
    was told while they were one."""
    found = [one for _, one in own.get(party_id, ())]
    for other in same.get(party_id, ()):
        found += [one for told_real, one in own.get(other.party_id, ()) if other.shares(told_real)]
    return found


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

"""The SQL of intents. Leases run on the database's own real clock, which all workers share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from shared.ids import derived_id
from shared.messaging.intents import Intent
from shared.messaging.tracing import current_traceparent

if TYPE_CHECKING:
    from shared.database.unit_of_work import UnitOfWork

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_INSERT = """
INSERT INTO intent (id, kind, key, party_id, payload, due_at, clock, traceparent, recorded_at)
SELECT i.id, i.kind, i.key, i.party_id, i.payload, i.due_at, i.clock, $8, $9
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bytea[], $6::timestamptz[], $7::text[])
  AS i(id, kind, key, party_id, payload, due_at, clock)
ORDER BY i.kind, i.key
ON CONFLICT (kind, key) DO NOTHING
"""

# SKIP LOCKED is right here, unlike in the relay: intents of one kind have no order among themselves.
# clock_timestamp(): a lease is real time and must be read on one clock by all workers; it is no domain time.
_LEASE = """
WITH due AS (
    SELECT id FROM intent
    WHERE done_at IS NULL AND kind = $1
      AND ((clock = 'real' AND due_at <= $2) OR (clock = 'business' AND due_at <= $3))
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
      AND (leased_until IS NULL OR leased_until <= clock_timestamp() OR lease = $5)
    ORDER BY due_at, id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE intent SET lease = $5, leased_until = clock_timestamp() + $6
FROM due WHERE intent.id = due.id
RETURNING intent.id, kind, key, party_id, payload, due_at, clock, attempts, traceparent
"""

# One question for all kinds: a lease for each would be as many transactions, most of them for nothing.
_DUE_KINDS = """
SELECT k FROM unnest($1::text[]) AS k WHERE EXISTS (
    SELECT FROM intent WHERE done_at IS NULL AND kind = k
      AND ((clock = 'real' AND due_at <= $2) OR (clock = 'business' AND due_at <= $3))
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
      AND (leased_until IS NULL OR leased_until <= clock_timestamp()))
"""

_FINISH = """
UPDATE intent SET done_at = $3, attempts = attempts + 1, lease = NULL, leased_until = NULL
WHERE id = ANY($1::uuid[]) AND lease = $2 AND done_at IS NULL
RETURNING id
"""

_POSTPONE = """
UPDATE intent SET attempts = attempts + 1, lease = NULL, leased_until = NULL,
       retry_at = clock_timestamp() + p.delay
FROM unnest($1::uuid[], $3::interval[]) AS p(id, delay)
WHERE intent.id = p.id AND lease = $2 AND done_at IS NULL
"""

_DUE = """
SELECT count(*) FROM intent
WHERE done_at IS NULL AND ((clock = 'real' AND due_at <= $1) OR (clock = 'business' AND due_at <= $2))
"""

_NEXT_DUE = """
SELECT min(greatest(due_at, coalesce(retry_at, due_at), coalesce(leased_until, due_at))) FROM intent
WHERE done_at IS NULL AND clock = 'real' AND kind = ANY($1::text[])
"""

_TRIM = """
DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE done_at < $1 LIMIT $2)
"""


def intent_id(service: str, kind: str, key: str) -> UUID:
    """The id of an intent: derived, so that a repeated decision has the same idempotency key."""
    return derived_id("intent", service, kind, key)


async def insert(uow: UnitOfWork) -> None:
    """Record the unit of work's intents; those whose kind and key exist are kept as they are."""
    intents = uow.intents
    await uow.sql.execute(
        _INSERT,
        [intent_id(uow.service, intent.kind, intent.key) for intent in intents],
        [intent.kind for intent in intents],
        [intent.key for intent in intents],
        [intent.party_id for intent in intents],
        [_encode(intent.payload) for intent in intents],
        [intent.due_at for intent in intents],
        [intent.clock for intent in intents],
        current_traceparent(),
        uow.real_now,
    )


async def lease(uow: UnitOfWork, kind: str, *, limit: int, lease_id: UUID, duration: timedelta) -> list[Intent]:
    """Lease up to `limit` due intents of `kind` for `duration`, earliest first.

    Those still leased under `lease_id` itself are taken too: a worker's loop has one batch at a time, so its last round
    failed to give them back.
    """
    rows = await uow.sql.fetch(_LEASE, kind, uow.real_now, uow.now, limit, lease_id, duration)
    return sorted((_intent(row) for row in rows), key=lambda intent: (intent.due_at, intent.id))


async def due_kinds(uow: UnitOfWork, kinds: Sequence[str]) -> list[str]:
    """Those of `kinds` of which something can be leased now."""
    return [row[0] for row in await uow.sql.fetch(_DUE_KINDS, list(kinds), uow.real_now, uow.now)]


async def finish(uow: UnitOfWork, ids: Sequence[UUID], *, lease_id: UUID) -> set[UUID]:
    """Mark intents done; returns those that were still leased by us (the others belong to another worker now)."""
    rows = await uow.sql.fetch(_FINISH, sorted(ids), lease_id, uow.real_now)
    return {row["id"] for row in rows}


async def postpone(uow: UnitOfWork, delays: Sequence[tuple[UUID, timedelta]], *, lease_id: UUID) -> None:
    """Give up the leases of unanswered intents; each may be leased again after its delay."""
    ordered = sorted(delays)
    await uow.sql.execute(_POSTPONE, [pair[0] for pair in ordered], lease_id, [pair[1] for pair in ordered])


async def count_due(uow: UnitOfWork) -> int:
    """How many intents are due and not done, leased and postponed ones included."""
    return int(await uow.sql.fetchval(_DUE, uow.real_now, uow.now))


async def next_due(uow: UnitOfWork, kinds: Sequence[str]) -> datetime | None:
    """When the next intent on the real clock can be leased, None when none waits."""
    moment: datetime | None = await uow.sql.fetchval(_NEXT_DUE, list(kinds))
    return moment


async def trim(uow: UnitOfWork, *, before: datetime, limit: int) -> int:
    """Delete intents done before `before`; returns how many. Their keys may then be used again."""
    status: str = await uow.sql.execute(_TRIM, before, limit)
    return int(status.rsplit(" ", 1)[1])


def _intent(row: asyncpg.Record) -> Intent:
    return Intent(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        party_id=row["party_id"],
        payload=_decode(row["payload"]),
        due_at=row["due_at"],
        clock=row["clock"],
        attempts=row["attempts"],
        traceparent=row["traceparent"],
    )

"""The SQL of write-backs: what the core is told, and what it said to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork

WriteBackState = Literal["pending", "acknowledged", "refused", "unsupported"]

# Of several references (people who were merged) the first: the core knows the others as the same person.
_NAMED = """
SELECT DISTINCT ON (party_id) party_id, core, party_ref FROM party_alias
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, reserved_at, party_ref
"""
_NOTE = """
INSERT INTO write_back (tenant, party_id, write_back_id, core, kind, event, reference, state, reason, noted_at)
SELECT $1, n.*, 'pending', '', $8
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
  AS n(party_id, write_back_id, core, kind, event, reference)
ORDER BY n.party_id, n.write_back_id ON CONFLICT DO NOTHING
"""
_ANSWER = """
UPDATE write_back w SET state = n.state, reason = n.reason, answered_at = $6
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS n(party_id, write_back_id, state, reason)
WHERE w.tenant = $1 AND w.party_id = n.party_id AND w.write_back_id = n.write_back_id
"""
_PAGE = """
SELECT party_id, write_back_id, core, kind, event, reference, state, reason, noted_at, answered_at FROM write_back
WHERE tenant = $1 AND state = $2 AND ($3::timestamptz IS NULL OR (noted_at, write_back_id) > ($3, $4::uuid))
ORDER BY noted_at, write_back_id LIMIT $5
"""


class Named(NamedTuple):
    """How a person's core names them."""

    core: str
    party_ref: str


class Noted(NamedTuple):
    """One thing that the core is to be told."""

    party_id: UUID
    write_back_id: UUID
    core: str
    kind: str
    event: str
    reference: str


class Answered(NamedTuple):
    """What the core said to one."""

    party_id: UUID
    write_back_id: UUID
    state: WriteBackState
    reason: str


async def names(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, Named]:
    """The core's references of these people; whom no core named is left out."""
    rows = await uow.sql.fetch(_NAMED, uow.tenant, sorted(set(party_ids)))
    return {row["party_id"]: Named(row["core"], row["party_ref"]) for row in rows}


async def note(uow: UnitOfWork, noted: Sequence[Noted]) -> None:
    """Keep what is to be told; what is kept already stays as it is."""
    if noted:
        await uow.sql.execute(_NOTE, uow.tenant, *map(list, zip(*noted, strict=True)), uow.real_now)


async def answer(uow: UnitOfWork, answers: Sequence[Answered]) -> None:
    """Keep what the core said."""
    if answers:
        await uow.sql.execute(_ANSWER, uow.tenant, *map(list, zip(*answers, strict=True)), uow.real_now)


async def page(
    uow: UnitOfWork, state: WriteBackState, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Those in a state, the oldest first."""
    return list(await uow.sql.fetch(_PAGE, uow.tenant, state, *(after or (None, None)), limit))

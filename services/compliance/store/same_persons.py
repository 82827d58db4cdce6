"""The SQL of people who are one person, or were thought to be: pairs, each with when it was so.

Whatever order the words about a pair are heard in, the same row remains: the highest version says how things stand, and
the earliest merge and the latest unmerge bound the time in which what was told of one was told of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.compliance.domain.same_persons import SamePerson, group_of
from shared.database import UnitOfWork

_OF_PARTIES = """
SELECT merged_id, survivor_id, is_merged AND NOT superseded AS stands, since_real, until_real FROM same_person
WHERE tenant = $1 AND (merged_id = ANY($2::uuid[]) OR survivor_id = ANY($2::uuid[]))
ORDER BY merged_id, survivor_id
"""
_KEEP = """
INSERT INTO same_person AS s (tenant, merged_id, survivor_id, version, is_merged, since_real, until_real)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, merged_id, survivor_id) DO UPDATE
SET version = greatest(s.version, excluded.version),
    is_merged = CASE WHEN excluded.version > s.version THEN excluded.is_merged ELSE s.is_merged END,
    superseded = s.superseded AND excluded.version <= s.version,
    since_real = least(s.since_real, excluded.since_real), until_real = greatest(s.until_real, excluded.until_real)
"""
# Somebody who was merged into another one since is no longer the one before.
_SUPERSEDE = """
UPDATE same_person s SET superseded = true, until_real = greatest(s.until_real, $3)
WHERE s.tenant = $1 AND s.merged_id = $2 AND NOT s.superseded
  AND s.version < (SELECT max(version) FROM same_person WHERE tenant = $1 AND merged_id = $2)
"""
_FORGET = """
DELETE FROM same_person WHERE tenant = $1 AND (merged_id = ANY($2::uuid[]) OR survivor_id = ANY($2::uuid[]))
"""


async def load_same(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[SamePerson]]:
    """The other ids of each of the parties, those of before and those of their other ids included. Most have none."""
    ids = set(party_ids)
    pairs: dict[UUID, dict[UUID, SamePerson]] = {}
    asked, asking = set[UUID](), ids
    while asking:
        for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(asking)):
            sides = (row["merged_id"], row["survivor_id"])
            for own, other in (sides, sides[::-1]):
                one = SamePerson(other, row["stands"], row["since_real"], row["until_real"])
                pairs.setdefault(own, {})[other] = one
        asked |= asking
        asking = pairs.keys() - asked
    return {party_id: group_of(party_id, pairs) for party_id in ids if party_id in pairs}


async def keep(
    uow: UnitOfWork, *, merged_id: UUID, survivor_id: UUID, version: int, is_merged: bool, told_real: datetime
) -> None:
    """One word about who is who, from either key; repeated it changes nothing."""
    since, until = (told_real, None) if is_merged else (None, told_real)
    await uow.sql.execute(_KEEP, uow.tenant, merged_id, survivor_id, version, is_merged, since, until)
    await uow.sql.execute(_SUPERSEDE, uow.tenant, merged_id, told_real)


async def forget(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete what joins erased people to anybody."""
    await uow.sql.execute(_FORGET, uow.tenant, list(party_ids))

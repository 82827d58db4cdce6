"""The SQL of people who are one person, or were thought to be: pairs, each with when it was so.

Whatever order the words about a pair are heard in, the same row remains: the highest version says how things stand, and
the earliest merge and the latest unmerge bound the time in which what was told of one was told of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import UnitOfWork
from shared.ids import derived_id

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


@dataclass(frozen=True, slots=True)
class SamePerson:
    """Another id of a person. `stands`: it is so now, and everything told of either is told of both.

    Else it was thought so from `since_real` (None: nobody knows since when) until `until_real`.
    """

    party_id: UUID
    stands: bool
    since_real: datetime | None
    until_real: datetime | None

    def then(self, next_id: SamePerson) -> SamePerson:
        """The id beyond this one: known to be the person's since the later word; shared while both pairs shared it."""
        sinces = [one.since_real for one in (self, next_id) if one.since_real is not None]
        untils = [one.until_real for one in (self, next_id) if not one.stands]
        told = [one for one in untils if one is not None]
        return SamePerson(
            next_id.party_id,
            stands=self.stands and next_id.stands,
            since_real=max(sinces, default=None),
            until_real=min(told) if told and len(told) == len(untils) else None,
        )

    def shares(self, told_real: datetime) -> bool:
        """Whether what was told of the other id at that real time counts for this one."""
        if self.stands:
            return True
        after = self.since_real is None or self.since_real <= told_real
        return after and self.until_real is not None and told_real <= self.until_real


Same = Mapping[UUID, Sequence[SamePerson]]


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


def group_of(party_id: UUID, pairs: Mapping[UUID, Mapping[UUID, SamePerson]]) -> list[SamePerson]:
    """The other ids of a person, each once: by pairs that all stand where there are such, else by the fewest pairs.

    What was told of an id further away counts only as far as every pair on the way shares it.
    """
    found: dict[UUID, SamePerson] = {}
    for only_standing in (True, False):
        seen, reached = {party_id}, [SamePerson(party_id, stands=True, since_real=None, until_real=None)]
        while reached:
            further = [
                near.then(one)
                for near in reached
                for one in pairs.get(near.party_id, {}).values()
                if one.party_id not in seen and (one.stands or not only_standing)
            ]
            reached = list({one.party_id: one for one in reversed(further)}.values())
            seen.update(one.party_id for one in reached)
            for one in reached:
                found.setdefault(one.party_id, one)
    return sorted(found.values(), key=lambda one: one.party_id)


def others_of(same: Same) -> set[UUID]:
    """All other ids."""
    return {one.party_id for ones in same.values() for one in ones}


def standing(same: Same, party_id: UUID) -> set[UUID]:
    """The other ids that the party has now."""
    return {one.party_id for one in same.get(party_id, ()) if one.stands}


def person_keys(party_id: UUID, same: Same) -> frozenset[str]:
    """The keys that a person shares with their other ids, those of before included."""
    return frozenset(pair_key(party_id, one.party_id) for one in same.get(party_id, ()))


def pair_key(one: UUID, other: UUID) -> str:
    """What two ids of one person share, whichever of them asks."""
    return derived_id("same-person", *sorted((one.hex, other.hex))).hex


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

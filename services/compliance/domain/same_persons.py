"""People who are one person, or were thought to be: what was told of one id counts for the other, and since when.

While two ids are one person everything told of either is told of both; of what was told while they were thought so
nobody can say whom it was about, so it counts for both for ever. What was told before is each one's own again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from msgspec import structs

from services.compliance.domain.audited_on import Made
from services.compliance.domain.dossier import REFUSED_BY, Dossier, OtherId
from services.compliance.domain.holds import Hold
from shared.ids import derived_id


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

    def shares(self, told_real: datetime | None) -> bool:
        """Whether what was told of the other id at that real time (None: only reserved yet) counts for this one."""
        if self.stands:
            return True
        if told_real is None or self.until_real is None:
            return False
        return (self.since_real is None or self.since_real <= told_real) and told_real <= self.until_real


Same = Mapping[UUID, Sequence[SamePerson]]


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


def holds_of_others(same: Iterable[SamePerson], holds: Mapping[UUID, Sequence[Hold]]) -> list[Hold]:
    """Those of the other ids that are the person's, too; nobody knew of these before it was known that both are one."""
    return [
        replace(hold, recorded_real=max(hold.recorded_real, other.since_real or hold.recorded_real))
        for other in same
        for hold in holds.get(other.party_id, ())
        if other.shares(hold.recorded_real)
    ]


def dossier_of(own: Dossier, same: Iterable[SamePerson], others: Mapping[UUID, Dossier]) -> Dossier:
    """The person's dossier with the wishes and refusals under their other ids that are theirs, too."""
    told = [
        OtherId(
            entries=tuple(
                one
                for one in others[other.party_id].entries
                if (one.name == "preferences" or one.name in REFUSED_BY) and other.shares(one.recorded_real)
            ),
            since_real=other.since_real,
            stands=other.stands,
        )
        for other in same
        if other.party_id in others
    ]
    return replace(own, others=tuple(one for one in told if one.entries))


def made_of_others(same: Iterable[SamePerson], made: Mapping[UUID, Sequence[Made]]) -> list[Made]:
    """The contacts with the other ids that are the person's, too: as somebody else's until that was known."""
    return [
        structs.replace(one, one_person_since=other.since_real)
        for other in same
        for one in made.get(other.party_id, ())
        if one.counted.told_real is not None and other.shares(one.counted.told_real)
    ]

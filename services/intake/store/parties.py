"""References of the core and the ids of our parties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from shared.database import UnitOfWork
from shared.database.columns import SEPARATOR, joined
from shared.ids import draw_shard, entity_id

_LONGEST_PART = 64
_NOBODY = ("", "-")  # facts about the core itself, such as a closed day

_RESERVED = """
SELECT a.core, a.party_ref, a.party_id
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31))) AS k(core, party_ref)
JOIN party_alias a ON a.tenant = $1 AND a.core = k.core AND a.party_ref = k.party_ref
"""

# A concurrent reservation of the same reference makes this wait, and then yields no row: the id is read again.
_RESERVE = """
INSERT INTO party_alias (tenant, core, party_ref, party_id, reserved_at)
SELECT $1, k.core, k.party_ref, k.party_id, $5
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31)), string_to_array($4, chr(31))::uuid[])
  AS k(core, party_ref, party_id)
ON CONFLICT (tenant, core, party_ref) DO NOTHING
RETURNING core, party_ref
"""


class Reference(NamedTuple):
    """How a core names a person."""

    core: str
    party_ref: str


@dataclass(frozen=True, slots=True)
class Parties:
    """Ids by reference; `fresh` are those reserved in this very transaction: nothing is stored of them yet."""

    ids: Mapping[Reference, UUID]
    fresh: frozenset[UUID]


def reference_of(key: str, tenant: str) -> Reference | None:
    """The reference inside a key `tenant|core|party_ref`; None for another tenant's or a malformed key."""
    named, _, rest = key.partition("|")
    core, separator, party_ref = rest.partition("|")
    if named != tenant or not core or not separator or party_ref in _NOBODY:
        return None
    if len(core) > _LONGEST_PART or len(party_ref) > _LONGEST_PART or SEPARATOR in rest or "\x00" in rest:
        return None
    return Reference(core, party_ref)


async def reserve(uow: UnitOfWork, references: Iterable[Reference]) -> Parties:
    """The party ids of `references`; unknown ones get an id, in a shard drawn now and kept for ever.

    An id is only a name: the party exists once a fact about it is stored. Reserving it first gives every fact, and
    every record that must be parked, the lock and the key it will have for ever. Call it before taking party locks.
    """
    wanted = sorted(set(references))
    if not wanted:
        return Parties({}, frozenset())
    ids = await _read(uow, wanted)
    missing = [reference for reference in wanted if reference not in ids]
    if not missing:
        return Parties(ids, frozenset())
    drawn = {reference: entity_id(draw_shard()) for reference in missing}
    rows = await uow.sql.fetch(
        _RESERVE,
        uow.tenant,
        joined(reference.core for reference in missing),
        joined(reference.party_ref for reference in missing),
        joined(drawn.values()),
        uow.real_now,
    )
    ours = {Reference(row[0], row[1]) for row in rows}
    ids |= {reference: drawn[reference] for reference in ours}
    if len(ours) < len(missing):
        ids |= await _read(uow, [reference for reference in missing if reference not in ours])
    return Parties(ids, frozenset(drawn[reference] for reference in ours))


async def _read(uow: UnitOfWork, references: Sequence[Reference]) -> dict[Reference, UUID]:
    rows = await uow.sql.fetch(
        _RESERVED,
        uow.tenant,
        joined(reference.core for reference in references),
        joined(reference.party_ref for reference in references),
    )
    return {Reference(core, party_ref): party_id for core, party_ref, party_id in rows}

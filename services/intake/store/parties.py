"""References of the core and the ids of our parties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import UnitOfWork
from shared.database.columns import SEPARATOR, joined
from shared.ids import draw_shard, entity_id

_LONGEST_PART = 64
_NOBODY = ("", "-")  # facts about the core itself, such as a closed day

# LIMIT keeps the planner from joining the other way round, which reads the whole table, large as the portfolio.
_RESERVED = """
SELECT concat_ws('|', $1::text, k.core, k.party_ref), a.party_id
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31))) AS k(core, party_ref),
LATERAL (
    SELECT party_id FROM party_alias WHERE tenant = $1 AND core = k.core AND party_ref = k.party_ref LIMIT 1
) AS a
"""

# A concurrent reservation of the same reference makes this wait, and then yields no row: the id is read again.
_RESERVE = """
INSERT INTO party_alias (tenant, core, party_ref, party_id, reserved_at)
SELECT $1, k.core, k.party_ref, k.party_id, $5
FROM unnest(string_to_array($2, chr(31)), string_to_array($3, chr(31)), string_to_array($4, chr(31))::uuid[])
  AS k(core, party_ref, party_id)
ON CONFLICT (tenant, core, party_ref) DO NOTHING
RETURNING concat_ws('|', tenant, core, party_ref)
"""


@dataclass(frozen=True, slots=True)
class Parties:
    """Party ids by key (`tenant|core|party_ref`); `fresh` are those reserved in this very transaction: blank books."""

    ids: Mapping[str, UUID]
    fresh: frozenset[UUID]


def key_of(tenant: str, core: str, party_ref: str) -> str:
    """The Kafka key of a person's facts."""
    return f"{tenant}|{core}|{party_ref}"


def names_a_person(key: str, tenant: str) -> bool:
    """Whether a key has the form `tenant|core|party_ref`, of this tenant."""
    parts = key.split("|", 2)
    if len(parts) != 3 or parts[0] != tenant or parts[2] in _NOBODY:
        return False
    return 0 < len(parts[1]) <= _LONGEST_PART and len(parts[2]) <= _LONGEST_PART and key.isprintable()


async def reserve(uow: UnitOfWork, keys: Iterable[str]) -> Parties:
    """The party ids of `keys`; unknown ones get an id, in a shard drawn now and kept for ever.

    An id is only a name: the party exists once a fact about it is stored. Reserving it first gives every fact, and
    every record that must be parked, the lock and the key it will have for ever. Call it before taking party locks.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return Parties({}, frozenset())
    ids = await known(uow, wanted)
    missing = [key for key in wanted if key not in ids]
    if not missing:
        return Parties(ids, frozenset())
    drawn = {key: entity_id(draw_shard()) for key in missing}
    rows = await uow.sql.fetch(
        _RESERVE,
        uow.tenant,
        *_named(missing),
        joined(party_id.hex for party_id in drawn.values()),
        uow.real_now,
    )
    ours = drawn if len(rows) == len(missing) else {key: drawn[key] for (key,) in rows}
    ids |= ours
    if len(ours) < len(missing):
        ids |= await known(uow, [key for key in missing if key not in ours])
    return Parties(ids, frozenset(ours.values()))


async def known(uow: UnitOfWork, keys: Sequence[str]) -> dict[str, UUID]:
    """The ids of those keys that have one."""
    return dict(await uow.sql.fetch(_RESERVED, uow.tenant, *_named(keys))) if keys else {}


def _named(keys: Sequence[str]) -> tuple[str, str]:
    """The cores and the references of keys, each as a column."""
    _, cores, references = zip(*(key.split("|", 2) for key in keys), strict=True)
    return SEPARATOR.join(cores), SEPARATOR.join(references)

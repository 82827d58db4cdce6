"""The SQL of those who share keys with people, for an audit: since when that is so and known, and their places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.rule_records import Key
from services.compliance.store.dossiers import load_dossiers
from services.compliance.store.places import load_places
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

Shared = Mapping[UUID, Mapping[UUID, Iterable[str]]]
"""By person, the others who share keys with them, with the names of those keys."""

_KNOWN = """
SELECT party_id, 'debt:' || debt_id AS name, min(known_real) AS known_real, NULL AS since FROM liable_party
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND debt_id = ANY($3::uuid[]) GROUP BY party_id, debt_id
UNION ALL
SELECT party_id, kind || ':' || key, known_real, since FROM key_use
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND key = ANY($4::text[])
"""
# Every contact with a person counts on these, so it must have been known of both; of a number that the contact itself
# names it need only be known of the other.
_OF_BOTH: Final = ("debt:", "household:")
_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


class _Known(NamedTuple):
    """Since when it is known (real time) that a key is somebody's, and from which business time on it is."""

    known_real: datetime = _ALWAYS
    since: datetime = _ALWAYS


_UNKNOWN: Final = _Known()


async def load_past_sharers(
    uow: UnitOfWork, cipher: PartyCipher, shared: Shared, unresolved: Mapping[UUID, frozenset[Key]]
) -> dict[UUID, tuple[PastSharer, ...]]:
    """Everybody who shares a key with each person, in order of id.

    `unresolved`: kinds of keys that are not known of the others.
    """
    others = {other for of_one in shared.values() for other in of_one}
    if not others:
        return dict.fromkeys(shared, ())
    names = {name for of_one in shared.values() for of_other in of_one.values() for name in of_other}
    known = await _load_known(uow, others | shared.keys(), names)
    places = await load_places(uow, others)
    dossiers = await load_dossiers(uow, cipher, others)
    return {
        party_id: tuple(
            PastSharer(
                known_real={name: _known_of_both(known, party_id, other, name) for name in sorted(of_one[other])},
                since={name: known.get((other, name), _UNKNOWN).since for name in sorted(of_one[other])},
                places=places[other],
                dossier=dossiers[other],
                unresolved=unresolved.get(other, frozenset()),
            )
            for other in sorted(of_one)
        )
        for party_id, of_one in shared.items()
    }


def _known_of_both(
    known: Mapping[tuple[UUID, str], _Known], party_id: UUID, other: UUID, name: str
) -> datetime:  # fmt: skip
    of_whom = (party_id, other) if name.startswith(_OF_BOTH) else (other,)
    return max(known.get((one, name), _UNKNOWN).known_real for one in of_whom)


async def _load_known(
    uow: UnitOfWork, party_ids: Iterable[UUID], names: Iterable[str]
) -> dict[tuple[UUID, str], _Known]:  # fmt: skip
    parts = [name.partition(":") for name in sorted(names)]
    debts = [UUID(key) for kind, _, key in parts if kind == "debt"]
    kept = [key for kind, _, key in parts if kind != "debt"]
    rows = await uow.sql.fetch(_KNOWN, uow.tenant, sorted(party_ids), debts, kept)
    return {
        (row["party_id"], row["name"]): _Known(row["known_real"], _ALWAYS if row["since"] is None else row["since"])
        for row in rows
    }

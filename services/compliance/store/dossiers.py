"""The SQL of dossiers: what was told of people, version by version, and permissions to pass a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from services.compliance.domain.canonical import Json
from services.compliance.domain.debts import Debt
from services.compliance.domain.dossier import Dossier, DossierEntry, GivenOverride
from services.compliance.domain.facts import Inconvenient, Override
from services.compliance.domain.local_time import Span
from services.compliance.domain.same_persons import Same, dossier_of, others_of
from services.compliance.store.sealed import open_words, plain_word
from shared.database import UnitOfWork
from shared.database.session import together
from shared.security.party_keys import PartyCipher

Debts = Mapping[UUID, Sequence[Debt]]
_NOBODY: Final[Same] = MappingProxyType({})
_NONE: Final[Debts] = MappingProxyType({})
_QUOTA_SPACE = 5
_LOAD = """
SELECT * FROM dossier_entry
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY as_of, recorded_real, party_id, name
"""
_INSERT = """
INSERT INTO dossier_entry
  (tenant, party_id, name, as_of, recorded_real, recorded_at, sealed_word, owner, told_by, leaf_id)
SELECT $1, e.party_id, e.name, e.as_of, $8, $9, e.sealed_word, e.owner, $7, e.leaf_id
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bytea[], $6::text[], $10::uuid[])
  AS e(party_id, name, as_of, sealed_word, owner, leaf_id)
"""
_OVERRIDES = """
SELECT * FROM given_override WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY recorded_real, override_id
"""
_GIVE = """
INSERT INTO given_override (tenant, party_id, override_id, rule, by_role, valid_from, valid_to, opens, closes, evidence,
  by_whom, sealed_reason, recorded_at, recorded_real, leaf_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
_FIND = "SELECT * FROM given_override WHERE tenant = $1 AND override_id = $2"
_END = """
UPDATE given_override SET ended_at = $4, ended_by = $5
WHERE tenant = $1 AND party_id = $2 AND override_id = $3 AND ended_at IS NULL
"""
_LIST = """
SELECT * FROM given_override
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (recorded_real, override_id) > ($2, $3::uuid))
  AND ($4::uuid IS NULL OR party_id = $4) AND ($5::text IS NULL OR by_role = $5)
ORDER BY recorded_real, override_id LIMIT $6
"""
_GIVEN_BY = """
SELECT count(*) FROM given_override
WHERE tenant = $1 AND by_whom = $2 AND by_role = 'supervisor' AND recorded_at > $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOverride:
    """A permission as it is kept: beside what the rules see, who gave it, on what evidence, and the sealed reason."""

    given: GivenOverride
    evidence: str
    by_whom: str
    sealed_reason: bytes | None
    recorded_at: datetime
    leaf_id: UUID


class Told(NamedTuple):
    """What was told under one id, and the permissions given for it."""

    entries: tuple[DossierEntry, ...]
    overrides: tuple[GivenOverride, ...]


async def load_dossiers(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID], *, same: Same = _NOBODY, debts: Debts = _NONE
) -> dict[UUID, Dossier]:
    """Everything told of each party; those of whom nothing was told, or who were erased, have an empty dossier.

    `same`: other ids of the parties: what was wished or refused under these binds them, too. `debts`: of each party,
    what they are bound by.
    """
    return dossiers_of(await load_told(uow, cipher, party_ids, same=same), same=same, debts=debts)


async def load_told(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID], *, same: Same = _NOBODY
) -> dict[UUID, Told]:
    """What was told under each id of the parties; reads only (`together`)."""
    ids = sorted(set(party_ids) | others_of(same))
    entries: dict[UUID, list[DossierEntry]] = {party_id: [] for party_id in ids}
    overrides: dict[UUID, list[GivenOverride]] = {party_id: [] for party_id in ids}
    rows, given = await together(
        uow.sql, uow.sql.fetch(_LOAD, uow.tenant, ids), uow.sql.fetch(_OVERRIDES, uow.tenant, ids)
    )
    for row, word in zip(rows, await open_words(uow, cipher, rows), strict=True):
        if word is not None:
            entries[row["party_id"]].append(_entry(row, *word))
    for row in given:
        overrides[row["party_id"]].append(_override(row))
    return {party_id: Told(tuple(entries[party_id]), tuple(overrides[party_id])) for party_id in ids}


def dossiers_of(told: Mapping[UUID, Told], *, same: Same = _NOBODY, debts: Debts = _NONE) -> dict[UUID, Dossier]:
    """Each dossier as `load_dossiers` gives it."""
    found = {
        party_id: Dossier(entries, overrides, debts=tuple(debts.get(party_id, ())))
        for party_id, (entries, overrides) in told.items()
    }
    return found | {party_id: dossier_of(found[party_id], others, found) for party_id, others in same.items()}


async def insert_entries(
    uow: UnitOfWork, cipher: PartyCipher, entries: Sequence[tuple[DossierEntry, UUID]], *, told_by: str
) -> None:
    """Keep what was told now, sealed, each with the leaf that proves it. All carry the unit of work's real time."""
    if entries:
        words = [plain_word(entry.party_id, value_document(entry), entry.reference) for entry, _ in entries]
        await uow.sql.execute(
            _INSERT,
            uow.tenant,
            [entry.party_id for entry, _ in entries],
            [entry.name for entry, _ in entries],
            [entry.as_of for entry, _ in entries],
            await cipher.seal_many(uow, words),
            [entry.owner for entry, _ in entries],
            told_by,
            uow.real_now,
            uow.now,
            [leaf_id for _, leaf_id in entries],
        )


async def insert_override(uow: UnitOfWork, kept: KeptOverride) -> None:
    """Keep a permission."""
    given = kept.given
    await uow.sql.execute(
        _GIVE, uow.tenant, given.party_id, given.override_id, given.rule, given.override.by, given.override.valid.start,
        given.override.valid.end, given.override.opens, given.override.closes, kept.evidence, kept.by_whom,
        kept.sealed_reason, kept.recorded_at, given.recorded_real, kept.leaf_id,
    )  # fmt: skip


async def find_override(uow: UnitOfWork, override_id: UUID) -> KeptOverride | None:
    """The permission of that id."""
    row = await uow.sql.fetchrow(_FIND, uow.tenant, override_id)
    return None if row is None else _kept(row)


async def end_override(uow: UnitOfWork, given: GivenOverride, *, by_whom: str) -> None:
    """Record its withdrawal."""
    await uow.sql.execute(_END, uow.tenant, given.party_id, given.override_id, given.ended_at, by_whom)


async def list_overrides(
    uow: UnitOfWork, *, party_id: UUID | None, by_role: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[KeptOverride]:
    """Permissions in the order in which they were recorded, after (real time, id)."""
    since, last = after if after is not None else (None, None)
    return [_kept(row) for row in await uow.sql.fetch(_LIST, uow.tenant, since, last, party_id, by_role, limit)]


async def count_given_by(uow: UnitOfWork, person: str, *, within: timedelta) -> int:
    """How many rules that person passed lately. Locks the person: two requests cannot both take the last one."""
    await uow.sql.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _QUOTA_SPACE, person)
    count: int = await uow.sql.fetchval(_GIVEN_BY, uow.tenant, person, uow.now - within)
    return count


def value_document(entry: DossierEntry) -> Json:
    """The entry's value as JSON."""
    match entry.value:
        case bool() | str():
            return entry.value
        case frozenset():
            return sorted(entry.value)
    return [_document(one) if isinstance(one, Inconvenient) else one for one in entry.value]


def _document(one: Inconvenient) -> dict[str, Json]:
    return {
        "channels": sorted(one.channels),
        "opens": None if one.opens is None else one.opens.isoformat(),
        "closes": None if one.closes is None else one.closes.isoformat(),
    }


def _entry(row: asyncpg.Record, value: Any, reference: str | None) -> DossierEntry:
    match row["name"]:
        case "preferences":
            value = tuple(_inconvenient(one) for one in value)
        case "customer_request":
            value = frozenset(value)
        case "letter":
            value = tuple(value)
        case "validation_notice_sent" if isinstance(value, list):
            value = tuple(value)
    return DossierEntry(
        party_id=row["party_id"],
        name=row["name"],
        value=value,
        as_of=row["as_of"],
        recorded_real=row["recorded_real"],
        owner=row["owner"],
        reference=reference,
    )


def _inconvenient(document: Mapping[str, Any]) -> Inconvenient:
    opens, closes = document["opens"], document["closes"]
    return Inconvenient(
        channels=frozenset(document["channels"]),
        opens=None if opens is None else time.fromisoformat(opens),
        closes=None if closes is None else time.fromisoformat(closes),
    )


def _override(row: asyncpg.Record) -> GivenOverride:
    return GivenOverride(
        override_id=row["override_id"],
        party_id=row["party_id"],
        rule=row["rule"],
        override=Override(
            by=row["by_role"],
            evidence=row["override_id"],
            valid=Span(row["valid_from"], row["valid_to"]),
            opens=row["opens"],
            closes=row["closes"],
        ),
        recorded_real=row["recorded_real"],
        ended_at=row["ended_at"],
    )


def _kept(row: asyncpg.Record) -> KeptOverride:
    return KeptOverride(
        given=_override(row),
        evidence=row["evidence"],
        by_whom=row["by_whom"],
        sealed_reason=row["sealed_reason"],
        recorded_at=row["recorded_at"],
        leaf_id=row["leaf_id"],
    )

"""The SQL of sealing what was kept in the clear before version 0019: a page of parties, then all their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.compliance.store.sealed import (
    CONTACT,
    DECISION,
    Terms,
    plain_record,
    plain_terms_of,
    plain_word,
)
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher, Plain

_CLEAR_PARTIES = """
SELECT party_id FROM (
    (SELECT party_id FROM decision WHERE tenant = $1 AND record IS NOT NULL LIMIT $2)
    UNION (SELECT party_id FROM contact_audit WHERE tenant = $1 AND record IS NOT NULL LIMIT $2)
    UNION (SELECT party_id FROM permit WHERE tenant = $1 AND token IS NOT NULL LIMIT $2)
    UNION (SELECT party_id FROM dossier_entry WHERE tenant = $1 AND value IS NOT NULL LIMIT $2)
) AS clear LIMIT $2
"""
_RECORDS: Final = {
    DECISION: """
SELECT party_id, decision_id AS id, record FROM decision
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND record IS NOT NULL ORDER BY party_id, decision_id LIMIT $3
""",
    CONTACT: """
SELECT party_id, contact_id AS id, record FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND record IS NOT NULL ORDER BY party_id, contact_id LIMIT $3
""",
}
_SEAL_RECORDS: Final = {
    DECISION: """
UPDATE decision d SET record = NULL, sealed_record = s.sealed
FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS s(party_id, id, sealed)
WHERE d.tenant = $1 AND d.party_id = s.party_id AND d.decision_id = s.id
""",
    CONTACT: """
UPDATE contact_audit a SET record = NULL, sealed_record = s.sealed
FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS s(party_id, id, sealed)
WHERE a.tenant = $1 AND a.party_id = s.party_id AND a.contact_id = s.id
""",
}
_PERMITS = """
SELECT party_id, permit_id, crew, place_cell, token FROM permit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND token IS NOT NULL ORDER BY party_id, permit_id LIMIT $3
"""
_SEAL_PERMITS = """
UPDATE permit SET crew = NULL, place_cell = NULL, token = NULL, sealed_terms = s.sealed
FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS s(party_id, permit_id, sealed)
WHERE permit.tenant = $1 AND permit.party_id = s.party_id AND permit.permit_id = s.permit_id
"""
_ENTRIES = """
SELECT party_id, name, as_of, recorded_real, value, reference FROM dossier_entry
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND value IS NOT NULL
ORDER BY party_id, name, as_of, recorded_real LIMIT $3
"""
_SEAL_ENTRIES = """
UPDATE dossier_entry d SET value = NULL, reference = NULL, sealed_word = s.sealed
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bytea[])
  AS s(party_id, name, as_of, recorded_real, sealed)
WHERE d.tenant = $1 AND d.party_id = s.party_id AND d.name = s.name AND d.as_of = s.as_of
  AND d.recorded_real = s.recorded_real
"""
_DROP_ENTRIES = "DELETE FROM dossier_entry WHERE tenant = $1 AND party_id = ANY($2::uuid[])"


async def clear_parties(uow: UnitOfWork, *, limit: int) -> list[UUID]:
    """Some parties of whom something is still kept in the clear."""
    return [row["party_id"] for row in await uow.sql.fetch(_CLEAR_PARTIES, uow.tenant, limit)]


async def seal_records(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID], field: str, *, erased: set[UUID], limit: int
) -> int:
    """Seal up to `limit` records of the parties' decisions or contacts; those of erased people go. Returns how many."""
    rows = await uow.sql.fetch(_RECORDS[field], uow.tenant, list(party_ids), limit)
    living = [row for row in rows if row["party_id"] not in erased]
    sealed = await cipher.seal_many(uow, [plain_record(r["party_id"], field, bytes(r["record"])) for r in living])
    by_id: dict[UUID, bytes] = {row["id"]: value for row, value in zip(living, sealed, strict=True)}
    await uow.sql.execute(
        _SEAL_RECORDS[field], uow.tenant, [row["party_id"] for row in rows], [row["id"] for row in rows],
        [by_id.get(row["id"]) for row in rows],
    )  # fmt: skip
    return len(rows)


async def seal_terms(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID], *, erased: set[UUID], limit: int
) -> int:
    """Seal up to `limit` terms of the parties' permits; those of erased people go. Returns how many."""
    rows = await uow.sql.fetch(_PERMITS, uow.tenant, list(party_ids), limit)
    living = [row for row in rows if row["party_id"] not in erased]
    plain = [
        plain_terms_of(row["party_id"], Terms(tuple(row["crew"] or ()), row["place_cell"], row["token"]))
        for row in living
    ]
    sealed = await cipher.seal_many(uow, plain)
    by_id: dict[UUID, bytes] = {row["permit_id"]: value for row, value in zip(living, sealed, strict=True)}
    await uow.sql.execute(
        _SEAL_PERMITS, uow.tenant, [row["party_id"] for row in rows], [row["permit_id"] for row in rows],
        [by_id.get(row["permit_id"]) for row in rows],
    )  # fmt: skip
    return len(rows)


async def seal_words(
    uow: UnitOfWork, cipher: PartyCipher, party_ids: Sequence[UUID], *, erased: set[UUID], limit: int
) -> int:
    """Seal up to `limit` entries told of the parties; those of erased people are deleted. Returns how many."""
    await drop_words(uow, sorted(erased))
    rows = await uow.sql.fetch(_ENTRIES, uow.tenant, list(party_ids), limit)
    plain: list[Plain] = [plain_word(row["party_id"], row["value"], row["reference"]) for row in rows]
    await uow.sql.execute(
        _SEAL_ENTRIES, uow.tenant, [row["party_id"] for row in rows], [row["name"] for row in rows],
        [row["as_of"] for row in rows], [row["recorded_real"] for row in rows], await cipher.seal_many(uow, plain),
    )  # fmt: skip
    return len(rows)


async def drop_words(uow: UnitOfWork, party_ids: Sequence[UUID]) -> None:
    """Delete everything told of the parties."""
    if party_ids:
        await uow.sql.execute(_DROP_ENTRIES, uow.tenant, list(party_ids))

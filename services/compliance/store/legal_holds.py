"""The SQL of legal holds: versions are only ever appended; the one without a successor is what stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.compliance.domain.legal_holds import LegalHold
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher, Sealed

REASON: Final = "legal_hold_version.sealed_reason"
_APPEND = """
INSERT INTO legal_hold_version
  (tenant, party_id, legal_hold_id, version, step, matter, custodian, by_whom, sealed_reason, recorded_at,
   recorded_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
# The view `legal_hold` holds of each the version that stands.
_FIND = "SELECT * FROM legal_hold WHERE tenant = $1 AND legal_hold_id = $2"
_LIST = """
SELECT * FROM legal_hold
WHERE tenant = $1 AND step <> 'lift' AND ($2::uuid IS NULL OR party_id = $2)
  AND ($3::timestamptz IS NULL OR (recorded_real, legal_hold_id) > ($3, $4::uuid))
ORDER BY recorded_real, legal_hold_id LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class KeptLegalHold:
    """A version as it is kept, its reason opened."""

    hold: LegalHold
    recorded_at: datetime
    recorded_real: datetime


async def append(uow: UnitOfWork, cipher: PartyCipher, hold: LegalHold) -> None:
    """Append a version. The party is locked."""
    sealed = await cipher.seal(uow, hold.party_id, REASON, hold.reason or "")
    await uow.sql.execute(
        _APPEND, uow.tenant, hold.party_id, hold.legal_hold_id, hold.version, hold.step, hold.matter, hold.custodian,
        hold.by_whom, sealed, uow.now, uow.real_now,
    )  # fmt: skip


async def find(uow: UnitOfWork, cipher: PartyCipher, legal_hold_id: UUID) -> KeptLegalHold | None:
    """The version that stands."""
    found = await _opened(uow, cipher, await uow.sql.fetch(_FIND, uow.tenant, legal_hold_id))
    return found[0] if found else None


async def list_standing(
    uow: UnitOfWork, cipher: PartyCipher, *, party_id: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[KeptLegalHold]:
    """Legal holds that stand, in the order in which their last version was recorded."""
    since, last = after if after is not None else (None, None)
    return await _opened(uow, cipher, await uow.sql.fetch(_LIST, uow.tenant, party_id, since, last, limit))


async def _opened(uow: UnitOfWork, cipher: PartyCipher, rows: list[asyncpg.Record]) -> list[KeptLegalHold]:
    reasons = await cipher.open_many(
        uow, [Sealed(row["party_id"], REASON, bytes(row["sealed_reason"])) for row in rows]
    )
    return [
        KeptLegalHold(
            LegalHold(
                legal_hold_id=row["legal_hold_id"],
                party_id=row["party_id"],
                matter=row["matter"],
                custodian=row["custodian"],
                by_whom=row["by_whom"],
                reason=reason,
                version=row["version"],
                step=row["step"],
            ),
            row["recorded_at"],
            row["recorded_real"],
        )
        for row, reason in zip(rows, reasons, strict=True)
    ]

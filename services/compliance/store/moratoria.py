"""Moratoria that reach people through debts they share: read from the holds of those others, never copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.compliance.domain.debts import Debt
from services.compliance.domain.hold_scopes import scope_key_of_debt
from services.compliance.domain.holds import Hold
from services.compliance.domain.moratoria import MORATORIA, Told, jointly_liable, reaching
from services.compliance.store.holds import load_holds_of_kinds
from services.compliance.store.same_persons import load_same
from shared.database import UnitOfWork

_KNOWN_SINCE = """
SELECT party_id, debt_id, min(known_real) AS known_real FROM liable_party
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND debt_id = ANY($3::uuid[]) GROUP BY party_id, debt_id
"""
_TOLD = """
SELECT party_id, hold_id, debt_id, kind, source_ref, valid_from, valid_to, told_real FROM told_moratorium
WHERE tenant = $1 AND debt_id = ANY($2::uuid[]) ORDER BY party_id, hold_id
"""
_SAVE_TOLD = """
INSERT INTO told_moratorium
  (tenant, party_id, hold_id, debt_id, kind, source_ref, valid_from, valid_to, told_real)
SELECT $1, t.*, $9 FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
                               $8::timestamptz[]) AS t
ON CONFLICT (tenant, party_id, hold_id) DO UPDATE
SET valid_to = excluded.valid_to, told_real = excluded.told_real
"""


async def load_reaching(uow: UnitOfWork, debts: Mapping[UUID, Sequence[Debt]]) -> dict[UUID, list[Hold]]:
    """The moratoria of others that reach each party through its debts, as holds of its own. Ended ones are included.

    What holds of another id of such an other holds of them. Nobody but the party is locked: a moratorium that is being
    placed on another meanwhile looks for the permits that it forbids after it was committed, under the party's lock
    (`moratorium_desk`).
    """
    shared = {party_id: jointly_liable(own) for party_id, own in debts.items()}
    others = {one for bound in shared.values() for parties in bound.values() for one in parties}
    same = await load_same(uow, others) if others else {}
    holds = await load_holds_of_kinds(uow, others, MORATORIA, same=same) if others else {}
    if not holds:
        return {}
    known = await _load_known_since(uow, {*others, *debts}, {debt_id for bound in shared.values() for debt_id in bound})
    return {party_id: reaching(party_id, own, holds, known) for party_id, own in debts.items()}


async def parties_told(uow: UnitOfWork, debt_ids: Iterable[UUID]) -> set[UUID]:
    """Of whom others were told that a moratorium on one of these debts reaches them."""
    return {row["party_id"] for row in await uow.sql.fetch(_TOLD, uow.tenant, sorted(set(debt_ids)))}


async def load_told(uow: UnitOfWork, debt_ids: Iterable[UUID]) -> list[Told]:
    """What others were told of moratoria that reach people through these debts. The people are locked."""
    return [
        Told(
            Hold(
                hold_id=row["hold_id"],
                party_id=row["party_id"],
                kind=row["kind"],
                scope="loan",
                scope_key=scope_key_of_debt(row["debt_id"]),
                valid_from=row["valid_from"],
                valid_to=row["valid_to"],
                source_ref=row["source_ref"],
                recorded_real=row["told_real"],
            ),
            row["valid_to"],
        )
        for row in await uow.sql.fetch(_TOLD, uow.tenant, sorted(set(debt_ids)))
    ]


async def save_told(uow: UnitOfWork, holds: Sequence[Hold]) -> None:
    """Others are told of these now, as they stand."""
    if holds:
        await uow.sql.execute(
            _SAVE_TOLD, uow.tenant, [one.party_id for one in holds], [one.hold_id for one in holds],
            [UUID(one.scope_key) for one in holds], [one.kind for one in holds], [one.source_ref for one in holds],
            [one.valid_from for one in holds], [one.until for one in holds], uow.real_now,
        )  # fmt: skip


async def _load_known_since(
    uow: UnitOfWork, party_ids: Iterable[UUID], debt_ids: Iterable[UUID]
) -> dict[tuple[UUID, UUID], datetime]:
    rows = await uow.sql.fetch(_KNOWN_SINCE, uow.tenant, sorted(set(party_ids)), sorted(set(debt_ids)))
    return {(row["party_id"], row["debt_id"]): row["known_real"] for row in rows}

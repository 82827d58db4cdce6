"""The SQL of debts: who is bound by which, found by the debt and by the person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg

from services.compliance.domain.debts import Debt, Leaving, Obligor
from services.compliance.domain.same_persons import Same, others_of
from shared.database import UnitOfWork

_NOBODY: Final[Same] = MappingProxyType({})
# By party, loans that left their case and how; None: all that were collected until now.
Left = Mapping[UUID, Mapping[UUID | None, Leaving]]
_NONE: Final[Left] = MappingProxyType({})
_NOTHING: Final[Mapping[UUID | None, Leaving]] = MappingProxyType({})

# OFFSET keeps the planner from joining the other way round, which reads the whole table, large as the portfolio.
_OF_PARTIES = """
SELECT l.party_id, l.known_real, d.*
FROM liable_party l, LATERAL (
    SELECT * FROM debt WHERE tenant = $1 AND debt_id = l.debt_id AND case_party_id = l.case_party_id OFFSET 0
) AS d
WHERE l.tenant = $1 AND l.party_id = ANY($2::uuid[])
ORDER BY l.party_id, d.debt_id, d.case_party_id
"""
_OF_IDS = """
SELECT * FROM debt WHERE tenant = $1 AND debt_id = ANY($2::uuid[]) ORDER BY debt_id, case_party_id
"""
_SAVE = """
INSERT INTO debt (tenant, debt_id, case_party_id, loan_id, is_overdue, originated_on, obligors, roles, liabilities,
                  is_transferred, has_moved)
SELECT $1, d.debt_id, d.case_party_id, d.loan_id, d.is_overdue, d.originated_on,
       string_to_array(d.obligors, ',')::uuid[], string_to_array(d.roles, ','), string_to_array(d.liabilities, ','),
       d.is_transferred, d.has_moved
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bool[], $6::date[], $7::text[], $8::text[], $9::text[], $10::bool[],
            $11::bool[])
  AS d(debt_id, case_party_id, loan_id, is_overdue, originated_on, obligors, roles, liabilities, is_transferred,
       has_moved)
ORDER BY d.debt_id, d.case_party_id
ON CONFLICT (tenant, debt_id, case_party_id) DO UPDATE
SET loan_id = excluded.loan_id, is_overdue = excluded.is_overdue, originated_on = excluded.originated_on,
    obligors = excluded.obligors, roles = excluded.roles, liabilities = excluded.liabilities,
    is_transferred = excluded.is_transferred, has_moved = excluded.has_moved
"""
_BIND = """
INSERT INTO liable_party (tenant, party_id, debt_id, case_party_id, known_real)
SELECT $1, l.party_id, l.debt_id, l.case_party_id, $5
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS l(party_id, debt_id, case_party_id)
ORDER BY l.party_id, l.debt_id, l.case_party_id
ON CONFLICT DO NOTHING
"""
_UNBIND = """
DELETE FROM liable_party USING unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS l(party_id, debt_id, case_party_id)
WHERE liable_party.tenant = $1 AND liable_party.party_id = l.party_id AND liable_party.debt_id = l.debt_id
  AND liable_party.case_party_id = l.case_party_id
"""


async def load_debts(
    uow: UnitOfWork, party_ids: Iterable[UUID], *, same: Same = _NOBODY
) -> dict[UUID, tuple[Debt, ...]]:
    """The debts that each party is bound by, in whosever case they are, those no longer overdue included.

    `same`: other ids of the parties: what others' cases say of these they say of the parties.
    """
    ids = set(party_ids)
    found: dict[UUID, tuple[Debt, ...]] = {}
    for row in await uow.sql.fetch(_OF_PARTIES, uow.tenant, sorted(ids | others_of(same))):
        found[row["party_id"]] = (*found.get(row["party_id"], ()), _debt(row, known_real=row["known_real"]))
    if not same:
        return found
    return {party_id: debts for party_id in ids if (debts := _with_others(party_id, found, same))}


def _with_others(party_id: UUID, found: Mapping[UUID, Sequence[Debt]], same: Same) -> tuple[Debt, ...]:
    debts = list(found.get(party_id, ()))
    known = {(debt.debt_id, debt.case_party_id) for debt in debts}
    for other in (one for one in same.get(party_id, ()) if one.stands):
        debts += [
            replace(debt, obligors=tuple(replace(one, party_id=party_id) if one.party_id == other.party_id else one
                                         for one in debt.obligors),
                    known_real=max((one for one in (debt.known_real, other.since_real) if one), default=None))
            for debt in found.get(other.party_id, ())
            if (debt.debt_id, debt.case_party_id) not in known
        ]  # fmt: skip
    return tuple(debts)


async def load_liable(uow: UnitOfWork, debt_ids: Iterable[UUID]) -> dict[UUID, tuple[Obligor, ...]]:
    """Everyone bound by each of the debts, in order of id; of somebody whom two cases name, the first word counts."""
    found: dict[UUID, dict[UUID, Obligor]] = {}
    for row in await uow.sql.fetch(_OF_IDS, uow.tenant, sorted(set(debt_ids))):
        bound = found.setdefault(row["debt_id"], {})
        for one in _debt(row).obligors:
            bound.setdefault(one.party_id, one)
    return {debt_id: tuple(bound[one] for one in sorted(bound)) for debt_id, bound in found.items()}


async def save_debts(uow: UnitOfWork, told: Mapping[UUID, Sequence[Debt]], *, left: Left = _NONE) -> set[UUID]:
    """Keep what the cases of these parties (which are locked) say now: a debt they no longer name is not overdue.

    `left`: what is another's now; a loan that the case names all the same is not. What has not changed is not
    written. Returns the debts of several people for which others are liable than was known, or differently.
    """
    if not told and not left:
        return set()
    known = {
        (party_id, debt.debt_id): debt
        for party_id, debts in (await load_debts(uow, {*told, *left})).items()
        for debt in debts
        if debt.case_party_id == party_id
    }
    now = {(party_id, debt.debt_id): debt for party_id, debts in told.items() for debt in debts}
    settled = {
        place: replace(debt, is_overdue=False)
        for place, debt in known.items()
        if debt.is_overdue and place not in now and place[0] in told
    }  # fmt: skip
    settled |= {
        place: _left(debt, how)
        for place, debt in known.items()
        if place not in now and (how := _leaving(debt, left.get(place[0], _NOTHING))) is not None
    }
    changed = [debt for place, debt in sorted((settled | now).items()) if known.get(place) != debt]
    before = {_binding(debt, one) for debt in known.values() for one in debt.obligors}
    after = {_binding(debt, one) for debt in (known | settled | now).values() for one in debt.obligors}
    await _save(uow, changed)
    if after - before:
        await uow.sql.execute(_BIND, uow.tenant, *zip(*sorted(after - before), strict=True), uow.real_now)
    if before - after:
        await uow.sql.execute(_UNBIND, uow.tenant, *zip(*sorted(before - after), strict=True))
    return {
        debt.debt_id
        for place, debt in {**settled, **now}.items()
        if _liable(known.get(place)) != (liable := _liable(debt))
        and max(len(liable), len(_liable(known.get(place)))) > 1
    }


def _leaving(debt: Debt, loans: Mapping[UUID | None, Leaving]) -> Leaving | None:
    return loans.get(debt.loan_id) or (loans.get(None) if debt.is_overdue else None)


def _left(debt: Debt, how: Leaving) -> Debt:
    transferred = debt.is_transferred or how == "transferred"
    return replace(debt, is_overdue=False, is_transferred=transferred, has_moved=debt.has_moved or how == "moved")


def _liable(debt: Debt | None) -> frozenset[tuple[UUID, str]]:
    if debt is None:
        return frozenset()
    gone = debt.case_party_id if debt.has_moved else None
    return frozenset((one.party_id, one.liability) for one in debt.obligors if one.party_id != gone)


def _binding(debt: Debt, obligor: Obligor) -> tuple[UUID, UUID, UUID]:
    return obligor.party_id, debt.debt_id, debt.case_party_id


async def _save(uow: UnitOfWork, debts: Sequence[Debt]) -> None:
    if debts:
        await uow.sql.execute(
            _SAVE,
            uow.tenant,
            [one.debt_id for one in debts],
            [one.case_party_id for one in debts],
            [one.loan_id for one in debts],
            [one.is_overdue for one in debts],
            [one.originated_on for one in debts],
            [",".join(str(bound.party_id) for bound in one.obligors) for one in debts],
            [",".join(bound.role for bound in one.obligors) for one in debts],
            [",".join(bound.liability for bound in one.obligors) for one in debts],
            [one.is_transferred for one in debts],
            [one.has_moved for one in debts],
        )


def _debt(row: asyncpg.Record, *, known_real: datetime | None = None) -> Debt:
    bound = zip(row["obligors"], row["roles"], row["liabilities"], strict=True)
    return Debt(
        debt_id=row["debt_id"],
        case_party_id=row["case_party_id"],
        loan_id=row["loan_id"],
        is_overdue=row["is_overdue"],
        originated_on=row["originated_on"],
        obligors=tuple(Obligor(*one) for one in bound),
        is_transferred=row["is_transferred"],
        has_moved=row["has_moved"],
        known_real=known_real,
    )

"""What the Fineract adapter remembers: numbers it has unwrapped, loans it has told of, loans that were sold, people it
has described.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from shared.database import UnitOfWork

_NUMBERS = "SELECT partition, last_number FROM fineract_number WHERE tenant = $1 AND core = $2"
# Partitions of one batch only, in order: two transactions never share one, because their positions do not.
_SAVE_NUMBERS = """
INSERT INTO fineract_number AS n (tenant, core, partition, last_number)
SELECT $1, $2, m.partition, m.number FROM unnest($3::smallint[], $4::bigint[]) AS m(partition, number)
ON CONFLICT (tenant, core, partition) DO UPDATE SET last_number = greatest(n.last_number, excluded.last_number)
"""
_TOLD = """
SELECT t.party_id, t.loan_ref FROM unnest($2::uuid[], $3::text[]) AS w(party_id, loan_ref)
JOIN fineract_loan t ON t.tenant = $1 AND t.party_id = w.party_id AND t.loan_ref = w.loan_ref
"""
_SAVE_TOLD = """
INSERT INTO fineract_loan (tenant, party_id, loan_ref, core)
SELECT $1, t.party_id, t.loan_ref, $4 FROM unnest($2::uuid[], $3::text[]) AS t(party_id, loan_ref)
ON CONFLICT DO NOTHING
"""
_PARTY_OF_LOANS = """
SELECT loan_ref, party_id FROM fineract_loan WHERE tenant = $1 AND core = $2 AND loan_ref = ANY($3::text[])
"""
_TOLD_UNDER = """
SELECT t.party_id, t.loan_ref, a.party_ref FROM fineract_loan t
JOIN party_alias a ON a.tenant = t.tenant AND a.party_id = t.party_id AND a.core = t.core
WHERE t.tenant = $1 AND t.core = $2 AND t.loan_ref = ANY($3::text[])
"""
_FORGET_TOLD = """
DELETE FROM fineract_loan t USING unnest($2::uuid[], $3::text[]) AS w(party_id, loan_ref)
WHERE t.tenant = $1 AND t.party_id = w.party_id AND t.loan_ref = w.loan_ref
"""
# Whoever has died already is not asked about again.
_IN_CASES = """
SELECT c.party_id, a.party_ref FROM case_file c
JOIN party_alias a ON a.tenant = c.tenant AND a.party_id = c.party_id AND a.core = c.core
WHERE c.tenant = $1 AND c.core = $2 AND c.status = 'open' AND ($3::uuid IS NULL OR c.party_id > $3)
  AND NOT EXISTS (
    SELECT FROM person p WHERE p.tenant = c.tenant AND p.party_id = c.party_id AND p.deceased_on IS NOT NULL
  )
ORDER BY c.party_id LIMIT $4
"""
_DESCRIBED = "SELECT party_id, commitment FROM fineract_person WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_SAVE_DESCRIBED = """
INSERT INTO fineract_person (tenant, party_id, commitment)
SELECT $1, p.party_id, p.commitment FROM unnest($2::uuid[], $3::bytea[]) AS p(party_id, commitment)
ON CONFLICT (tenant, party_id) DO UPDATE SET commitment = excluded.commitment
"""


# Of a sold loan nothing is said, whoever's it is: so it is kept by its reference alone.
_SOLD = "SELECT loan_ref FROM fineract_sold WHERE tenant = $1 AND core = $2 AND loan_ref = ANY($3::text[])"
_SAVE_SOLD = """
INSERT INTO fineract_sold (tenant, core, loan_ref) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING
"""
_BOUGHT_BACK = "DELETE FROM fineract_sold WHERE tenant = $1 AND core = $2 AND loan_ref = ANY($3::text[])"


class ToldLoan(NamedTuple):
    """A loan of a party that topic `loan` has heard of from us."""

    party_id: UUID
    loan_ref: str


async def load_numbers(uow: UnitOfWork, core: str) -> dict[int, int]:
    """The newest unwrapped message number of each partition."""
    return dict(await uow.sql.fetch(_NUMBERS, uow.tenant, core))


async def save_numbers(uow: UnitOfWork, core: str, numbers: Mapping[int, int]) -> None:
    """Remember the newest numbers; a lower one changes nothing."""
    ordered = sorted(numbers.items())
    columns = [partition for partition, _ in ordered], [number for _, number in ordered]
    await uow.sql.execute(_SAVE_NUMBERS, uow.tenant, core, *columns)


async def load_told(uow: UnitOfWork, loans: Collection[ToldLoan]) -> set[ToldLoan]:
    """Those of `loans` that were told of before; their parties are locked."""
    ordered = sorted(set(loans))
    rows = await uow.sql.fetch(
        _TOLD, uow.tenant, [loan.party_id for loan in ordered], [loan.loan_ref for loan in ordered]
    )
    return {ToldLoan(row[0], row[1]) for row in rows}


async def save_told(uow: UnitOfWork, core: str, loans: Collection[ToldLoan]) -> None:
    """Remember that `loans` were told of."""
    ordered = sorted(set(loans))
    if ordered:
        columns = [loan.party_id for loan in ordered], [loan.loan_ref for loan in ordered]
        await uow.sql.execute(_SAVE_TOLD, uow.tenant, *columns, core)


async def parties_of_loans(uow: UnitOfWork, core: str, loan_refs: Sequence[str]) -> dict[str, UUID]:
    """The party of each loan that was told of: who must be parked when a record about it cannot be read."""
    return dict(await uow.sql.fetch(_PARTY_OF_LOANS, uow.tenant, core, sorted(loan_refs)))


async def told_under(uow: UnitOfWork, core: str, loan_refs: Collection[str]) -> dict[str, tuple[ToldLoan, str]]:
    """Under whom each loan is told of, with the core's reference of the person."""
    rows = await uow.sql.fetch(_TOLD_UNDER, uow.tenant, core, sorted(loan_refs))
    return {row["loan_ref"]: (ToldLoan(row["party_id"], row["loan_ref"]), row["party_ref"]) for row in rows}


async def forget_told(uow: UnitOfWork, loans: Collection[ToldLoan]) -> None:
    """The loans are told of under somebody else from now on."""
    ordered = sorted(set(loans))
    columns = [loan.party_id for loan in ordered], [loan.loan_ref for loan in ordered]
    await uow.sql.execute(_FORGET_TOLD, uow.tenant, *columns)


async def people_in_cases(uow: UnitOfWork, core: str, *, after: UUID | None, limit: int) -> dict[UUID, str]:
    """The core's reference of each person with an open case whose party id lies after `after`, in order."""
    return dict(await uow.sql.fetch(_IN_CASES, uow.tenant, core, after, limit))


async def load_sold(uow: UnitOfWork, core: str, loan_refs: Collection[str]) -> set[str]:
    """Those of the loans that the bank has sold and not bought back."""
    return {row[0] for row in await uow.sql.fetch(_SOLD, uow.tenant, core, sorted(loan_refs))}


async def save_sold(uow: UnitOfWork, core: str, *, sold: Collection[str], bought_back: Collection[str]) -> None:
    """Remember what was sold, and forget what is the bank's again."""
    for statement, loan_refs in ((_SAVE_SOLD, sold), (_BOUGHT_BACK, bought_back)):
        if loan_refs:
            await uow.sql.execute(statement, uow.tenant, core, sorted(loan_refs))


async def load_described(uow: UnitOfWork, party_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """The commitment to each person as last described."""
    return dict(await uow.sql.fetch(_DESCRIBED, uow.tenant, sorted(party_ids)))


async def save_described(uow: UnitOfWork, commitments: Mapping[UUID, bytes]) -> None:
    """Remember the commitments; the parties are locked."""
    ordered = sorted(commitments)
    if ordered:
        await uow.sql.execute(_SAVE_DESCRIBED, uow.tenant, ordered, [commitments[party_id] for party_id in ordered])

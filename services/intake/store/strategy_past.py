"""The SQL of the strategy's simulation: the past of people with cases, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.intake.strategy.simulation import LoanChange
from shared.database import UnitOfWork

_COUNT: Final = "SELECT count(*) FROM case_file WHERE tenant = $1"
_PAGE: Final = """
SELECT c.party_id, c.as_of, c.days_contractual, p.mobile_index IS NOT NULL AS has_phone,
       p.profile::json ->> 'cell' IS NOT NULL AS has_home,
       p.profile::json ->> 'jurisdiction' AS jurisdiction, p.profile::json ->> 'language' AS language
FROM case_file c LEFT JOIN person p ON p.tenant = c.tenant AND p.party_id = c.party_id
WHERE c.tenant = $1 AND ($2::uuid IS NULL OR c.party_id > $2) ORDER BY c.party_id LIMIT $3
"""
_CHANGES: Final = """
SELECT party_id, loan_id, as_of, state, currency, overdue_minor FROM bucket_change
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, loan_id, as_of, change_id
"""
_PRODUCTS: Final = """
SELECT party_id, min(terms::json ->> 'product_class') AS product, min(terms::json ->> 'jurisdiction') AS jurisdiction
FROM loan WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND terms IS NOT NULL GROUP BY party_id
"""
_REFERENCES: Final = """
SELECT party_id, core, party_ref FROM party_alias WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""


class Person(NamedTuple):
    """A person with a case, last assessed on `as_of`; labels that intake itself knows."""

    party_id: UUID
    has_phone: bool
    has_home: bool
    labels: dict[str, str]
    as_of: date
    late_since: date | None


async def count(uow: UnitOfWork) -> int:
    """How many people have a case."""
    found: int = await uow.sql.fetchval(_COUNT, uow.tenant)
    return found


async def people(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[Person]:
    """A page of people, in order of id."""
    rows = await uow.sql.fetch(_PAGE, uow.tenant, after, limit)
    ids = [row["party_id"] for row in rows]
    products = {row["party_id"]: row for row in await uow.sql.fetch(_PRODUCTS, uow.tenant, ids)}
    return [
        Person(
            party_id=row["party_id"],
            has_phone=bool(row["has_phone"]),
            has_home=bool(row["has_home"]),
            labels=_labels(row, products.get(row["party_id"])),
            as_of=row["as_of"],
            late_since=row["as_of"] - timedelta(days=row["days_contractual"]) if row["days_contractual"] else None,
        )
        for row in rows
    ]


async def changes(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, tuple[tuple[LoanChange, ...], ...]]:
    """Each loan's changes of state, by party."""
    found: dict[UUID, dict[UUID, list[LoanChange]]] = {}
    for row in await uow.sql.fetch(_CHANGES, uow.tenant, sorted(party_ids)):
        change = LoanChange(row["as_of"], row["state"], row["currency"], row["overdue_minor"])
        found.setdefault(row["party_id"], {}).setdefault(row["loan_id"], []).append(change)
    return {party: tuple(tuple(one) for one in loans.values()) for party, loans in found.items()}


async def references(uow: UnitOfWork, party_ids: Iterable[UUID]) -> Mapping[tuple[str, str], UUID]:
    """The cores' references of people: (core, party_ref) to party."""
    rows = await uow.sql.fetch(_REFERENCES, uow.tenant, sorted(party_ids))
    return {(row["core"], row["party_ref"]): row["party_id"] for row in rows}


def _labels(person: asyncpg.Record, loans: asyncpg.Record | None) -> dict[str, str]:
    of_loans = None if loans is None else loans["jurisdiction"]
    return {
        "jurisdiction": person["jurisdiction"] or of_loans or "unknown",
        "language": person["language"] or "unknown",
        "product": (None if loans is None else loans["product"]) or "unknown",
    }

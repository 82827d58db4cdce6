"""The facts of the core as they were told: appended in the transaction that folds them, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from shared.database import UnitOfWork
from shared.events import Event
from shared.events.base import EventData
from shared.events.loan import LoanFact, PartyDeceased
from shared.messaging import Outcome

_COLUMNS: Final = (
    "tenant", "party_id", "source", "event_id", "type", "holds_from", "happened_at", "recorded_at", "outcome",
    "content",
)  # fmt: skip
_KEPT: Final = (LoanFact, PartyDeceased)
# The date from which a fact holds, where it says so; else the core's business date.
_DATED: Final = (
    "value_date", "starts_on", "ended_on", "charged_off_on", "written_off_on", "transferred_on", "closed_on",
    "reported_on", "business_date",
)  # fmt: skip
_OF_PARTY = """
SELECT fact_id, party_id, source, event_id, type, holds_from, happened_at, recorded_at, outcome, content FROM loan_fact
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND ($3::bigint IS NULL OR fact_id > $3)
ORDER BY fact_id LIMIT $4
"""
# A hold says itself which days it covers: told to begin later than was known, it is not on a day before.
_TOLD = """
SELECT type, content FROM loan_fact
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND recorded_at <= $4
  AND (holds_from <= $3 OR type IN ('loan.hold_started', 'loan.hold_ended'))
ORDER BY fact_id
"""
_OF_PARTIES = """
SELECT party_id, holds_from, type, content FROM loan_fact
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) ORDER BY party_id, fact_id
"""
_WITHOUT = """
SELECT l.party_id FROM loan l WHERE l.tenant = $1 AND l.party_id = ANY($2::uuid[]) AND l.terms IS NOT NULL
AND NOT EXISTS (
    SELECT FROM loan_fact f WHERE f.tenant = $1 AND f.party_id = l.party_id
      AND f.content::jsonb ->> 'loan_ref' = l.loan_ref
)
UNION
SELECT unnest(ARRAY[party_id, into_id, other_id]) FROM party_identity
WHERE tenant = $1 AND (NOT is_merged OR version > 1)
"""


class Told(NamedTuple):
    """A fact, whose it is, and what became of it."""

    event: Event[EventData]
    party_id: UUID
    outcome: Outcome


async def keep(uow: UnitOfWork, told: Sequence[Told]) -> None:
    """Append the facts about loans and deaths. What is said of people otherwise is personal: it is in their cards."""
    rows = [
        (
            uow.tenant, party_id, event.source, event.id, event.type, holds_from(event.data), event.time, uow.real_now,
            outcome.value, event.data.__pydantic_serializer__.to_json(event.data, exclude_defaults=True).decode(),
        )
        for event, party_id, outcome in told
        if isinstance(event.data, _KEPT)
    ]  # fmt: skip
    if rows:
        await uow.sql.copy_records_to_table("loan_fact", columns=_COLUMNS, records=rows)


def holds_from(fact: LoanFact | PartyDeceased) -> date:
    """The day from which a fact holds."""
    for name in _dates_of(type(fact)):
        day = getattr(fact, name)
        if isinstance(day, date):
            return day
    raise LookupError(f"{type(fact).__name__} has no date")


@cache
def _dates_of(model: type[EventData]) -> tuple[str, ...]:
    return tuple(name for name in _DATED if name in model.model_fields)


async def page(uow: UnitOfWork, party_ids: Sequence[UUID], *, after: int | None, limit: int) -> list[asyncpg.Record]:
    """Facts of a person, under all their references, in the order in which they were recorded."""
    return list(await uow.sql.fetch(_OF_PARTY, uow.tenant, party_ids, after, limit))


async def told_by(
    uow: UnitOfWork, party_ids: Sequence[UUID], *, as_of: date, known_at: datetime
) -> list[tuple[str, str]]:
    """Type and content of the facts that hold on `as_of` and were recorded until `known_at`, as recorded."""
    return [tuple(row) for row in await uow.sql.fetch(_TOLD, uow.tenant, party_ids, as_of, known_at)]


async def of_parties(uow: UnitOfWork, party_ids: Sequence[UUID]) -> dict[UUID, list[tuple[date, str, str]]]:
    """Date, type and content of every fact, by party; left out is who has a loan of which no fact was kept, or was
    taken for another person, or one with them, for a while."""
    unknown = {row[0] for row in await uow.sql.fetch(_WITHOUT, uow.tenant, party_ids)}
    found: dict[UUID, list[tuple[date, str, str]]] = {one: [] for one in party_ids if one not in unknown}
    for party_id, *fact in await uow.sql.fetch(_OF_PARTIES, uow.tenant, party_ids):
        if party_id not in unknown:
            found[party_id].append(tuple(fact))
    return found

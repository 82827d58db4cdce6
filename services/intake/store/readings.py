"""The SQL of who read personal data, and who searched for people: only appended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.database import UnitOfWork
from shared.ids import event_id

_KEEP = """
INSERT INTO contact_reading (tenant, party_id, reading_id, caller, purpose, permit_id, what, fields, refused_for,
                             read_at, recorded_at)
SELECT $1, r.party_id, r.reading_id, r.caller, r.purpose, r.permit_id, r.what, string_to_array(r.fields, ','),
       r.refused_for, $10, $11
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::text[])
  AS r(party_id, reading_id, caller, purpose, permit_id, what, fields, refused_for)
"""
_KEEP_SEARCH = """
INSERT INTO person_search (tenant, search_id, caller, purpose, found_by, found, searched_at, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_SEARCHED_SINCE = "SELECT recorded_at FROM person_search WHERE tenant = $1 AND caller = $2 AND recorded_at > $3"
_NTH_LAST = f"{_SEARCHED_SINCE} ORDER BY recorded_at DESC OFFSET $4 LIMIT 1"
# One caller's searches are counted one after the other, or many at once would all be below the bound.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of one person's data. `fields` were shown in clear; `caller`: subject and client."""

    party_id: UUID
    caller: str
    purpose: str
    what: str
    fields: frozenset[str] = frozenset()
    permit_id: UUID | None = None
    refused_for: str | None = None
    reading_id: UUID = field(default_factory=event_id)


async def keep(uow: UnitOfWork, readings: Sequence[Reading]) -> None:
    """Keep who read what of whom, and for which purpose, in the transaction that reads."""
    if not readings:
        return
    ordered = sorted(readings, key=lambda one: (one.party_id, one.reading_id))
    await uow.sql.execute(
        _KEEP,
        uow.tenant,
        [one.party_id for one in ordered],
        [one.reading_id for one in ordered],
        [one.caller for one in ordered],
        [one.purpose for one in ordered],
        [one.permit_id for one in ordered],
        [one.what for one in ordered],
        [",".join(sorted(one.fields)) for one in ordered],
        [one.refused_for for one in ordered],
        uow.now,
        uow.real_now,
    )


async def keep_search(uow: UnitOfWork, *, caller: str, purpose: str, found_by: str, found: int) -> None:
    """Keep that somebody searched, also when nobody was found; what was searched for is not kept."""
    await uow.sql.execute(_KEEP_SEARCH, uow.tenant, event_id(), caller, purpose, found_by, found, uow.now, uow.real_now)


async def nth_last_search(uow: UnitOfWork, *, caller: str, since: datetime, n: int) -> datetime | None:
    """Real time of the caller's `n`th last search since then; None: there were fewer. One caller at a time."""
    await uow.sql.execute(_ONE_AT_A_TIME, f"person_search|{uow.tenant}|{caller}")
    moment: datetime | None = await uow.sql.fetchval(_NTH_LAST, uow.tenant, caller, since, n - 1)
    return moment

"""The SQL of the ledger of third persons: commitments, dates, counts, refusals, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Final

from services.compliance.domain.third_persons import Entry, Inquiry, Ledger
from shared.database import UnitOfWork

# Whoever was asked today before the ledger was opened is not in it.
_TOMORROW: Final = timedelta(days=1)
_OPEN = "INSERT INTO third_person_ledger (tenant, known_from) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_KNOWN_FROM = "SELECT known_from FROM third_person_ledger WHERE tenant = $1"
_REACH_BACK = """
INSERT INTO third_person_ledger AS l (tenant, known_from) VALUES ($1, $2)
ON CONFLICT (tenant) DO UPDATE SET known_from = least(l.known_from, excluded.known_from)
"""
_ENTRIES = "SELECT key, asked_on, asked, refused FROM third_person WHERE tenant = $1 AND key = ANY($2::text[])"
_NOTE = """
INSERT INTO third_person AS t (tenant, key, asked_on, asked, refused)
SELECT $1, n.key, n.asked_on, n.asked, n.refused
FROM unnest($2::text[], $3::date[], $4::int[], $5::bool[]) AS n(key, asked_on, asked, refused)
ORDER BY n.key, n.asked_on
ON CONFLICT (tenant, key, asked_on)
DO UPDATE SET asked = t.asked + excluded.asked, refused = t.refused OR excluded.refused
"""
_GIVE_BACK = """
UPDATE third_person t SET asked = greatest(t.asked - n.fewer, 0)
FROM unnest($2::text[], $3::date[], $4::int[]) AS n(key, asked_on, fewer)
WHERE t.tenant = $1 AND t.key = n.key AND t.asked_on = n.asked_on
"""


async def open_ledger(uow: UnitOfWork) -> date:
    """The date since which every question is in the ledger; it begins with the first that somebody wants to ask.

    Call it before keys are locked: who opens it first lets the others wait.
    """
    known_from: date | None = await uow.sql.fetchval(_KNOWN_FROM, uow.tenant)
    if known_from is None:
        await uow.sql.execute(_OPEN, uow.tenant, uow.now.date() + _TOMORROW)
        known_from = await uow.sql.fetchval(_KNOWN_FROM, uow.tenant)
    return known_from or date.max


async def reach_back(uow: UnitOfWork, known_from: date) -> None:
    """The ledger is complete since that date: what another system asked before was imported, and accepted by two."""
    await uow.sql.execute(_REACH_BACK, uow.tenant, known_from)


async def load_ledger(uow: UnitOfWork, known_from: date, keys: Collection[str]) -> Ledger:
    """The ledger, with the entries of these third persons; their keys are locked where something may be reserved."""
    found: dict[str, Entry] = {}
    for row in await uow.sql.fetch(_ENTRIES, uow.tenant, sorted(keys)):
        entry = found.get(row["key"], Entry())
        found[row["key"]] = Entry({**entry.asked, row["asked_on"]: row["asked"]}, entry.refused or row["refused"])
    return Ledger(known_from, found)


async def note_asked(
    uow: UnitOfWork,
    asked: Iterable[Inquiry] = (),
    *,
    given_back: Iterable[Inquiry] = (),
    refused: Iterable[Inquiry] = (),
) -> None:
    """Count questions and keep refusals; a refusal is never taken back."""
    counts, refusals, fewer = Counter(asked), set(refused), Counter(given_back)
    noted = sorted(counts.keys() | refusals)
    if noted:
        await uow.sql.execute(
            _NOTE,
            uow.tenant,
            [one.key for one in noted],
            [one.on for one in noted],
            [counts[one] for one in noted],
            [one in refusals for one in noted],
        )
    if fewer:
        back = sorted(fewer)
        await uow.sql.execute(
            _GIVE_BACK, uow.tenant, [one.key for one in back], [one.on for one in back], [fewer[one] for one in back]
        )

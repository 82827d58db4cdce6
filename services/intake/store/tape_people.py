"""The last row of each person of a feed, as a keyed digest; whom others have spoken of, and who is anybody to us."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from services.intake.store.tape_rows import LastRows, joined_column
from shared.database import UnitOfWork

# `stated_number`: where the last folded fact about the person stands.
PEOPLE: Final = LastRows(
    table="tape_person",
    key="party_ref",
    columns={"party_ref": "text", "digest": "uuid", "stated_number": "bigint"},
)
_SPOKEN_OF = """
SELECT t.party_ref FROM tape_person t
JOIN party_alias a ON a.tenant = $1 AND a.core = $2 AND a.party_ref = t.party_ref
JOIN person p ON p.tenant = $1 AND p.party_id = a.party_id
WHERE t.tenant = $1 AND t.feed = $3 AND (p.profile::json ->> 'core_sequence')::bigint IS DISTINCT FROM t.stated_number
"""
# LIMIT keeps the planner from joining the other way round, which reads the whole table, large as the portfolio.
_NAMED = """
SELECT (k.place - 1)::integer FROM unnest(string_to_array($3, chr(31))) WITH ORDINALITY AS k(party_ref, place),
LATERAL (
    SELECT FROM party_alias WHERE tenant = $1 AND core = $2 AND party_ref = k.party_ref LIMIT 1
) AS a
"""
_SCAN_SECONDS = 600


async def spoken_of(uow: UnitOfWork, core: str, feed: str) -> list[str]:
    """People of whom somebody else than this feed has said the last word: their rows are never skipped."""
    await uow.sql.execute(f"SET LOCAL statement_timeout = '{_SCAN_SECONDS}s'")
    rows = await uow.sql.fetch(_SPOKEN_OF, uow.tenant, core, feed, timeout=_SCAN_SECONDS)
    return [row[0] for row in rows]


async def named(uow: UnitOfWork, core: str, references: pa.Array) -> set[int]:
    """The places of those references (at least one) under which the core has told us of somebody."""
    return {row[0] for row in await uow.sql.fetch(_NAMED, uow.tenant, core, joined_column(references))}

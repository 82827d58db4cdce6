"""The SQL of readings of contact data: only appended; lists of readings, and of readers by day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from uuid import UUID

import asyncpg

from services.compliance.domain.card_readings import CONTACT_FOLLOWS_WITHIN, CardReading
from shared.database import UnitOfWork

Lacking = Literal["permit", "contact"]

_INSERT: Final = """
INSERT INTO card_reading (tenant, party_id, reading_id, reader, client, purpose, what, fields, channel, permit_id,
                          refused_for, read_at, read_real, leaf_id, unpermitted, recorded_real)
SELECT $1, r.party_id, r.reading_id, r.reader, r.client, r.purpose, r.what, string_to_array(r.fields, ','), r.channel,
       r.permit_id, r.refused_for, r.read_at, r.read_real, r.leaf_id, r.unpermitted, $16
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::uuid[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::uuid[], $15::bool[])
  AS r(party_id, reading_id, reader, client, purpose, what, fields, channel, permit_id, refused_for, read_at, read_real,
       leaf_id, unpermitted)
"""
# Whether a contact by the reading's channel began after it, within $2.
_FOLLOWED: Final = """EXISTS (
         SELECT FROM contact_audit a
         WHERE a.tenant = $1 AND a.party_id = r.party_id AND a.channel = r.channel
           AND a.started_at >= r.read_at AND a.started_at < r.read_at + $2::interval)"""
# A card that was opened to reach the person, long enough ago ($3) for the contact to have been told.
_SHOULD_LEAD: Final = "r.what = 'card' AND r.channel IS NOT NULL AND r.read_at < $3"
_PAGE: Final = f"""
SELECT r.reading_id, r.party_id, r.reader, r.client, r.purpose, r.what, r.fields, r.channel, r.permit_id, r.refused_for,
       r.read_at, r.unpermitted, {_SHOULD_LEAD} AND NOT {_FOLLOWED} AS without_contact
FROM card_reading r
WHERE r.tenant = $1 AND ($4::timestamptz IS NULL OR (r.read_at, r.reading_id) > ($4, $5::uuid)) {{which}}
  AND NOT EXISTS (SELECT FROM restriction x WHERE x.tenant = $1 AND x.party_id = r.party_id)
ORDER BY r.read_at, r.reading_id LIMIT $6
"""  # noqa: S608 - constants
_READERS: Final = f"""
SELECT r.reader, r.client, count(*) AS readings, count(*) FILTER (WHERE r.what = 'card') AS in_clear,
       count(DISTINCT r.party_id) FILTER (WHERE r.what = 'card') AS people,
       count(*) FILTER (WHERE r.what = 'refused') AS refused,
       count(*) FILTER (WHERE r.unpermitted AND r.what = 'card') AS without_permit,
       count(*) FILTER (WHERE {_SHOULD_LEAD} AND NOT {_FOLLOWED}) AS without_contact
FROM card_reading r
WHERE r.tenant = $1 AND r.read_at >= $4 AND r.read_at < $5
  AND ($6::text IS NULL OR (r.reader, r.client) > ($6, $7::text))
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $8
"""  # noqa: S608 - constants
_FORGET: Final = "SELECT party_id, forgotten FROM forget_card_readings($1, $2::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFilter:
    """Which readings a list shows; None: any. `lacking`: those without a permit, or without a contact after them."""

    reader: str | None = None
    party_id: UUID | None = None
    lacking: Lacking | None = None

    @property
    def list_name(self) -> str:
        """Names the list, so that a cursor of another filter is refused."""
        return f"card_readings|{self.reader}|{self.party_id}|{self.lacking}"


async def insert(
    uow: UnitOfWork, readings: Sequence[CardReading], leaf_ids: Sequence[UUID], *, unpermitted: Collection[UUID]
) -> None:
    """Append them, each with its leaf; `unpermitted`: which of them no permit allowed. The parties are locked."""
    await uow.sql.execute(
        _INSERT,
        uow.tenant,
        [one.party_id for one in readings],
        [one.reading_id for one in readings],
        [one.reader for one in readings],
        [one.client for one in readings],
        [one.purpose for one in readings],
        [one.what for one in readings],
        [",".join(one.fields) for one in readings],
        [one.channel for one in readings],
        [one.permit_id for one in readings],
        [one.refused_for for one in readings],
        [one.read_at for one in readings],
        [one.read_real for one in readings],
        list(leaf_ids),
        [one.reading_id in unpermitted for one in readings],
        uow.real_now,
    )


async def page(
    uow: UnitOfWork, which: ReadingFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Readings in the order in which they were made."""
    named: list[str | UUID] = []
    conditions: list[str] = []
    # Only what is asked for is in the statement: then each list is read by the index made for it.
    for column, value in (("reader", which.reader), ("party_id", which.party_id)):
        if value is not None:
            named.append(value)
            conditions.append(f"r.{column} = ${6 + len(named)}")
    if which.lacking == "permit":
        conditions.append("r.unpermitted")
    elif which.lacking == "contact":
        conditions.append(f"{_SHOULD_LEAD} AND NOT {_FOLLOWED}")
    statement = _PAGE.format(which="".join(f" AND {one}" for one in conditions))
    moment, reading_id = after or (None, None)
    return list(
        await uow.sql.fetch(
            statement, uow.tenant, CONTACT_FOLLOWS_WITHIN, uow.now - CONTACT_FOLLOWS_WITHIN, moment, reading_id, limit,
            *named,
        )
    )  # fmt: skip


async def readers(uow: UnitOfWork, day: date, *, after: tuple[str, str] | None, limit: int) -> list[asyncpg.Record]:
    """Who read on a day (UTC, business time), and how much of it led nowhere; in order of reader and client."""
    begin = datetime.combine(day, time(), UTC)
    reader, client = after or (None, None)
    return list(
        await uow.sql.fetch(
            _READERS, uow.tenant, CONTACT_FOLLOWS_WITHIN, uow.now - CONTACT_FOLLOWS_WITHIN, begin,
            begin + timedelta(days=1), reader, client, limit,
        )
    )  # fmt: skip


async def forget(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Delete what was read of the parties; how much there was. The leaves stay. The parties are locked."""
    rows = await uow.sql.fetch(_FORGET, uow.tenant, sorted(set(party_ids)))
    return {row["party_id"]: row["forgotten"] for row in rows}

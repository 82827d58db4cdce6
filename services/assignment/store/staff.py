"""Collectors with their certificates, and pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.assignment.domain.collectors import Certificate, Collector, Pair, Shift
from services.assignment.store.rows import columns
from shared.database import UnitOfWork
from shared.geo import Point

_SAVE_COLLECTORS = """
INSERT INTO collector (tenant, collector_id, staff_ref, name, languages, active)
SELECT $1, r.collector_id, r.staff_ref, r.name, string_to_array(r.languages, ','), r.active
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[])
  AS r(collector_id, staff_ref, name, languages, active)
ON CONFLICT (tenant, collector_id) DO UPDATE SET
  staff_ref = excluded.staff_ref, name = excluded.name, languages = excluded.languages,
  active = excluded.active
"""
_FORGET_CERTIFICATES = "DELETE FROM certificate WHERE tenant = $1 AND collector_id = ANY($2::uuid[])"
_SAVE_CERTIFICATES = """
INSERT INTO certificate (tenant, collector_id, kind, reference, valid_from, valid_to)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::date[], $6::date[])
"""
_SAVE_PAIRS = """
INSERT INTO pair (tenant, pair_id, collectors, device_id, home_lat, home_lon, shift_start, shift_end, time_zone, active)
SELECT $1, r.pair_id, ARRAY[r.first, r.second], r.device_id, r.home_lat, r.home_lon, r.shift_start, r.shift_end,
       r.time_zone, r.active
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::float8[], $7::float8[], $8::time[], $9::time[],
            $10::text[], $11::boolean[])
  AS r(pair_id, first, second, device_id, home_lat, home_lon, shift_start, shift_end, time_zone, active)
ON CONFLICT (tenant, pair_id) DO UPDATE SET
  collectors = excluded.collectors, device_id = excluded.device_id, home_lat = excluded.home_lat,
  home_lon = excluded.home_lon, shift_start = excluded.shift_start, shift_end = excluded.shift_end,
  time_zone = excluded.time_zone, active = excluded.active
"""
_COLLECTORS = "SELECT * FROM collector WHERE tenant = $1 AND collector_id = ANY($2::uuid[])"
_CERTIFICATES = "SELECT * FROM certificate WHERE tenant = $1 AND collector_id = ANY($2::uuid[]) ORDER BY valid_from"
_COLLECTOR_PAGE = """
SELECT collector_id FROM collector WHERE tenant = $1 AND ($2::uuid IS NULL OR collector_id > $2)
ORDER BY collector_id LIMIT $3
"""
_PAIR_PAGE = """
SELECT * FROM pair WHERE tenant = $1 AND ($2::uuid IS NULL OR pair_id > $2) ORDER BY pair_id LIMIT $3
"""
_PAIRS = """
SELECT * FROM pair WHERE tenant = $1 AND ($2::uuid[] IS NULL OR pair_id = ANY($2)) AND active ORDER BY pair_id
"""
# What two registrations would both find free, both would take.
_ALONE = "SELECT pg_advisory_xact_lock(2, hashtext($1 || '/staff'))"
_STAFF_REF_HOLDERS = "SELECT staff_ref, collector_id FROM collector WHERE tenant = $1 AND staff_ref = ANY($2::text[])"
_DEVICE_HOLDERS = "SELECT device_id, pair_id FROM pair WHERE tenant = $1 AND device_id = ANY($2::text[]) AND active"


async def save_collectors(uow: UnitOfWork, collectors: Sequence[Collector]) -> None:
    """Insert or replace collectors with all their certificates."""
    ordered = sorted(collectors, key=lambda each: each.collector_id)
    rows = [(c.collector_id, c.staff_ref, c.name, ",".join(sorted(c.languages)), c.active) for c in ordered]
    await uow.sql.execute(_SAVE_COLLECTORS, uow.tenant, *columns(rows))
    await uow.sql.execute(_FORGET_CERTIFICATES, uow.tenant, [c.collector_id for c in ordered])
    held = [(c.collector_id, h.kind, h.reference, h.valid_from, h.valid_to) for c in ordered for h in c.certificates]
    if held:
        await uow.sql.execute(_SAVE_CERTIFICATES, uow.tenant, *columns(held))


async def save_pairs(uow: UnitOfWork, pairs: Sequence[Pair]) -> None:
    """Insert or replace pairs."""
    rows = [
        (p.pair_id, *p.collectors, p.device_id, p.home.lat, p.home.lon, p.shift.start, p.shift.end, p.shift.time_zone,
         p.active)
        for p in sorted(pairs, key=lambda each: each.pair_id)
    ]  # fmt: skip
    await uow.sql.execute(_SAVE_PAIRS, uow.tenant, *columns(rows))


async def load_collectors(uow: UnitOfWork, collector_ids: Iterable[UUID]) -> dict[UUID, Collector]:
    """Known collectors among `collector_ids`."""
    ids = sorted(set(collector_ids))
    held: dict[UUID, list[Certificate]] = defaultdict(list)
    for row in await uow.sql.fetch(_CERTIFICATES, uow.tenant, ids):
        held[row["collector_id"]].append(
            Certificate(
                kind=row["kind"], reference=row["reference"], valid_from=row["valid_from"], valid_to=row["valid_to"]
            )
        )
    rows = await uow.sql.fetch(_COLLECTORS, uow.tenant, ids)
    return {row["collector_id"]: _collector(row, held[row["collector_id"]]) for row in rows}


async def collector_page(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[Collector]:
    """Collectors in order of id."""
    ids = [row["collector_id"] for row in await uow.sql.fetch(_COLLECTOR_PAGE, uow.tenant, after, limit)]
    known = await load_collectors(uow, ids)
    return [known[collector_id] for collector_id in ids]


async def load_pairs(uow: UnitOfWork, pair_ids: Sequence[UUID] | None = None) -> list[Pair]:
    """Active pairs: those of `pair_ids`, or all."""
    rows = await uow.sql.fetch(_PAIRS, uow.tenant, None if pair_ids is None else list(pair_ids))
    return [_pair(row) for row in rows]


async def pair_page(uow: UnitOfWork, *, after: UUID | None, limit: int) -> list[Pair]:
    """Pairs in order of id, inactive ones included."""
    return [_pair(row) for row in await uow.sql.fetch(_PAIR_PAGE, uow.tenant, after, limit)]


async def alone(uow: UnitOfWork) -> None:
    """Until the commit nobody else registers collectors or pairs of this tenant."""
    await uow.sql.execute(_ALONE, uow.tenant)


async def staff_ref_holders(uow: UnitOfWork, staff_refs: Iterable[str]) -> dict[str, UUID]:
    """Which collector, active or not, has each staff number."""
    rows = await uow.sql.fetch(_STAFF_REF_HOLDERS, uow.tenant, sorted(set(staff_refs)))
    return {row["staff_ref"]: row["collector_id"] for row in rows}


async def device_holders(uow: UnitOfWork, device_ids: Iterable[str]) -> dict[str, UUID]:
    """Which active pair holds each device."""
    rows = await uow.sql.fetch(_DEVICE_HOLDERS, uow.tenant, sorted(set(device_ids)))
    return {row["device_id"]: row["pair_id"] for row in rows}


def _collector(row: asyncpg.Record, certificates: list[Certificate]) -> Collector:
    return Collector(
        collector_id=row["collector_id"],
        staff_ref=row["staff_ref"],
        name=row["name"],
        languages=frozenset(row["languages"]),
        certificates=tuple(certificates),
        active=row["active"],
    )


def _pair(row: asyncpg.Record) -> Pair:
    first, second = row["collectors"]
    shift: dict[str, Any] = {"start": row["shift_start"], "end": row["shift_end"], "time_zone": row["time_zone"]}
    return Pair(
        pair_id=row["pair_id"],
        collectors=(first, second),
        device_id=row["device_id"],
        home=Point(lat=row["home_lat"], lon=row["home_lon"], crs="WGS84"),
        shift=Shift(**shift),
        active=row["active"],
    )

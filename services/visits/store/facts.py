"""What visits knows from others: stops, cures, revocations, watermarks, permit keys, collectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.visits.domain.check_in import Refusal, Standing
from services.visits.domain.permit import JsonWebKey
from services.visits.domain.visit import Visit
from shared.database import UnitOfWork
from shared.events.platform import ServiceHeartbeat
from shared.ids import event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFact:
    """What the other topics said about a party; only what decides about visits."""

    party_id: UUID
    case_version: int | None = None
    time_zones: tuple[str, ...] = ()
    language: str | None = None
    cured_version: int | None = None
    cured_at: datetime | None = None
    stop_cause: str | None = None
    stop_arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A permit that a later fact killed. Both times are real."""

    party_id: UUID
    permit_id: UUID
    cause: str
    fact_arrived_at: datetime
    revoked_at: datetime


_FACTS: Final = "SELECT * FROM party_fact WHERE tenant = $1 AND party_id = ANY($2::uuid[])"
_SAVE_FACTS: Final = """
INSERT INTO party_fact AS known
SELECT * FROM jsonb_populate_recordset(NULL::party_fact, $1::text::jsonb) ORDER BY party_id
ON CONFLICT (tenant, party_id) DO UPDATE SET
  case_version = EXCLUDED.case_version, time_zones = EXCLUDED.time_zones, language = EXCLUDED.language,
  cured_version = EXCLUDED.cured_version, cured_at = EXCLUDED.cured_at,
  stop_cause = EXCLUDED.stop_cause, stop_arrived_at = EXCLUDED.stop_arrived_at
"""
_REVOKED: Final = """
SELECT party_id, permit_id, cause, fact_arrived_at, revoked_at FROM permit_revoked
WHERE tenant = $1 AND party_id = ANY($2::uuid[])
"""
_SAVE_REVOKED: Final = """
INSERT INTO permit_revoked SELECT * FROM jsonb_populate_recordset(NULL::permit_revoked, $1::text::jsonb)
ORDER BY party_id, permit_id ON CONFLICT DO NOTHING
"""
_USED: Final = "SELECT permit_id FROM permit_use WHERE tenant = $1 AND party_id = $2"
_WATERMARK: Final = """
SELECT low_watermark FROM feed_watermark
WHERE service = 'compliance' AND topic = 'compliance' AND partition = $1 AND NOT held_back @> ARRAY[$2::uuid]
"""
_SAVE_WATERMARKS: Final = """
INSERT INTO feed_watermark AS known (service, topic, partition, low_watermark, held_back)
SELECT service, topic, partition, low_watermark, held_back
FROM jsonb_populate_recordset(NULL::feed_watermark, $1::text::jsonb) ORDER BY service, topic, partition
ON CONFLICT (service, topic, partition) DO UPDATE
SET low_watermark = EXCLUDED.low_watermark, held_back = EXCLUDED.held_back
WHERE known.low_watermark <= EXCLUDED.low_watermark
"""
_KEYS: Final = "SELECT jwk::text FROM permit_key ORDER BY kid"
_SAVE_KEYS: Final = """
INSERT INTO permit_key (kid, jwk, learnt_at, confirmed_at)
SELECT key.value ->> 'kid', key.value, $2, $2 FROM jsonb_array_elements($1::text::jsonb) AS key ORDER BY 1
ON CONFLICT (kid) DO UPDATE SET jwk = EXCLUDED.jwk, confirmed_at = EXCLUDED.confirmed_at
"""
_FORGET_KEYS: Final = "DELETE FROM permit_key WHERE confirmed_at < $1"
_SAVE_REFUSAL: Final = """
INSERT INTO check_in_refusal
  (tenant, party_id, refusal_id, visit_id, reasons, device_id, refused_at, refused_real, cell)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_SAVE_COLLECTORS: Final = """
INSERT INTO collector (collector_id, name, photo_ref, learnt_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) ORDER BY 1
ON CONFLICT (collector_id) DO UPDATE
SET name = EXCLUDED.name, photo_ref = EXCLUDED.photo_ref, learnt_at = EXCLUDED.learnt_at
"""


async def load_facts(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, PartyFact]:
    """What is known of the parties; a party nobody spoke of gets an empty fact."""
    wanted = sorted(set(party_ids))
    rows = await uow.sql.fetch(_FACTS, uow.tenant, wanted)
    known = {row["party_id"]: _fact(row) for row in rows}
    return {party_id: known.get(party_id, PartyFact(party_id=party_id)) for party_id in wanted}


async def save_facts(uow: UnitOfWork, facts: Sequence[PartyFact]) -> None:
    """Keep the facts, replacing what was known of these parties (they are locked)."""
    if facts:
        await uow.sql.execute(_SAVE_FACTS, _rows(uow, facts))


async def load_revocations(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, Revocation]:
    """Revoked permits of the parties, by permit id."""
    rows = await uow.sql.fetch(_REVOKED, uow.tenant, sorted(set(party_ids)))
    return {row["permit_id"]: Revocation(**dict(row)) for row in rows}


async def save_revocations(uow: UnitOfWork, revocations: Sequence[Revocation]) -> None:
    """Keep revocations; the first one of a permit stands."""
    if revocations:
        await uow.sql.execute(_SAVE_REVOKED, _rows(uow, revocations))


async def load_standing(uow: UnitOfWork, visit: Visit, *, fact_limit_seconds: float) -> Standing:
    """Everything that a check-in is judged by, from our own tables."""
    revoked = await load_revocations(uow, [visit.party_id])
    used = await uow.sql.fetch(_USED, uow.tenant, visit.party_id)
    return Standing(
        keys=await load_permit_keys(uow),
        revoked=frozenset(revoked),
        used=frozenset(row["permit_id"] for row in used),
        facts_as_of=await uow.sql.fetchval(_WATERMARK, visit.partition, visit.party_id),
        fact_limit=timedelta(seconds=fact_limit_seconds),
    )


async def save_heartbeats(uow: UnitOfWork, heartbeats: Iterable[ServiceHeartbeat]) -> None:
    """Keep the newest watermark of each feed and partition, and whom it does not speak for."""
    newest: dict[tuple[str, str, int], ServiceHeartbeat] = {}
    for beat in heartbeats:
        place = (beat.service, beat.topic, beat.partition)
        if place not in newest or newest[place].low_watermark <= beat.low_watermark:
            newest[place] = beat
    rows = [
        {
            "service": beat.service,
            "topic": beat.topic,
            "partition": beat.partition,
            "low_watermark": beat.low_watermark.isoformat(),
            "held_back": [str(party_id) for party_id in (*beat.parked_parties, *beat.blocked_parties)],
        }
        for beat in newest.values()
    ]
    if rows:
        await uow.sql.execute(_SAVE_WATERMARKS, json.dumps(rows))


async def load_permit_keys(uow: UnitOfWork) -> list[JsonWebKey]:
    """Compliance's public permit keys, as far as we learnt them."""
    return [json.loads(row["jwk"]) for row in await uow.sql.fetch(_KEYS)]


async def save_permit_keys(uow: UnitOfWork, keys: Sequence[JsonWebKey]) -> None:
    """Replace the known keys by those that compliance publishes now: a key it withdrew verifies nothing any more."""
    await uow.sql.execute(_SAVE_KEYS, json.dumps([dict(key) for key in keys]), uow.real_now)
    await uow.sql.execute(_FORGET_KEYS, uow.real_now)


async def save_refusal(
    uow: UnitOfWork, visit: Visit, *, device_id: str, refusals: Sequence[Refusal], cell: str
) -> None:
    """Record a refused check-in, with every reason and the cell of about 500 m in which the device was."""
    await uow.sql.execute(
        _SAVE_REFUSAL,
        uow.tenant,
        visit.party_id,
        event_id(),
        visit.visit_id,
        [str(refusal.reason) for refusal in refusals],
        device_id,
        uow.now,
        uow.real_now,
        cell,
    )


async def save_collectors(uow: UnitOfWork, collectors: Sequence[tuple[UUID, str, str | None]]) -> None:
    """Keep what a customer may see of collectors: (id, name, photo reference)."""
    await uow.sql.execute(
        _SAVE_COLLECTORS,
        [collector[0] for collector in collectors],
        [collector[1] for collector in collectors],
        [collector[2] for collector in collectors],
        [uow.real_now] * len(collectors),
    )


def _fact(row: Mapping[str, Any]) -> PartyFact:
    values = {name: row[name] for name in PartyFact.__dataclass_fields__}
    return PartyFact(**(values | {"time_zones": tuple(row["time_zones"])}))


def _rows(uow: UnitOfWork, records: Sequence[PartyFact] | Sequence[Revocation]) -> str:
    return json.dumps([{"tenant": uow.tenant, **asdict(record)} for record in records], default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

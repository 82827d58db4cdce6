"""The SQL of permits, decisions and revocations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.compliance.domain.budget_keys import keys_named, names_of
from services.compliance.domain.local_time import Span
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.store.budget_keys import Reached, reach
from services.compliance.store.sealed import Terms, open_terms, plain_terms
from shared.database import UnitOfWork
from shared.security.party_keys import PartyCipher

_MINUTE = timedelta(minutes=1)
_ACTIVE = """
SELECT * FROM permit WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND state IN ('granted', 'used')
ORDER BY party_id, permit_id
"""
_OF_PERMITS = "SELECT * FROM permit WHERE tenant = $1 AND permit_id = ANY($2::uuid[])"
_OF_SUBJECTS = """
SELECT * FROM permit WHERE tenant = $1 AND subject_id = ANY($2::uuid[]) AND state = 'granted'
ORDER BY party_id, permit_id
"""
_ON_DEVICE = """
SELECT * FROM permit WHERE tenant = $1 AND device_id = $2 AND state = 'granted' ORDER BY window_start, permit_id
"""
_PARTIES_OF_DEVICE = "SELECT DISTINCT party_id FROM permit WHERE tenant = $1 AND device_id = $2 AND state = 'granted'"
# What the index permit_inquiry holds: questions to third persons that could still be asked.
_PARTIES_INQUIRING = """
SELECT DISTINCT party_id FROM permit
WHERE tenant = $1 AND channel = 'third_party_location' AND state = 'granted' AND revoked_real IS NULL
  AND window_end > $2 AND party_id > $3
ORDER BY party_id LIMIT $4
"""
_OF_REQUESTS = """
SELECT permit.*
FROM permit JOIN unnest($2::uuid[], $3::uuid[]) AS r(party_id, request_id) USING (party_id, request_id)
WHERE permit.tenant = $1
"""
_OWNER = "SELECT party_id FROM permit WHERE tenant = $1 AND permit_id = $2"
_INSERT = """
INSERT INTO permit (tenant, party_id, permit_id, decision_id, request_id, request_sha256, case_id, subject_id, channel,
                    purpose, device_id, window_start, window_end, duration_minutes, zones, rule_set, sealed_terms,
                    granted_real, state, debts, budget_keys)
SELECT $1, p.party_id, p.permit_id, p.decision_id, p.request_id, p.request_sha256, p.case_id, p.subject_id, p.channel,
       p.purpose, p.device_id, p.window_start, p.window_end, p.duration_minutes, string_to_array(p.zones, ','),
       p.rule_set, p.sealed_terms, p.granted_real, 'granted',
       string_to_array(p.debts, ',')::uuid[], string_to_array(p.budget_keys, ',')
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::uuid[], $8::uuid[], $9::text[],
            $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::int[], $15::text[], $16::text[],
            $17::bytea[], $18::timestamptz[], $19::text[], $20::text[])
  AS p(party_id, permit_id, decision_id, request_id, request_sha256, case_id, subject_id, channel, purpose, device_id,
       window_start, window_end, duration_minutes, zones, rule_set, sealed_terms, granted_real, debts, budget_keys)
"""
_UPDATE = """
UPDATE permit SET state = p.state, contact_id = p.contact_id, used_at = p.used_at, release_cause = p.release_cause,
       revoked_real = p.revoked_real, revoke_cause = p.revoke_cause, fact_arrived_real = p.fact_arrived_real,
       unnamed_use = p.unnamed_use
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::timestamptz[], $7::text[], $8::timestamptz[],
            $9::text[], $10::timestamptz[], $11::bool[])
  AS p(party_id, permit_id, state, contact_id, used_at, release_cause, revoked_real, revoke_cause, fact_arrived_real,
       unnamed_use)
WHERE permit.tenant = $1 AND permit.party_id = p.party_id AND permit.permit_id = p.permit_id
"""
_REVOKE = """
INSERT INTO revocation
  (tenant, party_id, permit_id, device_id, window_end, cause, used, fact_arrived_real, revoked_real)
SELECT $1, r.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::bool[],
                           $8::timestamptz[], $9::timestamptz[]) AS r
"""
_REVOKED = """
SELECT number, permit_id, window_end FROM revocation WHERE tenant = $1 AND device_id = $2 AND window_end >= $3
ORDER BY number
"""
_LAST_NUMBER = "SELECT coalesce(max(number), 0) FROM revocation WHERE tenant = $1 AND device_id = $2"


@dataclass(frozen=True, slots=True)
class GrantedPermit:
    """A permit with its token (None: the person was erased) and the digest of the request it answers."""

    permit: Permit
    token: str | None
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What a device must refuse. `number` grows with every revocation for the device."""

    number: int
    permit_ids: tuple[UUID, ...]


async def load_active(uow: UnitOfWork, cipher: PartyCipher, party_ids: Iterable[UUID]) -> list[Permit]:
    """Granted or used permits of the parties, whose contact is not recorded yet."""
    return await _opened(uow, cipher, await uow.sql.fetch(_ACTIVE, uow.tenant, sorted(set(party_ids))))


async def load_permits(uow: UnitOfWork, cipher: PartyCipher, permit_ids: Iterable[UUID]) -> dict[UUID, Permit]:
    """The permits of these ids, whoever's they are."""
    ids = sorted(set(permit_ids))
    rows = await uow.sql.fetch(_OF_PERMITS, uow.tenant, ids) if ids else []
    return {permit.permit_id: permit for permit in await _opened(uow, cipher, rows)}


async def load_granted_for(uow: UnitOfWork, cipher: PartyCipher, subject_ids: Iterable[UUID]) -> list[Permit]:
    """Unused permits for these visits or plans."""
    return await _opened(uow, cipher, await uow.sql.fetch(_OF_SUBJECTS, uow.tenant, sorted(set(subject_ids))))


async def load_granted_on(uow: UnitOfWork, cipher: PartyCipher, device_id: str) -> list[Permit]:
    """Unused permits that the device holds."""
    return await _opened(uow, cipher, await uow.sql.fetch(_ON_DEVICE, uow.tenant, device_id))


async def parties_of_device(uow: UnitOfWork, device_id: str) -> list[UUID]:
    """Whose unused permits the device holds; read before the parties can be locked."""
    return [row["party_id"] for row in await uow.sql.fetch(_PARTIES_OF_DEVICE, uow.tenant, device_id)]


async def parties_inquiring(uow: UnitOfWork, *, after: UUID, limit: int) -> list[UUID]:
    """For whom somebody may still ask a third person, in order of id."""
    rows = await uow.sql.fetch(_PARTIES_INQUIRING, uow.tenant, uow.now, after, limit)
    return [row["party_id"] for row in rows]


async def load_answered(
    uow: UnitOfWork, cipher: PartyCipher, requests: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, GrantedPermit]:
    """Permits already granted to (party, request): the same request asked again gets the same permit."""
    parties = [party_id for party_id, _ in requests]
    rows = await uow.sql.fetch(_OF_REQUESTS, uow.tenant, parties, [request_id for _, request_id in requests])
    return {one.permit.request_id: one for one in await _granted(uow, cipher, rows)}


async def party_of(uow: UnitOfWork, permit_id: UUID) -> UUID | None:
    """Whose permit it is; read before the party can be locked."""
    party_id: UUID | None = await uow.sql.fetchval(_OWNER, uow.tenant, permit_id)
    return party_id


async def find_granted(uow: UnitOfWork, cipher: PartyCipher, permit_id: UUID) -> GrantedPermit | None:
    """One permit with its token."""
    found = await _granted(uow, cipher, await uow.sql.fetch(_OF_PERMITS, uow.tenant, [permit_id]))
    return found[0] if found else None


async def insert_permits(uow: UnitOfWork, cipher: PartyCipher, granted: Sequence[GrantedPermit]) -> None:
    """Insert new permits, their terms sealed."""
    if not granted:
        return
    permits = [one.permit for one in granted]
    terms = [plain_terms(one.permit, one.token) for one in granted if one.token is not None]
    sealed = await cipher.seal_many(uow, terms)
    uow.sql.later(
        _INSERT,
        uow.tenant,
        [p.party_id for p in permits],
        [p.permit_id for p in permits],
        [p.decision_id for p in permits],
        [p.request_id for p in permits],
        [one.request_sha256 for one in granted],
        [p.case_id for p in permits],
        [p.subject_id for p in permits],
        [p.channel for p in permits],
        [p.purpose for p in permits],
        [p.device_id for p in permits],
        [p.window.start for p in permits],
        [p.window.end for p in permits],
        [p.duration // _MINUTE for p in permits],
        [",".join(p.zones) for p in permits],
        [p.rule_set for p in permits],
        sealed,
        [p.granted_real for p in permits],
        [None if p.debts is None else ",".join(sorted(map(str, p.debts))) for p in permits],
        [",".join(names_of(p.keys)) for p in permits],
    )
    await reach(uow, [Reached(p.party_id, names_of(p.keys), uow.now) for p in permits])


async def update_permits(uow: UnitOfWork, permits: Sequence[Permit]) -> None:
    """Save what can change of a permit."""
    if permits:
        await uow.sql.execute(
            _UPDATE,
            uow.tenant,
            [p.party_id for p in permits],
            [p.permit_id for p in permits],
            [p.state.value for p in permits],
            [p.contact_id for p in permits],
            [p.used_at for p in permits],
            [p.release_cause for p in permits],
            [p.revoked_real for p in permits],
            [p.revoke_cause for p in permits],
            [p.fact_arrived_real for p in permits],
            [p.unnamed_use for p in permits],
        )


async def insert_revocations(uow: UnitOfWork, permits: Sequence[Permit]) -> None:
    """Append to the numbered revocation lists."""
    if permits:
        await uow.sql.execute(
            _REVOKE,
            uow.tenant,
            [p.party_id for p in permits],
            [p.permit_id for p in permits],
            [p.device_id for p in permits],
            [p.window.end for p in permits],
            [p.revoke_cause for p in permits],
            [p.state is PermitState.USED for p in permits],
            [p.fact_arrived_real for p in permits],
            [p.revoked_real for p in permits],
        )


async def load_revocations(uow: UnitOfWork, device_id: str, *, since: datetime) -> RevocationList:
    """The device's list: complete for every permit whose window ends at `since` (business time) or later."""
    number = await uow.sql.fetchval(_LAST_NUMBER, uow.tenant, device_id)
    rows = await uow.sql.fetch(_REVOKED, uow.tenant, device_id, since)
    return RevocationList(number, tuple(row["permit_id"] for row in rows))


async def _opened(uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[asyncpg.Record]) -> list[Permit]:
    return [_permit(row, terms) for row, terms in zip(rows, await open_terms(uow, cipher, rows), strict=True)]


async def _granted(uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[asyncpg.Record]) -> list[GrantedPermit]:
    return [
        GrantedPermit(_permit(row, terms), None if terms is None else terms.token, bytes(row["request_sha256"]))
        for row, terms in zip(rows, await open_terms(uow, cipher, rows), strict=True)
    ]


def _permit(row: asyncpg.Record, terms: Terms | None) -> Permit:
    return Permit(
        permit_id=row["permit_id"],
        party_id=row["party_id"],
        tenant=row["tenant"],
        decision_id=row["decision_id"],
        request_id=row["request_id"],
        case_id=row["case_id"],
        subject_id=row["subject_id"],
        channel=row["channel"],
        purpose=row["purpose"],
        crew=() if terms is None else terms.crew,
        device_id=row["device_id"],
        place_cell=None if terms is None else terms.place_cell,
        window=Span(row["window_start"], row["window_end"]),
        duration=timedelta(minutes=row["duration_minutes"]),
        zones=tuple(row["zones"]),
        rule_set=row["rule_set"],
        granted_real=row["granted_real"],
        state=PermitState(row["state"]),
        contact_id=row["contact_id"],
        used_at=row["used_at"],
        unnamed_use=row["unnamed_use"],
        release_cause=row["release_cause"],
        revoked_real=row["revoked_real"],
        revoke_cause=row["revoke_cause"],
        fact_arrived_real=row["fact_arrived_real"],
        erased=terms is None,
        debts=None if row["debts"] is None else frozenset(row["debts"]),
        keys=keys_named(row["budget_keys"] or ()),
        third_person=None if terms is None else terms.third_person,
    )

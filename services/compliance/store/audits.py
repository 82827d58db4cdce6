"""The SQL of decisions and audited contacts: append-only."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import structs

from services.compliance.domain.audited_on import Made
from services.compliance.domain.budget_keys import NAMED, names_of
from services.compliance.domain.facts import Counted
from services.compliance.domain.frames import told
from services.compliance.domain.rulings import Answer
from services.compliance.domain.same_persons import made_of_others, others_of
from services.compliance.store.budget_keys import Reached, reach
from services.compliance.store.counted import counted_of
from services.compliance.store.frames import load_frames
from services.compliance.store.same_persons import load_same
from services.compliance.store.sealed import CONTACT, DECISION, open_records, plain_record
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded
from shared.security.party_keys import PartyCipher

_DECISIONS = """
INSERT INTO decision (tenant, party_id, decision_id, request_id, answer, channel, purpose, refused_by, sealed_record,
                      record_sha256, leaf_id, decided_at, recorded_real, dry_run, sealed_facts)
SELECT $1, d.party_id, d.decision_id, d.request_id, d.answer, d.channel, d.purpose, string_to_array(d.refused_by, ','),
       d.sealed_record, d.record_sha256, d.leaf_id, $11, $12, d.dry_run, d.sealed_facts
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
            $10::bytea[], $13::uuid[], $14::boolean[], $15::bytea[])
  AS d(party_id, decision_id, request_id, answer, channel, purpose, refused_by, sealed_record, record_sha256,
       leaf_id, dry_run, sealed_facts)
"""
_DECISION = """
SELECT d.party_id, d.record, d.sealed_record, d.record_sha256, d.leaf_id, d.sealed_facts, p.permit_id FROM decision d
LEFT JOIN permit p ON p.tenant = d.tenant AND p.party_id = d.party_id AND p.decision_id = d.decision_id
WHERE d.tenant = $1 AND d.decision_id = $2
"""
SEALED_FACTS: Final = "decision.sealed_facts"
_CONTACTS = """
SELECT contact_id FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND contact_id = ANY($3::uuid[])
"""
_CONTACTS = """
INSERT INTO contact_audit
  (tenant, party_id, contact_id, permit_id, channel, purpose, started_at, ended_at, zones, attempt, contact,
   conversation, household_contacted, debtor_met, verdict, findings, leaf_id, recorded_real, told_by, event_id,
   sealed_record, budget_keys)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
"""
_CONTACTS_SINCE = """
SELECT a.party_id, a.contact_id, a.record, a.sealed_record
FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[]) AS s(party_id, moment, after)
JOIN contact_audit a ON a.tenant = $1 AND a.party_id = s.party_id AND (a.started_at, a.contact_id) > (s.moment, s.after)
WHERE a.told_by IS NOT NULL AND a.verdict <> 'imported' ORDER BY a.party_id, a.started_at, a.contact_id
"""
_CONTACTED_SINCE = """
SELECT DISTINCT party_id FROM contact_audit
WHERE tenant = $1 AND party_id > $2 AND started_at >= $3 AND told_by IS NOT NULL AND verdict <> 'imported'
ORDER BY party_id LIMIT $4
"""
# Of contacts recorded before findings were, only the verdict is known. Another system's contact is judged by nobody:
# it counts, and opens no gate, for which attempts must be known to have been lawful.
_MADE = """
SELECT a.*, (a.told_by IS NULL AND a.verdict = 'violation') OR a.verdict = 'imported' OR coalesce(f.conduct, false)
         AS misconduct,
       coalesce(f.harm, false) AS harm
FROM contact_audit a LEFT JOIN LATERAL (
  SELECT bool_or(f.conduct) AS conduct, bool_or(f.harm) AS harm FROM finding f
  WHERE f.tenant = a.tenant AND f.contact_id = a.contact_id
) f ON true
WHERE a.tenant = $1 AND a.party_id = ANY($2::uuid[]) ORDER BY a.party_id, a.started_at, a.contact_id
"""
_VERDICTS = """
SELECT contact_id, verdict FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND contact_id = ANY($3::uuid[])
"""
_AUDITED = """
SELECT party_id, contact_id, verdict, findings, leaf_id FROM contact_audit
WHERE tenant = $1 AND leaf_id = ANY($2::uuid[]) AND verdict <> 'imported'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision as it is kept: the canonical record and its digest. `dry_run`: somebody only asked."""

    party_id: UUID
    decision_id: UUID
    request_id: UUID
    answer: Answer
    channel: str
    purpose: str
    refused_by: tuple[str, ...]
    record: bytes
    record_sha256: bytes
    leaf_id: UUID
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDecision:
    """A decision as it is read again: its canonical record with digest and leaf, and its permit if it was granted one.

    `record` None: the person was erased. `frame`: the one that the record names, if any. `sealed_facts`: what it was
    judged on; None where it was recorded before that was kept.
    """

    party_id: UUID
    record: bytes | None
    record_sha256: bytes
    leaf_id: UUID
    sealed_facts: bytes | None
    permit_id: UUID | None
    frame: bytes | None = None

    def told(self) -> dict[str, Any]:
        """What the record says, with all that its frame says; nothing of the erased. Raises FrameError."""
        return {} if self.record is None else told(json.loads(self.record), self.frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An audited contact, its record, and who told of it (`event_id`: by which event, if it was one)."""

    contact: ContactRecorded
    counted: Counted
    verdict: Literal["lawful", "violation", "imported"]
    findings: int
    leaf_id: UUID
    told_by: str
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Audited:
    """What `compliance.contact_audited` says."""

    party_id: UUID
    contact_id: UUID
    verdict: Literal["lawful", "violation"]
    findings: int
    leaf_id: UUID


async def insert_decisions(
    uow: UnitOfWork, rows: Sequence[DecisionRow], *, sealed_records: Sequence[bytes], sealed_facts: Sequence[bytes]
) -> None:
    """Append decisions, decided and recorded at the unit of work's times, each with its record and what it was judged
    on, sealed.
    """
    if rows:
        uow.sql.later(
            _DECISIONS,
            uow.tenant,
            [row.party_id for row in rows],
            [row.decision_id for row in rows],
            [row.request_id for row in rows],
            [row.answer.value for row in rows],
            [row.channel for row in rows],
            [row.purpose for row in rows],
            [",".join(row.refused_by) for row in rows],
            sealed_records,
            [row.record_sha256 for row in rows],
            uow.now,
            uow.real_now,
            [row.leaf_id for row in rows],
            [row.dry_run for row in rows],
            sealed_facts,
        )


async def find_decision(uow: UnitOfWork, cipher: PartyCipher, decision_id: UUID) -> KeptDecision | None:
    """One decision as it is kept."""
    row = await uow.sql.fetchrow(_DECISION, uow.tenant, decision_id)
    if row is None:
        return None
    (record,) = await open_records(uow, cipher, [row], DECISION)
    frames = await load_frames(uow, [record])
    return KeptDecision(
        party_id=row["party_id"],
        record=record,
        record_sha256=row["record_sha256"],
        leaf_id=row["leaf_id"],
        sealed_facts=row["sealed_facts"],
        permit_id=row["permit_id"],
        frame=next(iter(frames.values()), None),
    )


async def insert_audits(uow: UnitOfWork, cipher: PartyCipher, rows: Sequence[AuditRow]) -> None:
    """Append audited contacts, their records sealed."""
    if rows:
        plain = [plain_record(one.contact.party_id, CONTACT, one.contact.model_dump_json().encode()) for one in rows]
        sealed = await cipher.seal_many(uow, plain)
        await uow.sql.executemany(
            _CONTACTS, [_audit_values(uow, row, record) for row, record in zip(rows, sealed, strict=True)]
        )
        named = [(row.contact, {kind: row.counted.keys.get(kind, frozenset()) for kind in NAMED}) for row in rows]
        await reach(uow, [Reached(one.party_id, names_of(keys), one.started_at) for one, keys in named])


async def load_verdicts(
    uow: UnitOfWork, party_ids: Iterable[UUID], contact_ids: Iterable[UUID]
) -> dict[UUID, Literal["lawful", "violation"]]:
    """What was said of these contacts of the parties when they were judged."""
    rows = await uow.sql.fetch(_VERDICTS, uow.tenant, sorted(set(party_ids)), sorted(set(contact_ids)))
    return {row["contact_id"]: row["verdict"] for row in rows}


async def load_contacts_since(
    uow: UnitOfWork, cipher: PartyCipher, since: Mapping[UUID, tuple[datetime, UUID]], *, besides: Collection[UUID]
) -> dict[UUID, list[ContactRecorded]]:
    """The contacts of each party that were made after (business time, contact), in the order in which they were made.

    Parties that have none `besides` these are left out; so are contacts without a readable record, which cannot be
    judged again: of the erased, or of before version 0002.
    """
    if not since:
        return {}
    rows = await uow.sql.fetch(
        _CONTACTS_SINCE,
        uow.tenant,
        list(since),
        [moment for moment, _ in since.values()],
        [after for _, after in since.values()],
    )
    concerned = {row["party_id"] for row in rows if row["contact_id"] not in besides}
    rows = [row for row in rows if row["party_id"] in concerned]
    found: dict[UUID, list[ContactRecorded]] = {}
    for row, record in zip(rows, await open_records(uow, cipher, rows, CONTACT), strict=True):
        if record is not None:
            found.setdefault(row["party_id"], []).append(ContactRecorded.model_validate_json(record))
    return found


async def load_contacted_since(uow: UnitOfWork, moment: datetime, *, after: UUID, limit: int) -> list[UUID]:
    """The next people, by id, with a contact that began at that business time or later and can be judged again."""
    return [row["party_id"] for row in await uow.sql.fetch(_CONTACTED_SINCE, uow.tenant, after, moment, limit)]


async def load_made(uow: UnitOfWork, party_ids: Iterable[UUID]) -> dict[UUID, list[Made]]:
    """Every contact of each party that was told, in the order in which they were made, under whichever id of theirs."""
    wanted = set(party_ids)
    same = await load_same(uow, wanted)
    own: dict[UUID, list[Made]] = {party_id: [] for party_id in wanted | others_of(same)}
    for row in await uow.sql.fetch(_MADE, uow.tenant, sorted(own)):
        own[row["party_id"]].append(
            Made(
                contact_id=row["contact_id"],
                counted=structs.replace(counted_of(row), told_real=row["recorded_real"]),
            ).judged(conduct=row["misconduct"], harm=row["harm"])
        )
    if not same:
        return own
    return {
        party_id: sorted([*own[party_id], *made_of_others(same.get(party_id, ()), own)], key=lambda one: one.order)
        for party_id in wanted
    }


async def load_audited(uow: UnitOfWork, leaf_ids: Iterable[UUID]) -> list[Audited]:
    """The audited contacts behind these leaves."""
    rows = await uow.sql.fetch(_AUDITED, uow.tenant, sorted(leaf_ids))
    return [Audited(r["party_id"], r["contact_id"], r["verdict"], r["findings"], r["leaf_id"]) for r in rows]


def _audit_values(uow: UnitOfWork, row: AuditRow, sealed_record: bytes) -> tuple[object, ...]:
    one = row.counted
    return (
        uow.tenant, row.contact.party_id, row.contact.contact_id, one.permit_id, one.channel, one.purpose,
        one.span.start, one.span.end, list(one.zones), one.attempt, one.contact, one.conversation,
        one.household_contacted, one.debtor_met, row.verdict, row.findings, row.leaf_id, uow.real_now, row.told_by,
        row.event_id, sealed_record, list(names_of(one.keys)),
    )  # fmt: skip

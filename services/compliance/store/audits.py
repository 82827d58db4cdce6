"""The SQL of decisions, audited contacts and findings: append-only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.compliance.domain.audit import Finding
from services.compliance.domain.facts import Counted
from services.compliance.domain.rulings import Answer
from shared.database import UnitOfWork

_DECISIONS = """
INSERT INTO decision (tenant, party_id, decision_id, request_id, answer, channel, purpose, refused_by, record,
                      record_sha256, leaf_id, decided_at, recorded_real)
SELECT $1, d.party_id, d.decision_id, d.request_id, d.answer, d.channel, d.purpose, string_to_array(d.refused_by, ','),
       d.record, d.record_sha256, d.leaf_id, $11, $12
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
            $10::bytea[], $13::uuid[])
  AS d(party_id, decision_id, request_id, answer, channel, purpose, refused_by, record, record_sha256, leaf_id)
"""
_DECISION = "SELECT record, leaf_id FROM decision WHERE tenant = $1 AND decision_id = $2"
_KNOWN_CONTACTS = """
SELECT contact_id FROM contact_audit
WHERE tenant = $1 AND party_id = ANY($2::uuid[]) AND contact_id = ANY($3::uuid[])
"""
_CONTACTS = """
INSERT INTO contact_audit
  (tenant, party_id, contact_id, permit_id, channel, purpose, started_at, ended_at, zones, attempt, contact,
   conversation, household_contacted, debtor_met, verdict, findings, leaf_id, recorded_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""
_FINDINGS = """
INSERT INTO finding
  (tenant, party_id, finding_id, contact_id, permit_id, rule, citation, severity, conduct, harm, detail, recorded_real)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING
"""
_AUDITED = """
SELECT party_id, contact_id, verdict, findings, leaf_id FROM contact_audit
WHERE tenant = $1 AND leaf_id = ANY($2::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """A decision as it is kept: the canonical record and its digest."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An audited contact."""

    party_id: UUID
    contact_id: UUID
    counted: Counted
    verdict: Literal["lawful", "violation"]
    findings: int
    leaf_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A finding and what it is about."""

    party_id: UUID
    finding_id: UUID
    contact_id: UUID | None
    permit_id: UUID | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class Audited:
    """What `compliance.contact_audited` says."""

    party_id: UUID
    contact_id: UUID
    verdict: Literal["lawful", "violation"]
    findings: int
    leaf_id: UUID


async def insert_decisions(uow: UnitOfWork, rows: Sequence[DecisionRow]) -> None:
    """Append decisions, decided and recorded at the unit of work's times."""
    if rows:
        await uow.sql.execute(
            _DECISIONS,
            uow.tenant,
            [row.party_id for row in rows],
            [row.decision_id for row in rows],
            [row.request_id for row in rows],
            [row.answer.value for row in rows],
            [row.channel for row in rows],
            [row.purpose for row in rows],
            [",".join(row.refused_by) for row in rows],
            [row.record for row in rows],
            [row.record_sha256 for row in rows],
            uow.now,
            uow.real_now,
            [row.leaf_id for row in rows],
        )


async def find_decision(uow: UnitOfWork, decision_id: UUID) -> tuple[bytes, UUID] | None:
    """The canonical record of a decision, and its leaf."""
    row = await uow.sql.fetchrow(_DECISION, uow.tenant, decision_id)
    return None if row is None else (bytes(row["record"]), row["leaf_id"])


async def audited_before(uow: UnitOfWork, party_ids: Iterable[UUID], contact_ids: Iterable[UUID]) -> set[UUID]:
    """Which of the contacts were audited already."""
    rows = await uow.sql.fetch(_KNOWN_CONTACTS, uow.tenant, sorted(set(party_ids)), sorted(set(contact_ids)))
    return {row["contact_id"] for row in rows}


async def insert_audits(uow: UnitOfWork, rows: Sequence[AuditRow]) -> None:
    """Append audited contacts."""
    if rows:
        await uow.sql.executemany(_CONTACTS, [_audit_values(uow, row) for row in rows])


async def insert_findings(uow: UnitOfWork, rows: Sequence[FindingRow]) -> None:
    """Append findings; one per id."""
    if rows:
        values: list[tuple[object, ...]] = [
            (
                uow.tenant, row.party_id, row.finding_id, row.contact_id, row.permit_id, row.finding.rule,
                row.finding.citation,
                row.finding.severity, row.finding.conduct, row.finding.harm, row.finding.detail, uow.real_now,
            )
            for row in rows
        ]  # fmt: skip
        await uow.sql.executemany(_FINDINGS, values)


async def load_audited(uow: UnitOfWork, leaf_ids: Iterable[UUID]) -> list[Audited]:
    """The audited contacts behind these leaves."""
    rows = await uow.sql.fetch(_AUDITED, uow.tenant, sorted(leaf_ids))
    return [Audited(r["party_id"], r["contact_id"], r["verdict"], r["findings"], r["leaf_id"]) for r in rows]


def _audit_values(uow: UnitOfWork, row: AuditRow) -> tuple[object, ...]:
    one = row.counted
    return (
        uow.tenant, row.party_id, row.contact_id, one.permit_id, one.channel, one.purpose, one.span.start, one.span.end,
        list(one.zones), one.attempt, one.contact, one.conversation, one.household_contacted, one.debtor_met,
        row.verdict, row.findings, row.leaf_id, uow.real_now,
    )  # fmt: skip

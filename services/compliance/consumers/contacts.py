"""Topic `contact`: every contact is judged, becomes a leaf, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from services.compliance import announcements
from services.compliance.domain.audit import Evidence, Finding, counted, judge_contact, verdict
from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.facts import PartyFacts
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.permits import Permit, PermitState, recorded
from services.compliance.instruments import Instruments
from services.compliance.store.audits import (
    AuditRow,
    FindingRow,
    audited_before,
    insert_audits,
    insert_findings,
)
from services.compliance.store.facts import load_facts
from services.compliance.store.leaves import append_leaves
from services.compliance.store.permits import load_permits, update_permits
from shared.database import UnitOfWork
from shared.events import Received
from shared.events.base import EventData
from shared.events.contact import ContactRecorded
from shared.ids import derived_id, event_id
from shared.messaging import InboxKey, Outcome, Subscription

TYPES: Final = frozenset({"contact.recorded"})


@dataclass(slots=True)
class _Audit:
    """What one batch writes."""

    rows: list[AuditRow] = field(default_factory=list)
    findings: list[FindingRow] = field(default_factory=list)
    leaves: list[NewLeaf] = field(default_factory=list)
    permits: dict[UUID, Permit] = field(default_factory=dict)
    used: list[Permit] = field(default_factory=list)


def subscription(instruments: Instruments) -> Subscription:
    """Contacts."""

    async def handle(uow: UnitOfWork, batch: Sequence[Received[EventData]]) -> Mapping[InboxKey, Outcome]:
        return await audit_contacts(uow, instruments, batch)

    return Subscription(topic="contact", types=TYPES, handle=handle)


async def audit_contacts(
    uow: UnitOfWork, instruments: Instruments, batch: Sequence[Received[EventData]]
) -> Mapping[InboxKey, Outcome]:
    """Judge each contact on its permit, the facts and the contacts before it; one told twice is ignored.

    Parties are locked.
    """
    told = [(one.event, one.event.data) for one in batch if isinstance(one.event.data, ContactRecorded)]
    parties = {contact.party_id for _, contact in told}
    before = await audited_before(uow, parties, {contact.contact_id for _, contact in told})
    facts = await load_facts(uow, parties, reservations=False)
    permits = await load_permits(uow, {contact.permit_id for _, contact in told if contact.permit_id is not None})
    audit = _Audit()
    outcomes: dict[InboxKey, Outcome] = {}
    for event, contact in told:
        if contact.contact_id in before:
            outcomes[InboxKey(event.source, event.id)] = Outcome.IGNORED
            continue
        before.add(contact.contact_id)
        permit = (
            _own(audit.permits.get(contact.permit_id) or permits.get(contact.permit_id), contact)
            if contact.permit_id
            else None
        )
        party = facts[contact.party_id]
        _judge(uow, instruments, audit, contact, permit, party)
        facts[contact.party_id] = replace(party, counted=(*party.counted, audit.rows[-1].counted))
    await _save(uow, instruments, audit)
    return outcomes


def _own(permit: Permit | None, contact: ContactRecorded) -> Permit | None:
    """A permit of another party is no permit."""
    return permit if permit is not None and permit.party_id == contact.party_id else None


def _judge(
    uow: UnitOfWork, instruments: Instruments, audit: _Audit, contact: ContactRecorded, permit: Permit | None,
    facts: PartyFacts,
) -> None:  # fmt: skip
    evidence = Evidence(
        permit=permit,
        facts=facts,
        jurisdiction=facts.jurisdiction,
        freshness_limit=instruments.freshness_limit,
    )
    findings = judge_contact(contact, evidence, instruments.book)
    zones = permit.zones if permit is not None else facts.zones
    leaf = _leaf(uow, instruments, contact, findings)
    audit.leaves.append(leaf)
    audit.rows.append(
        AuditRow(
            party_id=contact.party_id,
            contact_id=contact.contact_id,
            counted=counted(contact, zones),
            verdict=verdict(findings),
            findings=len(findings),
            leaf_id=leaf.leaf_id,
        )
    )
    audit.findings += [_finding_row(contact, finding) for finding in findings]
    if permit is not None:
        _hand_over(audit, permit, contact)


def _hand_over(audit: _Audit, permit: Permit, contact: ContactRecorded) -> None:
    """From now on the contact's own record counts, not the reservation; a released permit stays released."""
    if permit.state in (PermitState.GRANTED, PermitState.USED):
        after = recorded(permit, contact_id=contact.contact_id, used_at=contact.started_at)
        audit.permits[permit.permit_id] = after
        if permit.state is PermitState.GRANTED:
            audit.used.append(after)


def _finding_row(contact: ContactRecorded, finding: Finding) -> FindingRow:
    return FindingRow(
        party_id=contact.party_id,
        finding_id=derived_id("finding", str(contact.contact_id), finding.rule),
        contact_id=contact.contact_id,
        permit_id=contact.permit_id,
        finding=finding,
    )


def _leaf(uow: UnitOfWork, instruments: Instruments, contact: ContactRecorded, findings: Sequence[Finding]) -> NewLeaf:
    broken: list[Json] = [
        {"rule": finding.rule, "conduct": finding.conduct, "harm": finding.harm} for finding in findings
    ]
    record: dict[str, Json] = contact.model_dump(mode="json")
    return NewLeaf(
        kind="contact",
        leaf_id=event_id(),
        party_id=contact.party_id,
        occurred_at=contact.started_at,
        recorded_at=uow.real_now,
        public={
            "contact_id": str(contact.contact_id),
            "permit_id": None if contact.permit_id is None else str(contact.permit_id),
            "channel": contact.channel,
            "purpose": contact.purpose,
            "started_real": format_time(contact.started_real),
            "verdict": verdict(findings),
            "findings": broken,
            "rule_set": instruments.book.rule_set,
        },
        committed={"record": canonical(record)},
    )


async def _save(uow: UnitOfWork, instruments: Instruments, audit: _Audit) -> None:
    await insert_audits(uow, audit.rows)
    await insert_findings(uow, audit.findings)
    await update_permits(uow, list(audit.permits.values()))
    await append_leaves(uow, instruments.cipher, audit.leaves)
    for permit in audit.used:
        uow.emit(announcements.used(permit, uow.now))
    for row in audit.findings:
        uow.emit(
            announcements.violation(
                row.finding_id,
                party_id=row.party_id,
                contact_id=row.contact_id,
                finding=row.finding,
                now=uow.now,
            )
        )

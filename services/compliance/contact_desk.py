"""The desk that audits contacts, whoever told of them: judged, counted, a leaf, findings, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from services.compliance import (
    announcements,
    duty_cause_desk,
    finding_desk,
    hindsight,
    permit_life,
    reconsideration,
    sharing_desk,
    third_person_desk,
    trace_desk,
)
from services.compliance.domain.audit import Finding, counted, judge_contact, verdict
from services.compliance.domain.audited_on import Homes, Made, at_home_of_then, evidence_of, keys_named, keys_of
from services.compliance.domain.budget_keys import joined
from services.compliance.domain.canonical import Json, canonical, format_time
from services.compliance.domain.dossier import Dossier
from services.compliance.domain.duty_causes import notices_begun
from services.compliance.domain.facts import Counted, PartyFacts
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.hindsight import told as versions_told
from services.compliance.domain.hindsight import use_came_late
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.past_sharers import PastSharer
from services.compliance.domain.permits import Permit, PermitState, recorded
from services.compliance.domain.places import Place
from services.compliance.domain.reconsidering import comes_unreserved
from services.compliance.instruments import Instruments
from services.compliance.store.audits import AuditRow, insert_audits, load_made
from services.compliance.store.budget_keys import load_homes
from services.compliance.store.dossiers import load_dossiers
from services.compliance.store.facts import load_facts_untold
from services.compliance.store.findings import load_of_contacts
from services.compliance.store.leaves import append_leaves
from services.compliance.store.permits import load_permits, update_permits
from services.compliance.store.places import load_places
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded
from shared.ids import event_id

_NO_HOMES: Final[Homes] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A contact and who told of it: a service by an event, or one of the bank's systems by a report.

    `arrived_real`: real time at which it reached us (None: now).
    """

    contact: ContactRecorded
    told_by: str
    event_id: str | None = None
    arrived_real: datetime | None = None
    use_came_first: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the persons of one batch; `made` grows as it is judged."""

    facts: Mapping[UUID, PartyFacts]
    sharers: Mapping[UUID, Sequence[PastSharer]]
    dossiers: Mapping[UUID, Dossier]
    places: Mapping[UUID, Sequence[Place]]
    made: Mapping[UUID, list[Made]]
    permits: Mapping[UUID, Permit]
    standing: Mapping[UUID, Sequence[FindingVersion]]
    homes: Mapping[UUID, Homes]


@dataclass(slots=True)
class _Audit:
    """What one batch writes."""

    rows: list[AuditRow] = field(default_factory=list)
    findings: list[FindingVersion] = field(default_factory=list)
    leaves: list[NewLeaf] = field(default_factory=list)
    permits: dict[UUID, Permit] = field(default_factory=dict)
    used: list[Permit] = field(default_factory=list)
    taken_over: list[tuple[Permit, Permit]] = field(default_factory=list)
    told: list[tuple[ContactRecorded, Permit | None]] = field(default_factory=list)
    concern_others: list[Counted] = field(default_factory=list)
    begin_notices: list[duty_cause_desk.NewCause] = field(default_factory=list)


async def audit(uow: UnitOfWork, instruments: Instruments, told: Sequence[Told]) -> set[UUID]:
    """Judge each contact on its permit, the facts and the contacts before it; returns those judged now.

    One told twice is judged once. One that was told late is counted, and the contacts after it are judged again; so are
    the permits still outstanding. The parties are locked.
    """
    contacts = [one.contact for one in told]
    parties = {contact.party_id for contact in contacts}
    permits = await load_permits(
        uow, instruments.cipher, {contact.permit_id for contact in contacts if contact.permit_id is not None}
    )
    homes = await load_homes(uow, {one.party_id for one in contacts if _permit_of(one, permits) is None})
    named = keys_named(contacts, permits.values())
    named |= {
        party_id: joined(named.get(party_id, {}), {"household": frozenset(of_one)})
        for party_id, of_one in homes.items()
    }
    untold = await load_facts_untold(uow, instruments.cipher, parties, named=named)
    known = _Known(
        facts=untold.facts,
        sharers=untold.sharers,
        dossiers=await load_dossiers(uow, instruments.cipher, parties, same=untold.same, debts=untold.debts),
        places=await load_places(uow, parties),
        made=await load_made(uow, parties),
        permits=permits,
        standing=await load_of_contacts(uow, [one.contact_id for one in contacts]) if permits else {},
        homes=homes,
    )
    audit = _Audit()
    before = {one.contact_id for made in known.made.values() for one in made}
    for one in sorted(told, key=lambda one: (one.contact.started_at, one.contact.contact_id)):
        if one.contact.contact_id not in before:
            before.add(one.contact.contact_id)
            known.made[one.contact.party_id].append(_judge(uow, instruments, audit, one, known))
    judged = {row.contact.contact_id for row in audit.rows}
    arrivals = [one.arrived_real or uow.real_now for one in told if one.contact.contact_id in judged]
    arrived_real = min(arrivals, default=uow.real_now)
    await _save(uow, instruments, audit, arrived_real=arrived_real)
    await hindsight.judge_later_contacts(uow, instruments, [row.contact for row in audit.rows])
    for permit, after in audit.taken_over:
        await permit_life.prove_taken_over(uow, instruments, after, before=permit)
    await trace_desk.judge(uow, instruments, {row.contact.party_id for row in audit.rows})
    parties = {row.contact.party_id for row in audit.rows}
    await reconsideration.reconsider(uow, instruments, parties, arrived_real=arrived_real)
    return judged


def _permit_of(contact: ContactRecorded, *known: Mapping[UUID, Permit]) -> Permit | None:
    """The permit that the contact names, as it stands now; a permit of another party is no permit."""
    permit_id = contact.permit_id
    if permit_id is None:
        return None
    permit = next((permits[permit_id] for permits in known if permit_id in permits), None)
    return permit if permit is not None and permit.party_id == contact.party_id else None


def _judge(uow: UnitOfWork, instruments: Instruments, audit: _Audit, told: Told, known: _Known) -> Made:
    contact = told.contact
    permit = _permit_of(contact, audit.permits, known.permits)
    standing = known.standing.get(contact.contact_id, ())
    evidence = evidence_of(
        contact,
        permit=permit,
        party=at_home_of_then(
            known.facts[contact.party_id], contact, permit, known.homes.get(contact.party_id, _NO_HOMES)
        ),
        dossier=known.dossiers[contact.party_id],
        places=known.places[contact.party_id],
        sharers=known.sharers[contact.party_id],
        others=known.made[contact.party_id],
        freshness_limit=instruments.freshness_limit,
        use_came_late=told.use_came_first and use_came_late(contact.contact_id, permit, standing),
    )
    findings = judge_contact(contact, evidence, instruments.book)
    leaf = _leaf(uow, instruments, contact, findings)
    row = AuditRow(
        contact=contact,
        counted=counted(
            contact, evidence.as_it_began.zones, told_real=uow.real_now, keys=keys_of(contact, permit, evidence.facts)
        ),
        verdict=verdict(findings),
        findings=len(findings),
        leaf_id=leaf.leaf_id,
        told_by=told.told_by,
        event_id=told.event_id,
    )
    audit.leaves.append(leaf)
    audit.rows.append(row)
    audit.told.append((contact, permit))
    audit.findings += versions_told(contact, findings, standing)
    facts = known.facts[contact.party_id]
    made_since = any(one.span.start >= contact.started_at for one in facts.shared)
    # Under another id of the person this is one of their own, whatever the permit counted on when it was granted.
    pairs = joined({"person": facts.keys.get("person", frozenset())})
    if made_since or pairs or comes_unreserved(row.counted, permit):
        audit.concern_others.append(structs.replace(row.counted, keys=joined(row.counted.keys, pairs)))
    about = row.counted.keys.get("debt", frozenset())
    begun = notices_begun(
        instruments.book, evidence.facts, about=about, reached=contact.contact, at=contact.started_at
    )  # fmt: skip
    audit.begin_notices += [duty_cause_desk.first_communication(contact, evidence.facts, one) for one in begun]
    if permit is not None:
        _hand_over(audit, permit, contact)
    return Made(
        contact_id=contact.contact_id,
        counted=row.counted,
    ).judged(conduct=any(one.conduct for one in findings), harm=any(one.harm for one in findings))


def _hand_over(audit: _Audit, permit: Permit, contact: ContactRecorded) -> None:
    """From now on the contact's own record counts, not the reservation; a released permit stays released."""
    if permit.state is PermitState.RELEASED:
        return
    after = recorded(permit, contact_id=contact.contact_id, used_at=contact.started_at)
    if after == permit:
        return
    audit.permits[permit.permit_id] = after
    if permit.state is PermitState.GRANTED:
        audit.used.append(after)
    elif (permit.contact_id, permit.used_at) != (after.contact_id, after.used_at):
        audit.taken_over.append((permit, after))


def _leaf(uow: UnitOfWork, instruments: Instruments, contact: ContactRecorded, findings: Sequence[Finding]) -> NewLeaf:
    broken: list[Json] = [
        {"rule": finding.rule, "conduct": finding.conduct, "harm": finding.harm} for finding in findings
    ]
    said: dict[str, Json] = {"findings": broken, "rule_set": instruments.book.rule_set}
    return contact_leaf(uow, contact, verdict=verdict(findings), said=said)


def contact_leaf(uow: UnitOfWork, contact: ContactRecorded, *, verdict: str, said: Mapping[str, Json]) -> NewLeaf:
    """The leaf of a contact; `said` is what else of its verdict anybody may read."""
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
            "verdict": verdict,
            **said,
        },
        committed={"record": canonical(record)},
    )


async def _save(uow: UnitOfWork, instruments: Instruments, audit: _Audit, *, arrived_real: datetime) -> None:
    await insert_audits(uow, instruments.cipher, audit.rows)
    await update_permits(uow, list(audit.permits.values()))
    if await third_person_desk.hear(uow, audit.told):
        sharing_desk.follow_third_persons(uow, arrived_real=arrived_real)
    sharing_desk.follow(uow, audit.concern_others, arrived_real=arrived_real)
    await append_leaves(uow, instruments.cipher, audit.leaves)
    await duty_cause_desk.record(uow, instruments, audit.begin_notices)
    for permit in audit.used:
        uow.emit(announcements.used(permit, uow.now))
    first = [one for one in audit.findings if one.version == 1]
    await finding_desk.record(uow, instruments, first, proved=True)
    await finding_desk.record(uow, instruments, [one for one in audit.findings if one.version > 1])

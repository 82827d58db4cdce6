"""The desk for contacts that the bank's systems report: each record is recorded once, judged, counted and announced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.compliance import contact_desk, feed_desk
from services.compliance.domain.feeds import OF_CONTACTS, feed_channel_of, source_refused
from services.compliance.domain.reports import (
    CLOCK_SKEW,
    ContactInFuture,
    ContactRecordChanged,
    ContactTimesContradict,
    FeedNumberTaken,
    contact_id_of,
    counters,
    times_contradict,
)
from services.compliance.domain.third_persons import INQUIRY
from services.compliance.erased import pass_over
from services.compliance.instruments import Instruments
from services.compliance.schemas.contacts import ItemProblem, ReportedContact, ReportedResult
from services.compliance.store import reports as store
from services.compliance.store.audits import load_verdicts
from services.compliance.store.feeds import load_feeds
from services.compliance.store.findings import load_of_contacts
from services.compliance.store.leaves import load_erased
from services.compliance.store.told_of_erased import insert_numbers
from shared.database import UnitOfWork
from shared.events import NewEvent
from shared.events.contact import ContactRecorded
from shared.security.party_keys import PartyCipher
from shared.web.problems import Problem

# What records of before could not say.
_ADDED: Final = ("contact_point", "third_person_refused", "conduct_flags")


@dataclass(slots=True)
class _Batch:
    """What becomes of the records, by position."""

    refused: dict[int, Problem] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    repeated: dict[int, UUID] = field(default_factory=dict)
    recorded: dict[int, ContactRecorded] = field(default_factory=dict)
    rows: list[store.ReportRow] = field(default_factory=list)


async def record_reports(
    uow: UnitOfWork, instruments: Instruments, reports: Mapping[int, ReportedContact], *, by_client: str
) -> dict[int, ReportedResult]:
    """Record what is new of the sources that the client speaks for; results by position.

    The parties and the feeds are locked.
    """
    batch = await _sort(uow, instruments.cipher, reports, by_client)
    await store.insert_reports(uow, batch.rows)
    told = [
        contact_desk.Told(contact=contact, told_by=f"feed:{reports[position].source}", use_came_first=True)
        for position, contact in sorted(batch.recorded.items(), key=lambda one: (one[1].started_at, one[0]))
    ]
    await contact_desk.audit(uow, instruments, told)
    of_erased = [reports[position] for position in sorted(batch.erased)]
    await pass_over(uow, [one.source for one in of_erased])
    new = await insert_numbers(uow, [(one.source, one.number) for one in of_erased])
    heard = [reports[position] for position in batch.recorded]
    heard += [one for one in of_erased if (one.source, one.number) in new]
    told_of = [(one.source, one.number, feed_channel_of(one.channel)) for one in heard]
    await feed_desk.hear_records(uow, instruments, told_of)
    for contact in batch.recorded.values():
        uow.emit(_announced(contact))
    return await _results(uow, reports, batch)


async def _sort(uow: UnitOfWork, cipher: PartyCipher, reports: Mapping[int, ReportedContact], by_client: str) -> _Batch:
    """Which records are new, which were sent before, which cannot be recorded."""
    feeds = {feed.source: feed for feed in await load_feeds(uow)}
    known = await store.load_known(uow, [(one.source, one.record_id) for one in reports.values()])
    taken = await store.load_taken(uow, [(one.source, one.number) for one in reports.values()])
    erased = await load_erased(uow, cipher, [one.party_id for one in reports.values()])
    batch = _Batch()
    for position, report in sorted(reports.items()):
        record, digest = (report.source, report.record_id), _digest(report)
        before = known.get(record)
        foreign = source_refused(feeds.get(report.source), client_id=by_client, kinds=OF_CONTACTS)
        if foreign is not None:
            batch.refused[position] = foreign
        elif report.party_id in erased:
            batch.erased.add(position)
        elif before is not None and before.record_sha256 == digest:
            batch.repeated[position] = before.contact_id
        elif before is not None:
            batch.refused[position] = ContactRecordChanged()
        elif report.started_at > uow.now + CLOCK_SKEW:
            batch.refused[position] = ContactInFuture()
        elif times_contradict(report.started_at, report.started_real, now=uow.now, real_now=uow.real_now):
            batch.refused[position] = ContactTimesContradict()
        elif (report.source, report.number) in taken:
            batch.refused[position] = FeedNumberTaken()
        else:
            contact = _contact(report, uow)
            batch.recorded[position] = contact
            batch.rows.append(_row(report, contact, digest))
            known[record] = store.KnownReport(
                party_id=report.party_id, contact_id=contact.contact_id, record_sha256=digest
            )
            taken.add((report.source, report.number))
    return batch


def _contact(report: ReportedContact, uow: UnitOfWork) -> ContactRecorded:
    counts = counters(report.channel, report.reached, conversation=report.conversation)
    return ContactRecorded(
        contact_id=contact_id_of(uow.tenant, report.source, report.record_id),
        party_id=report.party_id,
        permit_id=report.permit_id,
        visit_id=None,
        plan_id=None,
        channel=report.channel,
        purpose=report.purpose,
        started_at=report.started_at,
        ended_at=report.ended_at,
        # Business time and real time go at the same pace, so the distance to now is the same on both.
        started_real=report.started_real or uow.real_now - (uow.now - report.started_at),
        outcome=report.outcome,
        contact=counts.contact,
        conversation=counts.conversation,
        household_contacted=counts.household_contacted,
        debtor_met=counts.debtor_met,
        identity_shown=report.identity_shown,
        recording_complete=report.recording_complete,
        debt_disclosed_to_third=report.debt_disclosed_to_third,
        conduct_flags=sorted(set(report.conduct_flags)),
        contact_point=report.contact_point,
        third_person_refused=report.third_person_refused,
    )


def _row(report: ReportedContact, contact: ContactRecorded, digest: bytes) -> store.ReportRow:
    return store.ReportRow(
        source=report.source,
        record_id=report.record_id,
        number=report.number,
        party_id=report.party_id,
        contact_id=contact.contact_id,
        channel=report.channel,
        record_sha256=digest,
    )


def _digest(report: ReportedContact) -> bytes:
    # A field that did not exist when a record was first sent does not make it another one.
    unsaid = {name for name in _ADDED if not getattr(report, name)}
    return hashlib.sha256(report.model_dump_json(exclude=unsaid).encode()).digest()


def _announced(contact: ContactRecorded) -> NewEvent[ContactRecorded]:
    """`contact.recorded`, as for every contact; compliance itself ignores it, it has judged the contact already.

    Of a third person who was asked nothing leaves.
    """
    told = contact.model_copy(update={"contact_point": None}) if contact.channel == INQUIRY else contact
    return NewEvent(
        type="contact.recorded",
        party_id=contact.party_id,
        aggregate_id=contact.contact_id,
        data=told,
        time=contact.started_at,
    )


async def _results(uow: UnitOfWork, reports: Mapping[int, ReportedContact], batch: _Batch) -> dict[int, ReportedResult]:
    contacts = {position: contact.contact_id for position, contact in batch.recorded.items()} | batch.repeated
    parties = {reports[position].party_id for position in contacts}
    verdicts = await load_verdicts(uow, parties, contacts.values())
    findings = await load_of_contacts(uow, contacts.values())
    results = {
        position: ReportedResult(
            position=position,
            source=reports[position].source,
            record_id=reports[position].record_id,
            status="recorded" if position in batch.recorded else "repeated",
            contact_id=contact_id,
            verdict=verdicts[contact_id],
            finding_ids=[one.finding_id for one in findings.get(contact_id, [])],
        )
        for position, contact_id in contacts.items()
    }
    for position in batch.erased:
        report = reports[position]
        results[position] = ReportedResult(
            position=position, source=report.source, record_id=report.record_id, status="erased"
        )  # fmt: skip
    for position, problem in batch.refused.items():
        results[position] = refusal(position, problem, reports[position].source, reports[position].record_id)
    return results


def refusal(position: int, problem: Problem, source: str | None, record_id: str | None) -> ReportedResult:
    """The result of a record that was not recorded."""
    return ReportedResult(
        position=position,
        source=source,
        record_id=record_id,
        status="refused",
        problem=ItemProblem.model_validate(problem.document()),
    )

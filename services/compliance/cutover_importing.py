"""What the new records of a cut-over become: holds, complaints, contacts that count, entries of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.compliance import complaint_desk, hindsight, hold_desk, reconsideration, sharing_desk
from services.compliance.contact_desk import contact_leaf
from services.compliance.domain.audit import counted
from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.cutovers import ANYWHERE, counters_of_old
from services.compliance.domain.third_persons import Inquiry
from services.compliance.instruments import Instruments
from services.compliance.schemas.cutovers import ImportedComplaint, ImportedContact, ImportedHold, ImportedInquiry
from services.compliance.store.audits import AuditRow, insert_audits
from services.compliance.store.budget_keys import lock_keys
from services.compliance.store.leaves import append_leaves
from services.compliance.store.third_persons import note_asked
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded
from shared.ids import derived_id

Record = ImportedHold | ImportedComplaint | ImportedContact | ImportedInquiry


async def import_new(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, new: Mapping[int, Record], *, by_whom: str
) -> dict[int, UUID]:
    """What each of the new records became, by position."""
    holds = {position: one.hold for position, one in new.items() if isinstance(one, ImportedHold)}
    asked = [hold_desk.asked_for(one, instruments, arrived_real=uow.real_now) for one in holds.values()]
    placed = await hold_desk.place(uow, instruments, asked)
    targets = dict(zip(holds, [hold.hold_id for hold in placed], strict=True))
    for position, one in new.items():
        if isinstance(one, ImportedComplaint):
            targets[position] = await _receive(uow, instruments, one, by_whom=by_whom)
    contacts = {
        position: _contact(uow, cutover_id, one) for position, one in new.items() if isinstance(one, ImportedContact)
    }
    await _keep_contacts(uow, instruments, cutover_id, list(contacts.values()))
    targets |= {position: contact.contact_id for position, contact in contacts.items()}
    inquiries = {position: one for position, one in new.items() if isinstance(one, ImportedInquiry)}
    await _note(uow, list(inquiries.values()))
    return targets | {
        position: derived_id("imported-inquiry", cutover_id, one.record_ref) for position, one in inquiries.items()
    }


async def _receive(uow: UnitOfWork, instruments: Instruments, one: ImportedComplaint, *, by_whom: str) -> UUID:
    told = one.complaint
    complaint, _ = await complaint_desk.receive(
        uow,
        instruments,
        complaint_desk.NewComplaint(
            party_id=told.party_id,
            channel=told.channel,
            about=frozenset(told.about),
            received_at=min(told.received_at, uow.now),
            arrived_real=uow.real_now,
            reference=told.reference,
            by_whom=by_whom,
            words=told.words,
        ),
    )
    return complaint.complaint_id


def _contact(uow: UnitOfWork, cutover_id: str, one: ImportedContact) -> ContactRecorded:
    told = one.contact
    counts = counters_of_old(told.channel, told.reached, conversation=told.conversation)
    return ContactRecorded(
        contact_id=derived_id("imported-contact", uow.tenant, cutover_id, one.record_ref),
        party_id=told.party_id,
        permit_id=None,
        visit_id=None,
        plan_id=None,
        channel=told.channel,
        purpose=told.purpose,
        started_at=told.started_at,
        ended_at=told.ended_at,
        started_real=uow.real_now - (uow.now - told.started_at),
        outcome=told.outcome,
        contact=counts.contact,
        conversation=counts.conversation,
        household_contacted=counts.household_contacted,
        debtor_met=counts.debtor_met,
        contact_point=told.contact_point,
    )


async def _keep_contacts(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, contacts: Sequence[ContactRecorded]
) -> None:
    """They count from now on; nobody judges them, for no permit of ours can have been behind them."""
    rows, leaves = [], []
    for contact in contacts:
        leaf = contact_leaf(uow, contact, verdict="imported", said={"findings": [], "cutover_id": cutover_id})
        point = contact.contact_point
        keys: Keys = {} if point is None else {"contact_point": frozenset({point})}
        rows.append(
            AuditRow(
                contact=contact,
                counted=counted(contact, ANYWHERE, told_real=uow.real_now, keys=keys),
                verdict="imported",
                findings=0,
                leaf_id=leaf.leaf_id,
                told_by=f"cutover:{cutover_id}",
                event_id=None,
            )
        )
        leaves.append(leaf)
    await insert_audits(uow, instruments.cipher, rows)
    await append_leaves(uow, instruments.cipher, leaves)
    sharing_desk.follow(uow, [row.counted for row in rows], arrived_real=uow.real_now)
    await hindsight.judge_later_contacts(uow, instruments, contacts)
    await reconsideration.reconsider(uow, instruments, {contact.party_id for contact in contacts})


async def _note(uow: UnitOfWork, inquiries: Sequence[ImportedInquiry]) -> None:
    told = [(Inquiry(one.inquiry.contact_point, one.inquiry.asked_on), one.inquiry) for one in inquiries]
    await lock_keys(uow, {f"contact_point:{key.key}" for key, _ in told})
    await note_asked(
        uow,
        [key for key, inquiry in told for _ in range(inquiry.asked)],
        refused=[key for key, inquiry in told if inquiry.refused],
    )
    if told:
        sharing_desk.follow_third_persons(uow, arrived_real=uow.real_now)

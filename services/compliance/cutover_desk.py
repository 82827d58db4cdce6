"""The desk of cut-overs: what another system kept is taken over under two signatures, and histories are attested.

Until the totals that were read back are signed, too, nobody who takes part is granted a permit: budgets counted from
zero would be unlawful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from services.compliance import complaint_desk, fact_desk, hindsight, hold_desk, reconsideration, sharing_desk
from services.compliance.contact_desk import contact_leaf
from services.compliance.domain.approvers import approvers
from services.compliance.domain.audit import counted
from services.compliance.domain.budget_keys import Keys
from services.compliance.domain.canonical import Json
from services.compliance.domain.cutovers import (
    ANYWHERE,
    CutoverChanged,
    CutoverDiffers,
    CutoverNotOpen,
    CutoverSignature,
    CutoverTerms,
    HistoryTooShort,
    RecordKind,
    counters_of_old,
    differences,
    require_signers,
)
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.look_back import longest_look_back
from services.compliance.domain.reports import CLOCK_SKEW, ContactInFuture
from services.compliance.domain.third_persons import Inquiry
from services.compliance.instruments import Instruments
from services.compliance.schemas.contacts import ItemProblem
from services.compliance.schemas.cutovers import (
    ImportedComplaint,
    ImportedContact,
    ImportedHold,
    ImportedInquiry,
    ImportedResult,
)
from services.compliance.store import cutovers as store
from services.compliance.store.audits import AuditRow, insert_audits
from services.compliance.store.budget_keys import lock_keys
from services.compliance.store.leaves import append_leaves, load_erased
from services.compliance.store.third_persons import note_asked, reach_back
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded
from shared.ids import derived_id, event_id
from shared.web.problems import NotFound, Problem

Record = ImportedHold | ImportedComplaint | ImportedContact | ImportedInquiry
_MEMBER: Final = "cutover_record"


async def begin(
    uow: UnitOfWork, instruments: Instruments, terms: CutoverTerms, signatures: Sequence[CutoverSignature]
) -> store.Cutover:
    """Begin to import; begun again with the same terms, it goes on.

    Raises CutoverNotSigned, HistoryTooShort, CutoverChanged.
    """
    known = await store.find_to_move(uow, terms.cutover_id)
    if known is not None:
        if known.terms != terms:
            raise CutoverChanged()
        return known
    people = approvers(instruments.approver_keys)
    require_signers(people, "begin", terms.document(), signatures, today=uow.real_now.date())
    needed = longest_look_back(instruments.book, terms.places, terms.business_date)
    if needed is not None and terms.history_from > needed.first_date:
        raise HistoryTooShort(
            f"{needed.rule} looks back to {needed.first_date}, the contacts to {terms.history_from}",
            rule=needed.rule, citation=needed.citation, needed_from=needed.first_date.isoformat(),
        )  # fmt: skip
    await store.begin(uow, terms)
    signed: list[Json] = [one.document() for one in signatures]
    said: dict[str, Json] = {"terms": terms.document(), "signatures": signed}
    await append_leaves(uow, instruments.cipher, [_leaf(uow, terms.cutover_id, "begun", said)])
    return store.Cutover(terms, "importing")


async def enrol(uow: UnitOfWork, instruments: Instruments, cutover_id: str, party_ids: Sequence[UUID]) -> int:
    """The people take part: nobody attests their contacts until the cut-over does; of how many that is new.

    The parties are locked.

    Raises NotFound, CutoverNotOpen.
    """
    await _importing(uow, cutover_id)
    erased = await load_erased(uow, instruments.cipher, party_ids)
    fresh = await store.enrol(uow, cutover_id, set(party_ids) - erased)
    await reconsideration.reconsider(uow, instruments, party_ids)
    return fresh


async def check(uow: UnitOfWork, instruments: Instruments, records: Mapping[int, Record]) -> dict[int, ImportedResult]:
    """What would become of the records; nothing is written."""
    erased = await load_erased(uow, instruments.cipher, [one for r in records.values() if (one := party_of(r))])
    return {position: _refused(uow, record, erased, position) or ImportedResult(position=position, status="good")
            for position, record in records.items()}  # fmt: skip


async def take_over(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, records: Mapping[int, Record], *, by_whom: str
) -> dict[int, ImportedResult]:
    """Import what is new; results by position. The parties are locked. Raises NotFound, CutoverNotOpen."""
    await _importing(uow, cutover_id)
    erased = await load_erased(uow, instruments.cipher, [one for r in records.values() if (one := party_of(r))])
    named = {position: _key_of(instruments, cutover_id, record) for position, record in records.items()}
    known = await store.load_imported(uow, set(named.values()))
    results: dict[int, ImportedResult] = {}
    new: dict[int, Record] = {}
    first_with = dict[bytes, int]()
    for position, record in sorted(records.items()):
        refused = _refused(uow, record, erased, position)
        if named[position] in known:
            target = known[named[position]]
            results[position] = ImportedResult(position=position, status="repeated", target_id=target)
        elif refused is not None:
            results[position] = refused
        elif first_with.setdefault(named[position], position) == position:
            new[position] = record
    targets = await _import(uow, instruments, cutover_id, new, by_whom=by_whom)
    kinds: dict[int, RecordKind] = {position: record.kind for position, record in new.items()}
    await store.keep_imported(uow, cutover_id, [(named[one], kinds[one], targets[one]) for one in new])
    for position in records.keys() - results.keys():
        first = first_with[named[position]]
        status = "imported" if first == position else "repeated"
        results[position] = ImportedResult.model_validate(
            {"position": position, "status": status, "target_id": targets[first]}
        )
    return results


async def accept(
    uow: UnitOfWork, instruments: Instruments, cutover_id: str, read_back_sha256: str,
    signatures: Sequence[CutoverSignature],
) -> store.Cutover:  # fmt: skip
    """Two people signed the totals read back: nothing more is imported, histories may be attested.

    Raises NotFound, CutoverNotSigned, CutoverDiffers.
    """
    known = await store.find_to_move(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "importing":
        return known
    said: dict[str, Json] = {"cutover_id": cutover_id, "read_back_sha256": read_back_sha256}
    people = approvers(instruments.approver_keys)
    require_signers(people, "accept", said, signatures, today=uow.real_now.date())
    differing = differences(known.terms.expected, await store.held(uow, cutover_id))
    if differing:
        raise CutoverDiffers(
            "; ".join(f"{one.kind}: {one.announced} announced, {one.held} held" for one in differing),
            differences=[one._asdict() for one in differing],
        )
    await store.move(uow, cutover_id, "accepted")
    await reach_back(uow, known.terms.history_from)
    signed: list[Json] = [one.document() for one in signatures]
    leaf = _leaf(uow, cutover_id, "accepted", said | {"signatures": signed})
    await append_leaves(uow, instruments.cipher, [leaf])
    return store.Cutover(known.terms, "accepted")


async def attest(uow: UnitOfWork, instruments: Instruments, cutover_id: str, party_ids: Sequence[UUID]) -> int:
    """The histories of these people of an accepted cut-over are known; of how many that is new. Parties are locked.

    Raises NotFound, CutoverNotOpen.
    """
    known = await store.find_to_import(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "accepted":
        raise CutoverNotOpen(f"it is {known.state}", state=known.state)
    since = known.terms.history_from
    told = await store.attest(uow, cutover_id, party_ids, since)
    leaves = [
        _leaf(uow, cutover_id, "attested", {"history_known_from": since.isoformat()}, party_id=one) for one in told
    ]
    await append_leaves(uow, instruments.cipher, leaves)
    await fact_desk.hear(uow, [(one, "party.history_known_from") for one in told])
    return len(told)


async def close(uow: UnitOfWork, instruments: Instruments, cutover_id: str) -> store.Cutover:
    """Everybody who can be attested is; closed again, it stays closed. Raises NotFound, CutoverNotOpen."""
    known = await store.find_to_move(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state == "importing":
        raise CutoverNotOpen("it is importing", state=known.state)
    if known.state == "accepted":
        parties, attested = await store.count_enrolled(uow, cutover_id)
        await store.move(uow, cutover_id, "closed")
        said: dict[str, Json] = {"parties": parties, "attested": attested}
        await append_leaves(uow, instruments.cipher, [_leaf(uow, cutover_id, "closed", said)])
    return replace(known, state="closed")


def party_of(record: Record) -> UUID | None:
    """Whom the record is about; None: a third person, of whom nothing is kept."""
    match record:
        case ImportedHold(hold=hold):
            return hold.party_id
        case ImportedComplaint(complaint=complaint):
            return complaint.party_id
        case ImportedContact(contact=contact):
            return contact.party_id
        case _:
            return None


async def _importing(uow: UnitOfWork, cutover_id: str) -> None:
    known = await store.find_to_import(uow, cutover_id)
    if known is None:
        raise NotFound("there is no such cut-over")
    if known.state != "importing":
        raise CutoverNotOpen(f"it is {known.state}", state=known.state)


def _key_of(instruments: Instruments, cutover_id: str, record: Record) -> bytes:
    return instruments.cipher.blind_index(_MEMBER, f"{cutover_id}|{record.kind}|{record.record_ref}")


def _refused(uow: UnitOfWork, record: Record, erased: set[UUID], position: int) -> ImportedResult | None:
    if party_of(record) in erased:
        return ImportedResult(position=position, status="erased")
    if isinstance(record, ImportedContact) and record.contact.started_at > uow.now + CLOCK_SKEW:
        return refusal(position, ContactInFuture())
    return None


def refusal(position: int, problem: Problem) -> ImportedResult:
    """The result of a record that cannot be imported."""
    document = ItemProblem.model_validate(problem.document())
    return ImportedResult(position=position, status="refused", problem=document)


async def _import(
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


def _leaf(
    uow: UnitOfWork, cutover_id: str, state: str, said: Mapping[str, Json], *, party_id: UUID | None = None
) -> NewLeaf:
    return NewLeaf(
        kind="cutover",
        leaf_id=event_id(),
        party_id=party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={"cutover_id": cutover_id, "state": state, **said},
    )

"""The desk of complaints: a complaint stops contact at once, and only closing it lets contact resume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.compliance import hold_desk
from services.compliance.domain.canonical import format_time
from services.compliance.domain.complaints import (
    Complaint,
    ComplaintChannel,
    Step,
    clock_of,
    complaint_name,
    take_step,
    unkeyed_complaint_id,
)
from services.compliance.domain.holds import Hold
from services.compliance.domain.leaves import NewLeaf
from services.compliance.instruments import Instruments
from services.compliance.store import complaints as store
from services.compliance.store import holds as hold_store
from services.compliance.store.case_facts import load_cases
from services.compliance.store.leaves import append_leaves
from shared.database import UnitOfWork
from shared.ids import digest_id, event_id
from shared.security.party_keys import Plain, Sealed
from shared.telemetry.metrics import set_gauge

WORDS: Final = "complaint_version.sealed_words"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComplaint:
    """What somebody told us. `reference` makes it one, however often it is told; `arrived_real`: when it reached us."""

    party_id: UUID
    channel: ComplaintChannel
    about: frozenset[str]
    received_at: datetime
    arrived_real: datetime
    reference: str
    by_whom: str
    words: str | None = None


async def receive(uow: UnitOfWork, instruments: Instruments, new: NewComplaint) -> tuple[Complaint, Hold]:
    """Keep the complaint, stop contact and recall permits, start its clock. Told again, it is the same complaint.

    Always accepted, whoever the party is. The party is locked.
    """
    complaint = await store.find(uow, unkeyed_complaint_id(new.party_id, new.reference))
    complaint_id = digest_id(instruments.cipher.blind_index("complaint", complaint_name(new.party_id, new.reference)))
    if complaint is None:
        complaint = await store.find(uow, complaint_id)
    if complaint is None:
        case = (await load_cases(uow, [new.party_id])).get(new.party_id)
        place = None if case is None else case.jurisdiction
        complaint = Complaint(
            complaint_id=complaint_id,
            version=1,
            party_id=new.party_id,
            channel=new.channel,
            about=new.about,
            received_at=new.received_at,
            clock=clock_of(instruments.book, jurisdiction=place, received_at=new.received_at),
            by_whom=new.by_whom,
            words=new.words,
        )
        await _keep(uow, instruments, complaint)
    hold = hold_desk.NewHold(
        party_id=new.party_id,
        kind="complaint",
        scope="party",
        valid_from=min(new.received_at, uow.now),
        source_ref=complaint.hold_source,
        fact_arrived_real=new.arrived_real,
    )
    if complaint.state == "closed":
        return complaint, (await _holds_of(uow, complaint))[-1]
    (placed,) = await hold_desk.place(uow, instruments, [hold])
    return complaint, placed


async def take(
    uow: UnitOfWork, instruments: Instruments, complaint: Complaint, step: Step, *, by_whom: str, words: str | None,
    reference: str | None,
) -> Complaint:  # fmt: skip
    """A person's step. Closing ends the hold; reopening places one again. The party is locked.

    Raises ComplaintStepRefused, ComplainedAbout, SecondPersonNeeded.
    """
    after = take_step(complaint, step, by_whom=by_whom, words=words, reference=reference)
    await _keep(uow, instruments, after)
    if step == "close":
        ends = hold_desk.EndHolds(
            party_id=after.party_id, kind="complaint", source_ref=after.hold_source, cause="complaint.closed"
        )
        await hold_desk.end(uow, instruments, [ends])
    elif step == "reopen" and complaint.state == "closed":
        again = hold_desk.NewHold(
            party_id=after.party_id,
            kind="complaint",
            scope="party",
            valid_from=uow.now,
            source_ref=after.hold_source,
            fact_arrived_real=uow.real_now,
        )
        await hold_desk.place(uow, instruments, [again])
    return after


async def history(uow: UnitOfWork, instruments: Instruments, complaint_id: UUID) -> list[store.KeptComplaint]:
    """Every version, oldest first, with its words opened (None: erased, or none were said)."""
    kept = await store.load_history(uow, complaint_id)
    sealed = [Sealed(one.complaint.party_id, WORDS, one.sealed_words) for one in kept if one.sealed_words is not None]
    opened = iter(await instruments.cipher.open_many(uow, sealed))
    return [
        replace(one, complaint=replace(one.complaint, words=next(opened))) if one.sealed_words is not None else one
        for one in kept
    ]


async def _holds_of(uow: UnitOfWork, complaint: Complaint) -> list[Hold]:
    holds = (await hold_store.load_holds(uow, [complaint.party_id])).get(complaint.party_id, [])
    return [hold for hold in holds if hold.source_ref == complaint.hold_source]


async def _keep(uow: UnitOfWork, instruments: Instruments, complaint: Complaint) -> None:
    sealed = None
    if complaint.words is not None:
        (sealed,) = await instruments.cipher.seal_many(uow, [Plain(complaint.party_id, WORDS, complaint.words)])
    await store.append(uow, complaint, sealed_words=sealed)
    await append_leaves(uow, instruments.cipher, [_leaf(complaint, uow)])


def _leaf(complaint: Complaint, uow: UnitOfWork) -> NewLeaf:
    """Words and names are only committed to."""
    about = ",".join(sorted(complaint.about)) or None
    said = {"by_whom": complaint.by_whom, "words": complaint.words, "owner": complaint.owner, "about": about}
    return NewLeaf(
        kind="complaint",
        leaf_id=event_id(),
        party_id=complaint.party_id,
        occurred_at=uow.now,
        recorded_at=uow.real_now,
        public={
            "complaint_id": str(complaint.complaint_id),
            "version": complaint.version,
            "state": complaint.state,
            "step": complaint.step,
            "channel": complaint.channel,
            "rule": complaint.clock.rule,
            "received_at": format_time(complaint.received_at),
            "answer_by": format_time(complaint.clock.answer_by),
            "reference": complaint.reference,
        },
        committed={name: text.encode() for name, text in said.items() if text is not None},
    )


async def count_due(uow: UnitOfWork) -> None:
    """Say how many complaints are late, and how many will be within three days."""
    late, soon = await store.count_due(uow)
    set_gauge("doorstep.complaints.due", late, outcome="late")
    set_gauge("doorstep.complaints.due", soon, outcome="soon")

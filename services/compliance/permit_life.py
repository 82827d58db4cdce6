"""What becomes of a permit after it was granted: use, release, and the count's hand-over to the recorded contact.

Each change is a leaf (the hand-over is the contact's), so that a permit's state is proved and not only told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.compliance import (
    announcements,
    finding_desk,
    hindsight,
    reconsideration,
    sharing_desk,
    third_person_desk,
)
from services.compliance.domain.audit import PERMIT_RULES, REUSED, Finding
from services.compliance.domain.canonical import format_time
from services.compliance.domain.findings import FindingVersion, finding_id_of
from services.compliance.domain.hindsight import of_use
from services.compliance.domain.leaves import NewLeaf
from services.compliance.domain.lost_devices import stays_counted
from services.compliance.domain.permits import (
    Permit,
    PermitReleased,
    PermitState,
    release,
    use,
    use_after_release,
)
from services.compliance.instruments import Instruments
from services.compliance.store import permits as store
from services.compliance.store.findings import load_current
from services.compliance.store.leaves import append_leaves
from services.compliance.store.lost_devices import load_lost
from shared.database import UnitOfWork
from shared.ids import derived_id, event_id


async def use_permit(
    uow: UnitOfWork, instruments: Instruments, permit: Permit, *, contact_id: UUID | None, used_at: datetime
) -> Permit:
    """Record the use; returns the permit with the contact that it covers now: of several the one that began first.

    The others are findings. The party is locked. Raises PermitReleased.
    """
    after = use(permit, contact_id=contact_id, used_at=used_at)
    if after != permit:
        await _keep_use(uow, instruments, after)
    if after.state is not permit.state:
        uow.emit(announcements.used(after, uow.now))
    if contact_id is None or permit.contact_id in (None, contact_id):
        return after
    if after.contact_id == contact_id:
        await hindsight.judge_since(uow, instruments, [(after.party_id, hindsight.Since(used_at))])
    await _judge_uses(uow, instruments, after, {permit.contact_id, contact_id})
    await reconsideration.reconsider(uow, instruments, [after.party_id])
    return after


async def prove_taken_over(uow: UnitOfWork, instruments: Instruments, after: Permit, *, before: Permit) -> None:
    """A contact was recorded that began before the use that was known: the leaf that says so, and what that changes.

    The permit's row and the contacts recorded since are judged already. The party is locked.
    """
    await _prove_use(uow, instruments, after)
    if before.contact_id not in (None, after.contact_id):
        await _judge_uses(uow, instruments, after, {before.contact_id})


async def _judge_uses(uow: UnitOfWork, instruments: Instruments, permit: Permit, contact_ids: Iterable[UUID]) -> None:
    """Of contacts that are not recorded yet only their use says that they were made; of others nothing changes here."""
    ids = {contact_id: finding_id_of(contact_id, REUSED) for contact_id in sorted(set(contact_ids))}
    standing = await load_current(uow, ids.values())
    found = [of_use(permit, contact_id, standing.get(finding_id)) for contact_id, finding_id in ids.items()]
    await finding_desk.record(uow, instruments, [one for one in found if one is not None])


async def report_use_after_release(
    uow: UnitOfWork, instruments: Instruments, permit: Permit, *, contact_id: UUID | None, used_at: datetime
) -> PermitReleased:
    """Count the use again, open its finding and return the refusal, so that all are kept. The party is locked."""
    if permit.state is PermitState.RELEASED:
        await count_again(uow, instruments, permit, contact_id=contact_id, used_at=used_at)
    await _find_use_after_release(uow, instruments, permit, contact_id=contact_id)
    return PermitReleased()


async def count_again(
    uow: UnitOfWork, instruments: Instruments, permit: Permit, *, contact_id: UUID | None, used_at: datetime
) -> None:
    """A released permit was used: the budget that the release freed is taken again. The party is locked."""
    await _keep_use(uow, instruments, use_after_release(permit, contact_id=contact_id, used_at=used_at))
    sharing_desk.follow(uow, [permit.reservation()], arrived_real=uow.real_now)
    if await third_person_desk.take_again(uow, permit):
        sharing_desk.follow_third_persons(uow, arrived_real=uow.real_now)


async def _keep_use(uow: UnitOfWork, instruments: Instruments, used: Permit) -> None:
    await store.update_permits(uow, [used])
    await _prove_use(uow, instruments, used)


async def _prove_use(uow: UnitOfWork, instruments: Instruments, used: Permit) -> None:
    """The leaf that says what is known of the use now."""
    used_at = used.used_at or uow.now
    leaf = NewLeaf(
        kind="permit_use",
        leaf_id=event_id(),
        party_id=used.party_id,
        occurred_at=used_at,
        recorded_at=uow.real_now,
        public={
            "permit_id": str(used.permit_id),
            "contact_id": None if used.contact_id is None else str(used.contact_id),
            "used_at": format_time(used_at),
        },
    )
    await append_leaves(uow, instruments.cipher, [leaf])


async def _find_use_after_release(
    uow: UnitOfWork, instruments: Instruments, permit: Permit, *, contact_id: UUID | None
) -> None:
    rule, detail = "PERMIT-RELEASED", "a use was reported after the permit was given back"
    finding = FindingVersion(
        finding_id=derived_id("finding", str(permit.permit_id), str(contact_id), rule)
        if contact_id is None
        else finding_id_of(contact_id, rule),
        version=1,
        finding=Finding(rule, PERMIT_RULES[rule], "high", detail),
        party_id=permit.party_id,
        contact_id=contact_id,
        permit_id=permit.permit_id,
    )
    await finding_desk.record(uow, instruments, [finding])


async def release_permits(uow: UnitOfWork, instruments: Instruments, permits: Sequence[Permit], *, cause: str) -> None:
    """Give unused permits back to the budget; a leaf proves each. The parties are locked.

    What a lost device holds stays as it is: whoever gives it back cannot know that it was not used. Raises
    PermitNotReleasable.
    """
    lost = await load_lost(uow, [permit.device_id for permit in permits])
    await give_back(uow, instruments, [one for one in permits if not stays_counted(one, lost)], cause=cause)


async def give_back(
    uow: UnitOfWork, instruments: Instruments, permits: Sequence[Permit], *, cause: str,
    said: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Give unused permits back whatever holds them; `said` is committed to in the leaf. The parties are locked.

    Raises PermitNotReleasable.
    """
    released = [after for permit in permits if (after := release(permit, cause=cause)) is not permit]
    await store.update_permits(uow, released)
    await third_person_desk.take(uow, [], given_back=released)
    await prove_released(uow, instruments, released, said=said)


async def prove_released(
    uow: UnitOfWork, instruments: Instruments, released: Sequence[Permit], *, said: Mapping[str, str] | None = None
) -> None:
    """The leaves and events of permits that were given back. The parties are locked."""
    leaves = [
        NewLeaf(
            kind="release",
            leaf_id=event_id(),
            party_id=permit.party_id,
            occurred_at=uow.now,
            recorded_at=uow.real_now,
            public={"permit_id": str(permit.permit_id), "cause": permit.release_cause},
            committed={name: text.encode() for name, text in (said or {}).items()},
        )
        for permit in released
    ]
    await append_leaves(uow, instruments.cipher, leaves)
    for permit in released:
        uow.emit(announcements.released(permit, uow.now))

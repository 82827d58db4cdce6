"""Hindsight: what is learnt late is held against the contacts it concerns, and changes what is said of their harm."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.compliance import finding_desk
from services.compliance.domain.audited_on import keys_named
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.hindsight import Past, changes
from services.compliance.domain.holds import Hold
from services.compliance.instruments import Instruments
from services.compliance.store.audits import load_contacts_since, load_made
from services.compliance.store.dossiers import load_dossiers
from services.compliance.store.facts import load_facts_untold
from services.compliance.store.findings import load_of_contacts
from services.compliance.store.permits import load_permits
from services.compliance.store.places import load_places
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded

_FIRST: Final = UUID(int=0)


class Since(NamedTuple):
    """The contacts with a person that began at that business time or later; of those at the same, after `after`."""

    moment: datetime
    after: UUID = _FIRST


async def judge_later_contacts(
    uow: UnitOfWork, instruments: Instruments, told: Sequence[ContactRecorded]
) -> list[FindingVersion]:
    """Judge the contacts again that were made after these, which have just been told and judged in their order.

    The parties are locked.
    """
    since = [(one.party_id, Since(one.started_at, one.contact_id)) for one in told]
    return await judge_since(uow, instruments, since, just_judged={one.contact_id for one in told})


async def judge_under_holds(uow: UnitOfWork, instruments: Instruments, holds: Sequence[Hold]) -> list[FindingVersion]:
    """Judge the contacts again that were made while these holds, which are new, stood already.

    The parties are locked.
    """
    past = [(hold.party_id, Since(hold.valid_from)) for hold in holds if hold.valid_from < uow.now]
    return await judge_since(uow, instruments, past)


async def judge_since(
    uow: UnitOfWork, instruments: Instruments, since: Sequence[tuple[UUID, Since]], *,
    just_judged: Collection[UUID] = frozenset(),
) -> list[FindingVersion]:  # fmt: skip
    """Judge every contact of each party again that was made since; returns what changed. The parties are locked.

    Where nothing but what was `just_judged` was made since, nothing can change.
    """
    earliest: dict[UUID, Since] = {}
    for party_id, moment in since:
        earliest[party_id] = min(moment, earliest.get(party_id, moment))
    again = await load_contacts_since(uow, instruments.cipher, earliest, besides=just_judged)
    if not again:
        return []
    pasts = await load_pasts(uow, instruments, again)
    standing = await load_of_contacts(uow, [one.contact_id for of_party in again.values() for one in of_party])
    changed: list[FindingVersion] = []
    for party_id, of_party in again.items():
        changed += changes(
            pasts[party_id], of_party, standing, instruments.book, freshness_limit=instruments.freshness_limit
        )  # fmt: skip
    return await finding_desk.record(uow, instruments, changed)


async def load_pasts(
    uow: UnitOfWork, instruments: Instruments, again: Mapping[UUID, Sequence[ContactRecorded]]
) -> dict[UUID, Past]:
    """All on which these contacts of each party are judged again."""
    contacts = [one for of_party in again.values() for one in of_party]
    permits = await load_permits(
        uow, instruments.cipher, [one.permit_id for one in contacts if one.permit_id is not None]
    )
    made = await load_made(uow, again)
    named = keys_named(contacts, permits.values(), made=made)
    untold = await load_facts_untold(uow, instruments.cipher, again, named=named)
    dossiers = await load_dossiers(uow, instruments.cipher, again, same=untold.same, debts=untold.debts)
    places = await load_places(uow, again)
    return {
        party_id: Past(
            party=untold.facts[party_id], dossier=dossiers[party_id], places=places[party_id], made=made[party_id],
            permits=permits, sharers=untold.sharers[party_id],
        )
        for party_id in again
    }  # fmt: skip

"""Hindsight: what is learnt late is held against the contacts it concerns, and changes what is said of their harm.

A hold that turns out to have stood, or a contact that is told late, was not known when the later contacts were made:
their verdict of conduct stays, their verdict of harm is the one on the facts now known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.compliance import finding_desk
from services.compliance.domain.audit import hindsight_rules
from services.compliance.domain.findings import FindingVersion
from services.compliance.domain.hindsight import broken_now, changes
from services.compliance.domain.holds import Hold
from services.compliance.domain.places import placed
from services.compliance.instruments import Instruments
from services.compliance.store.audits import load_judged, parties_contacted_since
from services.compliance.store.dossiers import load_dossiers
from services.compliance.store.facts import load_facts_untold
from services.compliance.store.findings import load_of_contacts
from services.compliance.store.permits import load_permits
from services.compliance.store.places import load_places
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded


async def judge_later_contacts(
    uow: UnitOfWork, instruments: Instruments, told: Sequence[ContactRecorded]
) -> list[FindingVersion]:
    """Judge the contacts again that were made after these, which have just been told. The parties are locked."""
    return await judge_since(uow, instruments, [(one.party_id, one.started_at + timedelta.resolution) for one in told])


async def judge_under_holds(uow: UnitOfWork, instruments: Instruments, holds: Sequence[Hold]) -> list[FindingVersion]:
    """Judge the contacts again that were made while these holds, which are new, stood already.

    The parties are locked.
    """
    past = [(hold.party_id, hold.valid_from) for hold in holds if hold.valid_from < uow.now]
    return await judge_since(uow, instruments, past)


async def judge_since(
    uow: UnitOfWork, instruments: Instruments, since: Sequence[tuple[UUID, datetime]]
) -> list[FindingVersion]:
    """Judge every contact of each party again that began at that business time or later; returns what changed."""
    earliest: dict[UUID, datetime] = {}
    for party_id, moment in since:
        earliest[party_id] = min(moment, earliest.get(party_id, moment))
    parties = await parties_contacted_since(uow, earliest)
    if not parties:
        return []
    facts = await load_facts_untold(uow, parties, reservations=False)
    dossiers = await load_dossiers(uow, instruments.cipher, parties)
    places = await load_places(uow, parties)
    judged = await load_judged(uow, instruments.cipher, parties)
    again = [(party, one) for party in parties for one in judged.get(party, []) if one.began >= earliest[party]]
    standing = await load_of_contacts(uow, [one.contact.contact_id for _, one in again])
    permits = await load_permits(
        uow, instruments.cipher, [one.contact.permit_id for _, one in again if one.contact.permit_id is not None]
    )
    asked = hindsight_rules(instruments.book)
    changed: list[FindingVersion] = []
    for party, one in again:
        then = placed(dossiers[party].applied_to(facts[party], at=one.began), places[party], at=one.began)
        permit = None if one.contact.permit_id is None else permits.get(one.contact.permit_id)
        now = broken_now(
            one, then, judged[party], instruments.book, permit=permit, freshness_limit=instruments.freshness_limit
        )
        known = [version for version in standing.get(one.contact.contact_id, []) if version.finding.rule in asked]
        changed += changes(one.contact, now, known)
    return await finding_desk.record(uow, instruments, changed)

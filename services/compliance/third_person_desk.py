"""The desk of third persons: who may be asked where somebody lives is decided on the ledger, which nobody can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

from services.compliance.domain.budget_keys import names_of
from services.compliance.domain.facts import PartyFacts
from services.compliance.domain.permits import Permit, PermitState
from services.compliance.domain.third_persons import INQUIRY, Inquiry, Ledger, inquiry
from services.compliance.schemas.permits import ContactAsked
from services.compliance.store.budget_keys import lock_keys
from services.compliance.store.third_persons import load_ledger, note_asked, open_ledger
from shared.database import UnitOfWork
from shared.events.contact import ContactRecorded


async def opened(uow: UnitOfWork, asked: Iterable[ContactAsked]) -> date | None:
    """Since when the ledger is complete; None where nobody wants to ask a third person. Before keys are locked."""
    return await open_ledger(uow) if any(one.channel == INQUIRY for one in asked) else None


async def ledger_for(uow: UnitOfWork, known_from: date | None, asked: Iterable[ContactAsked]) -> Ledger | None:
    """The entries of those whom somebody wants to ask, after their keys were locked."""
    if known_from is None:
        return None
    named = {one.contact_point for one in asked if one.channel == INQUIRY and one.contact_point is not None}
    return await load_ledger(uow, known_from, named)


def known_of(
    asked: ContactAsked, facts: PartyFacts, ledger: Ledger | None, *, replaced: Permit | None = None
) -> PartyFacts:
    """The facts with what the ledger says of the third person asked; as they are for every other contact."""
    if ledger is None or asked.channel != INQUIRY:
        return facts
    return ledger.asked_of(
        asked.contact_point, facts, replaced=None if replaced is None else replaced.inquiry
    )  # fmt: skip


async def reconsidered(
    uow: UnitOfWork, permits: Sequence[Permit], facts: Mapping[UUID, PartyFacts]
) -> dict[UUID, PartyFacts]:
    """By permit for an inquiry: the facts with what the ledger says of its third person, but for itself."""
    asking = [permit for permit in permits if permit.third_person is not None and permit.party_id in facts]
    if not asking:
        return {}
    ledger = await load_ledger(uow, await open_ledger(uow), {one.third_person for one in asking if one.third_person})
    return {
        one.permit_id: ledger.asked_of(one.third_person, facts[one.party_id], replaced=one.inquiry) for one in asking
    }


async def take(uow: UnitOfWork, granted: Iterable[Permit], *, given_back: Iterable[Permit] = ()) -> None:
    """Count the inquiries that these permits reserve, and no longer those of permits that were given back."""
    await note_asked(
        uow,
        [one.inquiry for one in granted if one.inquiry is not None],
        given_back=[one.inquiry for one in given_back if one.inquiry is not None],
    )


async def take_again(uow: UnitOfWork, permit: Permit) -> bool:
    """Count the inquiry of a permit that was used after it had been given back; whether it is one."""
    if permit.third_person is None:
        return False
    await _lock(uow, [permit.third_person])
    await take(uow, [permit])
    return True


async def hear(uow: UnitOfWork, told: Sequence[tuple[ContactRecorded, Permit | None]]) -> bool:
    """Count the inquiries that no reservation counts, and keep refusals. `told`: with its permit as it stood before.

    Returns whether there were any: what was granted before they were heard did not see them.
    """
    asked: list[Inquiry] = []
    refused: list[Inquiry] = []
    for contact, permit in told:
        key = contact.contact_point or (None if permit is None else permit.third_person)
        if key is None:
            continue
        one = inquiry(key, contact.started_at, () if permit is None else permit.zones)
        reserved = (
            permit is not None
            and permit.third_person == key
            and permit.state in (PermitState.GRANTED, PermitState.USED)
        )
        if contact.channel == INQUIRY and not reserved:
            asked.append(one)
        if contact.third_person_refused:
            refused.append(one)
    await _lock(uow, [one.key for one in (*asked, *refused)])
    await note_asked(uow, asked, refused=refused)
    return bool(asked or refused)


async def _lock(uow: UnitOfWork, keys: Iterable[str]) -> None:
    """Whoever takes a question holds the key from before it reads the ledger until its end."""
    await lock_keys(uow, names_of({"contact_point": frozenset(keys)}))

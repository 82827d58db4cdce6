"""Facts by their owners; wishes and requests by the people themselves."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from services.compliance import dossier_desk
from services.compliance.api.surroundings import instruments_of
from services.compliance.domain.dossier import (
    DEBT_NOTICE,
    REQUEST_LASTS,
    DossierEntry,
    FactValue,
    age_limit,
    standing_of,
)
from services.compliance.domain.preferences import (
    DAY_ENDS,
    ContradictoryPreferences,
    Hours,
    Wish,
    inconvenient_of,
)
from services.compliance.domain.telling import (
    FactMisread,
    FactNotOwned,
    FactNotYet,
    FactsContradict,
    believable,
    refuse_misread,
    refuse_stranger,
)
from services.compliance.dossier_desk import NewEntry
from services.compliance.erased import PartyErased, refuse_erased
from services.compliance.restricted import PartyRestricted, refuse_restricted
from services.compliance.schemas.dossiers import (
    AvoidedTime,
    FactResult,
    FactResults,
    FactsTold,
    FactTold,
    KnownFact,
    KnownFacts,
    PreferencesKept,
    RequestKept,
    TellPreferences,
    TellRequest,
    WishTold,
)
from services.compliance.schemas.identifiers import PartyId
from services.compliance.store.dossiers import load_dossiers, value_document
from shared.database import UnitOfWork
from shared.security.callers import Caller, caller_of, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import NotAllowed
from shared.web.state import database_of

router = APIRouter(prefix="/v1", tags=["facts"])
_TELL = [Depends(scope("compliance.tell-facts"))]
_WISH = [Depends(scope("compliance.tell-preferences"))]
_REQUEST = [Depends(scope("compliance.tell-request"))]
_READ = [Depends(scope("compliance.read"))]


@router.post(
    "/facts",
    response_model=FactResults,
    dependencies=_TELL,
    responses=problem_responses(PartyErased, FactNotOwned, FactNotYet, FactMisread, FactsContradict),
    summary="Tell facts that the caller owns",
)
async def tell_facts(request: Request, body: FactsTold) -> Response:
    """Facts count only from the service or system that owns them; nobody's word about another's fact is kept.

    Told again, a fact is known. A later `as_of` supersedes, the same one corrects; what stood before stays readable to
    the audit. Tasks that waited for a fact close; permits that it forbids are revoked at once.
    """
    instruments, caller = instruments_of(request), caller_of(request)
    for item in body.items:
        refuse_stranger(item.fact, caller.client_id)
        refuse_misread(item.fact, _value(item))

    async def tell(uow: UnitOfWork) -> FactResults:
        await refuse_erased(uow, instruments.cipher, [item.party_id for item in body.items])
        new = [
            NewEntry(
                party_id=item.party_id, name=item.fact, value=_named(item),
                as_of=believable(item.as_of, now=uow.now), owner=caller.client_id, reference=item.reference,
            )
            for item in body.items
        ]  # fmt: skip
        told = await dossier_desk.tell(uow, instruments, new, told_by=caller.subject)
        return FactResults(
            items=[
                FactResult(party_id=item.party_id, fact=item.fact, status="recorded" if is_new else "known")
                for item, is_new in zip(body.items, told, strict=True)
            ]
        )

    return await command(request, body=body, parties={item.party_id for item in body.items}, handler=tell)


@router.get(
    "/facts", dependencies=_READ, responses=problem_responses(PartyRestricted), summary="What stands of a person"
)
async def read_facts(request: Request, party_id: Annotated[PartyId, Query(description="The party.")]) -> KnownFacts:
    """What owners and the person told, as it stands now: at most one entry per fact, wishes and requests apart."""
    async with database_of(request).read_only() as uow:
        await refuse_restricted(uow, instruments_of(request).book, party_id, "fact")
        dossier = (await load_dossiers(uow, instruments_of(request).cipher, [party_id]))[party_id]
        standing = standing_of(dossier.entries, at=uow.now)
    found = []
    for name, entry in sorted(standing.items()):
        if name not in ("preferences", "customer_request"):
            limit = age_limit(name)
            found.append(
                KnownFact.model_validate(
                    {
                        "fact": name,
                        **_shown(entry),
                        "as_of": entry.as_of,
                        "until": None if limit is None else entry.as_of + limit,
                        "owner": entry.owner,
                        "reference": entry.reference,
                    }
                )
            )
    return KnownFacts(items=found)


@router.post(
    "/preferences",
    response_model=PreferencesKept,
    dependencies=_WISH,
    responses=problem_responses(PartyErased, NotAllowed, ContradictoryPreferences, FactNotYet, FactsContradict),
    summary="Say when a person wants to be contacted",
)
async def tell_preferences(request: Request, body: TellPreferences) -> Response:
    """All wishes of the person, in the place of those before; none: asked, and minds nothing.

    Wishes that contradict each other, or that leave no lawful time on a channel that stays open, are refused. Permits
    at a time that is now avoided are revoked at once.
    """
    instruments, caller = instruments_of(request), caller_of(request)
    _only_for_oneself(caller, body.party_id)
    avoided = inconvenient_of([_wish(one) for one in body.wishes])

    async def tell(uow: UnitOfWork) -> PreferencesKept:
        await refuse_erased(uow, instruments.cipher, [body.party_id])
        await dossier_desk.refuse_what_leaves_nothing(uow, instruments, body.party_id, avoided)
        new = NewEntry(
            party_id=body.party_id, name="preferences", value=avoided, as_of=believable(body.told_at, now=uow.now),
            owner="person", reference=body.reference,
        )  # fmt: skip
        (is_new,) = await dossier_desk.tell(uow, instruments, [new], told_by=caller.subject)
        return PreferencesKept(
            party_id=body.party_id,
            status="recorded" if is_new else "known",
            avoided=[AvoidedTime(channels=sorted(one.channels), opens=one.opens, closes=one.closes) for one in avoided],
        )

    return await command(request, body=body, parties=[body.party_id], handler=tell)


@router.post(
    "/customer-requests",
    response_model=RequestKept,
    dependencies=_REQUEST,
    responses=problem_responses(PartyErased, NotAllowed, FactNotYet, FactsContradict),
    summary="A customer asks to be contacted",
)
async def tell_request(request: Request, body: TellRequest) -> Response:
    """The person's own recorded request; collectors cannot make it. It covers one contact within 7 days.

    Contacts of the purpose `customer_requested` rest on it. It never passes a death, insolvency, a minor or safety.
    """
    instruments, caller = instruments_of(request), caller_of(request)
    _only_for_oneself(caller, body.party_id)

    async def tell(uow: UnitOfWork) -> RequestKept:
        await refuse_erased(uow, instruments.cipher, [body.party_id])
        as_of = believable(body.requested_at, now=uow.now)
        new = NewEntry(
            party_id=body.party_id, name="customer_request", value=frozenset(body.channels), as_of=as_of,
            owner="person", reference=body.reference,
        )  # fmt: skip
        (is_new,) = await dossier_desk.tell(uow, instruments, [new], told_by=caller.subject)
        return RequestKept(
            party_id=body.party_id, status="recorded" if is_new else "known", until=as_of + REQUEST_LASTS
        )

    return await command(request, body=body, parties=[body.party_id], handler=tell)


def _only_for_oneself(caller: Caller, party_id: PartyId) -> None:
    """A person's token speaks for that person only."""
    own = caller.attributes.get("party_id")
    if own is not None and own != str(party_id):
        raise NotAllowed("the token speaks for another person")


def _value(item: FactTold) -> FactValue:
    return tuple(item.value) if isinstance(item.value, list) else item.value


def _named(item: FactTold) -> FactValue:
    """The value as it is kept: of a notice that names debts, their ids."""
    return _value(item) if item.debt_ids is None else tuple(sorted(map(str, item.debt_ids)))


def _shown(entry: DossierEntry) -> dict[str, object]:
    value = value_document(entry)
    names_debts = entry.name == DEBT_NOTICE and isinstance(entry.value, tuple)
    return {"value": True, "debt_ids": value} if names_debts else {"value": value}


def _wish(told: WishTold) -> Wish:
    hours = None
    if told.opens is not None and told.closes is not None:
        hours = Hours(told.opens, DAY_ENDS if told.closes == time(0) else told.closes)
    return Wish(wish=told.wish, channels=frozenset(told.channels), hours=hours)

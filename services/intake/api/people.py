"""Personal data under purpose. Whoever reads, and why, is recorded in the same transaction as the reading."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from services.intake.domain.masking import masked_name, masked_value
from services.intake.schemas import (
    ContactCard,
    ContactLine,
    FoundParties,
    MobileSearch,
    PointAnswer,
    PointAnswers,
    PointQuestion,
)
from services.intake.store import cards
from shared.database import Database
from shared.events.contact import Purpose
from shared.security.callers import Caller, scope
from shared.security.party_keys import PartyCipher
from shared.web.openapi import QUESTION, problem_responses
from shared.web.problems import NotFound

_Reader = Annotated[Caller, Depends(scope("intake.read-contact-card"))]


def people_router(database: Database, cipher: PartyCipher) -> APIRouter:
    """Contact cards, points and the search by number."""
    router = APIRouter(prefix="/v1/parties", tags=["people"])

    @router.get("/{party_id}/contact-card", summary="Name and contact points", responses=problem_responses(NotFound))
    async def read_contact_card(
        party_id: Annotated[UUID, Path(description="The party.")],
        purpose: Annotated[Purpose, Query(description="Why it is read.")],
        caller: _Reader,
        permit_id: Annotated[UUID | None, Query(description="The permit for the contact.")] = None,
    ) -> ContactCard:
        """In clear only under a permit of this party that compliance granted and that stands; else masked."""
        async with database.unit_of_work() as uow:
            card = (await cards.load(uow, cipher, [party_id])).get(party_id)
            if card is None:
                raise NotFound("no contact data of this party")
            clear = permit_id is not None and await cards.permit_stands(uow, party_id, permit_id, at=uow.now)
            await cards.record_reading(
                uow,
                [party_id],
                caller=caller.identity,
                purpose=purpose,
                permit_id=permit_id,
                what="card" if clear else "masked_card",
            )
            return _shown(party_id, card, clear=clear)

    @router.post("/points", summary="Exact homes for routing", openapi_extra=QUESTION)
    async def read_points(body: PointQuestion, caller: _Reader) -> PointAnswers:
        """Exact positions for the router; topics carry only 500 m cells."""
        ids = [item.party_id for item in body.items]
        async with database.unit_of_work() as uow:
            found = await cards.load(uow, cipher, ids)
            await cards.record_reading(uow, list(found), caller=caller.identity, purpose=body.purpose, what="point")
        answers = [PointAnswer(party_id=each, point=found[each].home if each in found else None) for each in ids]
        return PointAnswers(items=answers)

    @router.post("/search", summary="Find a person by number", openapi_extra=QUESTION)
    async def search_party(body: MobileSearch, caller: _Reader) -> FoundParties:
        """Exact search by blind index; the number itself is stored sealed only."""
        async with database.unit_of_work() as uow:
            found = await cards.find_by_mobile(uow, cipher, body.mobile)
            await cards.record_reading(uow, found, caller=caller.identity, purpose=body.purpose, what="search")
        return FoundParties(party_ids=found)

    return router


def _shown(party_id: UUID, card: cards.Card, *, clear: bool) -> ContactCard:
    lines = [
        ContactLine(
            kind=contact.kind,
            value=contact.value if clear else masked_value(contact.kind, contact.value),
            source=contact.source,
            point=contact.point if clear else None,
        )
        for contact in card.contacts
    ]
    return ContactCard(
        party_id=party_id, masked=not clear, name=card.name if clear else masked_name(card.name), contacts=lines
    )

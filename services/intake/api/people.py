"""Personal data under purpose. Whoever reads, and why, is recorded in the same transaction as the reading."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from services.intake import card_desk
from services.intake.card_desk import OpenedCard, SearchedTooMuchError, Wanted
from services.intake.domain.card_use import CITATION, RULE, CardPurpose, Refusal, RequestPurpose
from services.intake.people_schemas import (
    ContactCard,
    FoundParties,
    PersonSearch,
    PointAnswer,
    PointAnswers,
    PointQuestion,
)
from services.intake.people_views import found_of, shown
from shared.database import Database
from shared.security.callers import Caller, scope
from shared.security.party_keys import PartyCipher
from shared.web.openapi import QUESTION, problem_responses
from shared.web.problems import KnownProblem, NotFound

PartyPath = Annotated[UUID, Path(description="The party.")]
_Reader = Annotated[Caller, Depends(scope("intake.read-contact-card"))]
_Answering = Annotated[Caller, Depends(scope("intake.answer-person"))]
_Searcher = Annotated[Caller, Depends(scope("intake.search-person"))]


class CardRefused(KnownProblem):
    """No permit of this person stands for that channel now. `reason`, `rule` and `citation` say why; `earliest_lawful`
    from when the same permit opens the card, if that is known."""

    kind, status, title = "card-refused", 403, "The contact card stays shut"


class SearchedTooMuch(KnownProblem):
    """The caller has searched as often as one may in a minute; `Retry-After` says how long to wait."""

    kind, status, title = "searched-too-much", 429, "Too many searches"


def people_router(database: Database, cipher: PartyCipher) -> APIRouter:
    """Contact cards, points and the search."""
    router = APIRouter(prefix="/v1/parties", tags=["people"])

    @router.get(
        "/{party_id}/contact-card",
        summary="Name and contact points",
        responses=problem_responses(NotFound, CardRefused),
    )
    async def read_contact_card(
        party_id: PartyPath,
        purpose: Annotated[CardPurpose, Query(description="What it is read for; it decides which fields are shown.")],
        caller: _Reader,
        permit_id: Annotated[
            UUID | None, Query(description="The permit for the contact; only `recognition` needs none.")
        ] = None,
    ) -> ContactCard:
        """The fields that the purpose needs in clear, the others masked.

        To reach the person needs a permit that compliance granted for this person and channel, inside its window.
        """
        async with database.unit_of_work() as uow:
            opened = await card_desk.open_card(
                uow, cipher, party_id, caller=caller, purpose=purpose, permit_id=permit_id
            )
        return _answer(party_id, opened)

    @router.get(
        "/{party_id}/contact-card/for-request",
        summary="Data for the person's own request",
        responses=problem_responses(NotFound),
    )
    async def read_card_for_request(
        party_id: PartyPath,
        purpose: Annotated[RequestPurpose, Query(description="What the person has asked for.")],
        caller: _Answering,
    ) -> ContactCard:
        """What answering the person needs, in clear. It reaches nobody, so it needs no permit."""
        async with database.unit_of_work() as uow:
            opened = await card_desk.open_card(uow, cipher, party_id, caller=caller, purpose=purpose)
        return _answer(party_id, opened)

    @router.post("/points", summary="Exact homes for routing", openapi_extra=QUESTION)
    async def read_points(body: PointQuestion, caller: _Reader) -> PointAnswers:
        """Exact positions for the router; topics carry only 500 m cells."""
        ids = [item.party_id for item in body.items]
        async with database.unit_of_work() as uow:
            found = await card_desk.read_homes(uow, cipher, ids, caller=caller, purpose=body.purpose)
        answers = [PointAnswer(party_id=each, point=found[each].home if each in found else None) for each in ids]
        return PointAnswers(items=answers)

    _add_search(router, database, cipher)
    return router


def _add_search(router: APIRouter, database: Database, cipher: PartyCipher) -> None:
    @router.post(
        "/search", summary="Find a person", openapi_extra=QUESTION, responses=problem_responses(SearchedTooMuch)
    )
    async def search_party(body: PersonSearch, caller: _Searcher) -> FoundParties:
        """Exact search by blind index; what is found stays masked. 30 searches a minute and caller."""
        wanted = Wanted(
            mobile=body.mobile,
            name=None if body.name is None or body.born_on is None else (body.name, body.born_on),
            reference=None if body.core is None or body.party_ref is None else (body.core, body.party_ref),
        )
        try:
            async with database.unit_of_work() as uow:
                found = await card_desk.search(
                    uow, cipher, wanted, caller=caller, purpose=body.purpose, limit=body.limit
                )
        except SearchedTooMuchError as error:
            raise SearchedTooMuch(retry_after_seconds=error.wait_seconds) from error
        return FoundParties(party_ids=list(found), items=[found_of(*each) for each in found.items()])


def _answer(party_id: UUID, opened: OpenedCard | Refusal | None) -> ContactCard:
    match opened:
        case None:
            raise NotFound("no contact data of this party")
        case Refusal():
            raise CardRefused(
                opened.detail,
                reason=opened.reason,
                rule=RULE,
                citation=CITATION,
                earliest_lawful=None if opened.earliest is None else opened.earliest.isoformat(),
            )
        case OpenedCard():
            return shown(party_id, opened)

"""Routes for customers: answer an offer, ask to stop, see who is at the door; and the gateway that carries the
offers.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from services.visits import wording
from services.visits.api.access import VisitId, find_visit, link_secret_of, load_visit
from services.visits.domain import appointment, traces
from services.visits.domain.customer_link import (
    DOOR_CODE_LENGTH,
    CustomerLink,
    LinkExpired,
    LinkRefused,
    make_link,
    normal_code,
    read_link,
)
from services.visits.domain.recall import refuse_by_customer, stop_by_customer
from services.visits.domain.visit import Change, State, Visit, WrongVisitState
from services.visits.schemas import (
    AnswerOffer,
    CameView,
    DoorView,
    LinkView,
    OfferView,
    PersonAtTheDoor,
    RequestStop,
    SomeoneCame,
    VisitView,
)
from services.visits.settings import VisitSettings
from services.visits.store import facts as fact_store
from services.visits.store import reports
from services.visits.store import visits as visit_store
from shared.database import UnitOfWork
from shared.security.callers import Caller, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.pages import Page, PageRequest, page_request
from shared.web.problems import NotFound
from shared.web.state import database_of

router = APIRouter(tags=["customer"])
# Crews are early or late; outside this margin the answer is that nobody is expected.
_DOOR_MARGIN: Final = timedelta(hours=1)


@router.get("/v1/offers", summary="Messages handed to the gateway")
async def list_offers(
    request: Request,
    page: Annotated[PageRequest, Depends(page_request)],
    _: Annotated[Caller, Depends(scope("visits.carry-messages"))],
) -> Page[OfferView]:
    """The message gateway port: offers in the order in which they were handed over. The gateway polls with the last
    cursor.
    """
    async with database_of(request).read_only() as uow:
        sent = await reports.list_offers(uow, after=page.after("offers", datetime, UUID), limit=page.limit)
    return page.page(
        sent,
        list_name="offers",
        key=lambda offer: (offer.handed_real, offer.message_id),
        item=lambda offer: _offer_view(request, offer),
    )


@router.post(
    "/v1/visits/{visit_id}/answer",
    summary="The customer's answer",
    response_model=VisitView,
    responses=problem_responses(NotFound, LinkRefused, LinkExpired, WrongVisitState),
)
async def answer_offer(
    visit_id: VisitId,
    body: AnswerOffer,
    request: Request,
    _: Annotated[Caller, Depends(scope("visits.answer-offer"))],
) -> Response:
    """Agree, decline, ask for another time, or ask to stop.

    The link binds the answer to the visit. Declining is possible until the crew is at the door; a request to stop is
    accepted in every state and after the link's time.
    """
    link = _genuine(body.link_token, visit_id, secret=link_secret_of(request))
    visit = await find_visit(request, visit_id)

    async def handle(uow: UnitOfWork) -> VisitView:
        if body.answer in {"agree", "move"} and uow.now > link.expires_at:
            raise LinkExpired()
        change = _answered(await load_visit(uow, visit_id), body, uow)
        await visit_store.save_changes(uow, [change])
        return VisitView.of(change.visit)

    return await command(request, body=body, parties=[visit.party_id], handler=handle)


@router.post(
    "/v1/visits/{visit_id}/stop-request",
    summary="Pass on a request to stop",
    response_model=VisitView,
    responses=problem_responses(NotFound),
)
async def pass_on_stop(
    visit_id: VisitId,
    body: RequestStop,
    request: Request,
    _: Annotated[Caller, Depends(scope("visits.request-stop"))],
) -> Response:
    """The customer asked, at the door or in the portal, that contact stops. Always accepted, in every state."""
    visit = await find_visit(request, visit_id)

    async def handle(uow: UnitOfWork) -> VisitView:
        heard_at = min(body.heard_at or uow.now, uow.now)
        change = stop_by_customer(await load_visit(uow, visit_id), now=heard_at, real_now=uow.real_now)
        await visit_store.save_changes(uow, [change])
        return VisitView.of(change.visit)

    return await command(request, body=body, parties=[visit.party_id], handler=handle)


@router.post(
    "/v1/visits/{visit_id}/someone-came",
    summary="Somebody came",
    response_model=CameView,
    responses=problem_responses(NotFound, LinkRefused),
)
async def tell_someone_came(
    visit_id: VisitId,
    body: SomeoneCame,
    request: Request,
    _: Annotated[Caller, Depends(scope("visits.answer-offer"))],
) -> Response:
    """The customer says that somebody was at the door. Always accepted, in every state and after the link's time.

    It is told to compliance, which holds it against the crews' reports: a visit that nobody reported is a finding.
    """
    _genuine(body.link_token, visit_id, secret=link_secret_of(request))
    visit = await find_visit(request, visit_id)

    async def handle(uow: UnitOfWork) -> CameView:
        came_at = min(body.came_at or uow.now, uow.now)
        uow.intend(traces.came(visit, came_at=came_at, real_now=uow.real_now))
        return CameView(visit_id=visit_id, came_at=came_at)

    return await command(request, body=body, parties=[visit.party_id], handler=handle)


@router.get(
    "/v1/links/{link_token}",
    summary="What the link shows",
    responses=problem_responses(NotFound, LinkRefused),
)
async def show_link(
    link_token: Annotated[str, Path(min_length=16, max_length=128, description="Token of the customer's link.")],
    request: Request,
    _: Annotated[Caller, Depends(scope("visits.answer-offer"))],
) -> LinkView:
    """The visit as the customer may see it, also after it was called off: this is how a customer learns of a recall."""
    link = read_link(link_token, secret=link_secret_of(request))
    database = database_of(request)
    async with database.read_only() as uow:
        visit = await load_visit(uow, link.visit_id)
        language = (await fact_store.load_facts(uow, [visit.party_id]))[visit.party_id].language
        open_offer = visit.state is State.OFFERED and appointment.answer_in_time(visit, now=uow.now)
    return LinkView(
        visit_id=visit.visit_id,
        state=visit.state,
        bank=_settings(request).bank_name,
        window=visit.window,
        answer_by=visit.answer_by,
        can_answer=open_offer,
        rights=wording.rights(language),
    )


@router.get("/v1/door/{code}", summary="Who is at my door?", responses=problem_responses(NotFound))
async def who_is_at_the_door(
    code: Annotated[str, Path(min_length=DOOR_CODE_LENGTH, max_length=16, description="Code that the crew shows.")],
    request: Request,
    _: Annotated[Caller, Depends(scope("visits.read-door"))],
) -> DoorView:
    """The crew, the bank, the window and the right to refuse. Never the debt, nor whom the visit is for.

    That somebody looked is told to compliance, which holds it against the crew's report.
    """
    async with database_of(request).read_only() as uow:
        visit = await reports.load_visit_at_door(uow, normal_code(code))
        if visit is None:
            raise NotFound("nobody of ours shows this code now: do not open")
        members = visit.crew_present or visit.crew
        people = await reports.load_collectors(uow, members)
        language = (await fact_store.load_facts(uow, [visit.party_id]))[visit.party_id].language
        due = visit.window_start - _DOOR_MARGIN <= uow.now < visit.window_end + _DOOR_MARGIN
    async with database_of(request).unit_of_work() as uow:
        uow.intend(traces.looked_up(visit, now=uow.now, real_now=uow.real_now))
    return DoorView(
        bank=_settings(request).bank_name,
        people=[
            PersonAtTheDoor(badge=_badge(member), name=name, photo_ref=photo_ref)
            for member in members
            for name, photo_ref in [people.get(member, (None, None))]
        ],
        window=visit.window,
        expected_now=due,
        rights=wording.rights(language),
    )


def _answered(visit: Visit, body: AnswerOffer, uow: UnitOfWork) -> Change:
    if body.answer == "stop":
        return stop_by_customer(visit, now=uow.now, real_now=uow.real_now)
    if body.answer == "decline":
        return refuse_by_customer(visit, now=uow.now, real_now=uow.real_now)
    if body.answer == "move" and body.wished is not None:
        return appointment.move(visit, wished=body.wished, now=uow.now)
    return appointment.agree(visit, now=uow.now)


def _genuine(token: str, visit_id: UUID, *, secret: bytes) -> CustomerLink:
    link = read_link(token, secret=secret)
    if link.visit_id != visit_id:
        raise LinkRefused("the link belongs to another visit")
    return link


def _offer_view(request: Request, offer: reports.SentOffer) -> OfferView:
    visit, settings = offer.visit, _settings(request)
    token = make_link(visit.visit_id, expires_at=visit.answer_by, secret=link_secret_of(request))
    return OfferView(
        message_id=offer.message_id,
        visit_id=visit.visit_id,
        party_id=visit.party_id,
        channel="sms",
        language=wording.known_language(offer.language),
        text=wording.offer_text(
            visit,
            bank=settings.bank_name,
            link=settings.link_base_url + token,
            language=offer.language,
            time_zones=offer.time_zones,
        ),
        link_token=token,
        window=visit.window,
        answer_by=visit.answer_by,
        handed_at=offer.handed_at,
        state=visit.state,
    )


def _settings(request: Request) -> VisitSettings:
    return cast(VisitSettings, request.app.state.visit_settings)


def _badge(collector_id: UUID) -> str:
    """The last eight digits of the id, as they are printed on the badge."""
    return collector_id.hex[-8:].upper()

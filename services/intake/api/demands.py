"""What may be demanded of guarantors: recorded by a named person on a document, dated, revocable."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from services.intake import demand_desk
from services.intake.demand_desk import DemandNotBegun, GuaranteedLoan, NotAGuarantor
from services.intake.domain.standing import Demand
from services.intake.folding import Folding
from shared.database import UnitOfWork
from shared.events.base import Reference
from shared.moments import Moment
from shared.security.callers import Caller, scope
from shared.web.commands import command
from shared.web.openapi import problem_responses
from shared.web.problems import NotFound

_Named = Annotated[Caller, Depends(scope("intake.record-demand"))]
PartyPath = Annotated[UUID, Path(description="The guarantor.")]


class _OnLoan(BaseModel):
    core: Reference = Field(description="The core that the loan is kept in.", examples=["core-a"])
    loan_ref: Reference = Field(description="The core's loan reference.", examples=["L-000042"])
    document_reference: Reference = Field(description="The document that proves it.", examples=["D-000012"])


class NewDemand(_OnLoan):
    """The right to demand payment of a guarantor."""

    demanded_on: date = Field(description="First day of the demand.", examples=["2026-03-10"])


class DemandRevocation(_OnLoan):
    """Nothing is demanded any more."""


class DemandRight(_OnLoan):
    """The right as it stands."""

    party_id: UUID = Field(description="The guarantor.")
    demanded_on: date = Field(description="First day of the demand.")
    recorded_by: str = Field(description="Who recorded it.")
    recorded_at: Moment = Field(description="Real time of the record.")
    revoked_at: Moment | None = Field(description="Real time from which it no longer stands; null: it stands.")


def demands_router(folding: Folding) -> APIRouter:
    """`POST /v1/parties/{party_id}/demand-rights` and `…/revoke`."""
    router = APIRouter(prefix="/v1/parties", tags=["people"])
    answers = problem_responses(NotFound, NotAGuarantor, DemandNotBegun)

    @router.post(
        "/{party_id}/demand-rights", response_model=DemandRight, summary="Demand payment of a guarantor",
        responses=answers,
    )  # fmt: skip
    async def record_demand(party_id: PartyPath, body: NewDemand, request: Request, caller: _Named) -> Response:
        """From then on the loan is part of the guarantor's own case, which opens if it is past due."""

        async def handle(uow: UnitOfWork) -> DemandRight:
            demand = Demand(body.demanded_on, body.document_reference, caller.identity, uow.real_now)
            place = GuaranteedLoan(party_id, body.core, body.loan_ref)
            return _shown(place, await demand_desk.record(uow, folding, place, demand))

        return await command(request, body=body, parties=[party_id], handler=handle)

    @router.post(
        "/{party_id}/demand-rights/revoke", response_model=DemandRight, summary="Demand nothing any more",
        responses=answers,
    )  # fmt: skip
    async def revoke_demand(party_id: PartyPath, body: DemandRevocation, request: Request, _: _Named) -> Response:
        """The loan leaves the guarantor's case, and planned contact is recalled."""

        async def handle(uow: UnitOfWork) -> DemandRight:
            place = GuaranteedLoan(party_id, body.core, body.loan_ref)
            return _shown(place, await demand_desk.revoke(uow, folding, place))

        return await command(request, body=body, parties=[party_id], handler=handle)

    return router


def _shown(place: GuaranteedLoan, demand: Demand) -> DemandRight:
    return DemandRight(
        core=place.core, loan_ref=place.loan_ref, document_reference=demand.document_reference,
        party_id=place.party_id, demanded_on=demand.demanded_on, recorded_by=demand.recorded_by,
        recorded_at=demand.recorded_at, revoked_at=demand.revoked_at,
    )  # fmt: skip
